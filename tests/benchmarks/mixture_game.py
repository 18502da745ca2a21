"""Games whose worth depends on a coalition's mixture, as a fixed number of training steps makes it, with known values.

Noise is of seeds, which all coalitions of a repeat share, and of each retraining.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.types import Bools, Floats

FEATURES = 6


@dataclass(frozen=True, slots=True, eq=False)
class MixtureGame:
    """Size, a mean over members, and a quadratic of the mixture's features; the last two vary by seed.

    Args:
        linear_C: what each member's share adds.
        features_CF: of each member; a mixture has their mean.
        wanted_F: where a mixture is best.
        of_seed, of_retraining: standard deviations of a seed's own linear part and features, and of each score.
    """

    linear_C: Floats
    features_CF: Floats
    wanted_F: Floats
    of_seed: float
    of_retraining: float

    @classmethod
    def drawn(cls, contributors: int, rng: np.random.Generator, of_seed: float, of_retraining: float) -> MixtureGame:
        linear_C = rng.standard_normal(contributors)
        features_CF, wanted_F = rng.standard_normal((contributors, FEATURES)), 0.3 * rng.standard_normal(FEATURES)
        return cls(linear_C, features_CF, wanted_F, of_seed, of_retraining)

    def worth(self, rows_KC: Bools, noise: np.random.Generator) -> Floats:
        """Scores of coalitions on one seed, K."""
        own_C = self.linear_C + self.of_seed * noise.standard_normal(len(self.linear_C))
        own_CF = self.features_CF + self.of_seed * noise.standard_normal(self.features_CF.shape)
        sizes_K = rows_KC.sum(axis=1)
        shares_KC = rows_KC / np.maximum(sizes_K, 1)[:, None]
        fit_K = np.log(np.maximum(sizes_K, 0.5)) + shares_KC @ own_C
        fit_K = fit_K - ((shares_KC @ own_CF - self.wanted_F) ** 2).sum(axis=1) - (sizes_K == 0)
        return np.asarray(fit_K + self.of_retraining * noise.standard_normal(len(rows_KC)))

    def values(self) -> Floats:
        """Exact Shapley values of the mean over seeds, C.

        The square is a sum over pairs of members of products of their features over the squared size. Beside i, which
        joins s others, each of the others is there with chance s / (C - 1), two of them with s (s - 1) over
        (C - 1) (C - 2).
        """
        count = len(self.linear_C)
        s = np.arange(count)
        gram_CC = self.features_CF @ self.features_CF.T + self.of_seed**2 * FEATURES * np.eye(count)
        own_C, beside_C = np.diag(gram_CC), gram_CC.sum(axis=1) - np.diag(gram_CC)
        share_S, square_S = 1 / (s + 1), 1 / (s + 1) ** 2
        before_S = np.where(s > 0, 1 / np.maximum(s, 1), 0.0)
        one_S, two_S = s / (count - 1), s * (s - 1) / ((count - 1) * (count - 2))

        def over_members(each_C: Floats, after_S: Floats, until_S: Floats) -> Floats:
            others_C = each_C.sum() - each_C
            return each_C * after_S.mean() + others_C * (one_S * (after_S - until_S)).mean()

        linear_C = over_members(self.linear_C + 2 * self.features_CF @ self.wanted_F, share_S, before_S)
        alone_C = over_members(own_C, square_S, before_S**2)
        pairs_C = beside_C.sum() - 2 * beside_C  # of the others, in both orders
        paired_C = 2 * beside_C * (one_S * square_S).mean() + pairs_C * (two_S * (square_S - before_S**2)).mean()
        of_size = (np.log(count) - (np.log(0.5) - 1)) / count
        return np.asarray(linear_C - alone_C - paired_C + of_size)
