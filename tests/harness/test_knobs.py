"""Methods' settings as people type them: read, refused, written in one way, and found again in every result."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import registry
from harness.cli.places import read_suite
from harness.config import to_toml
from harness.errors import UserError
from harness.knobs import base_of, knobs_of, listed, spelt, split
from harness.records.results import load
from harness.registry import Broken, methods_named, named
from harness.running.evaluator import Evaluator
from harness.settings import Kind, expected, settings_of, value_of, written
from harness.types import Additive, Count, Entry, Floats, Positive, Problem, above, at_least, between
from methods import METHODS
from methods.influence import Influence
from methods.tracin import TracIn
from tests.command import Command
from tests.harness.small_runs import THIRD_PARTY, finished, tiny_suite
from tests.tiny import evaluator_of, tiny_pool

pytestmark = THIRD_PARTY


@dataclass(frozen=True)
class Everything(Additive):
    """A method with a knob of every kind.

    Args:
        count: how many.
        share: how much
            of it.
        how: in which way.
        limit, other: two at once.
    """

    count: Count = 3
    share: Annotated[float, between(0, 1)] = 0.5
    above_one: Annotated[float, above(1)] = 2.0
    on: bool = False
    how: Literal["fast", "slow", 7] = "fast"
    limit: Annotated[int | None, at_least(2)] = None
    other: Positive | Literal["auto"] | None = None
    label: str = "plain"
    drawn: tuple[int, ...] = ()
    made: int = field(init=False, default=4)
    source: ClassVar[str] = "a test"
    passes: ClassVar[str] = "none"
    choices: ClassVar[str] = "limit: by rule twice the contributors; share is anybody's guess"

    def example_values(self, problem: Problem) -> Floats:
        return problem.stream("draws").random((1, len(problem.train))) * self.count


@dataclass(frozen=True)
class Particular(Additive):
    """A method with a check of its own."""

    low: int = 0
    high: int = 1

    def __post_init__(self) -> None:
        if self.low >= self.high:
            raise RuntimeError(f"low {self.low} is not below high {self.high}")

    def example_values(self, problem: Problem) -> Floats:
        return np.ones((1, len(problem.train)))


@pytest.fixture(autouse=True)
def tables(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The real methods, and these."""
    here = "tests.harness.test_knobs"
    more = {
        "everything": Entry(f"{here}:Everything", ""),
        "everything:slow": Entry(f"{here}:Everything", "", {"how": "slow"}),
        "particular": Entry(f"{here}:Particular", ""),
        "gone": Entry("tests.no_such_module:Gone", ""),
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("methods.METHODS", {**METHODS, **more})
        yield


# --- the syntax -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("size", ("size",)),
        (" size , mmd,", ("size", "mmd")),
        ("influence:damping=0.1,runs=1,size", ("influence:damping=0.1,runs=1", "size")),
        ("size,tracin:adam:runs=1, rate=2,mmd:seeds=2", ("size", "tracin:adam:runs=1,rate=2", "mmd:seeds=2")),
        ("ntk-mmd:scheme=single:loss,seeds=1,size", ("ntk-mmd:scheme=single:loss,seeds=1", "size")),
        ("", ()),
    ],
)
def test_a_list_of_methods_is_parted_between_methods_and_not_between_knobs(text: str, names: tuple[str, ...]) -> None:
    assert listed(text) == names


@pytest.mark.parametrize(
    ("name", "base", "knobs"),
    [
        ("influence", "influence", ()),
        ("influence:runs=1,damping=0.1", "influence", (("damping", "0.1"), ("runs", "1"))),
        ("tracin:adam: runs = 1", "tracin:adam", (("runs", "1"),)),
        ("ntk-mmd:scheme=single:loss", "ntk-mmd", (("scheme", "single:loss"),)),
        ("m:label=a=b", "m", (("label", "a=b"),)),
    ],
)
def test_a_name_is_parted_from_its_knobs(name: str, base: str, knobs: tuple[tuple[str, str], ...]) -> None:
    assert split(name) == (base, knobs)
    assert base_of(name) == base
    assert split(spelt(base, knobs)) == (base, knobs)


