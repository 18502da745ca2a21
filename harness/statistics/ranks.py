"""Which methods can be told apart when all pairs are compared at once, and the ranks that each may have. M methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, stdtrit

from harness.statistics.intervals import LEVEL, estimate
from harness.statistics.jackknife import PoolScores, mean_covariance, pairs, root, unknown
from harness.statistics.overdispersion import Moderation
from harness.statistics.scores import TIED
from harness.types import Bools, Floats, Ints

DRAWS = 10_000


class RankRange(NamedTuple):
    """The best and the worst rank that a method may have."""

    low: int
    high: int


class Comparison(NamedTuple):
    """All pairs of columns, compared at once.

    Args:
        apart_MM: which differ.
        margin_MM: what a difference must exceed for that; the true ones lie within this of the differences seen, all
            together with the level's chance.
    """

    apart_MM: Bools
    margin_MM: Floats


def compared(
    tasks: Sequence[Sequence[PoolScores]],
    prior: Moderation | Sequence[Moderation],
    rng: np.random.Generator,
    level: float = LEVEL,
    draws: int = DRAWS,
) -> Comparison:
    """Which pairs of columns differ, all compared at once: any equal pair is told apart with chance 1 - level.

    The largest |Z| of all pairs is drawn from the joint jackknife covariance of their differences, normal; a pair
    differs where its own Student's t, difference over standard error, is less likely than that one's 95 % point
    (single-step min-P: Westfall & Young 1993, Resampling-Based Multiple Testing, sec. 2.3). Each pair has an estimated
    error of its own: one draw of it for all, as of a multivariate t, would say too little of the largest of many.
    Where no contributor moves a difference, or one of its columns, nothing tells its error, and such a pair is never
    told apart.

    Args:
        tasks: the pools of each task, all with the same columns; one task for a single cell.
        prior: of the overdispersion of differences (``Ratios.of_differences``), which is not that of scores: what
            pools have in common cancels. One for all tasks, or each one's.
    """
    first, second = pairs(columns := len(tasks[0][0].scores_M))
    found = estimate([[pool.differences for pool in pools] for pools in tasks], prior)
    covariance_MM = np.sum([mean_covariance(pools) for pools in tasks], axis=0)
    variance_M = np.diag(covariance_MM)
    sampled_K = np.sqrt(np.maximum(variance_M[first] + variance_M[second] - 2 * covariance_MM[first, second], 0.0))
    unknown_M = np.any([unknown(pools) for pools in tasks], axis=0)
    unsure_K = (sampled_K > 1e-9 * sampled_K.max(initial=0.0)) & (found.error_M > 0)
    unsure_K &= ~(unknown_M[first] | unknown_M[second])
    margin_K = np.where(np.abs(found.mean_M) > TIED, np.inf, TIED)
    if unsure_K.any():
        unsure = np.flatnonzero(unsure_K)
        largest_D = largest_z(covariance_MM, first[unsure], second[unsure], sampled_K[unsure], rng, draws)
        chance = ndtr(-np.quantile(largest_D, level))
        margin_K[unsure] = -stdtrit(found.df_M[unsure], chance) * found.error_M[unsure]
    margin_MM, apart_MM = np.zeros((columns, columns)), np.zeros((columns, columns), dtype=np.bool_)
    margin_MM[first, second] = margin_MM[second, first] = margin_K
    apart_MM[first, second] = apart_MM[second, first] = np.abs(found.mean_M) > margin_K
    return Comparison(apart_MM, margin_MM)


def largest_z(
    covariance_MM: Floats, first: Ints, second: Ints, spread_K: Floats, rng: np.random.Generator, draws: int
) -> Floats:
    """Draws of the largest |Z| over pairs of equal columns, D."""
    drawn_MD = (rng.standard_normal((draws, len(covariance_MM))) @ root(covariance_MM)).T.copy()
    largest_D, t_D = np.zeros(draws), np.empty(draws)
    for one, other, scale in zip(first.tolist(), second.tolist(), (1 / spread_K).tolist(), strict=True):
        # A pair at a time, in place: its draws stay in a core's cache, as those of all pairs would not.
        np.subtract(drawn_MD[one], drawn_MD[other], out=t_D)
        np.multiply(t_D, scale, out=t_D)
        np.maximum(largest_D, np.abs(t_D, out=t_D), out=largest_D)
    return largest_D


def largest_t(
    covariance_MM: Floats, first: Ints, second: Ints, spread_K: Floats, df: float, rng: np.random.Generator, draws: int
) -> Floats:
    """Draws of the largest |T| over pairs of equal columns whose errors are one, of these degrees of freedom, D."""
    largest_D = largest_z(covariance_MM, first, second, spread_K, rng, draws)
    return np.asarray(largest_D / np.sqrt(rng.chisquare(df, size=draws) / df))


def rank_ranges(mean_M: Floats, apart_MM: Bools) -> list[RankRange]:
    """For each method: one more than are told to be better, and as many as are not told to be worse."""
    better_MM = apart_MM & (mean_M[None, :] > mean_M[:, None])
    worse_MM = apart_MM & (mean_M[None, :] < mean_M[:, None])
    return [
        RankRange(1 + int(better.sum()), len(mean_M) - int(worse.sum()))
        for better, worse in zip(better_MM, worse_MM, strict=True)
    ]


def resolution(mean_M: Floats, apart_MM: Bools) -> tuple[float, float]:
    """The shares of adjacent pairs, in order of score, and of all pairs that are told apart; nan for fewer than two."""
    methods = len(mean_M)
    if methods < 2:
        return float("nan"), float("nan")
    order = np.argsort(-mean_M, kind="stable")
    ordered_MM = apart_MM[np.ix_(order, order)]
    return float(np.diag(ordered_MM, 1).mean()), float(ordered_MM[np.triu_indices(methods, 1)].mean())
