"""``dataworth study gaming``: what a contributor takes home, by every method and by retraining, before and after.

The contributor is the one of median Shapley value by retraining. Each change of ``changes.CHANGES`` makes another pool
of the dealt one; methods and truths are asked about it as about any pool.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from rich.console import Console

from harness.cli.studies import Request
from harness.cli.studies.changes import CHANGES, Scene
from harness.cli.studies.dealt import Dealing, dealing
from harness.cli.studies.pages import Section, Table, csv_text, field, report_progress, write_study
from harness.errors import UserError
from harness.registry import methods_named
from harness.report.numbers import NONE
from harness.running.pool_run import PoolRun
from harness.seeds import stream
from harness.statistics.means import finite_mean
from harness.statistics.scores import ranks as average_ranks
from harness.types import QUESTIONS, Floats, Method, Question, SetFunction, Task

NAME = "gaming"
SEEDS = 3
"""Of every truth, where nobody says how many."""

METHODS = ("size", "mmd", "ntk-mmd", "knn-shapley", "lava", "tracin", "influence", "kernel-shap")
"""One of each kind that is cheap: a count, a distance, training-free, features, transport, gradients, retraining."""

BEFORE = "before"
FAR = 1_000
"""The other pool that new examples come from is so many further on, where no study looks."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the tables: a truth, or what a method answers.

    Args:
        question: that of the truth it is held against.
        method: None for the truth itself.
    """

    name: str
    question: Question
    method: Method | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What one row said of one pool.

    Args:
        change: ``BEFORE`` or one of ``CHANGES``.
        values_SC: None where it did not answer; the contributor's own place first among ``places``.
        places: of whom the contributor is paid for: itself, and afterwards also the last.
        reason: why it did not answer.
    """

    task: str
    pool: int
    change: str
    row: Row
    values_SC: Floats | None
    places: tuple[int, ...]
    reason: str = ""

    @property
    def share(self) -> float:
        return math.nan if self.values_SC is None else share(self.values_SC.mean(axis=0), self.places)

    @property
    def ranks(self) -> tuple[float, ...]:
        if self.values_SC is None:
            return (math.nan,) * len(self.places)
        return ranks(self.values_SC.mean(axis=0), self.places)


def share(values_C: Floats, places: Sequence[int]) -> float:
    """What those at some places are worth together, of all that is paid or charged; nan where that is nothing.

    They count as one in the whole, so that it is no matter under how many names they are paid: v / (|v| + the others'
    absolute values). Where all values are positive this is the share of the total.
    """
    own = float(values_C[[*places]].sum())
    whole = abs(own) + float(np.abs(np.delete(values_C, [*places])).sum())
    return own / whole if whole > 0 else math.nan


def ranks(values_C: Floats, places: Sequence[int]) -> tuple[float, ...]:
    """Each one's place in the order of worth, 1 for the best; ties share theirs."""
    order_C = average_ranks(-values_C) + 0.5
    return tuple(float(order_C[place]) for place in places)


def study(request: Request, console: Console) -> int:
    """Deal, change, ask, and say where it was written; the exit status."""
    asked = methods_named(request.methods or METHODS)
    rows = [*_rows(asked)]
    with dealing(request, SEEDS) as table:
        found = [answer for task in table.tasks.values() for answer in _of_task(table, task, rows)]
        tasks, seeds = list(table.tasks), table.suite.seeds
    sections = [_overview(found, tasks)] if len(tasks) > 1 else []
    sections += [section for task in tasks for section in _sections([f for f in found if f.task == task], task)]
    foreword = _foreword(found, next(iter(seeds.values())))
    write_study(request.out, f"Study: {NAME}", foreword, sections, (), console, {"gaming.csv": _csv(found)})
    return 0


def _rows(asked: Mapping[str, Method]) -> Iterator[Row]:
    """Truths, then methods: set functions answer each question, all others all alike."""
    for question in QUESTIONS:
        yield Row(f"truth: {question}", question, None)
    for name, made in asked.items():
        if isinstance(made, SetFunction):
            for question in QUESTIONS:
                yield Row(f"{name}: {question}", question, made)
        else:
            yield Row(name, "shapley", made)


# --- asking ---------------------------------------------------------------------------------------------


