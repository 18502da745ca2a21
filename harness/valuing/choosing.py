"""Which method, and what it will take: the cheapest that leaderboards cannot tell from the best, within the budget."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harness import registry
from harness.errors import UserError
from harness.knobs import base_of
from harness.types import Cost, JobSize, Method, Question
from harness.valuing.boards import Board, Row
from harness.valuing.session import Session, minutes

AUTO = "auto"

ABLATION = ":single:"
"""What the name of a method holds that is one term of another; it is there to explain that one."""

GPU = "GPU-hours"

NAMED = 5
"""Methods that a sentence names; more are counted."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a valuation may take.

    Args:
        seconds: on this machine; infinite where GPU-hours are counted.
        gpu_hours: of the projection's GPU.
        text: as it was given.
    """

    seconds: float = math.inf
    gpu_hours: float = math.inf
    text: str = ""

    def less(self, spent: Price) -> Budget:
        """What is left of it, called as the whole is."""
        return replace(self, seconds=self.seconds - spent.seconds, gpu_hours=self.gpu_hours - spent.gpu_hours)


def budget_of(text: str) -> Budget:
    """``10`` and ``10m`` are minutes, ``2h`` hours here, ``0.5gpuh`` GPU-hours.

    Raises:
        UserError: it is none of these, or nothing.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(m|min|minutes?|h|hours?|gpuh|gpu-hours?)?\s*", text.lower())
    if not found or float(found[1]) <= 0:
        raise UserError(f"--budget {text!r} is none: write minutes (10), hours (2h) or GPU-hours (0.5gpuh).")
    amount, unit = float(found[1]), found[2] or "m"
    if unit.startswith("gpu"):
        return Budget(gpu_hours=amount, text=f"{amount:g} {GPU}")
    return Budget(
        seconds=amount * (3600 if unit.startswith("h") else 60),
        text=f"{amount:g} {'hours' if unit.startswith('h') else 'minutes'}",
    )


@dataclass(frozen=True, slots=True)
class Price:
    """What a method will take here, at most about: worked out from counts and from one timed training.

    Args:
        seconds: on this machine; gpu_hours: on the projection's GPU.
    """

    seconds: float
    gpu_hours: float

    def within(self, budget: Budget) -> bool:
        return self.seconds <= budget.seconds and self.gpu_hours <= budget.gpu_hours

    def times(self, count: float) -> Price:
        return Price(self.seconds * count, self.gpu_hours * count)

    def __str__(self) -> str:
        return f"about {minutes(self.seconds)} here, {self.gpu_hours:.2g} {GPU}"


@dataclass(frozen=True, slots=True)
class Choice:
    """A method, and why it was taken.

    Args:
        why: in a sentence; empty where the user named it.
        others: that the leaderboards cannot tell from it, within the budget.
    """

    name: str
    method: Method
    why: str = ""
    others: tuple[str, ...] = ()


def price_of_training(session: Session) -> Price:
    """What one training on everyone takes, as it was timed."""
    each = session.one_training().cost
    return Price(each.seconds, session.gpu_hours(each))


def price(session: Session, method: Method, row: Row | None, size: JobSize) -> Price:
    """What a method will take: trainings and passes by its own count, less what its row says that it did not need.

    The operations of one training over its seconds are the pace of everything.

    Args:
        row: of the method, or of the same with other knobs.
    """
    budget, recipe = method.budget(size.contributors, size.examples), session.learner.recipe
    passes = budget.passes(size.examples, size.validation, recipe.steps, recipe.batch_size)
    forward = 0.0
    if row is not None:
        passes, forward = _as_measured(passes, row, size), row.forward_passes
    job = session.reference(size)
    algebra = method.algebra(size)
    cost = Cost(retrainings=budget.fits + budget.retrainings, gradient_passes=passes, forward_passes=forward)
    operations = job.operations(cost, 0.0 if math.isnan(algebra) else algebra)
    of_training = job.operations(Cost(retrainings=1), 0.0)
    return price_of_training(session).times(operations / of_training)


def _as_measured(passes: float, row: Row, size: JobSize) -> float:
    """So many passes at most, by the share of its own count that the row's method took."""
    declared = registry.method(row.method).budget(row.contributors, size.examples)
    if declared.replays or declared.validation_replays:  # by recipe and target, which are others there
        return passes
    if not declared.gradient_passes:
        return passes or row.gradient_passes
    return passes * min(1.0, row.gradient_passes / declared.gradient_passes)


