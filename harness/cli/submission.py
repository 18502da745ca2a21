"""What ``dataworth submit-check`` does: results of others, held against all that is known of them here."""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from harness.cli.chosen import tasks_of
from harness.cli.devices import device_of
from harness.cli.places import Place, data_folder, truth_differences
from harness.cli.refusals import version_of
from harness.config import RESULTS, SUITE_FILE, Suite
from harness.errors import UserError
from harness.knobs import base_of
from harness.records.results import FORMAT, Results, formats, load, without_nan
from harness.records.seal import changes, sealed
from harness.registry import method, methods
from harness.report import numbers
from harness.report.leaderboard import leaderboard
from harness.report.measured import measured_by
from harness.report.phrases import counted
from harness.running.own_process import Limits
from harness.running.progress import ProgressDisplay
from harness.seeds import stream
from harness.statistics.confirmation import LEVEL, MARGIN
from harness.submitting import again, beside, consistency, origins, tables
from harness.submitting.findings import Finding, finding
from harness.submitting.hidden import Confirmation, confirmations
from harness.types import Method


@dataclass(frozen=True, slots=True)
class Request:
    """The options of ``dataworth submit-check``.

    Args:
        folder: what was submitted.
        data: the folder of the user's files, for suites on files.
        cells: how many answers are asked again.
        sample: which ones: a seed; None for one that nobody knew.
        hidden: the folder of a run on hidden pools; None for none.
        isolated: methods are asked in processes of their own.
        as_json: print the findings as JSON.
    """

    folder: Path
    data: str | None = None
    cells: int = 2
    sample: int | None = None
    hidden: Path | None = None
    device: str = "auto"
    isolated: bool = False
    as_json: bool = False


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found of a submission.

    Args:
        suite, results: as submitted.
        rows: its methods, by whether the board has them.
        confirmed: rows on hidden pools, where these were given.
        sample: the seed that chose which answers are asked again.
    """

    suite: Suite
    results: Results
    findings: tuple[Finding, ...]
    rows: beside.Rows
    sample: int
    confirmed: tuple[Confirmation, ...] = ()

    @property
    def against(self) -> list[str]:
        return [reason for one in self.findings for reason in one.against]


def submit(request: Request, console: Console) -> int:
    """Check and print; the exit status: 0 where it may be merged, 1 where not."""
    found = checked(request, console)
    if request.as_json:
        click.echo(json.dumps(without_nan(_document(found)), indent=1, ensure_ascii=False))
    _print(console, request.folder, found)
    return 1 if found.against else 0


def checked(request: Request, console: Console) -> Checked:
    """Everything that is known of a submission; nothing is run where what takes no time speaks against it already.

    Raises:
        UserError: the folder holds no results, or something that is needed here is missing.
    """
    place = _place(request.folder)
    published = Place.published(place.suite.name)
    schema = _schema(place)
    sample = secrets.randbelow(2**31) if request.sample is None else request.sample
    nothing = beside.Rows((), ())
    if schema.against:
        return Checked(place.suite, Results(), (schema,), nothing, sample)
    results = load(place.results)
    view = leaderboard(place.suite, results)
    there = load(published.results) if published is not None and published.has_results else Results()
    rows = beside.rows(there, results)
    found = [schema, _seal(place.folder), _suite(published, place.suite, results), *_itself(place.suite, results)]
    found += [tables.tables(place.folder, view), beside.beside(there, results)]
    if published is not None:
        found.append(beside.complete(published.suite, results))
    confirmed: tuple[Confirmation, ...] = ()
    if request.hidden is not None:
        other, of_hidden = _hidden(request.hidden, place.suite)
        found.append(of_hidden)
        if not of_hidden.against:
            confirmed = tuple(confirmations(view, leaderboard(other.suite, load(other.results))))
    if any(one.against for one in found):
        found.append(again.spared())
    else:
        found.append(_again(request, place.suite, results, rows, sample, console))
    return Checked(place.suite, results, tuple(found), rows, sample, confirmed)


def _place(folder: Path) -> Place:
    """The folder with its suite.

    Raises:
        UserError: it is no folder of results.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder. Give the one that a run wrote, with its {SUITE_FILE} and {RESULTS}/.")
    return Place.of_results(str(folder), folder)


def _schema(place: Place) -> Finding:
    """Every line is a record of the present format."""
    files = formats(place.results)
    against = [
        f"{RESULTS}/{name} is in format {min(found)}, of an older version; a submission is in format {FORMAT}: give "
        "its command of 'dataworth run' again with this version."
        for name, found in files.items()
        if found and min(found) < FORMAT
    ]
    if not against:
        try:
            load(place.results)
        except UserError as error:
            against.append(str(error))
    return finding("schema", f"{len(files)} files of results in format {FORMAT}.", against)


def _seal(folder: Path) -> Finding:
    try:
        against = list(changes(folder, sealed(folder)))
    except UserError as error:
        against = [str(error)]
    return finding("seal", "Every line, against what the run sealed.", against)


