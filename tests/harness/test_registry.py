"""Methods and tasks by name: the tables, and packages of others that are as they should be, or not."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from rich.console import Console

from harness import registry
from harness.cli.planning import print_plan
from harness.cli.showing import print_list, print_one
from harness.config import TaskSettings, to_toml
from harness.errors import UserError
from harness.registry import Broken, Known, method, methods, tasks
from harness.registry import methods_named as methods_of
from harness.types import QUESTIONS, Entry
from methods import METHODS
from methods.baselines import Size
from tasks import TASKS
from tests.harness.small_runs import THIRD_PARTY, finished, tiny_suite

pytestmark = THIRD_PARTY

GOOD = """
from dataclasses import dataclass
import numpy as np
from dataworth import Additive, Budget

@dataclass(frozen=True)
class Doubled(Additive):
    '''Twice the number of examples.'''
    factor: int = 2
    source = "Nobody (2020)"

    def budget(self, contributors, examples):
        return Budget(retrainings=contributors, fits=1)

    def example_values(self, problem):
        return np.full((1, len(problem.train)), float(self.factor))
"""
WEATHER = """
from tests.tiny import tiny_task

def weather():
    return tiny_task(name="weather")

def other_name():
    return tiny_task(name="climate")

def no_task():
    return "sunny"
