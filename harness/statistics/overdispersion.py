"""How much more pools differ than the sampling of their contributors explains, told from many cells at once.

From a few pools the variance of one method's score is hardly known; its ratio to what the jackknife expects is much
alike over the methods of a cell (a task and question), and less so over cells. Ratios are drawn twice therefore: each
to the level of its cell, and this to the level of all cells, by as much as they are alike. K cells of M columns.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtri, digamma, polygamma

from harness.statistics.jackknife import PoolScores, Sampled, mean_covariance, pairs, root
from harness.types import Floats

MANY = 1e6
"""Degrees of freedom from which on a prior is as good as certain."""

CAUTION = 0.9
"""Confidence at which cells are held to be no less alike: a dozen of them tell that badly."""


@dataclass(frozen=True, slots=True)
class Moderation:
    """The prior of the overdispersion of a cell's columns.

    Args:
        d0: how alike the columns are: the weight of the prior in degrees of freedom.
        phi0: the level of the cell; known: to so many degrees of freedom.
    """

    d0: float
    phi0: float
    known: float = math.inf

    def of(self, pools: Sequence[Sampled]) -> tuple[Floats, float]:
        """Each column's moderated overdispersion M, and the degrees of freedom of all.

        Smyth 2004, sec. 3, where the level is known; else its own variance is added, by the law of total variance (as
        Morris 1983, Journal of the American Statistical Association 78(381), has the cost of estimating a prior).
        """
        ratio_M, own = dispersion(pools), len(pools) - 1
        phi_M = (self.d0 * self.phi0 + own * np.where(np.isfinite(ratio_M), ratio_M, self.phi0)) / (self.d0 + own)
        return phi_M, _drawn(self.d0, own, 1 / self.known)


AS_SAMPLED = Moderation(MANY, 1.0)
"""Pools differ by the sampling of contributors alone: what is taken where a single pool tells nothing else."""


def _drawn(prior: float, own: float, cost: float) -> float:
    """Degrees of freedom of a ratio drawn to a middle by so many, where 2 x cost is the variance of the middle's log.

    By the law of total variance, a variance of f degrees of freedom having a log of variance 2/f. It is never below
    ``own`` where the middle is the mean of ratios like this one.
    """
    return 1 / (1 / (prior + own) + (prior / (prior + own)) ** 2 * cost)


def dispersion(pools: Sequence[Sampled]) -> Floats:
    """Variance over pools over the jackknife's mean variance, M; nan where that is nothing, or of a single pool."""
    expected_M = np.mean([pool.variance_M for pool in pools], axis=0)
    if len(pools) < 2:
        return np.full(len(expected_M), np.nan)
    seen_M = np.var([pool.scores_M for pool in pools], axis=0, ddof=1)
    return np.where(expected_M > 0, seen_M / np.where(expected_M > 0, expected_M, 1), np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Ratios:
    """The variance ratios of one cell's columns.

    Args:
        found_M: those that are known, all positive, of ``own`` degrees of freedom each; empty from a single pool.
        columns: how many independent columns tell as much as these, which go together: M^2 / sum of squared
            correlations (Bretherton, Widmann, Dymnikov, Wallace & Blade 1999, Journal of Climate 12(7), eq. 5).
    """

    found_M: Floats
    own: int
    columns: float

    @classmethod
    def of_scores(cls, pools: Sequence[PoolScores]) -> Ratios:
        return cls._of(pools, root(mean_covariance(pools)) if pools else np.empty((0, 0)))

    @classmethod
    def of_differences(cls, pools: Sequence[PoolScores]) -> Ratios:
        """Of all pairs of the columns."""
        if not pools:
            return cls._of((), np.empty((0, 0)))
        first, second = pairs(len(pools[0].scores_M))
        factor_MM = root(mean_covariance(pools))
        return cls._of([pool.differences for pool in pools], factor_MM[first] - factor_MM[second])

    @classmethod
    def _of(cls, pools: Sequence[Sampled], factor_MR: Floats) -> Ratios:
        """Rows of the factor have the columns' covariances as products."""
        ratio_M = dispersion(pools) if pools else np.empty(0)
        told_M = np.isfinite(ratio_M) & (ratio_M > 0)
        unit_MR = factor_MR[told_M]
        unit_MR = unit_MR / np.sqrt((unit_MR**2).sum(axis=1, keepdims=True))
        squares = float(((unit_MR.T @ unit_MR) ** 2).sum())  # of all correlations, by the smaller of two products
        return cls(ratio_M[told_M], len(pools) - 1, told_M.sum() ** 2 / squares if told_M.any() else 0.0)

    @property
    def level(self) -> float:
        return float(self.found_M.mean())

    @property
    def df(self) -> float:
        """Of the level."""
        return self.own * self.columns


def by_cell(cells: Sequence[Ratios]) -> list[Moderation]:
    """The prior of each cell's columns: its level, drawn to the common one by as much as the cells are alike.

    Levels are variances of ``Ratios.df`` degrees of freedom, the columns of a cell such of ``Ratios.own`` around its
    level: how alike either are is told by the moments of their logarithms (``prior``). A cell of a single pool has the
    common level; where all have one, pools are taken to differ ``AS_SAMPLED``.
    """
    told = [cell for cell in cells if len(cell.found_M)]
    if not told:
        return [AS_SAMPLED] * len(cells)
    level_K, df_K = np.array([cell.level for cell in told]), np.array([cell.df for cell in told])
    d0, d1, common = _alike(told), MANY, float(level_K.mean())
    if len(told) > 1:
        d1 = max(prior(level_K, df_K, CAUTION).d0, 1.0)  # less would leave a cell of a single pool no interval
    cost = float(np.mean(1 / df_K + 1 / d1)) / len(told)
    found = []
    for cell in cells:
        level, df = (cell.level, cell.df) if len(cell.found_M) else (common, 0.0)
        found.append(Moderation(d0, (d1 * common + df * level) / (d1 + df), _drawn(d1, df, cost)))
    return found


def _alike(cells: Sequence[Ratios]) -> float:
    """Degrees of freedom of the columns around the level of their cell, from the spread of logarithms within cells."""
    several = [cell for cell in cells if cell.columns > 1 + 1e-9]
    if not several:
        return MANY
    squares = sum(cell.columns * float(np.log(cell.found_M).var()) for cell in several)
    expected = sum((cell.columns - 1) * float(polygamma(1, cell.own / 2)) for cell in several)
    return _weight((squares - expected) / sum(cell.columns - 1 for cell in several))


def moderate(groups: Iterable[Sequence[Sampled]]) -> Moderation:
    """One prior of all columns of all groups, each of which holds the pools of one task and question.

    For cells of a column each, as of a truth: with several ``by_cell`` tells how cells differ too.
    """
    ratios, freedom = [], []
    for pools in groups:
        found_M = dispersion(pools)
        found_M = found_M[np.isfinite(found_M) & (found_M > 0)]
        ratios.append(found_M)
        freedom.append(np.full(len(found_M), len(pools) - 1.0))
    found, own = (np.concatenate(side) if side else np.empty(0) for side in (ratios, freedom))
    return prior(found, own) if len(found) >= 2 else AS_SAMPLED


def prior(variances_M: Floats, df_M: Floats, confidence: float | None = None) -> Moderation:
    """What variances have in common: the scaled chi-squared prior whose moments their logarithms have.

    Smyth 2004, Statistical Applications in Genetics and Molecular Biology 3(1), sec. 6.2: ``d0`` is large where they
    differ no more than their degrees of freedom make them.

    Args:
        variances_M: two or more, all positive, with these degrees of freedom each.
        confidence: take the spread of logarithms at its upper bound of that confidence, as of normal ones.
    """
    half_M = df_M / 2
    centred_M = np.log(variances_M) - digamma(half_M) + np.log(half_M)
    middle, spread, own = float(centred_M.mean()), float(centred_M.var(ddof=1)), len(centred_M) - 1
    if confidence is not None:
        spread *= own / float(chdtri(own, confidence))
    d0 = _weight(spread - float(polygamma(1, half_M).mean()))
    return Moderation(d0, float(np.exp(middle + digamma(d0 / 2) - np.log(d0 / 2))))


def _weight(excess: float) -> float:
    """Degrees of freedom of a prior by the variance of its logarithm."""
    return min(2 * _inverse_trigamma(excess), MANY) if excess > 0 else MANY


def _inverse_trigamma(y: float) -> float:
    """Where the trigamma function is y, by Newton's method on its reciprocal (Smyth 2004, appendix)."""
    if y < 2 / MANY:
        return MANY / 2
    x = 0.5 + 1 / y
    for _ in range(50):
        trigamma = float(polygamma(1, x))
        step = trigamma * (1 - trigamma / y) / float(polygamma(2, x))
        x += step
        if -step / x < 1e-10:
            break
    return x
