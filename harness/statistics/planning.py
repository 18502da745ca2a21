"""Where the uncertainty of a mean score comes from, and how many pools and seeds a given time is best spent on.

The variance of a method's score in one pool is about A + B/S: A is of the pool's draw, B/S of a truth that is the mean
of S repeats. Pools average both down, seeds only the second. K cells (tasks and questions), M methods.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.statistics.intervals import Estimate
from harness.statistics.jackknife import PoolScores
from harness.statistics.overdispersion import MANY, Moderation
from harness.statistics.scores import ranks
from harness.types import Floats

TYPICAL = 0.4
"""The score at which widths are told: an interval is narrower near 1, by 1 - s^2."""

FEWEST_SEEDS = 2
"""From a single seed no reliability and no ceiling can be told."""

SPLITS = 20


@dataclass(frozen=True, slots=True)
class Spread:
    """Variance of one pool's score on Fisher's scale, atanh(s).

    Args:
        pool: A, of the pool's draw of contributors and of how it differs from others.
        seed: B, of one repeat of the truth.
        df: degrees of freedom that are known from elsewhere; every further pool adds one.
    """

    pool: float
    seed: float
    df: float = MANY

    def variance(self, pools: int, seeds: float) -> float:
        """Of the mean over pools."""
        return (self.pool + self.seed / seeds) / pools

    def width(self, pools: int, seeds: int, score: float = TYPICAL) -> float:
        """Expected width of the interval of the mean over pools; of a single pool only with ``df`` from elsewhere."""
        error = math.sqrt(self.variance(pools, seeds)) * (1 - score**2)
        found = Estimate(np.array([score]), np.array([error]), np.array([max(self.df + pools - 1, 1)]))
        low, high = found.interval(0)
        return high - low


def spread(
    pools: Sequence[PoolScores], noise: Sequence[Floats], seeds: Sequence[int], prior: Moderation
) -> Spread | None:
    """A and B of one cell, mean over the methods that have a score; None where no method has.

    Args:
        pools: scores of M methods, each pool's with its jackknife.
        noise: of every pool the variance that one repeat of the truth gives each score, M (``noise_of_repeat``).
        seeds: repeats of each pool's truth.
        prior: of the overdispersion of pools.
    """
    phi_M, df = prior.of(pools)
    fisher_M = (1 - np.clip(np.mean([pool.scores_M for pool in pools], axis=0), -0.95, 0.95) ** 2) ** 2
    total_M = phi_M * np.mean([pool.variance_M for pool in pools], axis=0) / fisher_M
    seed_M = np.mean(noise, axis=0) / fisher_M
    known_M = np.isfinite(total_M) & np.isfinite(seed_M)
    if not known_M.any():
        return None
    seed = float(seed_M[known_M].mean())
    pool = float(total_M[known_M].mean()) - float(np.mean([seed / repeats for repeats in seeds]))
    return Spread(max(pool, 0.0), seed, df - len(pools) + 1)


def noise_of_repeat(values_MC: Floats, truth_SC: Floats, rng: np.random.Generator) -> Floats:
    """Variance that one repeat of the truth gives each score, M; nan from a single repeat.

    Two disjoint halves of the repeats have independent noise, so half the mean square of the difference of their scores
    is the variance from S/2 repeats, and S/2 times that is B. Ranks make it a little less than proportional: from S
    repeats B would come out up to a quarter larger (leaving out one repeat at a time, twice as large and more).
    """
    half = len(truth_SC) // 2
    if half < 1:
        return np.full(len(values_MC), np.nan)
    orders = [rng.permutation(len(truth_SC)) for _ in range(SPLITS)]
    ones, others = (
        _standard_ranks(np.array([truth_SC[order[part]].mean(axis=0) for order in orders]))
        for part in (slice(half), slice(half, 2 * half))
    )
    difference_DM = (ones - others) @ _standard_ranks(values_MC).T
    return np.asarray((difference_DM**2).mean(axis=0) / 2 * half)


def _standard_ranks(values_MC: Floats) -> Floats:
    """Ranks of each row, of mean 0 and length 1, so that products are Spearman correlations; nan where constant."""
    ranks_MC = ranks(values_MC) - values_MC.shape[1] / 2
    length_M1 = np.sqrt((ranks_MC**2).sum(axis=1, keepdims=True))
    return np.where(length_M1 > 0, ranks_MC / np.where(length_M1 > 0, length_M1, 1), np.nan)


@dataclass(frozen=True, slots=True)
class Split:
    """Pools, the same number for every cell, and each cell's seeds."""

    pools: int
    seeds: tuple[int, ...]


