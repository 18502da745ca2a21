"""Write a suite's report: README.md and leaderboard.csv beside its results."""

from __future__ import annotations

from pathlib import Path

from harness.config import Suite
from harness.files import write_atomically
from harness.records.results import Results
from harness.report.leaderboard import Row, leaderboard, to_csv
from harness.report.markdown import page


def write_report(folder: Path, suite: Suite, results: Results) -> list[Row]:
    """Draw the page and the file from the results; the rows that they show."""
    rows = leaderboard(suite, results)
    write_atomically(folder / "leaderboard.csv", to_csv(rows))
    write_atomically(folder / "README.md", page(suite, results, rows))
    return rows
