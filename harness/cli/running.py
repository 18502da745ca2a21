"""``dataworth run``: choose, run, report, and say how it ended."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import click
from rich.console import Console

from harness.cli.chosen import tasks_of
from harness.cli.devices import device_of
from harness.cli.places import Place, data_folder, truth_differences
from harness.cli.stopping import heard, stoppable
from harness.config import Suite
from harness.errors import UserError, plain, unknown
from harness.records.provenance import MARKUP, is_plain
from harness.records.results import load
from harness.registry import method, methods_named
from harness.report import comparison, glance
from harness.report.as_json import to_json
from harness.report.files import INDEX, write_report
from harness.report.leaderboard import leaderboard
from harness.report.terminal import print_leaderboard
from harness.report.view import View
from harness.running.own_process import Limits
from harness.running.progress import ProgressDisplay
from harness.running.runner import Chosen, Runner
from harness.types import QUESTIONS, SetFunction

FEATURES = ("class-balance", "initial-loss", "mmd")
"""Methods that every pool's discrimination check takes as single features."""

LONGEST_BY = 80
"""Characters of the name of who measures."""


@dataclass(frozen=True, slots=True)
class Request:
    """The options of ``dataworth run``; None where the suite decides.

    Args:
        data: the folder of the user's files.
        hidden: the seed of pools that nobody has seen; None for those of the suite.
        by: who measures.
        isolated: each method in a process of its own, with at most so many seconds and MB for an answer.
        as_json: print the tables as JSON.
    """

    suite: str
    data: str | None
    tasks: tuple[str, ...] | None
    methods: tuple[str, ...] | None
    questions: tuple[str, ...] | None
    pools: int | None
    seeds: int | None
    device: str
    out: Path | None
    resume: bool
    isolated: bool = False
    method_timeout: float | None = None
    memory: float | None = None
    hidden: int | None = None
    by: str | None = None
    as_json: bool = False

    @property
    def limits(self) -> Limits | None:
        """Of methods in processes of their own; None for this process.

        Raises:
            UserError: one of them is none.
        """
        for option, limit in (("--method-timeout", self.method_timeout), ("--memory", self.memory)):
            if limit is not None and not 0 < limit < math.inf:
                raise UserError(f"{option} must be more than 0, got {limit:g}.")
        found = Limits(self.method_timeout, self.memory)
        return found if self.isolated or found != Limits() else None


def run_suite(request: Request, console: Console) -> int:
    """Run and report; the exit status."""
    limits = request.limits
    by = who(request.by)
    place = Place.of_run(request.suite, request.pools, request.seeds, request.out, request.hidden)
    chosen = _chosen(request, place)
    device = device_of(request.device)
    place.prepare(fresh=not request.resume)
    runner = Runner(place.suite, chosen, place.folder, device, ProgressDisplay(console), limits, by)
    with stoppable(heard(console), f"Everything finished is kept in {place.folder}."):
        results = runner.run()
    view = write_report(place.folder, place.suite, results)
    if request.as_json:
        click.echo(to_json(view))
    else:
        print_leaderboard(console, view)
    for line in against_published(place.suite, view):
        console.print(line, markup=False, soft_wrap=True)
    console.print(
        f"Written to {place.folder}: README.md, index.html, leaderboard.csv, overall.csv, results/. Draw them again: "
        f"dataworth report --out {place.folder}",
        markup=False,
        soft_wrap=True,
    )
    if short := glance.in_short(view):
        console.print(short, markup=False, soft_wrap=True)
    console.print(f"To look into it, open {place.folder / INDEX} in a browser.", markup=False, soft_wrap=True)
    if runner.failures:
        heard(console).print(f"[red]{len(runner.failures)} answers failed[/red]; their rows say why.")
        return 1
    return 0


def who(name: str | None) -> str:
    """The name that ``--by`` gives; empty where nobody is named.

    Raises:
        UserError: it is none that a table can show.
    """
    if name is None:
        return ""
    if not name.strip() or not is_plain(name) or len(name) > LONGEST_BY:
        raise UserError(
            f"--by {plain(name)[:40]!r} is no name; give up to {LONGEST_BY} printable characters, none of them of "
            f"{' '.join(sorted(MARKUP))}."
        )
    return name.strip()


def against_published(suite: Suite, view: View) -> list[str]:
    """How a run compares with the published results of its suite, a line each; nothing where there are none."""
    try:
        place = Place.published(suite.name)
        if place is None or not place.has_results:
            return []
        if differs := truth_differences(place.suite, suite, "this run", view.tasks, view.questions):
            return [f"Not compared with the published results, which have {', '.join(differs)}."]
        published = leaderboard(place.suite, load(place.results), secondary=False)
    except UserError as error:  # what is published may be damaged; the run is finished all the same
        return [f"Not compared with the published results: {error}"]
    found = comparison.compare(comparison.entries(published.cells), comparison.entries(view.cells))
    return comparison.summary(found, "here")


def _chosen(request: Request, place: Place) -> Chosen:
    suite = place.suite
    tasks = tasks_of(suite, data_folder(suite, request.data), request.tasks)
    methods = methods_named(request.methods or suite.methods)
    for question in request.questions or ():
        if question not in QUESTIONS:
            raise unknown("question", question, QUESTIONS)
    questions = [q for q in suite.questions if request.questions is None or q in request.questions]
    if not questions:
        raise UserError(f"The suite {suite.name} asks {', '.join(suite.questions)}; none of --questions is among them.")
    features = {name: cast(SetFunction, method(name)) for name in FEATURES}
    return Chosen(tasks, methods, features, questions)
