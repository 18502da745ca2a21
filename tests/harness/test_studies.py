"""``dataworth study``: what it says is what methods and stored truths give, on the pools that were dealt."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from scipy.stats import spearmanr

from harness import registry
from harness.cli.studies import STUDIES, find_study
from harness.cli.studies.ntk_mmd import READINGS, turned
from harness.cli.studies.pages import OURS, Bars, Section, Table, svg, write_study
from harness.config import to_toml
from harness.errors import UserError
from harness.records.results import Results, load
from harness.report.terminal import make_console
from harness.running.dealt_again import alike
from harness.types import Entry
from tests.command import Command
from tests.harness.small_runs import THIRD_PARTY, finished, tiny_suite
from tests.tiny import evaluator_of, tiny_pool

pytestmark = THIRD_PARTY
POOLS = 2


@pytest.fixture
def studied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run of a tiny suite where the command line looks for it, and the suite's file."""
    monkeypatch.setattr("tasks.TASKS", {"tiny": Entry("tests.tiny:tiny_task", "Noisy patterns.")})
    finished(tmp_path / "runs" / "tiny", pools=POOLS, questions=("standalone", "leave-one-out"), methods=("size",))
    file = tmp_path / "asked" / "suite.toml"
    file.parent.mkdir()
    file.write_text(to_toml(tiny_suite(methods=("size",), pools=POOLS)), encoding="utf-8")
    return file


