"""AME: the mean gain of a contributor over coalitions of several densities, by one lasso."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from harness.types import Bools, Floats, JobSize, Problem, Retraining
from methods import lasso
from methods.coalitions import Sampling

INCLUSION = (0.2, 0.4, 0.6, 0.8)
"""Chances with which everybody is in; one is drawn for each coalition."""


@dataclass(frozen=True)
class Ame(Sampling, Retraining):
    """Average marginal effect on utility on the validation split, over coalitions of random density, by the lasso.

    Args:
        retrainings: coalitions retrained, all repeats together; None: 4 x contributors.
        seeds: independent repeats, each with its own initialisation and its own coalitions.
    """

    source: ClassVar[str] = "Lin, Zhang, Lecuyer, Li, Panda & Sen (2022), ICML (AME, LASSO estimator)"
    passes: ClassVar[str] = "4 retrainings a contributor, over all seeds"
    choices: ClassVar[str] = (
        "chances of inclusion 0.2, 0.4, 0.6 and 0.8 alike, the paper's; the lasso's strength by 5-fold "
        "cross-validation; no knockoffs, for values are ranked and none is tested"
    )

    def algebra(self, size: JobSize) -> float:
        return self.seeds * lasso.operations(self.each(size.contributors), size.contributors)

    def contributor_values(self, problem: Problem) -> Floats:
        contributors, found = len(problem.contributors), []
        for seed in range(self.seeds):
            rng = problem.scope_stream("inclusion", seed)
            rows_KC, chance_K = drawn(rng, self.each(contributors), contributors)
            found.append(effects(rows_KC, chance_K, problem.retrain(rows_KC, seed)))
        return np.array(found)


def drawn(rng: np.random.Generator, count: int, contributors: int) -> tuple[Bools, Floats]:
    """Coalitions K x C and the chance of inclusion that each was drawn with, K."""
    draws = rng.random((count, contributors + 1))
    chance_K = np.array(INCLUSION)[(draws[:, 0] * len(INCLUSION)).astype(np.int64)]
    return np.asarray(draws[:, 1:] < chance_K[:, None]), chance_K


def effects(rows_KC: Bools, chance_K: Floats, utilities_K: Floats) -> Floats:
    """Average marginal effects, C.

    1 / p for who is in and -1 / (1 - p) for who is not have mean 0, are uncorrelated and have variance
    v = E[1 / (p (1 - p))], and their covariance with utility is the effect: regression on them over root v gives the
    effect over root v.
    """
    chance = np.array(INCLUSION)
    root = float(np.sqrt((1 / (chance * (1 - chance))).mean()))
    features_KC = np.where(rows_KC, 1 / chance_K[:, None], -1 / (1 - chance_K[:, None])) / root
    return root * lasso.coefficients(features_KC, utilities_K)
