"""How sure a mean over pools is, and over tasks: 95 % intervals from the jackknife over contributors. M columns.

A bootstrap over pools and then contributors counts the contributors' sampling twice: it is in the spread of pools
already. Here the jackknife gives the variance that the sampling of contributors makes, and the overdispersion of pools
(``overdispersion``) how much wider they spread. Coverage is simulated in tests/benchmarks/coverage.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

from harness.statistics.jackknife import PoolScores
from harness.statistics.overdispersion import Moderation
from harness.statistics.scores import weighted_spearman
from harness.types import Array, Floats

DRAWS = 2000
LEVEL = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """Mean scores of M columns with their uncertainty.

    Args:
        mean_M: mean Spearman.
        error_M: standard error of each mean, 0 where it is known exactly.
        df_M: degrees of freedom of each error.
    """

    mean_M: Floats
    error_M: Floats
    df_M: Floats

    def interval(self, m: int, level: float = LEVEL) -> tuple[float, float]:
        """Interval of one mean, Student's t on Fisher's scale atanh(s); the mean itself where nothing is unsure."""
        mean, error = float(self.mean_M[m]), float(self.error_M[m])
        if not (math.isfinite(mean) and error > 0) or abs(mean) >= 1:
            return mean, mean
        reach = float(stdtrit(self.df_M[m], (1 + level) / 2)) * error / (1 - mean**2)
        return math.tanh(math.atanh(mean) - reach), math.tanh(math.atanh(mean) + reach)

    def above_zero(self, m: int) -> float:
        """One-sided p-value of a mean of 0 or less, on the scale of the interval; random orders have mean 0."""
        mean, error = float(self.mean_M[m]), float(self.error_M[m])
        if error == 0 or abs(mean) >= 1:
            return 0.0 if mean > 0 else 1.0
        return float(stdtr(self.df_M[m], -math.atanh(mean) * (1 - mean**2) / error))


def estimate(tasks: Sequence[Sequence[PoolScores]], prior: Moderation) -> Estimate:
    """Mean over tasks of the mean over each task's pools.

    The contributors of each pool are drawn anew, and tasks are independent: variances add up, each scaled by its
    moderated overdispersion; degrees of freedom by Satterthwaite (1946, Biometrics Bulletin 2(6)).

    Args:
        tasks: the pools of each task, all with the same columns.
    """
    means, variances, freedom = [], [], []
    for pools in tasks:
        phi_M, df = prior.of(pools)
        means.append(np.mean([pool.scores_M for pool in pools], axis=0))
        variances.append(phi_M * np.mean([pool.variance_M for pool in pools], axis=0) / len(pools))
        freedom.append(df)
    variance_TM, df_T = np.array(variances), np.array(freedom)
    total_M, weight_M = variance_TM.sum(axis=0), (variance_TM**2 / df_T[:, None]).sum(axis=0)
    return Estimate(
        np.mean(means, axis=0),
        np.sqrt(total_M) / len(tasks),
        np.where(weight_M > 0, total_M**2 / np.where(weight_M > 0, weight_M, 1), df_T.min()),
    )


def resamples(contributors: Sequence[int], rng: np.random.Generator, draws: int = DRAWS) -> tuple[Array, list[Array]]:
    """Bootstrap draws of pools (D x P counts), and of contributors within each pool (P arrays of D x C counts).

    Two levels, pools and then contributors. In simulations of 2 to 8 pools at a nominal 95 % this covers the true
    mean 83-100 % of the time (mostly too wide; least where two pools differ much), and resampling pools and truth seeds
    alone 55-98 % (tests/benchmarks/coverage.py). The truth's own noise is in the contributors' scatter already.
    """
    pools = len(contributors)
    pools_DP = rng.multinomial(pools, np.full(pools, 1 / pools), size=draws)
    within = [rng.multinomial(c, np.full(c, 1 / c), size=draws) for c in contributors]
    return pools_DP, within


def bootstrap_means(
    values_PC: Sequence[Floats], truth_PC: Sequence[Floats], pools_DP: Array, within: Sequence[Array]
) -> Floats:
    """Mean Spearman over pools in each bootstrap draw, D."""
    scores_DP = np.stack(
        [
            weighted_spearman(values_C, truth_C, counts_DC)
            for values_C, truth_C, counts_DC in zip(values_PC, truth_PC, within, strict=True)
        ],
        axis=1,
    )
    drawn = np.where(np.isfinite(scores_DP), pools_DP, 0)
    total = drawn.sum(axis=1)
    summed = (drawn * np.nan_to_num(scores_DP)).sum(axis=1)
    return np.where(total > 0, summed / np.maximum(total, 1), np.nan)


def interval(means_D: Floats, level: float = LEVEL) -> tuple[float, float]:
    """Percentile interval; nan where no draw is defined."""
    finite = means_D[np.isfinite(means_D)]
    if not len(finite):
        return math.nan, math.nan
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
