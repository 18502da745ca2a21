"""KernelSHAP on data: the additive game that fits utility best, which is Shapley's value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from harness.types import Bools, Floats, JobSize, Problem, Retraining
from methods.coalitions import Sampling, kernel_chances


@dataclass(frozen=True)
class KernelShap(Sampling, Retraining):
    """Shapley values of utility on the validation split, by KernelSHAP on pairs of complements.

    Args:
        variant: ``regression`` solves the least squares of the drawn coalitions; ``unbiased`` puts the matrix of second
            moments that they have on average in its place.
        retrainings: coalitions retrained, all seeds together; None: 4 x contributors.
        seeds: initialisations, each with coalitions of its own: one regression is fitted to all of them, while the
            unbiased variant has a repeat of each.
    """

    variant: Literal["regression", "unbiased"] = "regression"
    design: ClassVar[str] = "paired"
    has_ends: ClassVar[bool] = True
    source: ClassVar[str] = (
        "Lundberg & Lee (2017), NeurIPS, as Covert & Lee (2021), AISTATS, solve it: paired sampling, sizes by the "
        "Shapley kernel, nobody and everyone as constraints; the unbiased variant is theirs"
    )
    passes: ClassVar[str] = "4 retrainings a contributor, over all seeds"
    choices: ClassVar[str] = (
        "retrainings: 4 a contributor, data-shapley's budget; the usual estimator, to which Covert & Lee find next to "
        "no bias and less variance than to their unbiased one; one fit of all seeds' coalitions, each less what its "
        "own seed says of nobody and everyone, for with as many pairs as contributors a repeat alone is close to "
        "singular: so one row of values, without a spread; the least of norm where coalitions don't settle it; at this "
        "budget, twice as many pairs as contributors, the unbiased variant errs less on our tasks; coalitions are "
        "drawn in balance, not independently"
    )
    claims = frozenset({"efficient"})

    @property
    def summary(self) -> str:
        if self.variant == "regression":
            return super().summary
        return "KernelSHAP with the exact matrix of second moments in place of the drawn coalitions'."

    def algebra(self, size: JobSize) -> float:
        """One least squares of all coalitions, or a product with each repeat's."""
        rows, contributors = self.each(size.contributors), size.contributors
        if self.variant == "regression":
            return 4.0 * self.seeds * rows * contributors**2
        return 2.0 * self.seeds * (rows + contributors) * contributors

    def contributor_values(self, problem: Problem) -> Floats:
        rows = self.drawn(problem)
        utilities = [problem.retrain(rows_KC, seed) for seed, rows_KC in enumerate(rows)]
        if self.variant == "regression":
            return regression(rows, utilities)[None]
        return np.array([unbiased(rows_KC, own_K) for rows_KC, own_K in zip(rows, utilities, strict=True)])


def regression(rows: Sequence[Bools], utilities: Sequence[Floats]) -> Floats:
    """The additive game nearest to the repeats' coalitions among those that add up to the whole, C.

    Every repeat begins with nobody and everyone. Coalitions were drawn by the Shapley kernel, so that each counts
    once. Features are membership less a coalition's share of everybody: they sum to 0 in each row, and so do what is
    solved for and adds to equal shares.
    """
    features, left, gains = [], [], []
    for rows_KC, utilities_K in zip(rows, utilities, strict=True):
        nobody, everyone = utilities_K[:2]
        share_K = rows_KC[2:].mean(axis=1)
        features.append(rows_KC[2:] - share_K[:, None])
        left.append(utilities_K[2:] - nobody - (everyone - nobody) * share_K)
        gains.append(everyone - nobody)
    apart_C, *_ = np.linalg.lstsq(np.vstack(features), np.concatenate(left), rcond=None)
    return np.asarray(apart_C + np.mean(gains) / rows[0].shape[1])


def unbiased(rows_KC: Bools, utilities_K: Floats) -> Floats:
    """The same of one repeat with the second moments that membership has by the Shapley kernel, C.

    They are 1/2 on the diagonal and one other number off it, so that their inverse is a multiple of the identity but
    for a constant, which the sum settles.
    """
    nobody, everyone = utilities_K[:2]
    drawn_KC, contributors = rows_KC[2:], rows_KC.shape[1]
    moment_C = drawn_KC.T @ (utilities_K[2:] - nobody) / len(drawn_KC)
    values_C = (moment_C - moment_C.mean()) / (0.5 - second_moment(contributors))
    return np.asarray(values_C + (everyone - nobody) / contributors)


def second_moment(contributors: int) -> float:
    """Chance that two given contributors are both in, by the Shapley kernel."""
    size = np.arange(1, contributors)
    return float(kernel_chances(contributors) @ (size * (size - 1)) / (contributors * (contributors - 1)))