# --- reading values -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "values", "spelling"),
    [
        ("count=007", {"count": 7}, "count=7"),
        ("share=1", {"share": 1.0}, "share=1"),
        ("share=-0.0", {"share": 0.0}, "share=0"),
        ("share=.250", {"share": 0.25}, "share=0.25"),
        ("other=1e-07", {"other": 1e-7}, "other=1e-07"),
        ("other=auto", {"other": "auto"}, "other=auto"),
        ("other=none,limit=9", {"other": None, "limit": 9}, "limit=9,other=none"),
        ("on=true,how=7", {"on": True, "how": 7}, "how=7,on=true"),
        ("how=slow", {"how": "slow"}, "how=slow"),
        ("label=1.0", {"label": "1.0"}, "label=1.0"),
    ],
)
def test_a_knob_is_read_by_its_annotation_and_written_in_one_way(
    typed: str, values: dict[str, object], spelling: str
) -> None:
    name, made = named(f"everything:{typed}")
    assert made == Everything(**values)  # type: ignore[arg-type]
    assert name == f"everything:{spelling}"
    assert named(name) == (name, made)


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)))
def test_a_written_value_is_read_as_the_same_value(value: object) -> None:
    kinds = (Kind(type(None)), Kind(bool), Kind(int), Kind(float))
    read = value_of(written(value), kinds)  # type: ignore[arg-type]
    assert read == value
    assert written(read) == written(value) or value == 0


def test_a_knob_on_a_variant_keeps_what_makes_the_variant() -> None:
    assert named("everything:slow:count=2") == ("everything:slow:count=2", Everything(count=2, how="slow"))
    assert named("influence:runs=1,damping=0.10") == ("influence:damping=0.1,runs=1", Influence(runs=1, damping=0.1))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "influence:dampign=1",
            r"No knob of influence is called 'dampign'. Did you mean damping\? There are: damping, ",
        ),
        ("influence:runs=1,runs=2", "influence: the knob runs is given twice, as 1 and as 2; give it once."),
        ("influence:runs=", "influence: the knob runs is given no value; write runs=VALUE."),
        ("influence:=1", "'influence:=1' is no name of a method; knobs are written METHOD:knob=value"),
        ("influence=1", "'influence=1' is no name of a method"),
        ("influence:runs", "runs is a knob of influence, and needs a value: influence:runs=VALUE."),
        ("influence:runs=0", "influence: runs must be a whole number from 1 to 1,000,000, got '0'."),
        ("influence:runs=1.5", "influence: runs must be a whole number from 1 to 1,000,000, got '1.5'."),
        ("influence:damping=-0.1", "influence: damping must be a number above 0 or none, got '-0.1'."),
        ("influence:damping=nan", "got 'nan'"),
        ("influence:damping=1e999", "got '1e999'"),
        ("influence:tolerance=much", "tolerance must be a number of at least 0, got 'much'."),
        ("everything:share=1.01", "share must be a number from 0 to 1, got '1.01'."),
        ("everything:above_one=1", "above_one must be a number above 1, got '1'."),
        ("everything:how=slwo", "how must be fast, slow or 7, got 'slwo'."),
        ("everything:on=yes", "on must be true or false, got 'yes'."),
        ("everything:limit=1", "limit must be a whole number of at least 2 or none, got '1'."),
        ("everything:label=\x1b[2J", r"label must be a text that can be printed, got '.x1b\[2J'."),
        ("everything:drawn=1", "No knob of everything is called 'drawn'"),
        ("everything:made=1", "No knob of everything is called 'made'"),
        ("everything:source=me", "No knob of everything is called 'source'"),
        ("size:runs=1", "size has no knobs; leave out runs=1."),
        ("particular:low=5", "particular:low=5: low 5 is not below high 1"),
        ("influenca:runs=1", "No method is called 'influenca'. Did you mean influence"),
    ],
)
def test_what_is_no_knob_is_answered_in_one_sentence(name: str, told: str) -> None:
    with pytest.raises(UserError, match=told) as raised:
        registry.method(name)
    assert "\n" not in str(raised.value)


def test_what_does_not_load_keeps_its_knobs_in_its_row() -> None:
    name, made = named("gone:b=2,a=1")
    assert name == "gone:a=1,b=2"
    assert isinstance(made, Broken)


@pytest.mark.parametrize("names", [["influence", "influence:runs=3"], ["tracin:runs=2", "size", "tracin:runs=02"]])
def test_two_names_of_one_method_with_one_setting(names: list[str]) -> None:
    """The same spelling twice is one row; another spelling of the same settings is a mistake."""
    if len(names) == 3:
        assert list(methods_named(names)) == ["tracin:runs=2", "size"]
        return
    with pytest.raises(UserError, match="influence and influence:runs=3 are the same method with the same settings"):
        methods_named(names)