"""

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Puts a distribution on the path, as pip would: its metadata, its entry points and one module."""
    place = tmp_path / "site-packages"
    place.mkdir()
    before = set(sys.modules)

    def add(package: str, code: str | None, **groups: Mapping[str, str]) -> None:
        info = place / f"{package}-1.5.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.5\n", encoding="utf-8")
        lines = [
            line
            for group, points in groups.items()
            for line in (f"[dataworth.{group}]", *(f"{name} = {where}" for name, where in points.items()))
        ]
        (info / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        if code is not None:
            (place / f"{package}.py").write_text(code, encoding="utf-8")
        monkeypatch.syspath_prepend(str(place))

    yield add
    for name in set(sys.modules) - before:
        if str(place) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def said(printer: Callable[..., None], *given: object) -> str:
    """What is printed, on wide paper."""
    out = io.StringIO()
    printer(Console(file=out, width=400), *given)
    return out.getvalue()


def line_of(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if line.split()[:1] == [name])


# --- the tables -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS)
def test_the_table_says_of_a_method_what_its_docstring_says(name: str) -> None:
    made = method(name)
    assert not isinstance(made, Broken), made.reason
    assert METHODS[name].summary == made.summary


@pytest.mark.parametrize("name", TASKS)
def test_the_table_says_of_a_task_what_the_task_says(name: str) -> None:
    made = registry.task(name, "embedded", TaskSettings(), None)
    assert (made.name, made.summary) == (name, TASKS[name].summary)


def test_nothing_but_the_tables_is_there_where_nobody_registers() -> None:
    assert methods() == {name: Known(entry) for name, entry in METHODS.items()}
    assert tasks() == {name: Known(entry) for name, entry in TASKS.items()}


def test_a_method_of_our_own_that_does_not_load_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("methods.METHODS", {"mine": Entry("methods.mine:Mine", "Mine.")})
    made = method("mine")
    assert isinstance(made, Broken)
    assert made.reason == (
        "The method mine (methods.mine:Mine) does not load: ModuleNotFoundError: No module named 'methods.mine'. "
        "Mend it, or take it out of the table."
    )


# --- methods of others ----------------------------------------------------------------------------------


def test_a_package_s_method_is_listed_unimported_and_gets_its_rows(install: Install, tmp_path: Path) -> None:
    install("nice_values", GOOD, methods={"doubled": "nice_values:Doubled [fast]"})
    assert "nice_values:Doubled of nice_values 1.5" in line_of(said(print_list), "doubled")
    assert "nice_values" not in sys.modules
    run = finished(tmp_path / "run", methods=methods_of(["doubled", "size"]))
    assert run.failures == []
    assert run.results.runs[run.run_name].provenance["methods"] == {"doubled": "nice_values 1.5"}
    for question in QUESTIONS:
        ours, theirs = (run.results.valuations["tiny", 0, question, name].values for name in ("size", "doubled"))
        assert theirs == tuple(tuple(2 * value for value in row) for row in ours)


def test_a_package_s_method_is_shown_and_counted(install: Install, tmp_path: Path) -> None:
    install("nice_values", GOOD, methods={"doubled": "nice_values:Doubled"})
    shown = said(print_one, "doubled", None)
    for text in (
        "Twice the number of examples.",
        "Nobody (2020)",
        "  factor    not told. Takes a whole number; by default 2.",
        "nice_values 1.5",
        "additive",
    ):
        assert text in shown
    path = tmp_path / "suite.toml"
    path.write_text(to_toml(tiny_suite(["tiny-image-label"], ["doubled", "tracin"], pools=2)), encoding="utf-8")
    plan = said(print_plan, str(path), None, None)
    assert line_of(plan, "all").split()[-3] == "54"  # 2 pools x (3 fits, of which both share one, and 24 retrainings)
    assert "on seeds of their own: doubled 24." in plan


BROKEN = {
    "gone": (None, "broken:Gone", "ModuleNotFoundError: No module named 'broken'"),
    "needs-more": ("import not_installed_at_all", "broken:A", "No module named 'not_installed_at_all'"),
    "raises": ("raise RuntimeError('no licence')", "broken:A", "RuntimeError: no licence"),
    "exits": ("import sys; sys.exit('bye')", "broken:A", "SystemExit: bye"),
    "typo": ("def f(:", "broken:A", "SyntaxError: invalid syntax"),
    "no-attribute": ("", "broken:A", "AttributeError: module 'broken' has no attribute 'A'"),
    "no-object": ("", "broken", "AttributeError: module 'broken' has no attribute ''"),
    "no-method": ("A = dict", "broken:A", "it gives a dict; a SetFunction, Additive or Retraining was expected"),
    "not-callable": ("A = 3", "broken:A", "TypeError: 'int' object is not callable"),
    "abstract": ("from dataworth import Additive as A", "broken:A", "TypeError: Can't instantiate abstract class"),
    "family": (GOOD.replace("source =", "family = 'mine'; source ="), "broken:Doubled", "its family is 'mine'; one of"),
    "panic": ("class Panic(BaseException): ...\nraise Panic('rust')", "broken:A", "Panic: rust"),
    "budget": (GOOD.replace("Budget(", "dict("), "broken:Doubled", "its budget is no Budget"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_method_that_does_not_load_says_why_and_whose_it_is(install: Install, kind: str) -> None:
    code, where, reason = BROKEN[kind]
    install("broken", code, methods={"theirs": where})
    made = method("theirs")
    assert isinstance(made, Broken)
    assert made.reason.startswith(f"The method theirs ({where} of broken 1.5) does not load: ")
    assert reason in made.reason
    assert made.reason.endswith("Mend or remove broken 1.5.")


def test_a_method_that_does_not_load_is_failed_rows_and_others_have_theirs(install: Install, tmp_path: Path) -> None:
    install("broken", "raise RuntimeError('no licence')", methods={"theirs": "broken:A"})
    run = finished(tmp_path / "run", methods=methods_of(["theirs", "size"]), pools=2)
    assert len(run.failures) == len(QUESTIONS) * 2
    for (_, _, _, name), record in run.results.valuations.items():
        assert record.status == ("failed" if name == "theirs" else "ok")
        assert ("RuntimeError: no licence" in record.reason) == (name == "theirs")
    with (tmp_path / "run" / "leaderboard.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["method"] == "theirs"]
    assert [row["question"] for row in rows] == list(QUESTIONS)
    assert all(row["status"] == "failed" and "no licence" in row["reason"] for row in rows)


def test_what_does_not_load_is_marked_where_it_is_told(install: Install, tmp_path: Path) -> None:
    install("broken", None, methods={"theirs": "broken:A"})
    install("raising", "raise RuntimeError('no licence')", methods={"licensed": "raising:A"})
    listed = said(print_list)
    assert "[does not load: no such module]" in line_of(listed, "theirs")
    assert "does not load" not in line_of(listed, "licensed")  # nothing is imported for a list
    assert "no licence" in said(print_one, "licensed", None)
    path = tmp_path / "suite.toml"
    path.write_text(to_toml(tiny_suite(["tiny-image-label"], ["size", "licensed"])), encoding="utf-8")
    assert "Not counted, and failed when it is run: The method licensed" in said(print_plan, str(path), None, None)


def test_a_name_that_is_taken_stays_with_its_first_owner_and_the_list_says_so(install: Install) -> None:
    install("a_grab", GOOD, methods={"size": "a_grab:Doubled", "doubled": "a_grab:Doubled"})
    install("b_grab", GOOD, methods={"doubled": "b_grab:Doubled"}, tasks={"reasoning": "b_grab:Doubled"})
    assert type(method("size")) is Size
    assert type(method("doubled")).__module__ == "a_grab"
    listed = said(print_list)
    assert "[a_grab 1.5 registers the same name and is ignored]" in line_of(listed, "size")
    assert "[b_grab 1.5 registers the same name and is ignored]" in line_of(listed, "doubled")
    assert "[b_grab 1.5 registers the same name and is ignored]" in line_of(listed, "reasoning")
    assert "a_grab 1.5" in said(print_one, "size", None)
    assert "b_grab" not in sys.modules


def test_an_unknown_name_is_answered_with_those_of_packages_too(install: Install) -> None:
    install("nice_values", GOOD, methods={"doubled": "nice_values:Doubled"})
    with pytest.raises(UserError, match=r"No method is called 'dubled'. Did you mean doubled"):
        method("dubled")


def test_rewording_a_source_or_a_cost_changes_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"methods": ["size"], "questions": ["standalone"]}
    before, shown = finished(tmp_path / "run", **asked), repr(Size())
    monkeypatch.setattr(Size, "source", "as everybody knows")
    monkeypatch.setattr(Size, "passes", "nearly nothing")
    assert repr(Size()) == shown
    monkeypatch.setattr(Size, "example_values", None)  # a kept answer is not computed again
    after = finished(tmp_path / "run", **asked)
    assert after.failures == []
    assert after.results.valuations == before.results.valuations


# --- tasks of others ------------------------------------------------------------------------------------


def test_a_package_s_task_is_run_with_its_own_settings(install: Install, tmp_path: Path) -> None:
    install("climate", WEATHER, tasks={"weather": "climate:weather"})
    assert "climate:weather of climate 1.5" in line_of(said(print_list), "weather")
    assert "climate" not in sys.modules
    made = registry.task("weather", "embedded", TaskSettings(steps=3), None)
    assert made.learner().recipe.steps == 3
    assert made.reference is not None
    assert registry.task_again(made.reference).learner().recipe.steps == 3
    run = finished(tmp_path / "run", tasks=[made], methods=["size"], questions=["standalone"])
    assert run.results.valuations["weather", 0, "standalone", "size"].status == "ok"
    assert "Noisy patterns." in said(print_one, "weather", None)
    assert "climate 1.5" in said(print_one, "weather", None)


def test_a_package_s_task_brings_its_own_data(install: Install, tmp_path: Path) -> None:
    install("climate", WEATHER, tasks={"weather": "climate:weather"})
    with pytest.raises(UserError, match=r"The task weather of climate 1.5 brings its own data.*data = 'files'"):
        registry.task("weather", "files", TaskSettings(), tmp_path)


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("climate:gone", "has no attribute 'gone'"),
        ("climate:no_task", "it gives a str; a Task was expected"),
        ("climate:other_name", "it gives a task called 'climate'; the two names must be the same"),
        ("storms:storm", "No module named 'storms'"),
    ],
)
def test_a_task_that_does_not_load_is_a_mistake_told_in_one_line(install: Install, where: str, reason: str) -> None:
    install("climate", WEATHER, tasks={"weather": where})
    with pytest.raises(UserError) as raised:
        registry.task("weather", "embedded", TaskSettings(), None)
    assert str(raised.value).startswith(f"The task weather ({where} of climate 1.5) does not load: ")
    assert reason in str(raised.value)
    assert str(raised.value).endswith("Or leave the task out.")