def _suite(published: Place | None, suite: Suite, results: Results) -> Finding:
    """The suite is the published one in all that a truth and a price depend on."""
    told = f"The suite {suite.name}, as it is published."
    if published is None:
        return finding(
            "suite", told, [f"No suite called {suite.name} is published here: there is no board to merge into."]
        )
    other = truth_differences(published.suite, suite, "here")
    against = [f"Its suite is another than the published one: {', '.join(other)}."] if other else []
    if suite.projection != published.suite.projection:
        against.append(
            "Its suite has another [projection] than the published one, so that costs at reference scale are others."
        )
    for task in results.tasks():
        if task not in published.suite.tasks:
            against.append(f"The published suite has no task called {task}.")
    return finding("suite", told, against)


def _itself(suite: Suite, results: Results) -> list[Finding]:
    """What needs nothing but the results."""
    versions = {task: version_of(suite, task) for task in results.tasks()}
    return [
        origins.origins(results),
        consistency.keys(suite, results, versions),
        consistency.truths(suite, results),
    ]


def _again(
    request: Request, suite: Suite, results: Results, rows: beside.Rows, sample: int, console: Console
) -> Finding:
    rng = stream(sample, "submit-check", suite.name)
    sampled = again.sample(results, request.cells, rng, rows.new)
    if not sampled:
        return again.unasked()
    tasks = tasks_of(suite, data_folder(suite, request.data), dict.fromkeys(one.task for one in sampled))
    known = methods()
    asked: dict[str, Method] = {name: method(name) for name in (*rows.new, *rows.known) if base_of(name) in known}
    progress = ProgressDisplay(console)
    limits = Limits() if request.isolated else None
    bench = again.Bench(suite, tasks, asked, device_of(request.device), limits, progress.stage)
    with progress.shown():
        return again.again(bench, results, sampled)


def _hidden(folder: Path, suite: Suite) -> tuple[Place, Finding]:
    """A run on hidden pools, held against itself.

    Raises:
        UserError: its pools are not hidden, or it is of another suite.
    """
    place = _place(folder)
    if place.suite.hidden is None:
        raise UserError(
            f"{folder} has no hidden pools; make a run that has: dataworth run --suite {suite.name} --hidden SEED."
        )
    same = place.suite.model_copy(update={"hidden": suite.hidden, "pools": suite.pools})
    other = truth_differences(suite, same, "there")
    against = [f"It is of another suite: {', '.join(other)}."] if other else []
    if place.suite.name != suite.name:
        against.append(f"It is of the suite {place.suite.name}.")
    schema = _schema(place)
    own = [schema] if schema.against else [schema, _seal(place.folder), *_itself(place.suite, load(place.results))]
    against += [reason for one in own for reason in one.against]
    return place, finding("hidden pools", f"The run on those of seed {place.suite.hidden}, by itself.", against)


def _document(found: Checked) -> dict[str, object]:
    """What was found, for programs."""
    return {
        "suite": found.suite.name,
        "may_be_merged": not found.against,
        "against": found.against,
        "checks": [asdict(one) for one in found.findings],
        "new": list(found.rows.new),
        "known": list(found.rows.known),
        "sample": found.sample,
        "confirmed": [
            {
                "method": one.method,
                "question": one.question,
                "verdict": one.verdict,
                "pools": one.pools,
                "seen": one.loss.old,
                "hidden": one.loss.new,
                "at_most_lower_by": one.loss.below(),
            }
            for one in found.confirmed
        ],
    }


STYLES = {"ok": "green", "refused": "red", "not done": "yellow"}


def _print(console: Console, folder: Path, found: Checked) -> None:
    for one in found.findings:
        console.print(
            Text.assemble(Text(f"{one.check}: ", "cyan"), Text(one.status, STYLES[one.status]), f". {one.told}")
        )
        for reason in one.against:
            console.print(Text(f"  {reason}"))
    for line in _confirmed(found.confirmed):
        console.print(Text(line))
    console.print(Text(_verdict(folder, found), style="bold"), soft_wrap=True)


def _verdict(folder: Path, found: Checked) -> str:
    name, asked = found.suite.name, f"(which answers were asked again: --sample {found.sample})"
    if found.against:
        reasons = counted(len(found.against), "reason")
        return f"{folder} may not be merged into {name}, for {reasons} {asked}."
    who = "; ".join(dict.fromkeys(measured_by(run.provenance) for run in found.results.runs.values()))
    if not found.rows.new:
        known = ", ".join(found.rows.known)
        return f"{folder} agrees with {name}, and brings no row that it has not: {known}, measured by {who} {asked}."
    return (
        f"{folder} may be merged into {name}: {', '.join(found.rows.new)}, measured by {who} {asked}. "
        f"To merge: dataworth publish {name} --merge {folder}"
    )


def _confirmed(rows: Sequence[Confirmation]) -> list[str]:
    """A line for each row that was asked about on hidden pools."""
    if not rows:
        return []
    lines = [
        f"On hidden pools a row is confirmed where a loss of {MARGIN:g} or more is ruled out ({LEVEL:.0%}, one-sided), "
        f"and lower where a loss is told ({LEVEL:.0%} for all {len(rows)} together):"
    ]
    for one in rows:
        seen, hidden = (numbers.correlation(value) for value in (one.loss.old, one.loss.new))
        bound = f"at most {one.loss.below():.2f} lower" if math.isfinite(one.loss.error) else "too few pools to tell"
        lines.append(
            f"  {one.verdict}: {one.method}, {one.question or 'mean over questions'}: {seen} on the published pools, "
            f"{hidden} on {counted(one.pools, 'hidden pool')} a task; {bound}"
        )
    return lines