# --- ranges ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"count": 0}, "Everything: count must be a whole number from 1 to 1,000,000, got 0"),
        ({"count": True}, "got True"),
        ({"count": 2.0}, "got 2.0"),
        ({"share": float("nan")}, "share must be a number from 0 to 1, got nan"),
        ({"how": "papr"}, "how must be fast, slow or 7, got 'papr'"),
        ({"label": None}, "label must be a text, got None"),
    ],
)
def test_settings_that_are_not_allowed_are_refused_from_python_too(settings: dict[str, object], told: str) -> None:
    with pytest.raises(UserError, match=told):
        Everything(**settings)  # type: ignore[arg-type]
    assert Everything(count=np.int64(2), share=1).count == 2  # type: ignore[arg-type]


@pytest.mark.parametrize("name", METHODS)
def test_every_number_that_a_method_takes_has_a_range(name: str) -> None:
    for knob in knobs_of(registry.method(name)):
        for kind in knob.kinds:
            if kind.of in (int, float) and not kind.is_literal:
                assert not kind.fits(-1), f"{name}: {knob.name} takes {expected(knob.kinds)}; annotate its range"
        assert knob.meaning, f"{name}: {knob.name} is not told of under Args"
        parts = registry.method(name).choices.split(";")
        told = any(part.strip() == f"{knob.name}: {knob.rule}" for part in parts)
        assert told or knob.default is not None, f"{name}: no part of choices tells what {knob.name} is by itself"


def test_an_annotation_that_cannot_be_found_leaves_the_others() -> None:
    @dataclass(frozen=True)
    class Local(Additive):
        one: Count = 1
        other: Nowhere = 2  # type: ignore[name-defined] # noqa: F821

        def example_values(self, problem: Problem) -> Floats:
            return np.ones((1, len(problem.train)))

    assert [*settings_of(Local)] == ["one"]
    assert {field.name for field in fields(Local)} == {"one", "other"}


# --- streams --------------------------------------------------------------------------------------------


def test_a_method_draws_the_same_whatever_its_knobs(tmp_path: Path) -> None:
    """Other knobs are compared on the same draws, and the same knobs spelt otherwise give the same values."""
    evaluator = evaluator_of(tmp_path, tiny_pool())

    def values(name: str) -> Floats:
        return _values(evaluator, name)

    np.testing.assert_array_equal(values("everything:count=3"), values("everything"))
    np.testing.assert_allclose(values("everything:count=6"), 2 * values("everything"))
    assert not np.allclose(values("everything:slow"), values("everything"))  # a variant is a method of its own


def _values(evaluator: Evaluator, name: str) -> Floats:
    found = evaluator.evaluate(*named(name), "standalone")
    assert not isinstance(found, str)
    return found.values_SC


# --- everywhere -----------------------------------------------------------------------------------------

TYPED = "everything:share=.5,on=true,count=1"
SPELT = "everything:count=1,on=true,share=0.5"


def test_a_row_with_knobs_goes_through_results_report_and_frames(tmp_path: Path) -> None:
    from dataworth import load_leaderboard, load_values

    run = finished(tmp_path, methods=methods_named([TYPED, "size", "tracin:runs=1"]), pools=2)
    assert run.failures == []
    assert run.results.valuations["tiny", 0, "shapley", SPELT].status == "ok"
    assert ("tiny", 1, "shapley", SPELT) in load(tmp_path / "results").valuations
    with (tmp_path / "leaderboard.csv").open(encoding="utf-8") as file:
        assert {row["method"] for row in csv.DictReader(file)} >= {SPELT, "tracin:runs=1"}
    assert f"| {SPELT} " in (tmp_path / "README.md").read_text(encoding="utf-8")
    assert SPELT in set(load_leaderboard(tmp_path)["method"])
    assert SPELT in set(load_values(tmp_path)["method"])


@pytest.fixture
def tiny_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.cli.running.FEATURES", ())
    monkeypatch.setattr("tasks.TASKS", {"tiny": Entry("tests.tiny:tiny_task", "Noisy patterns.")})


