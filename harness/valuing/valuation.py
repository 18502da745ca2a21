"""A valuation from beginning to end: what is chosen, asked, looked at and audited, as one typed result."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from rich.markup import escape

from harness import registry
from harness.brought import Brought
from harness.errors import UserError
from harness.metering.load import HERE
from harness.projection import Projection
from harness.registry import Broken
from harness.retraining.ledger import Ledger
from harness.seeds import stream
from harness.statistics.values import Certainty, certainty
from harness.types import Cost, Floats, Question
from harness.valuing.asking import Answer, Asking, Extremes, Unsuitable, ask
from harness.valuing.audit import Audit, refuse_few, run_audit, trainings
from harness.valuing.boards import Board, boards, trust
from harness.valuing.choosing import AUTO, Budget, Choice, Price, choose, price, price_of_training, row_of
from harness.valuing.findings import Finding, findings_of
from harness.valuing.look import Look, look
from harness.valuing.precision import exact, holds
from harness.valuing.session import Progress, Session, minutes
from harness.valuing.target import FEWEST_PARTS, PARTS


@dataclass(frozen=True, slots=True)
class Request:
    """How what was brought is to be valued.

    Args:
        method: a name with its knobs, or ``auto``.
        question: what a value shall say.
        budget: what the method, parts of the target and the audit may take together; None: as much as they do.
        parts: into how many the target is cut for its share of the interval; 0: none.
        audit: coalitions that are retrained; 0: none.
        seed: root of every random stream.
        device: torch device.
        texts: whether the outcome holds what examples say; else only where they stand.
    """

    method: str = AUTO
    question: Question = "shapley"
    budget: Budget | None = None
    parts: int = PARTS
    audit: int = 0
    seed: int = 0
    device: str = "cpu"
    texts: bool = True

    def __post_init__(self) -> None:
        if self.parts and self.parts < FEWEST_PARTS:
            raise UserError(
                f"--parts {self.parts}: the target is cut into {FEWEST_PARTS} parts or more, or 0 for none."
            )
        if self.audit < 0:
            raise UserError(f"--audit counts coalitions, got {self.audit}.")
        if self.audit:  # before anything is trained
            refuse_few(self.audit)


@dataclass(frozen=True, slots=True)
class Value:
    """What one contributor is worth.

    Args:
        name: of the contributor.
        value, low, high: with its 95 % interval; nan where nothing tells one.
        rank_low, rank_high: the ranks that it may have, all pairs compared at once.
        share, share_low, share_high: of the sum of all values; nan where that sum may be nothing.
        best, worst: examples, where the method scores them: text, answer (both empty where they are not to be told),
            place and value.
    """

    name: str
    value: float
    low: float
    high: float
    rank_low: int
    rank_high: int
    share: float
    share_low: float
    share_high: float
    best: tuple[tuple[str, str, str, float], ...] = ()
    worst: tuple[tuple[str, str, str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Bill:
    """What the answer took.

    Args:
        method, parts: the method's on the whole target, and on parts of it, at the price of first training.
        gpu_hours: of the first on the projection's GPU; gpu: which.
        wall: seconds of all of it, looks and audit included, reading apart.
        load: share of the machine that others kept busy meanwhile.
    """

    method: Cost
    parts: Cost
    gpu_hours: float
    gpu: str
    wall: float
    load: float


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """Everything that a valuation found; ``dataworth.Valued`` is this, with frames and plots.

    Args:
        task, question, method, model: what was asked, of what.
        why: why the method was taken; empty where the user named it.
        others: methods that the leaderboards cannot tell from it, where they chose it.
        values: in the order of contributors' names.
        looks: of each contributor, in the same order.
        findings: what to look into, loud ones first.
        holds: what the intervals hold, and what not, a sentence each.
        exact: what a more exact answer would cost, a sentence each.
        trust: what the leaderboards say of the method on such data, a sentence each.
        bill: what it took.
        audit: None where none was asked.
        target_rows, labels: of what was brought.
        crossed: how often models trained on half of the contributors are right on the target; nan for responses.
        unusual: of each contributor, examples as people read them: text, answer, place, loss.
        texts: whether examples hold what they say.
        seed: of every random stream.
        version: of dataworth.
    """

    task: str
    question: Question
    method: str
    model: str
    why: str
    others: tuple[str, ...]
    values: tuple[Value, ...]
    looks: tuple[Look, ...]
    findings: tuple[Finding, ...]
    holds: tuple[str, ...]
    exact: tuple[str, ...]
    trust: tuple[str, ...]
    bill: Bill
    audit: Audit | None
    target_rows: int
    labels: tuple[str, ...]
    crossed: float
    unusual: tuple[tuple[tuple[str, str, str, float], ...], ...]
    seed: int
    texts: bool
    version: str

    @property
    def made(self) -> str:
        """By what, in words."""
        return f"Made by dataworth {self.version}, seed {self.seed}."

    @property
    def ordered(self) -> list[Value]:
        """The most valuable first."""
        return sorted(self.values, key=lambda one: (-one.value, one.name))


def value(brought: Brought, request: Request, kept: Path | Ledger, progress: Progress) -> Outcome:
    """Values of what was brought.

    Args:
        kept: where everything is kept to go on from, as a ``Session`` has it.

    Raises:
        UserError: no method suits or fits, the one named does not, or it failed.
    """
    started = time.perf_counter()
    with Session(brought, request.seed, request.device, kept, progress) as session:
        rows = boards(brought.task, request.question)
        choice, answer = _answered(session, request, rows)
        progress.note(escape(f"{choice.name} has answered"))
        sure = _certainty(session, answer)
        values = tuple(_value(session, request, sure, answer.extremes, c) for c in range(len(brought.names)))
        looks, crossed = look(session)
        findings = findings_of(brought, looks, crossed, sure)
        audited = _audited(session, values, looks, request.audit) if request.audit else None
        each = round(len(brought.train) / len(brought.names))
        return Outcome(
            task=brought.task,
            question=request.question,
            method=choice.name,
            model=brought.model,
            why=choice.why,
            others=choice.others,
            values=values,
            looks=looks,
            findings=tuple(findings),
            holds=tuple(holds(answer, sure)),
            exact=tuple(exact(choice, answer, sure, session.gpu_hours(answer.cost), len(brought.target))),
            trust=tuple(
                trust(rows, choice.name, brought.task, request.question, len(brought.names), each, audited is not None)
            ),
            bill=_bill(session, answer, time.perf_counter() - started),
            audit=audited,
            target_rows=len(brought.target),
            labels=brought.labels,
            crossed=crossed.target_right if brought.labels else float("nan"),
            unusual=tuple(_shown(brought, one.unusual, request.texts) for one in looks),
            seed=request.seed,
            texts=request.texts,
            version=version("dataworth"),
        )


def audit(brought: Brought, request: Request, found: Outcome, kept: Path | Ledger, progress: Progress) -> Audit:
    """An audit of values that were found before."""
    with Session(brought, request.seed, request.device, kept, progress) as session:
        return _audited(session, found.values, found.looks, request.audit)


def _audited(session: Session, values: Sequence[Value], looks: Sequence[Look], count: int) -> Audit:
    return run_audit(session, np.array([one.value for one in values]), doubts(values, looks), count)


def _answered(session: Session, request: Request, rows: list[Board]) -> tuple[Choice, Answer]:
    """The method that is taken, and what it says."""
    budget = _without_audit(session, request)
    if request.method != AUTO:
        return _named(session, request, rows, budget)
    for choice, expected in choose(session, request.question, rows, budget):
        session.progress.note(escape(choice.why))
        try:
            return choice, ask(session, _asking(request, choice, budget, expected))
        except Unsuitable as reason:
            session.progress.note(escape(str(reason)))
    raise UserError(f"No method that the leaderboards know suits {session.brought.task} here; name one with --method.")


def _named(session: Session, request: Request, rows: list[Board], budget: Budget) -> tuple[Choice, Answer]:
    """The method that the user asks for.

    Raises:
        UserError: it has nothing to answer by here, or takes more than the budget.
    """
    name, method = registry.named(request.method)
    if isinstance(method, Broken):
        raise UserError(method.reason)
    if method.calibrates:
        raise UserError(
            f"{name} is calibrated on the truths of other tasks, and there are none here. Name another method."
        )
    if method.reads_sides and not session.brought.sides_known:
        raise UserError(
            f"{name} looks at which examples are real, and of {_unknown(session.brought)} nobody has told. Say so with "
            "--real NAMES and --synthetic NAMES or a column (--columns side=COLUMN), or name another method."
        )
    choice, expected = Choice(name, method), Price(0.0, 0.0)
    if request.budget is not None:
        expected = price(session, method, row_of(rows, name), session.size(request.question))
        if not expected.within(budget):
            beside = " beside the audit" if request.audit else ""
            raise UserError(
                f"{name} would take {expected}, and the budget{beside} is {_left(budget)}. Raise --budget, or let "
                "--method auto choose."
            )
        session.progress.note(escape(f"{name} should take {expected}, and more for parts of the target"))
    return choice, ask(session, _asking(request, choice, budget, expected))


def _without_audit(session: Session, request: Request) -> Budget:
    """What the budget leaves for the method: the trainings that the audit will ask for are set aside.

    Raises:
        UserError: they take more than there is.
    """
    budget = request.budget or Budget()
    if request.budget is None or not request.audit:
        return budget
    needed = price_of_training(session).times(trainings(len(session.brought.names), request.audit))
    if not needed.within(budget):
        raise UserError(
            f"An audit of {request.audit} would take {needed}, and the budget is {budget.text}. Raise --budget, or "
            "audit fewer."
        )
    return budget.less(needed)


def _left(budget: Budget) -> str:
    if np.isfinite(budget.gpu_hours):
        return f"{budget.gpu_hours:.2g} GPU-hours"
    return minutes(budget.seconds)


def _asking(request: Request, choice: Choice, budget: Budget, expected: Price) -> Asking:
    left = budget.less(expected)
    return Asking(choice.name, choice.method, request.question, request.parts, left.seconds, left.gpu_hours)


def _unknown(brought: Brought) -> str:
    names = [name for name, side in zip(brought.names, brought.sides, strict=True) if side == "unknown"]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _certainty(session: Session, answer: Answer) -> Certainty:
    return certainty(answer.values_SC, answer.parts_GC, stream(session.root, "value", "ranks"))


def doubts(values: Sequence[Value], looks: Sequence[Look]) -> Floats:
    """How doubtful each contributor's value is: the width of its rank range, and anything odd about it counts too."""
    width_C = np.array([one.rank_high - one.rank_low for one in values], dtype=np.float64)
    odd_C = np.array([one.leaked + one.within + one.elsewhere for one in looks]) / [one.examples for one in looks]
    return np.asarray(width_C + len(looks) * odd_C + np.array([one.off_target + one.disagree for one in looks]))


