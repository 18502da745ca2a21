"""Which methods are worth their cost: the Pareto front of every table, as rows for whatever draws them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.report import numbers, sentences
from harness.report.view import Cell, CostName, Front, TasksMean, Verdict, View

SELDOM = 0.05
"""Methods that are on the front in fewer draws are told of only where they are on the one that was seen."""
SAME = " ≈"
"""Stands after a step's score that is not told apart from the step below."""


@dataclass(frozen=True, slots=True)
class Line:
    """A method on the front or often enough near it.

    Args:
        cost: of a valuation; share: of draws in which it is on the front; is_on: it is on the one that was seen;
            apart: and told apart from the step below it.
    """

    method: str
    cost: float
    found: Cell | TasksMean
    share: float
    is_on: bool
    apart: bool


def front_of(verdict: Verdict, cost: CostName) -> Front | None:
    """None where no method has that cost."""
    return next((front for front in verdict.fronts if front.cost == cost), None)


def lines(view: View, verdict: Verdict, cost: CostName) -> list[Line]:
    """From the cheapest up, and from the best down where the cost is the same."""
    front = front_of(verdict, cost)
    if front is None:
        return []
    apart = {step.method: step.apart for step in front.steps}
    found = standings(view, verdict)
    rows = [
        Line(method, getattr(found[method].cost, cost), found[method], share, method in apart, apart.get(method, False))
        for method, share in front.shares.items()
        if share >= SELDOM or method in apart
    ]
    return sorted(rows, key=lambda line: (line.cost, -line.found.spearman))


def standings(view: View, verdict: Verdict) -> Mapping[str, Cell | TasksMean]:
    """What stands in the table that a verdict is about, by method."""
    if verdict.task is not None:
        own = [cell for cell in view.cells if (cell.task, cell.question) == (verdict.task, verdict.question)]
        return {cell.method: cell for cell in own}
    if verdict.question is None:
        return {line.method: line.mean for line in view.overall}
    place = view.questions.index(verdict.question)
    return {line.method: line.by_question[place] for line in view.overall}


def over_tasks(view: View) -> list[Verdict]:
    return [verdict for verdict in view.verdicts if verdict.task is None]


def question(verdict: Verdict) -> str:
    return str(verdict.question or "mean")


def cost_of(view: View) -> CostName | None:
    """The cost to weigh against where none is named: hours at reference scale, or seconds in results that lack them."""
    return next((front.cost for verdict in over_tasks(view) for front in verdict.fronts), None)


CAPTION = (
    "Each score with the share of draws of all scores, from their joint uncertainty, in which the method is on the "
    "Pareto front: no other costs less and scores more. Bold: on the front of the scores that were found; "
    f"{SAME.strip()}: not told apart from the step below it on that front; {numbers.NONE}: on the front in under "
    f"{SELDOM:.0%} of draws."
)
"""Of the matrix."""


def matrix(view: View, cost: CostName) -> tuple[list[str], list[tuple[str, str, list[Line | None]]]]:
    """Methods that are on the front of some question, or often near it: headings, then method, cost and its lines."""
    verdicts = over_tasks(view)
    by_question = [{line.method: line for line in lines(view, verdict, cost)} for verdict in verdicts]
    rows = [
        (method, _costs(method, cost, by_question), [own.get(method) for own in by_question])
        for method in _by_cost(view, by_question)
    ]
    return ["method", sentences.UNITS[cost], *map(question, verdicts)], rows


def score(line: Line | None) -> tuple[str, str]:
    """What a line scores, marked, and its share of draws with a space before it."""
    if line is None:
        return numbers.NONE, ""
    mark = SAME if line.is_on and not line.apart else ""
    return f"{numbers.correlation(line.found.spearman)}{mark}", f" {line.share:.0%}"


def _by_cost(view: View, by_question: Sequence[Mapping[str, Line]]) -> list[str]:
    """Those of any question, from the cheapest up."""
    found = {method: line.cost for own in by_question for method, line in own.items()}
    order = [line.method for line in view.overall if line.method in found]
    return sorted(order, key=lambda method: found[method])


def _costs(method: str, cost: CostName, by_question: Sequence[Mapping[str, Line]]) -> str:
    """Of a valuation to the last of the questions that the method is told of: of the mean, where there is one."""
    return next(sentences.amount(cost, own[method].cost) for own in reversed(by_question) if method in own)
