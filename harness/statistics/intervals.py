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

from harness.statistics.jackknife import Sampled, unknown
from harness.statistics.overdispersion import Moderation
from harness.types import Floats

LEVEL = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """Mean scores of M columns with their uncertainty.

    Args:
        mean_M: mean Spearman.
        error_M: standard error of each mean, 0 where it is known exactly; nan where nothing tells it (``unknown``).
        df_M: degrees of freedom of each error.
    """

    mean_M: Floats
    error_M: Floats
    df_M: Floats

    def interval(self, m: int, level: float = LEVEL) -> tuple[float, float]:
        """Interval of one mean, Student's t on Fisher's scale atanh(s).

        The mean itself where it is known exactly; nan where its error is not known, as at -1 and 1, which that scale
        cannot hold.
        """
        mean, error = float(self.mean_M[m]), float(self.error_M[m])
        if error == 0:
            return mean, mean
        if not (math.isfinite(mean) and error > 0) or abs(mean) >= 1:
            return math.nan, math.nan
        reach = float(stdtrit(self.df_M[m], (1 + level) / 2)) * error / (1 - mean**2)
        return math.tanh(math.atanh(mean) - reach), math.tanh(math.atanh(mean) + reach)

    def above_zero(self, m: int) -> float:
        """One-sided p-value of a mean of 0 or less, on the scale of the interval; random orders have mean 0.

        nan where there is no interval.
        """
        mean, error = float(self.mean_M[m]), float(self.error_M[m])
        if error == 0:
            return 0.0 if mean > 0 else 1.0
        if abs(mean) >= 1:
            return math.nan
        return float(stdtr(self.df_M[m], -math.atanh(mean) * (1 - mean**2) / error))


def estimate(tasks: Sequence[Sequence[Sampled]], prior: Moderation | Sequence[Moderation]) -> Estimate:
    """Mean over tasks of the mean over each task's pools.

    The contributors of each pool are drawn anew, and tasks are independent: variances add up, each scaled by its
    moderated overdispersion; degrees of freedom by Satterthwaite (1946, Biometrics Bulletin 2(6)).

    Args:
        tasks: the pools of each task, all with the same columns.
        prior: one for all tasks, or each one's.
    """
    means, variances, freedom = [], [], []
    priors = [prior] * len(tasks) if isinstance(prior, Moderation) else prior
    for pools, own in zip(tasks, priors, strict=True):
        phi_M, df = own.of(pools)
        means.append(np.mean([pool.scores_M for pool in pools], axis=0))
        variance_M = phi_M * np.mean([pool.variance_M for pool in pools], axis=0) / len(pools)
        variances.append(np.where(unknown(pools), np.nan, variance_M))
        freedom.append(df)
    variance_TM, df_T = np.array(variances), np.array(freedom)
    total_M, weight_M = variance_TM.sum(axis=0), (variance_TM**2 / df_T[:, None]).sum(axis=0)
    return Estimate(
        np.mean(means, axis=0),
        np.sqrt(total_M) / len(tasks),
        np.where(weight_M > 0, total_M**2 / np.where(weight_M > 0, weight_M, 1), df_T.min()),
    )