def row(page: str, section: str, name: str) -> list[str]:
    """The numbers of one line of a table."""
    table = page.split(f"## {section}\n", 1)[1].split("\n## ", 1)[0]
    (line,) = [line for line in table.splitlines() if line.startswith(f"| {name} ")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def expected(
    folder: Path, knobs: dict[str, object], question: str, against: Callable[[Results, int], np.ndarray]
) -> str:
    """Spearman of the method's values with something, mean over the pools and its standard error, as it is written."""
    results, found = load(folder / "runs" / "tiny" / "results"), []
    for index in range(POOLS):
        method = replace(registry.method("ntk-mmd"), **knobs)  # type: ignore[type-var]
        valuation = evaluator_of(folder, tiny_pool(4, index)).evaluate("ntk-mmd", method, question)  # type: ignore[arg-type]
        found.append(spearmanr(valuation.values_C, against(results, index))[0])  # type: ignore[union-attr]
    return f"{np.mean(found):.2f} ± {np.std(found, ddof=1) / POOLS**0.5:.2f}"


def truth(question: str) -> Callable[[Results, int], np.ndarray]:
    return lambda results, index: np.mean(results.truths["tiny", index, question].values, axis=0)


def test_the_ntk_mmd_study_is_the_spearman_of_turned_methods_with_stored_truths(
    command: Command, studied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = {("discrepancy", "unbiased"), ("ntk", "ridge 10")}  # of the table's, so that the test stays quick
    few = {term: {name: knobs for name, knobs in of.items() if (term, name) in kept} for term, of in READINGS.items()}
    monkeypatch.setattr("harness.cli.studies.ntk_mmd.READINGS", few)
    said = command("study", "ntk-mmd", "--suite", studied)
    assert said.status == 0, said.err
    page = (tmp_path / "runs" / "studies" / "ntk-mmd" / "README.md").read_text(encoding="utf-8")
    assert page.startswith(OURS)
    for name, knobs in (("all four, by 1 / mean", {}), ("ntk alone", {"scheme": "single:ntk"})):
        cells = row(page, "tiny: terms and weights", name)
        assert cells[:2] == [expected(tmp_path, dict(knobs), q, truth(q)) for q in ("standalone", "leave-one-out")]
    cells = row(page, "tiny: the discrepancy term, read in other ways", "unbiased")
    assert cells[1] == expected(
        tmp_path, {"scheme": "single:discrepancy", "unbiased": True}, "leave-one-out", truth("leave-one-out")
    )
    cells = row(page, "tiny: the ntk term, read in other ways", "ridge 10")
    assert cells[2] == expected(tmp_path, {"ridge": 10.0}, "standalone", truth("standalone"))
    sizes = row(page, "tiny: what each term's standalone value goes with", "size")
    assert sizes[3] == expected(
        tmp_path,
        {"scheme": "single:sample"},
        "standalone",
        lambda results, index: np.array(results.pools["tiny", index].features["size"]),
    )
    assert "tiny: terms and weights" in said.out
    ElementTree.parse(tmp_path / "runs" / "studies" / "ntk-mmd" / "figure.svg")


def test_a_term_that_knows_no_initialisation_is_alike_between_them(
    command: Command, studied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.cli.studies.ntk_mmd.READINGS", {})
    command("study", "ntk-mmd", "--suite", studied, "--pools", 1, "--out", "told")
    page = (tmp_path / "told" / "README.md").read_text(encoding="utf-8")
    assert "mean over pools (tiny 1)" in page
    assert row(page, "tiny: terms and weights", "sample alone")[2] == "1.00"
    assert float(row(page, "tiny: terms and weights", "loss alone")[2]) < 1


@pytest.mark.parametrize("others", [[0], [0, 1]])
def test_truths_of_other_pools_are_passed_over(
    others: list[int], command: Command, studied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.cli.studies.ntk_mmd.READINGS", {})
    (file,) = (tmp_path / "runs" / "tiny" / "results").glob("*.jsonl")
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        if line["kind"] == "pool" and line["pool"] in others:
            line["planted"][0]["size"] += 1
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    said = command("study", "ntk-mmd", "--suite", studied)
    assert "tiny: pool 1 is another one here" in said.out
    assert said.status == (2 if len(others) == POOLS else 0)
    assert ("No pool of" in said.err) == (len(others) == POOLS)
    assert ("tiny: pool 2\n" in said.out) == (len(others) < POOLS)


def test_last_digits_of_what_was_planted_may_differ() -> None:
    assert alike({"a": 0.1 + 0.2, "b": None, "c": "x"}, {"c": "x", "b": None, "a": 0.3})
    for other in ({"a": 0.3001}, {"a": None}, {}):
        assert not alike({"a": 0.3}, other)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["ntk-mdm"], ["study", "'ntk-mdm'", "Did you mean ntk-mmd?"]),
        (["ntk-mmd", "--suite", "embeded"], ["suite", "'embeded'"]),
        (["ntk-mmd", "--suite", "paper"], ["no results of paper"]),
        (["ntk-mmd", "--pools", "0"], ["--pools"]),
        (["ntk-mmd", "--tasks", "sentimant"], ["task", "'sentimant'", "sentiment"]),
    ],
)
def test_mistakes_are_told_in_one_line(command: Command, arguments: list[str], parts: list[str]) -> None:
    said = command("study", *arguments)
    assert said.status == 2
    assert "Traceback" not in said.err
    for part in parts:
        assert part in said.err


def test_every_study_of_the_table_is_there() -> None:
    for name, entry in STUDIES.items():
        assert callable(find_study(name))
        assert entry.summary.endswith(".")


def test_a_page_of_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match="was not drawn by dataworth"):
        write_study(tmp_path, "t", "", [Section("s", "", Table(["a"], [["1"]]))], [], make_console())
    assert [file.name for file in tmp_path.iterdir()] == ["README.md"]


def test_the_figure_has_a_dot_a_number_at_its_place() -> None:
    """And none for an undefined one."""
    drawn = svg(
        "A & B", [Bars("one", {"x < y": [-1.0, 0.0, 1.0, float("nan")], "none": []}), Bars("two", {"z": [0.5]})]
    )
    root = ElementTree.fromstring(drawn)
    dots = [float(found.get("cx", "")) for found in root.iter("{http://www.w3.org/2000/svg}circle")]
    assert len(dots) == 4
    assert dots[1] - dots[0] == pytest.approx(dots[2] - dots[1])
    words = "".join(root.itertext())
    assert all(word in words for word in ("A & B", "x < y", "one", "two"))
    assert re.fullmatch(r"<svg .*</svg>\n", drawn, re.DOTALL)


def test_every_reading_of_the_table_is_a_method_of_its_own() -> None:
    """A misspelt knob would fail, and one that changes nothing would be two rows of one."""
    for term, readings in READINGS.items():
        made = [turned({**knobs, "scheme": f"single:{term}"}) for knobs in readings.values()]
        assert len({repr(one) for one in made}) == len(readings)
