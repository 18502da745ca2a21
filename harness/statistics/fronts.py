"""Which methods are worth their cost: the Pareto front of cost and score, and how sure it is. M methods, D draws."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.statistics.intervals import estimate
from harness.statistics.jackknife import PoolScores, mean_covariance, root
from harness.statistics.overdispersion import Moderation
from harness.statistics.scores import TIED
from harness.types import Bools, Floats, Ints

DRAWS = 2_000


def on_front(cost_M: Floats, scores_DM: Floats) -> Bools:
    """Of each draw, the methods that no other beats: none costs no more and scores no less, one strictly so, D x M.

    Of those that cost the same the best alone can be on it; those that also score the same are on it together.

    Args:
        cost_M: finite, the same for all draws.
    """
    _, group_M = np.unique(cost_M, return_inverse=True)
    best_DG = np.full((len(scores_DM), int(group_M.max(initial=-1)) + 2), -np.inf)  # first of what costs nothing less
    for m, group in enumerate(group_M):
        best_DG[:, group + 1] = np.maximum(best_DG[:, group + 1], scores_DM[:, m])
    cheaper_DG = np.maximum.accumulate(best_DG, axis=1)
    return np.asarray((scores_DM > cheaper_DG[:, group_M]) & (scores_DM >= best_DG[:, group_M + 1]))


def score_draws(
    tasks: Sequence[Sequence[PoolScores]],
    prior: Moderation | Sequence[Moderation],
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> Floats:
    """Mean scores as they might have come out with other contributors, D x M: a parametric bootstrap.

    Each column's error and degrees of freedom are those of its interval, on the same scale (``intervals``); how columns
    go together is the jackknife's correlation of their means, so that what all methods share does not reorder them.
    Columns that are the same but for rounding are drawn as one, for a front tells the least difference apart.

    Args:
        tasks: the pools of each task, all with the same columns; prior: one for all tasks, or each one's.
    """
    found = estimate(tasks, prior)
    covariance_MM = np.sum([mean_covariance(pools) for pools in tasks], axis=0)
    spread_M = np.sqrt(np.diag(covariance_MM))
    shape_M = np.where(spread_M > 0, spread_M, 1.0)
    normal_DM = rng.standard_normal((draws, len(spread_M))) @ root(covariance_MM / np.outer(shape_M, shape_M))
    df = float(np.min(found.df_M, initial=np.inf))
    student_DM = normal_DM / np.sqrt(rng.chisquare(df, size=(draws, 1)) / df)
    mean_M = np.clip(found.mean_M, -1 + 1e-12, 1 - 1e-12)  # a mean of 1 in all pools has no error to draw
    drawn_DM = np.tanh(np.arctanh(mean_M) + student_DM * found.error_M / (1 - mean_M**2))
    return np.asarray(drawn_DM[:, _first_alike(mean_M, covariance_MM)])


def _first_alike(mean_M: Floats, covariance_MM: Floats) -> Ints:
    """For each column the first that has its mean and moves with it in all that moves either."""
    variance_M = np.diag(covariance_MM)
    either_MM = variance_M[:, None] + variance_M
    alike_MM = np.abs(mean_M[:, None] - mean_M) <= TIED
    alike_MM &= either_MM - 2 * covariance_MM <= 1e-12 * either_MM
    np.fill_diagonal(alike_MM, True)  # also of one whose error nothing tells
    return np.asarray(alike_MM.argmax(axis=1))
