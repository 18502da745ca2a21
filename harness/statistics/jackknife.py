"""How a pool's scores would differ with other contributors: the delete-one jackknife. M columns, C contributors.

The truth's own noise needs no term of its own: it scatters over contributors, and is in what the jackknife sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.statistics.scores import weighted_spearman
from harness.types import Floats


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
    def covariance_MM(self) -> Floats:
        """Sampling covariance of the scores, M x M (Efron & Stein 1981, Annals of Statistics 9(3))."""
        contributors = self.deviations_MC.shape[1]
        return np.asarray(self.deviations_MC @ self.deviations_MC.T * (contributors - 1) / contributors)

    def take(self, columns: Sequence[int]) -> PoolScores:
        """Some of the columns."""
        return PoolScores(self.scores_M[list(columns)], self.deviations_MC[list(columns)])


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
