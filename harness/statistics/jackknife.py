"""How a pool's scores would differ with other contributors: the delete-one jackknife. M columns, C contributors.

The truth's own noise needs no term of its own: it scatters over contributors, and is in what the jackknife sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from harness.statistics.scores import below, correlation
from harness.types import Bools, Floats, Ints

ROUNDING = 1e-12
"""Scores that differ by no more are the same: their sums were rounded in another order."""


class Sampled(Protocol):
    """Scores of one pool's columns, and what the sampling of its contributors does to each by itself."""

    @property
    def scores_M(self) -> Floats:
        """Of all contributors."""

    @property
    def variance_M(self) -> Floats:
        """Sampling variance of each score."""

    @property
    def still_M(self) -> Bools:
        """Which score the same without any one contributor."""

    @property
    def exact_M(self) -> Bools:
        """Which scores are known and not measured."""


@dataclass(frozen=True, slots=True, eq=False)
class Differences:
    """Every pair of columns, the first less the second, in the order of ``pairs``; fields as of ``Sampled``."""

    scores_M: Floats
    variance_M: Floats
    still_M: Bools
    exact_M: Bools


@dataclass(frozen=True, eq=False)
class PoolScores:
    """The scores of one pool's columns (methods, or methods and questions), and their jackknife.

    What follows from the fields, which nothing changes, is worked out once: several tables ask for it.

    Args:
        scores_M: of all contributors.
        deviations_MC: the score without each contributor, less the mean of these over contributors.
        exact_M: which scores are known and not measured, such as the 0 that random orders score on average.
    """

    scores_M: Floats
    deviations_MC: Floats
    exact_M: Bools

    @cached_property
    def variance_M(self) -> Floats:
        """Sampling variance of each score."""
        return _variance(self.deviations_MC)

    @cached_property
    def still_M(self) -> Bools:
        """Which score the same without any one contributor."""
        return np.asarray(~self.deviations_MC.any(axis=1))

    @property
    def covariance_MM(self) -> Floats:
        """Sampling covariance of the scores, M x M; its diagonal is ``variance_M``."""
        contributors = self.deviations_MC.shape[1]
        return np.asarray(self.deviations_MC @ self.deviations_MC.T * (contributors - 1) / contributors)

    def take(self, columns: Sequence[int]) -> PoolScores:
        """Some of the columns, in the order given."""
        chosen = list(columns)
        return PoolScores(self.scores_M[chosen], self.deviations_MC[chosen], self.exact_M[chosen])

    def with_exact(self, m: int, score: float) -> PoolScores:
        """One column replaced by what is known exactly."""
        scores_M, deviations_MC, exact_M = self.scores_M.copy(), self.deviations_MC.copy(), self.exact_M.copy()
        scores_M[m], deviations_MC[m], exact_M[m] = score, 0.0, True
        return PoolScores(scores_M, deviations_MC, exact_M)

    @cached_property
    def differences(self) -> Differences:
        """Of every pair of columns; those that only rounding moves are still."""
        first, second = pairs(len(self.scores_M))
        deviations_KC = self.deviations_MC[first] - self.deviations_MC[second]
        still_K = np.abs(deviations_KC).max(axis=1) <= ROUNDING
        return Differences(
            self.scores_M[first] - self.scores_M[second],
            np.where(still_K, 0.0, _variance(deviations_KC)),
            still_K,
            self.exact_M[first] & self.exact_M[second],
        )


def _variance(deviations_MC: Floats) -> Floats:
    """The jackknife's variance of each row (Efron & Stein 1981, Annals of Statistics 9(3))."""
    contributors = deviations_MC.shape[1]
    return np.asarray((deviations_MC**2).sum(axis=1) * (contributors - 1) / contributors)


def pairs(columns: int) -> tuple[Ints, Ints]:
    """The first and the second column of every pair."""
    first, second = np.triu_indices(columns, 1)
    return first, second


def from_deletions(scores_M: Floats, without_MC: Floats) -> PoolScores:
    """Scores with what they are without each contributor."""
    deviations_MC = without_MC - without_MC.mean(axis=1, keepdims=True)
    is_rounding = np.abs(deviations_MC) <= ROUNDING
    return PoolScores(scores_M, np.where(is_rounding, 0.0, deviations_MC), np.zeros(len(scores_M), dtype=np.bool_))


def unknown(pools: Sequence[Sampled]) -> Bools:
    """Columns whose error cannot be told, M: without any one contributor of any pool they score the same.

    That is no sign of certainty: of three or four contributors it is often so.
    """
    return np.asarray(
        np.all([pool.still_M for pool in pools], axis=0) & ~np.all([pool.exact_M for pool in pools], axis=0)
    )


def mean_covariance(pools: Sequence[PoolScores]) -> Floats:
    """Sampling covariance of the mean over pools, M x M."""
    return np.asarray(np.mean([pool.covariance_MM for pool in pools], axis=0) / len(pools))


def root(covariance_MM: Floats) -> Floats:
    """The symmetric square root: unlike other factors it is unique, so that all machines draw the same."""
    roots_R, axes_MR = np.linalg.eigh(covariance_MM)
    return np.asarray((axes_MR * np.sqrt(np.maximum(roots_R, 0.0))) @ axes_MR.T)


def mean_of(several: Sequence[PoolScores]) -> PoolScores:
    """The mean of several scores of the same columns and contributors, such as of a pool's questions."""
    return PoolScores(
        np.asarray(np.mean([one.scores_M for one in several], axis=0)),
        np.asarray(np.mean([one.deviations_MC for one in several], axis=0)),
        np.asarray(np.all([one.exact_M for one in several], axis=0)),
    )


def pool_scores(values_MC: Sequence[Floats], truth_MC: Sequence[Floats]) -> PoolScores:
    """Spearman of each column with its truth; without a contributor whose absence leaves a side constant it is 0.

    Args:
        truth_MC: each column's, or a single one that all of them have.
    """
    values_MCC, truth_MCC = below(np.asarray(values_MC)), below(np.asarray(truth_MC))
    scores_M = correlation(values_MCC.sum(axis=1), truth_MCC.sum(axis=1))
    without_MC = np.nan_to_num(correlation(_deleted_ranks(values_MCC), _deleted_ranks(truth_MCC)))
    return from_deletions(scores_M, without_MC)


def _deleted_ranks(below_MCC: Floats) -> Floats:
    """The ranks of the others (last axis) without each contributor (second axis), whose own are their mean."""
    ranks_MCC = below_MCC.sum(axis=1, keepdims=True) - below_MCC
    every = np.arange(ranks_MCC.shape[1])
    ranks_MCC[:, every, every] = (len(every) - 1) / 2  # the mean of what is left, so that it adds nothing
    return np.asarray(ranks_MCC)
