"""``dataworth study costs``: quotients of a table's columns, and what is dearer than the truth is named."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from harness.cli.studies.costs import lines_of
from harness.config import to_toml
from harness.errors import UserError
from harness.report.leaderboard_csv import TABLE
from harness.report.view import TRUTH
from harness.types import Entry
from tests.command import Command
from tests.harness.small_runs import THIRD_PARTY, finished, tiny_suite

pytestmark = THIRD_PARTY


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run where the command line looks for it, and its suite's file."""
    monkeypatch.setattr("tasks.TASKS", {"tiny": Entry("tests.tiny:tiny_task", "Noisy patterns.")})
    methods = ("size", "tracin", "leave-one-out")
    finished(tmp_path / "runs" / "tiny", pools=1, questions=("leave-one-out",), methods=methods)
    file = tmp_path / "asked" / "suite.toml"
    file.parent.mkdir()
    file.write_text(to_toml(tiny_suite(methods=methods, questions=("leave-one-out",))), encoding="utf-8")
    return file


def told(folder: Path) -> dict[str, dict[str, str]]:
    lines = csv.DictReader((folder / "told" / "costs.csv").read_text(encoding="utf-8").splitlines())
    return {line["method"]: line for line in lines}


def rewritten(folder: Path, method: str, **cells: str) -> None:
    """The run's table with other cells in a method's row."""
    file = folder / "runs" / "tiny" / TABLE
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows([{**row, **cells} if row["method"] == method else row for row in rows])


def test_each_cost_is_divided_by_the_leave_one_out_truths(command: Command, suite: Path, tmp_path: Path) -> None:
    rewritten(tmp_path, TRUTH, seconds="2", core_hours="0.001", reference_gpu_hours="10", load="0")
    rewritten(tmp_path, "tracin", seconds="1", core_hours="0.0013", reference_gpu_hours="5", load="0.3")
    said = command("study", "costs", "--suite", suite, "--out", "told")
    assert said.status == 0, said.err
    found = told(tmp_path)["tracin"]
    assert [found[f"{what}_over_truth"] for what in ("seconds", "core_hours", "reference_gpu_hours")] == [
        *("0.5", "1.3", "0.5")
    ]
    assert (found["gradients"], found["loaded"]) == ("1", "1")
    page = (tmp_path / "told" / "README.md").read_text(encoding="utf-8")
    (seconds, hours, reference) = [
        [cell.strip() for cell in line.strip("|").split("|")][1] for line in page.splitlines() if "| tracin " in line
    ]
    assert (seconds, hours, reference) == ("0.5 §", "1.3 ! §", "0.5")
    assert "cost more than the truth: tracin on tiny (1.3)" in said.out.replace("\n", " ")


def test_retraining_is_no_method_of_gradients(command: Command, suite: Path, tmp_path: Path) -> None:
    rewritten(tmp_path, "leave-one-out", seconds="1000000", gradient_passes="100")
    said = command("study", "costs", "--suite", suite, "--out", "told", "--methods", "leave-one-out,size")
    assert said.status == 0, said.err
    found = told(tmp_path)
    assert [*found] == [TRUTH, "size", "leave-one-out"]
    assert found["leave-one-out"]["gradients"] == "0"
    assert float(found["leave-one-out"]["seconds_over_truth"]) > 1
    assert "No method that takes gradients has a cost here" in said.out.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--methods", "influence"], "no cost of the method influence"),
        (["--tasks", "tyni"], "no cost of the task tyni"),
        (["--pools", "2"], "no use for --pools"),
    ],
)
def test_mistakes_are_told_in_one_line(command: Command, suite: Path, arguments: list[str], part: str) -> None:
    said = command("study", "costs", "--suite", suite, *arguments)
    assert said.status == 2
    assert part in " ".join(said.err.split())
    assert "Traceback" not in said.err


def test_a_table_without_the_question_or_of_another_version_is_refused(
    command: Command, suite: Path, tmp_path: Path
) -> None:
    rewritten(tmp_path, TRUTH, question="shapley")
    assert "has no leave-one-out truth of tiny" in " ".join(command("study", "costs", "--suite", suite).err.split())
    old = tmp_path / "old.csv"
    old.write_text("task,method,question,seconds\na,b,leave-one-out,1\n", encoding="utf-8")
    with pytest.raises(UserError, match="no table of this version"):
        lines_of(old)
    with pytest.raises(UserError, match="cannot be read"):
        lines_of(tmp_path / "none.csv")