def _of_task(table: Dealing, task: Task, rows: Sequence[Row]) -> Iterator[Answer]:
    for index in table.pools:
        run = table.run(task, index)
        before = [_answer(run, BEFORE, row, ()) for row in rows]
        attacker = median(run, before)
        for found in before:
            yield replace(found, places=(attacker,))
        run.release()
        report_progress(f"{task.name}, pool {index + 1}: {BEFORE}; the contributor is {run.pool.names[attacker]}")
        other, learner = task.deal(index + FAR), task.learner()
        for name, change in CHANGES.items():
            rng = stream(table.suite.seed, NAME, task.name, index)
            changed = table.run(task, index, change.made(Scene(run.pool, attacker, other, learner, rng)))
            places = (attacker, len(run.pool.contributors))
            yield from (_answer(changed, name, row, places) for row in rows)
            changed.release()
            report_progress(f"{task.name}, pool {index + 1}: {name}")


def _answer(run: PoolRun, change: str, row: Row, places: tuple[int, ...]) -> Answer:
    """What a row says of a pool.

    Raises:
        UserError: a truth cannot be had.
    """
    if row.method is None:
        found = run.truth(row.question)
        if found.status != "ok":
            raise UserError(f"{row.name} of {run.task.name}, pool {run.index + 1}, {change}: {found.reason}")
        return Answer(run.task.name, run.index, change, row, np.array(found.values), places)
    answer = run.valuation(row.name.partition(f": {row.question}")[0], row.method, row.question)
    values = np.array(answer.values) if answer.status == "ok" else None
    return Answer(run.task.name, run.index, change, row, values, places, answer.reason)


