"""``dataworth publish SUITE --merge DIR``: rows of a submission for a published board."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from harness.cli.publishing import agree_and_write, differences, files, published
from harness.cli.submission import Request, checked
from harness.errors import UserError
from harness.records.provenance import MERGED
from harness.records.results import RunRecord, load
from harness.report import comparison
from harness.report.leaderboard import leaderboard


def merge(name: str, folder: Path, data: str | None, yes: bool, console: Console) -> int:
    """Add to a published board the rows of a submission that it has not, with who measured them, if that is agreed.

    Args:
        data: the folder of the user's files, for suites on files: what was checked before is checked again.

    Returns: as ``publish_run``.

    Raises:
        UserError: there is no such suite, or the submission is not fit to be merged.
    """
    place = published(name)
    if not place.has_results:
        raise UserError(f"{place.folder} holds no results to merge into. Publish a run of your own first.")
    found = checked(Request(folder, data), console)
    if found.suite.name != place.suite.name:
        raise UserError(f"{folder} is of the suite {found.suite.name}, and not of {name}.")
    if found.against:
        raise UserError(f"{folder} may not be merged into {name}: {' '.join(found.against)} Nothing was changed.")
    if not found.rows.new:
        console.print(f"Nothing would change: {name} has all rows of {folder}.", markup=False, soft_wrap=True)
        return 0
    before, results = load(place.results), load(place.results)
    today = datetime.now(UTC).date().isoformat()
    for record in found.results.valuations.values():
        if record.method in found.rows.new:
            results.add(record)
            origin = found.results.runs[record.run].provenance
            results.add(RunRecord(record.run, {**origin, MERGED: today}))
    view = leaderboard(place.suite, results)
    old = comparison.entries(leaderboard(place.suite, before).cells)
    console.print(f"{folder} into {place.folder}:", markup=False, soft_wrap=True)
    lines = differences(old, comparison.entries(view.cells), comparison.SAME)
    return agree_and_write(place, files(results, view), lines, yes, console)