def choose(session: Session, question: Question, found: list[Board], budget: Budget) -> Iterator[tuple[Choice, Price]]:
    """Methods to ask, in turn until one suits: those not told to be worse than another, the cheapest first.

    A method is out where any leaderboard for such data tells that another is better; so are baselines that look at no
    model, whatever they score: what tells those pools apart need not tell others. Who is with the best on every
    leaderboard goes before who has a row on some alone.

    Raises:
        UserError: there is no leaderboard to choose by, or nothing fits the budget.
    """
    size = session.size(question)
    if not found:
        raise UserError(
            f"There is no published leaderboard of {session.brought.task} to choose a method by; name one with "
            "--method."
        )
    names = dict.fromkeys(row.method for board in found for row in board.rows)
    known = {name: made for name in names if (made := _candidate(session, name, found))}
    prices = {name: price(session, made, row_of(found, name), size) for name, made in known.items()}
    tied = sorted((n for n in known if _is_first(found, n)), key=lambda name: (prices[name].gpu_hours, name))
    everywhere = [name for name in tied if all(board.row(name) for board in found)]
    elsewhere = [name for name in tied if name not in everywhere]
    boards = f"the leaderboard{'s' * (len(found) > 1)} " + " and ".join(
        f"{board.name} ({board.rows[0].pools} pools)" for board in found
    )
    best = f"the best ({' and '.join(dict.fromkeys(board.rows[0].method for board in found))})"
    asked = f"for {session.brought.task}, {question}"
    within = f"within {budget.text}" if budget.text else "here"
    for tier in (everywhere, elsewhere):
        for name in (one for one in tier if prices[one].within(budget)):
            others = tuple(other for other in tier if other != name)
            of = f"the cheapest of {len(tier)} methods" if others else "the only method"
            which = f"that {boards} cannot tell from {best} {asked}"
            if tier is elsewhere:
                which = (
                    f"that one of {boards} cannot tell from its best {asked} and the other has no row for; none that "
                    f"is with the best of both fits {within}"
                )
            of_budget = f"{within} " if budget.text else ""
            why = f"{name} was chosen: {of_budget}it is {of} {which}; it should take {prices[name]}."
            why += f" The others: {some(others)}." if others else ""
            yield Choice(name, known[name], why, others), prices[name]
    lesser = [name for name in known if name not in tied and prices[name].within(budget)]
    for name in sorted(lesser, key=lambda one: -_score(found, one)):
        why = (
            f"{name} was chosen: no method that {boards} cannot tell from {best} fits {within}; of those that do, it "
            f"scores highest there, and is told to be worse than the best; it should take {prices[name]}."
        )
        yield Choice(name, known[name], why), prices[name]
    cheapest = min(prices.values(), key=lambda one: one.seconds, default=None)
    least = "" if cheapest is None else f" The cheapest would take {cheapest}."
    raise UserError(f"No method fits {within}.{least} Raise --budget, or name a method with --method.")


def some(names: Sequence[str]) -> str:
    """The first of them, and how many more."""
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _candidate(session: Session, name: str, found: list[Board]) -> Method | None:
    """The method, where it may be chosen for someone who does not know it."""
    rows = [row for board in found if (row := board.row(name))]
    if ABLATION in name or not all(row.reference_gpu_hours > 0 and row.low > 0 for row in rows):
        return None
    if base_of(name) not in registry.methods():  # it has gone since
        return None
    made = registry.method(name)
    if made.calibrates or (made.reads_sides and not session.brought.sides_known):
        return None
    return made


def _is_first(found: list[Board], name: str) -> bool:
    """Whether no method of a board is told to be better; one without a row there is not told to be anything."""
    return all(row.rank_low == 1 for board in found if (row := board.row(name)))


def row_of(found: list[Board], name: str) -> Row | None:
    """The method's row, or else that of the same with its own settings."""
    names = (name, base_of(name))
    return next((row for one in names for board in found if (row := board.row(one))), None)


def _score(found: list[Board], name: str) -> float:
    rows = [row.spearman for board in found if (row := board.row(name))]
    return sum(rows) / len(rows)
