"""What a leaderboard says at a glance, as rows for whatever draws them: who is best, what is as good for less."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.report import frontier, numbers, sentences
from harness.report.view import FEWEST_POOLS, TRUTH, Front, MeanCost, Verdict, View

VERDICTS = (
    "question",
    "scores highest (of its ceiling)",
    "costs",
    "the cheapest not told apart from it",
    "not told apart either",
    "told apart",
)
WHAT_A_BUDGET_BUYS = (
    "What a budget buys: of the methods that cost no more, the one that scores highest. Others that cost as little may "
    "score about as much."
)

Rows = tuple[list[str], list[list[str]]]
"""Headings, then rows."""


def verdicts(view: View) -> Rows:
    """Of each question over all tasks, and of their mean; no rows where a verdict takes words of its own."""
    found = frontier.over_tasks(view)
    if not all(_fits(one) for one in found):
        return list(VERDICTS), []
    return list(VERDICTS), [_verdict(view, one) for one in found]


def _fits(one: Verdict) -> bool:
    """A best method, and nothing that only a sentence can tell."""
    return one.pools >= FEWEST_POOLS and len(one.ranked) > 1 and one.signal and not one.unsure


def _verdict(view: View, one: Verdict) -> list[str]:
    standings = frontier.standings(view, one)
    best, *others = one.top
    ceiling = standings[TRUTH].ceiling if TRUTH in standings else math.nan
    of_ceiling = f" of {numbers.correlation(ceiling)}" if math.isfinite(ceiling) else ""
    apart, neighbours = one.adjacent
    more = [name for name in others if name != one.cheapest]
    return [
        sentences.asked(one),
        f"{best}, {numbers.correlation(standings[best].spearman)}{of_ceiling}",
        _price(standings[best].cost),
        _cheapest(one),
        sentences.named(more) if more else numbers.NONE,
        f"{one.pairs:.0%} of pairs, {apart} of {neighbours} neighbours",
    ]


def _cheapest(one: Verdict) -> str:
    if len(one.top) == 1:
        return "none: it is ahead of every other method"
    if one.cheapest == one.top[0]:
        return "itself"
    return f"{one.cheapest}, {_price(one.cost)}, at most {one.at_most:.2f} behind"


def _price(cost: MeanCost) -> str:
    """Short, for a cell; what the hours are is told beside the table."""
    return sentences.price(cost).replace("reference ", "")


def budgets(view: View) -> Rows:
    """The best score that a budget buys: budgets in powers of ten down, questions and their mean across."""
    cost = frontier.cost_of(view)
    found = [(one, frontier.front_of(one, cost)) for one in frontier.over_tasks(view)] if cost is not None else []
    fronts = [(one, front) for one, front in found if front is not None and front.steps]
    if cost is None or not fronts:
        return [], []
    limits = _decades([step.cost for _, front in fronts for step in front.steps])
    rows = [[f"{limit:,g}", *(_bought(front, limit) for _, front in fronts)] for limit in limits]
    kept = [row for k, row in enumerate(rows) if not k or row[1:] != rows[k - 1][1:]]
    return [f"{sentences.UNITS[cost]}, up to", *(sentences.asked(one) for one, _ in fronts)], kept


def _decades(prices: Sequence[float]) -> list[float]:
    """0 where something costs nothing, then powers of ten from the first that buys something more to one that buys
    all."""
    positive = [price for price in prices if price > 0]
    free = [0.0] if len(positive) < len(prices) else []
    if not positive:
        return free
    low, high = (math.ceil(math.log10(price)) for price in (min(positive), max(positive)))
    return [*free, *(10.0**power for power in range(low, high + 1))]


def _bought(front: Front, limit: float) -> str:
    within = [step for step in front.steps if step.cost <= limit]
    return f"{within[-1].method} {numbers.correlation(within[-1].score)}" if within else numbers.NONE


def in_short(view: View) -> str:
    """The last verdict over all tasks in one sentence: what the suite says; empty where nothing was answered."""
    last = next((one for one in reversed(view.verdicts) if one.task is None), None)
    if last is None:
        return ""
    return f"Over {sentences.tasks(len(view.tasks))}, {sentences.asked(last)}: {sentences.winner(last)}"
