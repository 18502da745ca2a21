"""Which methods are worth their cost: the Pareto front of every table, as rows for whatever draws them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.report import numbers, sentences
from harness.report.view import Cell, CostName, Front, TasksMean, Verdict, View

SELDOM = 0.05
"""Methods that are on the front in fewer draws are told of only where they are on the one that was seen."""


@dataclass(frozen=True, slots=True)
class Line:
    """A method on the front or often enough near it.

    Args:
        cost: of a valuation; share: of draws in which it is on the front; is_on: it is on the one that was seen.
    """

    method: str
    cost: float
    found: Cell | TasksMean
    share: float
    is_on: bool


def front_of(verdict: Verdict, cost: CostName) -> Front | None:
    """None where no method has that cost."""
    return next((front for front in verdict.fronts if front.cost == cost), None)


def lines(view: View, verdict: Verdict, cost: CostName) -> list[Line]:
    """From the cheapest up, and from the best down where the cost is the same."""
    front = front_of(verdict, cost)
    if front is None:
        return []
    is_on = {step.method for step in front.steps}
    found = standings(view, verdict)
    rows = [
        Line(method, getattr(found[method].cost, cost), found[method], share, method in is_on)
        for method, share in front.shares.items()
        if share >= SELDOM or method in is_on
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


def steps(view: View, cost: CostName) -> list[tuple[str, str]]:
    """Of each question over all tasks, and of their mean: what each step up the front costs and brings."""
    found = [(verdict, front_of(verdict, cost)) for verdict in over_tasks(view)]
    return [
        (str(verdict.question or "mean over questions"), sentences.steps(front)) for verdict, front in found if front
    ]


def matrix(view: View, cost: CostName) -> tuple[list[str], list[list[str]]]:
    """Methods that are on the front of some question, or often near it: headings, then their shares of draws."""
    verdicts = over_tasks(view)
    by_question = [{line.method: line for line in lines(view, verdict, cost)} for verdict in verdicts]
    rows = [
        [method, _costs(method, cost, by_question), *(_share(own.get(method)) for own in by_question)]
        for method in _by_cost(view, by_question)
    ]
    return ["method", sentences.UNITS[cost], *map(question, verdicts)], rows


def _by_cost(view: View, by_question: Sequence[Mapping[str, Line]]) -> list[str]:
    """Those of any question, from the cheapest up."""
    found = {method: line.cost for own in by_question for method, line in own.items()}
    order = [line.method for line in view.overall if line.method in found]
    return sorted(order, key=lambda method: found[method])


def _costs(method: str, cost: CostName, by_question: Sequence[Mapping[str, Line]]) -> str:
    """Of a valuation to the last of the questions that the method is told of: of the mean, where there is one."""
    return next(sentences.amount(cost, own[method].cost) for own in reversed(by_question) if method in own)


def _share(line: Line | None) -> str:
    if line is None:
        return numbers.NONE
    return f"**{line.share:.0%}**" if line.is_on else f"{line.share:.0%}"