def median(run: PoolRun, before: Sequence[Answer]) -> int:
    """Who is in the middle by the Shapley truth, the lower of two, of those with two examples to split.

    Raises:
        UserError: nobody has two.
    """
    (values_SC,) = (f.values_SC for f in before if f.row.method is None and f.row.question == "shapley")
    assert values_SC is not None
    sizes_C = np.bincount(run.pool.train.owners_N)
    order = [int(c) for c in np.argsort(values_SC.mean(axis=0), kind="stable") if sizes_C[c] >= 2]
    if not order:
        raise UserError(f"{run.task.name}, pool {run.index + 1}: no contributor has two examples to split.")
    return order[(len(order) - 1) // 2]


# --- telling --------------------------------------------------------------------------------------------


def _foreword(found: Sequence[Answer], seeds: int) -> str:
    pools = ", ".join(map(str, sorted({f.pool + 1 for f in found})))
    changes = "\n".join(f"- {name}: {change.about}" for name, change in CHANGES.items())
    return (
        "What the contributor of median Shapley value takes home, before and after it does one of these:\n\n"
        f"{changes}\n\nWhoever joins brings as many examples as the contributor has. Mean over pools {pools} of each "
        f"task; truths by retraining on {seeds} seeds, scored on the test split, which no method sees."
    )


def _overview(found: Sequence[Answer], tasks: Sequence[str]) -> Section:
    """What the truths give for each change, and what each method gives beyond that: means over tasks."""
    rows = {f.row.name: f.row for f in found if f.values_SC is not None}
    by_task = [[f for f in found if f.task == task] for task in tasks]

    def gain(own: Sequence[Answer], name: str, change: str) -> float:
        return _share(own, name, change) - _share(own, name, BEFORE)

    def cell(row: Row, change: str) -> str:
        gains = [gain(own, row.name, change) for own in by_task]
        if row.method is not None:
            gains = [g - gain(own, f"truth: {row.question}", change) for g, own in zip(gains, by_task, strict=True)]
        return _points(finite_mean(gains))

    table = Table(["", *CHANGES], [[name, *(cell(row, change) for change in CHANGES)] for name, row in rows.items()])
    return Section("All tasks: what the truths give, and what each method gives beyond its truth", OVERVIEW, table)


OVERVIEW = (
    "Change of the share of all that is paid, in points, mean over tasks; of a method less the truth's change. What a "
    "method gives beyond the truth for a split, copies, noise or nearness is what gaming it brings."
)


def _sections(found: Sequence[Answer], task: str) -> list[Section]:
    rows = _answered(found)
    columns = [BEFORE, *CHANGES]
    shares = {(name, change): _share(found, name, change) for name in rows for change in columns}
    table = Table(["", *columns], [[name, *(_percent(shares[name, change]) for change in columns)] for name in rows])
    places = Table(["", *columns], [[name, *(_places(found, name, change) for change in columns)] for name in rows])
    return [
        Section(f"{task}: share of all that is paid, in %", " ".join([SHARES, _noise(found), *_absent(found)]), table),
        Section(f"{task}: rank of the contributor, and of its new name", RANKS, places),
        Section(f"{task}: who gains", GAINS, _gains(found, rows, shares)),
    ]


def _answered(found: Sequence[Answer]) -> list[str]:
    """Rows that answered anywhere."""
    return list(dict.fromkeys(f.row.name for f in found if f.values_SC is not None))


SHARES = (
    "What the contributor and its new name are worth together, as a share of all that is paid or charged: v / sum of "
    "|v|, the two counted as one. An additive method can gain nothing by a split."
)
RANKS = "1 is worth most, ties share a rank; mean over pools."
GAINS = (
    "Change of the share in points. The truth's is by the same question as the method's, Shapley's for those that "
    "answer every question alike. What a method pays beyond the truth is what gaming it brings."
)


def _of(found: Sequence[Answer], name: str) -> list[Answer]:
    return [f for f in found if f.row.name == name]


def _share(found: Sequence[Answer], name: str, change: str) -> float:
    return finite_mean(f.share for f in _of(found, name) if f.change == change)


def _percent(value: float) -> str:
    return f"{100 * value:.1f}" if math.isfinite(value) else NONE


def _places(found: Sequence[Answer], name: str, change: str) -> str:
    by_pool = [f.ranks for f in _of(found, name) if f.change == change]
    means = [finite_mean(places) for places in zip(*by_pool, strict=True)]
    return " ".join(f"{mean:.0f}" if math.isfinite(mean) else NONE for mean in means)


def _gains(found: Sequence[Answer], rows: Sequence[str], shares: Mapping[tuple[str, str], float]) -> Table:
    """For every change what the truths say, and the methods that pay most beyond that, and least."""
    row_of = {f.row.name: f.row for f in found}
    asked = [name for name in rows if row_of[name].method is not None]

    def gain(name: str, change: str) -> float:
        return shares[name, change] - shares[name, BEFORE]

    def in_truth(name: str, change: str) -> float:
        return gain(f"truth: {row_of[name].question}", change)

    lines = []
    for change in CHANGES:
        beyond = {name: gain(name, change) - in_truth(name, change) for name in asked}
        order = sorted((name for name in asked if math.isfinite(beyond[name])), key=beyond.__getitem__)
        ends = [order[-1], order[0]] if order else []
        said = [f"{name} {_points(gain(name, change))}, {_points(beyond[name])} beyond" for name in ends]
        truths = [_points(gain(f"truth: {question}", change)) for question in QUESTIONS]
        lines.append([change, *truths, *(said or [NONE, NONE])])
    return Table(["", "alone", "left out", "Shapley", "pays most beyond its truth", "least"], lines)


def _points(gain: float) -> str:
    return f"{100 * gain:+.1f}" if math.isfinite(gain) else NONE


def _noise(found: Sequence[Answer]) -> str:
    """How far the truths' shares would move with other seeds: their standard error, root mean square over changes."""
    pools, parts = len({f.pool for f in found}), []
    for question in QUESTIONS:
        own = [f for f in found if f.row.method is None and f.row.question == question and f.values_SC is not None]
        by_seed = [[share(values_C, f.places) for values_C in _known(f)] for f in own]
        squares = [float(np.var(shares, ddof=1)) / len(shares) for shares in by_seed if len(shares) > 1]
        if squares:
            parts.append(f"{question} {100 * math.sqrt(finite_mean(squares) / pools):.1f}")
    if not parts:
        return "One seed tells nothing of the truths' noise."
    return f"Standard errors of the truths' shares, by their seeds alone: {', '.join(parts)}."


def _known(f: Answer) -> Floats:
    assert f.values_SC is not None
    return f.values_SC


def _absent(found: Sequence[Answer]) -> list[str]:
    reasons = {f.row.name: f.reason for f in found if f.values_SC is None}
    return [f"{name}: {reason.rstrip('.')}." for name, reason in reasons.items()]


def _csv(found: Sequence[Answer]) -> str:
    columns = ["task", "pool", "change", "row", "question", "share", "rank", "rank of new name", "reason", "values"]
    return csv_text(columns, [_line(f) for f in found])


def _line(f: Answer) -> list[object]:
    values = "" if f.values_SC is None else " ".join(f"{value:.6g}" for value in f.values_SC.mean(axis=0))
    own, new = (*f.ranks, math.nan)[:2]
    return [f.task, f.pool, f.change, f.row.name, f.row.question, *map(field, (f.share, own, new)), f.reason, values]