def suite_file(folder: Path, *methods: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(to_toml(tiny_suite(methods=methods, questions=("standalone",))), encoding="utf-8")
    return path


@pytest.mark.usefixtures("tiny_table")
def test_knobs_are_typed_in_a_suite_and_on_the_command_line(command: Command, tmp_path: Path) -> None:
    path, out = suite_file(tmp_path, TYPED, "size"), tmp_path / "out"
    assert command("run", "--suite", path, "--out", out).status == 0
    assert read_suite(out / "suite.toml", asked=True).methods == (SPELT, "size")
    assert f'"{SPELT}"' in (out / "suite.toml").read_text(encoding="utf-8")
    assert command("run", "--suite", path, "--out", out, "--methods", "mmd:seeds=1,size,tracin:runs=1").status == 0
    stored = load(out / "results").valuations
    assert {key[3] for key in stored} == {SPELT, "size", "mmd:seeds=1", "tracin:runs=1"}
    assert SPELT in command("report", "--out", out).out
    assert "tracin:runs=1" in (out / "leaderboard.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("methods", "parts"),
    [
        (
            ("size", "tracin:run=1"),
            ["mine.toml, methods:", "No knob of tracin is called 'run'", "There are: metric, runs"],
        ),
        (("tracin:runs=1", "tracin:runs=01"), ["tracin:runs=1 and tracin:runs=01 are the same"]),
        (("tracin", "tracin:runs=3"), ["tracin and tracin:runs=3 are the same method with the same settings"]),
    ],
)
@pytest.mark.usefixtures("tiny_table")
def test_mistakes_in_a_suite_are_told_before_anything_is_trained(
    command: Command, tmp_path: Path, methods: tuple[str, ...], parts: list[str]
) -> None:
    for asked in (("run", "--suite"), ("show",)):
        said = command(*asked, suite_file(tmp_path, *methods))
        assert (said.status, said.out) == (2, "")
        assert all(part in said.err for part in parts)
    assert not (tmp_path / "runs").exists()


def test_mistakes_on_the_command_line_are_told_before_anything_is_trained(command: Command, tmp_path: Path) -> None:
    for typed, told in (
        ("runs=1", "'runs=1' names no method; a knob is written METHOD:knob=value."),
        ("tracin:runs=0,size", "tracin: runs must be a whole number from 1 to 1,000,000, got '0'."),
        (f"tracin:runs={10**22}", "tracin: runs must be a whole number from 1 to 1,000,000, got '1000000000000"),
        ("data-banzhaf:seeds=3,retrainings=8", "retrainings must be at least 12, 4 for each of seeds=3, got 8"),
        ("data-banzhaf:retrainings=1", "retrainings must be a whole number from 4 to 1,000,000 or none, got '1'."),
        ("proxy:steps:retrainings=7", "retrainings must be a whole number from 8 to 1,000,000 or none, got '7'."),
        ("size,influence:damping=x", "influence: damping must be a number above 0 or none, got 'x'."),
        ("influence,influence:runs=3", "are the same method with the same settings"),
    ):
        said = command("run", "--methods", typed)
        assert (said.status, said.out) == (2, "")
        assert told in said.err
    assert list(tmp_path.iterdir()) == []


def test_a_method_shows_its_knobs(command: Command) -> None:
    shown = command("show", "everything").out
    for parts in (
        ("count", "a whole number from 1 to 1,000,000", "3", "how many."),
        ("share", "a number from 0 to 1", "0.5", "how much of it."),
        ("how", "fast, slow or 7", "fast", "in which way."),
        ("limit", "none", "none: by rule twice the", "two at once."),
        ("other", "a number above 0, auto or none", "none", "two at once."),
        ("label", "a text", "plain", "not told"),
    ):
        (line,) = (line for line in shown.splitlines() if line.split()[:1] == [parts[0]])
        assert [part for part in parts if part not in line] == [], line
        assert ("by rule" in line) == (parts[0] == "limit")
    assert "drawn" not in shown
    assert "To turn them: dataworth run --methods everything:count=1,share=1" in shown
    changed = command("show", "everything:count=2").out
    assert changed.startswith("everything:count=2")
    assert "none" in command("show", "size").out.partition("knobs")[2].splitlines()[0]


def test_the_line_that_a_method_shows_can_be_typed() -> None:
    for name in METHODS:
        knobs = knobs_of(registry.method(name))
        typed = spelt(name, tuple((knob.name, knob.example) for knob in knobs))
        assert named(typed)[1] is not None
        assert all(knob.example != written(knob.default) for knob in knobs)


def test_settings_of_a_variant_are_shown_as_its_defaults(command: Command) -> None:
    (line,) = (line for line in command("show", "everything:slow").out.splitlines() if line.split()[:1] == ["how"])
    assert line.rstrip().endswith("Takes fast, slow or 7; by default slow.")


def test_tracin_from_python_and_typed_is_the_same() -> None:
    assert registry.method("tracin:runs=2") == TracIn(runs=2)
