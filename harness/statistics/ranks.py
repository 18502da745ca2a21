"""Which methods can be told apart when all pairs are compared at once, and the ranks that each may have. M methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from harness.statistics.intervals import LEVEL, Estimate
from harness.types import Array, Bools, Floats

DRAWS = 20_000
FEWEST_POOLS = 3
"""Fewer pools are not ranked: from two, one family of comparisons in eight would tell a pair apart wrongly."""


class RankRange(NamedTuple):
    """The best and the worst rank that a method may have."""

    low: int
    high: int


def told_apart(estimate: Estimate, rng: np.random.Generator, level: float = LEVEL, draws: int = DRAWS) -> Bools:
    """Which pairs differ, M x M, all compared at once: the chance that any equal pair is told apart is 1 - level.

    The largest |T| over all pairs is drawn from the joint covariance of the means, Student's t with the fewest degrees
    of freedom (single-step max-T: Westfall & Young 1993; Hothorn, Bretz & Westfall 2008, Biometrical Journal 50(3)).
    Pairs whose difference is the same in every pool and contributor have no variance; they differ if their means do.
    """
    mean_M, covariance_MM = estimate.mean_M, estimate.covariance_MM
    variance_M = np.diag(covariance_MM)
    spread_MM = np.sqrt(np.maximum(variance_M[:, None] + variance_M[None, :] - 2 * covariance_MM, 0.0))
    difference_MM = np.abs(mean_M[:, None] - mean_M[None, :])
    largest = spread_MM.max(initial=0.0)
    unsure_MM = spread_MM > 1e-9 * largest
    first, second = np.nonzero(np.triu(unsure_MM))
    if not len(first):
        return np.asarray(difference_MM > 0)
    roots, axes_MR = np.linalg.eigh(covariance_MM)
    factor_MR = axes_MR * np.sqrt(np.maximum(roots, 0.0))
    largest_D = np.empty(draws)
    for start in range(0, draws, 2000):  # a block of draws at a time: pairs are many
        block = min(2000, draws - start)
        drawn_DM = rng.standard_normal((block, len(mean_M))) @ factor_MR.T
        t_DK = np.abs(drawn_DM[:, first] - drawn_DM[:, second]) / spread_MM[first, second]
        largest_D[start : start + block] = t_DK.max(axis=1)
    df = float(estimate.df_M.min())
    largest_D /= np.sqrt(rng.chisquare(df, size=draws) / df)
    bound = np.quantile(largest_D, level)
    return np.where(unsure_MM, difference_MM > bound * spread_MM, difference_MM > 0)


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


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (1979), in the order given."""
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(len(p_values))
    running = 0.0
    for place, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = running
    return [float(p) for p in adjusted]


def shared_ranks(scores_M: Sequence[float], means_MD: Array, alpha: float = 1 - LEVEL) -> list[int | None]:
    """Ranks from the best score down; who can't be told from the best of its group shares that rank.

    Each group's leader is compared with all below it by the paired bootstrap difference, Holm-corrected; the first one
    that differs leads the next group. None where a score is undefined.
    """
    scores = np.asarray(scores_M, dtype=np.float64)
    ranks: list[int | None] = [None] * len(scores)
    waiting = [int(m) for m in np.argsort(-scores, kind="stable") if np.isfinite(scores[m])]
    place = 1
    while waiting:
        leader, below = waiting[0], waiting[1:]
        differs = holm([_paired_p(means_MD[leader] - means_MD[m]) for m in below])
        split = next((k for k, p in enumerate(differs) if p < alpha), len(below))
        group = waiting[: split + 1]
        for m in group:
            ranks[m] = place
        place += len(group)
        waiting = waiting[len(group) :]
    return ranks


def _paired_p(differences_D: Floats) -> float:
    """Two-sided bootstrap p-value of a difference of zero."""
    finite = differences_D[np.isfinite(differences_D)]
    at_most = (1 + (finite <= 0).sum()) / (1 + len(finite))
    at_least = (1 + (finite >= 0).sum()) / (1 + len(finite))
    return float(min(1.0, 2 * min(at_most, at_least)))
