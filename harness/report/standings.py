"""Methods' scores with their uncertainty, and how they compare: for one task and question, or over tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.report.matters import Matter
from harness.report.view import COST_NAMES, FEWEST_POOLS, RANDOM, CostName, Front, MeanCost, PoolPoints, Step, Verdict
from harness.statistics.fronts import on_front, score_draws
from harness.statistics.intervals import LEVEL, estimate
from harness.statistics.jackknife import PoolScores, pool_scores, unknown
from harness.statistics.overdispersion import Moderation, Ratios, by_cell
from harness.statistics.ranks import Comparison, compared, rank_ranges, resolution
from harness.statistics.scores import DECIMALS
from harness.types import Bools, Floats, Question


@dataclass(frozen=True, eq=False)
class Scored:
    """The methods with a score in every pool of a task, and these scores.

    Args:
        pools: P; methods: M; seen: the scores of each pool, P.
    """

    task: str
    pools: tuple[int, ...]
    methods: tuple[str, ...]
    seen: tuple[PoolScores, ...]

    @cached_property
    def compared(self) -> list[PoolScores]:
        """The same with random orders at their expectation."""
        if RANDOM not in self.methods:
            return list(self.seen)
        return [pool.with_exact(self.methods.index(RANDOM), 0.0) for pool in self.seen]

    def take(self, methods: Sequence[str]) -> Scored:
        """Some of the methods, in the order given."""
        if tuple(methods) == self.methods:
            return self
        columns = [self.methods.index(name) for name in methods]
        return Scored(self.task, self.pools, tuple(methods), tuple(pool.take(columns) for pool in self.seen))


def scored(matter: Matter) -> tuple[Scored, dict[str, tuple[PoolPoints, ...]]]:
    """The methods with a score in every pool; and the points by pool of all that answered every pool."""
    methods = matter.methods() if matter.pools else []
    points: dict[str, list[PoolPoints]] = {name: [] for name in methods}
    seen = []
    for pool in matter.pools if methods else ():
        truth_C = matter.truths_C[pool]
        values = [matter.values_C[name][pool] for name in methods]
        found = pool_scores(values, [truth_C])
        seen.append(found)
        contributors, truth = matter.dealt[pool].contributors, tuple(truth_C.tolist())
        for name, values_C, score in zip(methods, values, found.scores_M, strict=True):
            points[name].append(PoolPoints(pool, float(score), contributors, tuple(values_C.tolist()), truth))
    every = Scored(matter.task, matter.pools, tuple(methods), tuple(seen))
    defined = [name for name in methods if all(math.isfinite(one.spearman) for one in points[name])]
    return every.take(defined), {name: tuple(own) for name, own in points.items()}


@dataclass(frozen=True, slots=True)
class Priors:
    """The overdispersion of one cell's scores and of their differences."""

    scores: Moderation
    differences: Moderation

    @classmethod
    def of(cls, cells: Sequence[Scored]) -> list[Priors]:
        """Of each, told from all of them at once."""
        scores = by_cell([Ratios.of_scores(one.seen) for one in cells])
        differences = by_cell([Ratios.of_differences(one.compared) for one in cells])
        return [cls(*both) for both in zip(scores, differences, strict=True)]


@dataclass(frozen=True, slots=True)
class Standing:
    """One method in one table; fields as of a cell (``view.Cell``)."""

    spearman: float = math.nan
    low: float = math.nan
    high: float = math.nan
    rank_low: int | None = None
    rank_high: int | None = None
    above_zero: bool = False
    behind: bool = False


