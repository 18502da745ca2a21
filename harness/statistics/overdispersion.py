"""How much more pools differ than the sampling of their contributors explains, told from many cells at once.

From a few pools the variance of one method's score is hardly known; its ratio to what the jackknife expects is much
alike over methods, tasks and questions, so each ratio is drawn towards the common one by as much as they are alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, polygamma

from harness.statistics.jackknife import Sampled
from harness.types import Floats

MANY = 1e6
"""Degrees of freedom from which on a prior is as good as certain."""


@dataclass(frozen=True, slots=True)
class Moderation:
    """The prior of the overdispersion: ``phi0`` with the weight of ``d0`` degrees of freedom."""

    d0: float
    phi0: float

    def of(self, pools: Sequence[Sampled]) -> tuple[Floats, float]:
        """Each column's moderated overdispersion M, and the degrees of freedom of all (Smyth 2004, sec. 3)."""
        ratio_M, own = dispersion(pools), len(pools) - 1
        return (self.d0 * self.phi0 + own * np.where(np.isfinite(ratio_M), ratio_M, self.phi0)) / (
            self.d0 + own
        ), self.d0 + own


AS_SAMPLED = Moderation(MANY, 1.0)
"""Pools differ by the sampling of contributors alone: what is taken where a single pool tells nothing else."""


def dispersion(pools: Sequence[Sampled]) -> Floats:
    """Variance over pools over the jackknife's mean variance, M; nan where that is nothing, or of a single pool."""
    expected_M = np.mean([pool.variance_M for pool in pools], axis=0)
    if len(pools) < 2:
        return np.full(len(expected_M), np.nan)
    seen_M = np.var([pool.scores_M for pool in pools], axis=0, ddof=1)
    return np.where(expected_M > 0, seen_M / np.where(expected_M > 0, expected_M, 1), np.nan)


def moderate(groups: Iterable[Sequence[Sampled]]) -> Moderation:
    """The prior from all cells: each group holds the pools of one task and question.

    Moments of the logarithms of variance ratios (Smyth 2004, Statistical Applications in Genetics and Molecular Biology
    3(1), sec. 6.2): ``d0`` is large where they differ no more than so few pools make them.
    """
    ratios, freedom = [], []
    for pools in groups:
        found_M = dispersion(pools)
        found_M = found_M[np.isfinite(found_M) & (found_M > 0)]
        ratios.append(found_M)
        freedom.append(np.full(len(found_M), len(pools) - 1.0))
    found, own = (np.concatenate(side) if side else np.empty(0) for side in (ratios, freedom))
    return prior(found, own) if len(found) >= 2 else AS_SAMPLED


def prior(variances_M: Floats, df_M: Floats) -> Moderation:
    """What variances have in common: the scaled chi-squared prior whose moments their logarithms have (Smyth 2004).

    Args:
        variances_M: two or more, all positive, with these degrees of freedom each.
    """
    half_M = df_M / 2
    centred_M = np.log(variances_M) - digamma(half_M) + np.log(half_M)
    middle = float(centred_M.mean())
    excess = float(centred_M.var(ddof=1) - polygamma(1, half_M).mean())
    half = _inverse_trigamma(excess) if excess > 0 else MANY / 2
    d0 = min(2 * half, MANY)
    return Moderation(d0, float(np.exp(middle + digamma(d0 / 2) - np.log(d0 / 2))))


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