def _value(session: Session, request: Request, sure: Certainty, extremes: tuple[Extremes, ...], c: int) -> Value:
    low, high = sure.interval(c)
    share_low, share_high = sure.share_interval(c)
    return Value(
        name=session.brought.names[c],
        value=float(sure.mean_C[c]),
        low=low,
        high=high,
        rank_low=sure.ranges[c].low,
        rank_high=sure.ranges[c].high,
        share=float(sure.share_C[c]),
        share_low=share_low,
        share_high=share_high,
        best=_shown(session.brought, extremes[c].best, request.texts) if extremes else (),
        worst=_shown(session.brought, extremes[c].worst, request.texts) if extremes else (),
    )


def _shown(
    brought: Brought, rows: tuple[tuple[int, float], ...], texts: bool
) -> tuple[tuple[str, str, str, float], ...]:
    """Examples as people read them: text, answer, place, and the figure."""
    shown = brought.shown
    return tuple(
        (shown.texts[row] if texts else "", shown.answers[row] if texts else "", shown.places[row], figure)
        for row, figure in rows
    )


def _bill(session: Session, answer: Answer, wall: float) -> Bill:
    hours = session.gpu_hours(answer.cost)
    return Bill(answer.cost, answer.parts_cost, hours, Projection().gpu, wall, HERE.since(session.load))
