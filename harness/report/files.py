"""A report as files: README.md, index.html and two tables as CSV beside the results that they are drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.config import Suite
from harness.errors import UserError
from harness.files import write_atomically
from harness.records.results import Results
from harness.report.leaderboard import leaderboard
from harness.report.leaderboard_csv import HEADER, OVERALL, OVERALL_HEADER, TABLE, overall_to_csv, to_csv
from harness.report.markdown import OURS, page
from harness.report.page.document import BEGINNING, html
from harness.report.view import View

PAGE, INDEX = "README.md", "index.html"
DRAWN: Mapping[str, str] = {
    TABLE: HEADER.split(",spearman,")[0],
    OVERALL: OVERALL_HEADER.split(",spearman,")[0],
    PAGE: OURS,
    INDEX: BEGINNING,
}
"""Every file that is drawn, and how one of ours begins."""


def drawn(view: View) -> dict[str, str]:
    """The files of a report, by name."""
    return {TABLE: to_csv(view.cells), OVERALL: overall_to_csv(view), PAGE: page(view), INDEX: html(view)}


def write_report(folder: Path, suite: Suite, results: Results) -> View:
    """Draw the results into their folder; what the files show.

    Raises:
        UserError: a file of that name is there that was not drawn by us, or it cannot be written.
    """
    refuse_foreign(folder)
    view = leaderboard(suite, results)
    for name, text in drawn(view).items():
        write_atomically(folder / name, text)
    return view


def refuse_foreign(folder: Path) -> None:
    """Make sure that what a report would overwrite was drawn by us.

    Raises:
        UserError: it was not.
    """
    for name, beginning in DRAWN.items():
        file = folder / name
        if file.is_symlink() or file.exists():
            try:
                with file.open(encoding="utf-8") as opened:
                    ours = opened.read(len(beginning)) == beginning
            except (OSError, UnicodeDecodeError):
                ours = False
            if not ours:
                raise UserError(
                    f"{file} was not drawn by dataworth and would be overwritten. Move it away, or choose another "
                    "folder with --out."
                )
