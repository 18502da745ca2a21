"""KernelSHAP on data: the additive game that fits utility best, which is Shapley's value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from harness.types import Bools, Floats, JobSize, Problem, Retraining
from methods.coalitions import Sampling


@dataclass(frozen=True)
class KernelShap(Sampling, Retraining):
    """Shapley values of utility on the validation split, by unbiased KernelSHAP on pairs of complements.

    Args:
        retrainings: coalitions retrained, all repeats together; None: 4 x contributors.
        seeds: independent repeats, each with its own initialisation and its own coalitions.
    """

    design: ClassVar[str] = "paired"
    has_ends: ClassVar[bool] = True
    source: ClassVar[str] = "Covert & Lee (2021), AISTATS (unbiased KernelSHAP, paired sampling); Lundberg & Lee (2017)"
    passes: ClassVar[str] = "4 retrainings a contributor, over all seeds"
    choices: ClassVar[str] = (
        "the unbiased variant, whose matrix of second moments is exact: the usual one estimates it, and with as many "
        "pairs as contributors in a repeat, as the budget has, that is close to singular"
    )
    claims = frozenset({"efficient"})

    def algebra(self, size: JobSize) -> float:
        return 2.0 * self.seeds * (self.each(size.contributors) + size.contributors) * size.contributors

    def contributor_values(self, problem: Problem) -> Floats:
        drawn = enumerate(self.drawn(problem))
        return np.array([least_squares(rows_KC, problem.retrain(rows_KC, seed)) for seed, rows_KC in drawn])


def least_squares(rows_KC: Bools, utilities_K: Floats) -> Floats:
    """The fit under the Shapley kernel that adds up to the whole, from rows that begin with nobody and everyone, C.

    Second moments of membership are 1/2 on the diagonal and one other number off it, so that their inverse is a
    multiple of the identity but for a constant, which the sum settles.
    """
    nobody, everyone = utilities_K[:2]
    drawn_KC, contributors = rows_KC[2:], rows_KC.shape[1]
    moment_C = drawn_KC.T @ (utilities_K[2:] - nobody) / len(drawn_KC)
    values_C = (moment_C - moment_C.mean()) / (0.5 - second_moment(contributors))
    return np.asarray(values_C + (everyone - nobody) / contributors)


def second_moment(contributors: int) -> float:
    """Chance that two given contributors are both in, by the Shapley kernel."""
    size = np.arange(1, contributors)
    chance = 1.0 / (size * (contributors - size))
    both = size * (size - 1) / (contributors * (contributors - 1))
    return float(chance @ both / chance.sum())
