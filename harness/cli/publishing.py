"""``dataworth publish``: what a finished run would change in the published results, and changing them.

Nothing else writes to ``leaderboards/``.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from rich.console import Console

from harness.cli.doubts import doubts
from harness.cli.places import RUNS, Place
from harness.cli.refusals import reasons
from harness.config import PUBLISHED, RESULTS, Suite, suite_folders, suites
from harness.errors import UserError, unknown
from harness.files import write_atomically
from harness.records.provenance import MERGED
from harness.records.results import (
    Answer,
    PoolRecord,
    Results,
    RunRecord,
    ValuationRecord,
    load,
    save,
)
from harness.report import comparison
from harness.report.comparison import Entries
from harness.report.files import drawn
from harness.report.leaderboard import leaderboard
from harness.report.leaderboard_csv import TABLE
from harness.report.view import View


def publish_run(name: str, run: Path | None, yes: bool, console: Console) -> int:
    """Show what a run would change in the published results of its suite, and change them if that is agreed.

    Returns:
        The exit status: 0 where they were changed or nothing would change, 1 where that was not agreed.

    Raises:
        UserError: there is no such suite or run, or the run is not fit to be published.
    """
    place = published(name)
    source = _finished(name, run or Path(RUNS) / place.suite.name)
    found = load(source.results)
    results, left_out = _of_suite(place.suite, found)
    view = leaderboard(place.suite, results)
    if against := reasons(place.suite, source.suite, found, view):
        raise UserError(
            f"{source.folder} cannot be published as {name}: {'; '.join(against)}. Nothing was changed; "
            f"'dataworth run --suite {name}' goes on with a run that is not finished."
        )
    lines = [f"Left out, since the suite does not name them: {', '.join(left_out)}."] if left_out else []
    kept, left_behind = _merged_before(place, results)
    if kept:
        lines.append(f"Kept, as others measured them on the same pools: {', '.join(kept)}.")
    if left_behind:
        lines.append(f"Left behind, since others measured them on older pools or truths: {', '.join(left_behind)}.")
    view = leaderboard(place.suite, results) if kept else view
    console.print(f"{source.folder} as {place.folder}:", markup=False, soft_wrap=True)
    old = comparison.entries(leaderboard(place.suite, load(place.results)).cells) if place.has_results else None
    lines += differences(old, comparison.entries(view.cells), comparison.SAME)
    lines += [f"Not as the run found it? {doubt}" for doubt in doubts(source, results, view)]
    return agree_and_write(place, files(results, view), lines, yes, console)


def _merged_before(place: Place, results: Results) -> tuple[list[str], list[str]]:
    """Take along the rows that were merged: those on the same pools and truths.

    Returns:
        The methods that were taken along, and those that answer to older pools or truths and are left behind.
    """
    there = load(place.results) if place.has_results else Results()
    merged = {name for name, run in there.runs.items() if MERGED in run.provenance}
    rows = [record for record in there.valuations.values() if record.run in merged]
    names, left = list(dict.fromkeys(record.method for record in rows)), set[str]()
    for record in rows:
        truth = results.truths.get((record.task, record.pool, record.question))
        if truth is None or (truth.pool_key, truth.truth_key) != (record.pool_key, record.truth_key):
            left.add(record.method)
    for record in rows:
        if record.method not in left and results.held(record) is None:  # the suite may name it by now
            results.add(record)
            results.add(there.runs[record.run])
    kept = {record.method for record in results.valuations.values() if record.run in merged}
    return [name for name in names if name in kept], [name for name in names if name in left]


def redraw(name: str, yes: bool, console: Console) -> int:
    """Draw the published tables again from the published results, after a change in how they are drawn.

    Returns, Raises: as ``publish_run``.
    """
    place = published(name)
    if not place.has_results:
        raise UserError(f"{place.folder} holds no results to draw. Publish a run first.")
    view = leaderboard(place.suite, load(place.results))
    table = place.folder / TABLE
    try:
        old = comparison.entries_of_csv(table.read_text(encoding="utf-8")) if table.exists() else None
    except (KeyError, ValueError) as error:
        raise UserError(f"{table} is no table of ours ({error!r}). Restore it from version control.") from error
    console.print(f"{place.folder}, drawn again:", markup=False, soft_wrap=True)
    lines = differences(old, comparison.entries(view.cells), comparison.DIGITS)
    return agree_and_write(place, drawn(view), lines, yes, console)


def differences(old: Entries | None, new: Entries, tolerance: float) -> list[str]:
    if old is None:
        return [f"First results of this suite: {len(new)} rows."]
    found = comparison.compare(old, new, tolerance)
    lines = comparison.summary(found, "new")
    if abs(found.slower - 1) > 0.005:  # nan is no difference
        lines.append(f"Costs: {found.slower:.2f} times the published seconds, over all rows that both have.")
    return lines


def published(name: str) -> Place:
    place = Place.published(name)
    if place is None:
        raise UserError(
            f"{unknown('published suite', name, suites(suite_folders()))} To publish another, put its file at "
            f"{PUBLISHED}/NAME/suite.toml."
        )
    return place


def _finished(name: str, folder: Path) -> Place:
    if not Place(published(name).suite, folder).has_results:
        raise UserError(
            f"There is no run in {folder}. Run 'dataworth run --suite {name}' first, or give its folder with --run."
        )
    place = Place.of_results(name, folder)
    if place.is_published:
        raise UserError(f"{folder} is published already; give the folder of a run with --run.")
    return place


def _of_suite(suite: Suite, results: Results) -> tuple[Results, list[str]]:
    """What of the results the suite asks; and the tasks, questions and methods left out that it does not name."""
    kept = Results()
    left_out: dict[str, None] = {}
    for task in results.tasks():
        for record in results.of_task(task):
            if isinstance(record, RunRecord):
                kept.add(record)
            elif strange := _not_named(suite, record):
                left_out[strange] = None
            else:
                kept.add(record)
    return kept, list(left_out)


def _not_named(suite: Suite, record: PoolRecord | Answer) -> str:
    """What of a record the suite does not name, empty if it names all."""
    if record.task not in suite.tasks:
        return record.task
    if isinstance(record, PoolRecord):
        return ""
    if record.question not in suite.questions:
        return record.question
    return record.method if isinstance(record, ValuationRecord) and record.method not in suite.methods else ""


def files(results: Results, view: View) -> dict[str, str]:
    """Everything that is published but the suite: results and what is drawn from them, by path in the folder."""
    with TemporaryDirectory() as folder:
        save(Path(folder), results)
        records = {f"{RESULTS}/{file.name}": file.read_text(encoding="utf-8") for file in Path(folder).glob("*.jsonl")}
    return {**dict(sorted(records.items())), **drawn(view)}


def agree_and_write(place: Place, files: Mapping[str, str], lines: list[str], yes: bool, console: Console) -> int:
    """Ask on a terminal, unless that was answered beforehand; then write."""
    changed = [name for name, text in files.items() if _text(place.folder / name) != text]
    results = place.results.glob("*.jsonl") if any(name.startswith(f"{RESULTS}/") for name in files) else ()
    gone = [name for file in sorted(results) if (name := f"{RESULTS}/{file.name}") not in files]
    for line in lines:
        console.print(f"  {line}", markup=False, soft_wrap=True)
    if not changed and not gone:
        console.print("Nothing would change: every file is the same.")
        return 0
    console.print(
        f"  Files that change: {', '.join([*changed, *(f'{name} (removed)' for name in gone)])}.",
        markup=False,
        soft_wrap=True,
    )
    if not yes:
        if not _can_ask():
            console.print("Not published: say --yes, since there is no terminal to ask on.")
            return 1
        if not click.confirm("Publish?", default=False):
            console.print("Not published.")
            return 1
    _swap(place.folder, {name: files[name] for name in changed}, gone)
    console.print(f"Published in {place.folder}.", markup=False, soft_wrap=True)
    return 0


def _can_ask() -> bool:
    return sys.stdin.isatty()


def _text(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _swap(folder: Path, files: Mapping[str, str], gone: Iterable[str]) -> None:
    """Write every new file beside the old ones, then put each in its place; one that is killed leaves no half file.

    Raises:
        UserError: something cannot be written; before anything was replaced, unless it was the replacing itself.
    """
    for left in folder.glob(".publish.*.part"):  # of one that was killed
        shutil.rmtree(left, ignore_errors=True)
    scratch = folder / f".publish.{os.getpid()}.part"
    try:
        for name, text in files.items():
            write_atomically(scratch / name, text)
        (folder / RESULTS).mkdir(exist_ok=True)
        for name in files:
            os.replace(scratch / name, folder / name)
        for name in gone:
            (folder / name).unlink()
    except OSError as error:
        raise UserError(f"Cannot write {folder}: {error}. Make it writable and publish again.") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