def ideal_seeds(spreads: Sequence[Spread], costs: Sequence[float], fixed: float) -> Floats:
    """Seeds of each cell that make the summed variance at any given cost least, K: sqrt(B/c) sqrt(F / sum A).

    The cost of a pool is F + sum c S and its variance sum (A + B/S), and pools divide one by the other; so does
    two-stage sampling choose its second stage (Cochran 1977, Sampling Techniques, sec. 10.6).

    Args:
        costs: c, of one repeat of each cell's truth.
        fixed: F, what a pool costs whatever its seeds.
    """
    seed_K, cost_K = np.array([one.seed for one in spreads]), np.array(costs)
    pool = max(sum(one.pool for one in spreads), 1e-12)  # where pools do not differ, all that is left goes to seeds
    return np.asarray(np.sqrt(seed_K / cost_K * fixed / pool))


def best_split(spreads: Sequence[Spread], costs: Sequence[float], fixed: float, budget: float) -> Split | None:
    """The whole numbers of pools and seeds within a budget whose mean variance over cells is least.

    Around the pools that the ideal seeds would allow, each number of pools is tried with the seeds that its share of
    the budget buys, always the repeat that takes most off per cost. No split is better by more than about 2 %.

    Args:
        costs, fixed, budget: in one unit, such as seconds.

    Returns:
        None where the budget does not pay for one pool at ``FEWEST_SEEDS``.
    """
    least = fixed + FEWEST_SEEDS * sum(costs)
    most = int(budget / least * (1 + 1e-12))
    if most < 1:
        return None
    ideal_K = np.maximum(ideal_seeds(spreads, costs, fixed), FEWEST_SEEDS)
    middle = budget / (fixed + float(ideal_K @ np.array(costs)))
    low, high = max(1, math.floor(middle * 0.5)), min(most, math.ceil(middle * 1.6))
    tried = np.unique(np.linspace(low, high, 100).round())
    splits = [Split(int(p), _seeds_within(spreads, costs, budget / p - fixed)) for p in tried]
    return min(splits, key=lambda split: mean_variance(spreads, split))


def mean_variance(spreads: Sequence[Spread], split: Split) -> float:
    """Over cells, of their means over pools."""
    found = [one.variance(split.pools, seeds) for one, seeds in zip(spreads, split.seeds, strict=True)]
    return sum(found) / len(found)


def _seeds_within(spreads: Sequence[Spread], costs: Sequence[float], budget: float) -> tuple[int, ...]:
    """Seeds of each cell that one pool's budget buys."""
    seeds = [FEWEST_SEEDS] * len(spreads)
    left = budget - sum(FEWEST_SEEDS * cost for cost in costs)

    def gain(k: int) -> float:
        return spreads[k].seed / (seeds[k] * (seeds[k] + 1)) / costs[k]

    waiting = [(-gain(k), k) for k in range(len(spreads)) if spreads[k].seed > 0]
    heapq.heapify(waiting)
    while waiting:
        _, k = heapq.heappop(waiting)
        if costs[k] <= left * (1 + 1e-12):
            left -= costs[k]
            seeds[k] += 1
            heapq.heappush(waiting, (-gain(k), k))
    return tuple(seeds)
