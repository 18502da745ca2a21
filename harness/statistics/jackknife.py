"""How a pool's scores would differ with other contributors: the delete-one jackknife. M columns, C contributors.

The truth's own noise needs no term of its own: it scatters over contributors, and is in what the jackknife sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.statistics.scores import weighted_spearman
from harness.types import Floats, Ints


@dataclass(frozen=True, slots=True, eq=False)
class PoolScores:
    """The scores of one pool's columns (methods, or methods and questions), and their jackknife.

    Args:
        scores_M: of all contributors.
        deviations_MC: the score without each contributor, less the mean of these over contributors.
    """

    scores_M: Floats
    deviations_MC: Floats

    @property
    def variance_M(self) -> Floats:
        """Sampling variance of each score (Efron & Stein 1981, Annals of Statistics 9(3))."""
        contributors = self.deviations_MC.shape[1]
        return np.asarray((self.deviations_MC**2).sum(axis=1) * (contributors - 1) / contributors)

    @property
    def covariance_MM(self) -> Floats:
        """Sampling covariance of the scores, M x M; its diagonal is ``variance_M``."""
        contributors = self.deviations_MC.shape[1]
        return np.asarray(self.deviations_MC @ self.deviations_MC.T * (contributors - 1) / contributors)

    def combined(self, weights_KM: Floats) -> PoolScores:
        """Weighted sums of the columns, such as means over questions."""
        return PoolScores(weights_KM @ self.scores_M, weights_KM @ self.deviations_MC)

    def with_exact(self, m: int, score: float) -> PoolScores:
        """One column replaced by what is known exactly, such as the 0 that random orders score on average."""
        scores_M, deviations_MC = self.scores_M.copy(), self.deviations_MC.copy()
        scores_M[m], deviations_MC[m] = score, 0.0
        return PoolScores(scores_M, deviations_MC)

    def differences(self) -> PoolScores:
        """Every pair of columns, the first less the second, in the order of ``pairs``."""
        first, second = pairs(len(self.scores_M))
        return PoolScores(
            self.scores_M[first] - self.scores_M[second], self.deviations_MC[first] - self.deviations_MC[second]
        )


def pairs(columns: int) -> tuple[Ints, Ints]:
    """The first and the second column of every pair."""
    first, second = np.triu_indices(columns, 1)
    return first, second


def from_deletions(scores_M: Floats, without_MC: Floats) -> PoolScores:
    """Scores with what they are without each contributor."""
    return PoolScores(scores_M, without_MC - without_MC.mean(axis=1, keepdims=True))


def pool_scores(values_MC: Sequence[Floats], truth_MC: Sequence[Floats]) -> PoolScores:
    """Spearman of each column with its truth; without a contributor whose absence leaves a side constant it is 0."""
    kept_CC = 1.0 - np.eye(len(values_MC[0]))
    every_C = np.ones((1, len(kept_CC)))
    found = [
        weighted_spearman(values_C, truth_C, np.vstack([every_C, kept_CC]))
        for values_C, truth_C in zip(values_MC, truth_MC, strict=True)
    ]
    scores = np.array(found)
    return from_deletions(scores[:, 0], np.nan_to_num(scores[:, 1:]))
