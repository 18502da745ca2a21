"""``dataworth study costs``: what every method's valuation costs against the leave-one-out truth that it predicts.

Read off a leaderboard's table, published or of a run; nothing is trained.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from harness.cli.places import Place
from harness.cli.studies import STUDIED, Request
from harness.cli.studies.pages import Section, Table, csv_text, field, write_study
from harness.errors import UserError
from harness.report.leaderboard_csv import TABLE, number, read
from harness.report.numbers import NONE, hours, seconds
from harness.report.view import TRUTH
from harness.types import LOADED, Question

NAME = "costs"
QUESTION: Question = "leave-one-out"
LEAST = 0.001
"""Smaller shares are not told apart."""

MEASURES = {
    "seconds": "seconds",
    "core_hours": "core-hours",
    "reference_gpu_hours": "GPU-hours at reference scale",
}
"""Columns of the table, and what they are called."""


@dataclass(frozen=True, slots=True)
class Line:
    """What one method's valuation takes of one task, or the truth.

    Args:
        costs: by measure; nan where there is none.
        differentiates: whether it takes gradients, and retrains less often than there are contributors.
        loaded: whether others kept the machine busy meanwhile, so that its times are too high.
    """

    task: str
    method: str
    costs: Mapping[str, float]
    differentiates: bool
    loaded: bool


def study(request: Request, console: Console) -> int:
    """Read, divide, and say where it was written; the exit status."""
    request.refuse("data", "pools", "seeds")
    file = Place.of_results(request.suite or STUDIED, None).folder / TABLE
    lines = _chosen(lines_of(file), request)
    ratios = {(line.task, line.method): _ratios(line, _truth_of(lines, line.task, file)) for line in lines}
    sections = [_section(measure, lines, ratios) for measure in MEASURES]
    write_study(
        request.out, f"Study: {NAME}", _foreword(file), sections, (), console, {"costs.csv": _csv(lines, ratios)}
    )
    return 0


def lines_of(file: Path) -> list[Line]:
    """The table's rows for leave-one-out, those without a cost left out.

    Raises:
        UserError: there is no such table, or it is of another version.
    """
    try:
        rows = [row for row in read(file.read_text(encoding="utf-8")) if row["question"] == QUESTION]
        return [_line(row) for row in rows if row["seconds"]]
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}. Draw it by 'dataworth report'.") from error
    except (KeyError, ValueError) as error:
        raise UserError(
            f"{file} is no table of this version ({error}). Draw it again by 'dataworth report'."
        ) from error


def _line(row: Mapping[str, str]) -> Line:
    return Line(
        task=row["task"],
        method=row["method"],
        costs={measure: number(row[measure]) for measure in MEASURES},
        differentiates=number(row["gradient_passes"]) > 0 and number(row["retrainings"]) < number(row["contributors"]),
        loaded=number(row["load"]) > LOADED,
    )


def _chosen(lines: Sequence[Line], request: Request) -> list[Line]:
    """Those of the tasks and methods that were asked for; the truths always.

    Raises:
        UserError: the table has no such task or method.
    """
    for what, names, known in (
        ("task", request.tasks, {line.task for line in lines}),
        ("method", request.methods, {line.method for line in lines}),
    ):
        if strange := [name for name in names or () if name not in known]:
            raise UserError(f"The table has no cost of the {what} {strange[0]}; it has {', '.join(sorted(known))}.")
    return [
        line
        for line in lines
        if (request.tasks is None or line.task in request.tasks)
        and (request.methods is None or line.method in (TRUTH, *request.methods))
    ]


def _truth_of(lines: Sequence[Line], task: str, file: Path) -> Line:
    """
    Raises:
        UserError: the table has no truth of leave-one-out.
    """
    for line in lines:
        if (line.task, line.method) == (task, TRUTH):
            return line
    raise UserError(f"{file} has no {QUESTION} truth of {task}; run the suite with that question.")


def _ratios(line: Line, truth: Line) -> dict[str, float]:
    """Of each measure; nan where either side is not known."""
    return {
        measure: cost / truth.costs[measure] if truth.costs[measure] > 0 else math.nan
        for measure, cost in line.costs.items()
    }


# --- telling --------------------------------------------------------------------------------------------


Ratios = Mapping[tuple[str, str], Mapping[str, float]]


def _foreword(file: Path) -> str:
    return (
        f"What one valuation costs as a share of what its pool's {QUESTION} truth costs, every retraining of every "
        f"seed at its first price; by {file}. Above 1, marked !, the method costs more than what it predicts. §: "
        "measured while others kept more than a quarter of the machine busy. Methods run on one thread and retraining "
        "on every core, so seconds flatter retraining by up to the number of cores; core-hours do not."
    )


def _section(measure: str, lines: Sequence[Line], ratios: Ratios) -> Section:
    tasks = list(dict.fromkeys(line.task for line in lines))
    found = {(line.task, line.method): line for line in lines}
    asked = [method for method in dict.fromkeys(line.method for line in lines) if method != TRUTH]

    def worst(method: str) -> float:
        known = [ratios[task, method][measure] for task in tasks if (task, method) in found]
        return max((ratio for ratio in known if math.isfinite(ratio)), default=-1.0)

    def cell(task: str, method: str) -> str:
        if (line := found.get((task, method))) is None:
            return NONE
        return _share(ratios[task, method][measure]) + (
            " §" if line.loaded and measure != "reference_gpu_hours" else ""
        )

    written = seconds if measure == "seconds" else hours
    truths = [TRUTH, *(written(found[task, TRUTH].costs[measure]) for task in tasks)]
    rows = [[method, *(cell(task, method) for task in tasks)] for method in sorted(asked, key=worst, reverse=True)]
    title = f"{MEASURES[measure]}: the truth's, and each method's over it"
    return Section(title, _verdict(measure, lines, ratios), Table(["", *tasks], [truths, *rows]))


def _share(ratio: float) -> str:
    if not math.isfinite(ratio):
        return NONE
    if ratio < LEAST:
        return "0" if ratio == 0 else f"<{LEAST:g}"
    return f"{ratio:.2g} !" if 1 < ratio < 10 else f"{ratio:,.0f} !" if ratio > 1 else f"{ratio:.2g}"


def _verdict(measure: str, lines: Sequence[Line], ratios: Ratios) -> str:
    """Which methods of gradients cost more than the truth, the dearest first."""
    gradient = [(ratios[line.task, line.method][measure], line) for line in lines if line.differentiates]
    known = sorted((pair for pair in gradient if math.isfinite(pair[0])), key=lambda pair: -pair[0])
    if not known:
        return "No method that takes gradients has a cost here."
    dear = [f"{line.method} on {line.task} ({_share(ratio).rstrip(' !')})" for ratio, line in known if ratio > 1]
    if dear:
        return f"Methods that take gradients and cost more than the truth: {', '.join(dear)}."
    ratio, line = known[0]
    return (
        f"No method that takes gradients costs more than the truth; nearest {line.method} on {line.task}, {ratio:.2g}."
    )


def _csv(lines: Sequence[Line], ratios: Ratios) -> str:
    columns = ["task", "method", "gradients", "loaded", *MEASURES, *(f"{measure}_over_truth" for measure in MEASURES)]
    rows = [
        [
            *(line.task, line.method, int(line.differentiates), int(line.loaded)),
            *(field(line.costs[measure]) for measure in MEASURES),
            *(field(ratios[line.task, line.method][measure]) for measure in MEASURES),
        ]
        for line in lines
    ]
    return csv_text(columns, rows)
