"""What is published, and what earlier versions published, is drawn with the scores that it had."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.config import load_suite
from harness.errors import UserError
from harness.records.results import load
from harness.report.files import drawn, write_report
from harness.report.leaderboard import leaderboard
from tests.harness.hand_made import (
    HEADER,
    SUITE,
    parsed,
    results_of,
)

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = sorted(file.parent for file in (ROOT / "leaderboards").glob("*/results"))
OLD = sorted(file.parent for file in (ROOT / "tests" / "old_results").glob("*/results"))
"""What earlier versions published, in their formats."""


@pytest.mark.parametrize("folder", [*PUBLISHED, *OLD], ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_published_results_are_drawn_with_the_scores_that_were_published(folder: Path) -> None:
    view = leaderboard(load_suite(folder / "suite.toml"), load(folder / "results"))
    files = drawn(view)
    assert list(files) == ["leaderboard.csv", "overall.csv", "README.md", "index.html"]
    before = keyed((folder / "leaderboard.csv").read_text(encoding="utf-8"))
    after = keyed(files["leaderboard.csv"])
    assert set(before) == set(after)
    for key, row in after.items():
        assert float(row["spearman"] or "nan") == pytest.approx(float(before[key]["spearman"] or "nan"), nan_ok=True)
        assert row["status"] == before[key]["status"]


@pytest.mark.parametrize("folder", OLD, ids=lambda folder: folder.name)
def test_what_older_results_do_not_tell_is_left_blank(folder: Path) -> None:
    """Their truths kept no held-out folds and their methods no algebra: no ceiling, no hours at reference scale."""
    results = load(folder / "results")
    assert len(results.pools) == 8
    files = drawn(leaderboard(load_suite(folder / "suite.toml"), results))
    rows = parsed(files["leaderboard.csv"])
    assert not any(row["reference_gpu_hours"] for row in rows if row["family"] != "truth")
    assert all(row["rank_low"] == "" for row in rows)  # two pools are not ranked
    assert "not enough signal: 2 pools a task, and methods are compared from 3 on" in files["README.md"]


def keyed(text: str) -> dict[tuple[str, str, str], dict[str, str]]:
    return {(row["task"], row["question"], row["method"]): row for row in parsed(text)}


def test_a_table_that_an_older_version_drew_may_be_drawn_again(tmp_path: Path) -> None:
    older = "task,question,method,family,status,reason,spearman,low,high,ceiling,fraction_of_ceiling,rank,pools\n"
    (tmp_path / "leaderboard.csv").write_text(older, encoding="utf-8")
    write_report(tmp_path, SUITE, results_of())
    assert (tmp_path / "leaderboard.csv").read_text(encoding="utf-8").startswith(HEADER)
    assert (tmp_path / "overall.csv").read_text(encoding="utf-8").startswith("question,method,family,spearman,")
    (tmp_path / "overall.csv").write_text("mine\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"overall.csv was not drawn by dataworth"):
        write_report(tmp_path, SUITE, results_of())