NOWHERE = Standing()


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Methods that were compared with each other.

    Args:
        methods: M, in the suite's order; standings: of each.
        pools: of the task with the fewest; below ``FEWEST_POOLS`` nothing is told apart.
        mean_M: the scores that were compared; pairs: how; draws_DM: these scores as they might have come out.
        known_M: whose error can be told (not ``jackknife.unknown``); others are compared with none.
    """

    methods: tuple[str, ...]
    standings: Mapping[str, Standing]
    pools: int
    mean_M: Floats
    pairs: Comparison
    draws_DM: Floats
    known_M: Bools

    @property
    def is_ranked(self) -> bool:
        return self.pools >= FEWEST_POOLS


def compare(tasks: Sequence[Scored], priors: Sequence[Priors], rng: np.random.Generator) -> Table:
    """Means over tasks of the mean over pools.

    Args:
        tasks: all with the same methods; one for a single task and question.
        priors: of each.
    """
    methods = tasks[0].methods if tasks else ()
    pools = min((len(task.pools) for task in tasks), default=0)
    square = (len(methods), len(methods))
    found = Comparison(np.zeros(square, dtype=np.bool_), np.full(square, math.nan))
    if not methods:
        return Table((), {}, pools, np.empty(0), found, np.empty((0, 0)), np.empty(0, dtype=np.bool_))
    of_scores = [one.scores for one in priors]
    shown = estimate([task.seen for task in tasks], of_scores)
    columns = [task.compared for task in tasks]
    fair = estimate(columns, of_scores)
    known_M = ~np.any([unknown(pools) for pools in columns], axis=0)
    ranked_M = known_M & (pools >= FEWEST_POOLS)
    if ranked_M.any():
        found = compared(columns, [one.differences for one in priors], rng)
    ranges = rank_ranges(fair.mean_M, found.apart_MM)
    # What only rounding separates comes in the suite's order.
    best = int(np.argmax(np.where(ranked_M, np.round(fair.mean_M, DECIMALS), -np.inf)))
    standings = {}
    for m, name in enumerate(methods):
        low, high = shown.interval(m)
        standings[name] = Standing(
            spearman=float(shown.mean_M[m]),
            low=low,
            high=high,
            rank_low=ranges[m].low if ranked_M[m] else None,
            rank_high=ranges[m].high if ranked_M[m] else None,
            above_zero=fair.above_zero(m) < 1 - LEVEL,
            behind=bool(found.apart_MM[m, best]),
        )
    draws_DM = score_draws(columns, of_scores, rng)
    return Table(methods, standings, pools, fair.mean_M, found, draws_DM, known_M)


def verdict(
    table: Table, task: str | None, question: Question | None, costs: Mapping[str, MeanCost], spread: float = math.nan
) -> Verdict:
    """What a table says.

    Args:
        costs: of the methods; spread: of method x task.
    """
    order = np.argsort(-np.round(table.mean_M, DECIMALS), kind="stable")
    chosen = [int(m) for m in order if table.known_M[m] and table.is_ranked]
    ranked = tuple(table.methods[m] for m in chosen)
    top = tuple(name for name in ranked if not table.standings[name].behind)
    adjacent, pairs = resolution(np.round(table.mean_M[chosen], DECIMALS), table.pairs.apart_MM[np.ix_(chosen, chosen)])
    neighbours = max(len(ranked) - 1, 0)
    cheapest = _cheapest([name for name in top if name != RANDOM] or list(top), costs)
    return Verdict(
        task=task,
        question=question,
        pools=table.pools,
        ranked=ranked,
        unsure=tuple(table.methods[m] for m in order if not table.known_M[m]),
        top=top,
        signal=_signal(table),
        cheapest=cheapest,
        cost=costs.get(cheapest, MeanCost()),
        at_most=_at_most(table, top[0], cheapest) if top else math.nan,
        adjacent=(round(adjacent * neighbours) if neighbours else 0, neighbours),
        pairs=pairs if ranked else math.nan,
        spread=spread,
        fronts=_fronts(table, costs),
    )


def _fronts(table: Table, costs: Mapping[str, MeanCost]) -> tuple[Front, ...]:
    """For each cost that some method has."""
    return tuple(front for cost in COST_NAMES if (front := _front(table, cost, costs)) is not None)


def _front(table: Table, cost: CostName, costs: Mapping[str, MeanCost]) -> Front | None:
    """Of the methods with that cost and a score whose error is known, None where there are none; scores that only
    rounding separates are the same.
    """
    cost_M = np.array([getattr(costs[name], cost) for name in table.methods], dtype=np.float64)
    known = np.flatnonzero(np.isfinite(cost_M) & table.known_M)
    if not known.size:
        return None
    cost_M, mean_M = cost_M[known], np.round(table.mean_M[known], DECIMALS)
    is_on_M = on_front(cost_M, mean_M[None])[0]
    shares_M = on_front(cost_M, table.draws_DM[:, known]).mean(axis=0)
    steps, below = [], table.methods.index(RANDOM) if RANDOM in table.methods else None
    for m in np.lexsort((known, mean_M, cost_M)):
        if is_on_M[m]:
            column = int(known[m])
            apart = below is not None and bool(table.pairs.apart_MM[column, below])
            steps.append(Step(table.methods[column], float(cost_M[m]), float(mean_M[m]), apart))
            below = column
    return Front(cost, tuple(steps), {table.methods[k]: float(share) for k, share in zip(known, shares_M, strict=True)})


def _at_most(table: Table, best: str, cheapest: str) -> float:
    """How far the cheapest may yet be behind the best, all pairs taken together."""
    one, other = table.methods.index(best), table.methods.index(cheapest)
    return float(table.mean_M[one] - table.mean_M[other] + table.pairs.margin_MM[one, other])


def _signal(table: Table) -> bool:
    """Whether some method is told to be better than random orders."""
    if RANDOM not in table.methods:
        return any(standing.above_zero for standing in table.standings.values())
    return bool((table.pairs.apart_MM[table.methods.index(RANDOM)] & (table.mean_M > 0)).any())


def _cheapest(names: Sequence[str], costs: Mapping[str, MeanCost]) -> str:
    """By GPU-hours at reference scale where all have them, else by seconds; empty of none."""
    hours = {name: costs[name].reference_gpu_hours for name in names}
    by = hours if all(map(math.isfinite, hours.values())) else {name: costs[name].seconds for name in names}
    return min(names, key=lambda name: by[name] if math.isfinite(by[name]) else math.inf, default="")
