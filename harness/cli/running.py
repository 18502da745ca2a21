"""``dataworth run``: choose, run, report, and say how it ended."""

from __future__ import annotations

import math
import shlex
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, cast

import torch
from rich.console import Console

from harness.cli.chosen import tasks_of
from harness.cli.places import Place, data_folder, truth_differences
from harness.config import Suite
from harness.errors import UserError, unknown
from harness.records.results import load
from harness.registry import method, methods_named
from harness.report import comparison
from harness.report.files import write_report
from harness.report.leaderboard import leaderboard
from harness.report.terminal import print_leaderboard
from harness.report.view import View
from harness.running.own_process import Limits
from harness.running.progress import ProgressDisplay
from harness.running.runner import Chosen, Runner
from harness.types import QUESTIONS, SetFunction

FEATURES = ("class-balance", "initial-loss", "mmd")
"""Methods that every pool's discrimination check takes as single features."""


@dataclass(frozen=True, slots=True)
class Request:
    """The options of ``dataworth run``; None where the suite decides.

    Args:
        data: the folder of the user's files.
        isolated: each method in a process of its own, with at most so many seconds and MB for an answer.
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
    place = Place.of_run(request.suite, request.pools, request.seeds, request.out)
    chosen = _chosen(request, place)
    device = device_of(request.device)
    place.prepare(fresh=not request.resume)
    signal.signal(signal.SIGTERM, _interrupt)
    runner = Runner(place.suite, chosen, place.folder, device, ProgressDisplay(console), limits)
    try:
        results = runner.run()
    except KeyboardInterrupt:
        again = shlex.join(["dataworth", *[arg for arg in sys.argv[1:] if arg != "--fresh"]])
        stopped = f"\nStopped. Everything finished is kept in {place.folder}. To go on: {again}"
        console.print(stopped, markup=False, soft_wrap=True)
        return 130
    view = write_report(place.folder, place.suite, results)
    print_leaderboard(console, view)
    for line in against_published(place.suite, view):
        console.print(line, markup=False, soft_wrap=True)
    console.print(
        f"Written to {place.folder}: README.md, index.html, leaderboard.csv, overall.csv, results/. Draw them again: "
        f"dataworth report --out {place.folder}",
        markup=False,
        soft_wrap=True,
    )
    if runner.failures:
        console.print(f"[red]{len(runner.failures)} answers failed[/red]; their rows say why.")
        return 1
    return 0


def against_published(suite: Suite, view: View) -> list[str]:
    """How a run compares with the published results of its suite, a line each; nothing where there are none."""
    try:
        place = Place.published(suite.name)
        if place is None or not place.has_results:
            return []
        if differs := truth_differences(place.suite, suite, "this run", view.tasks, view.questions):
            return [f"Not compared with the published results, which have {', '.join(differs)}."]
        published = leaderboard(place.suite, load(place.results))
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


def device_of(asked: str) -> str:
    if asked == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(asked)
    except RuntimeError as error:
        raise UserError(f"--device {asked!r} is no device; use cpu, cuda, cuda:1, ... or auto.") from error
    if device.type not in ("cpu", "cuda"):
        raise UserError(f"--device {asked!r} is not supported; use cpu, cuda, cuda:1, ... or auto.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UserError(
            f"--device {asked!r}: this machine has {torch.cuda.device_count()} CUDA devices; use cpu or auto."
        )
    return asked


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt
