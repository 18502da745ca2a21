"""AME: the mean gain of a contributor over coalitions of several densities, by one lasso."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from harness.types import Bools, Floats, Ints, JobSize, Problem, Retraining
from methods import lasso
from methods.coalitions import Sampling, pooled

INCLUSION = (0.2, 0.4, 0.6, 0.8)
"""Chances with which everybody is in; one is drawn for each coalition."""


@dataclass(frozen=True)
class Ame(Sampling, Retraining):
    """Average marginal effect on utility on the validation split, over coalitions of random density, by the lasso.

    Args:
        retrainings: coalitions retrained, all seeds together, which one lasso is fitted to; None: 4 x contributors.
        seeds: initialisations, each with coalitions of its own and a level of its own in the fit.
    """

    source: ClassVar[str] = "Lin, Zhang, Lecuyer, Li, Panda & Sen (2022), ICML (AME, LASSO estimator)"
    passes: ClassVar[str] = "4 retrainings a contributor, over all seeds"
    choices: ClassVar[str] = (
        "retrainings: 4 a contributor, data-shapley's budget; chances of inclusion 0.2, 0.4, 0.6 and 0.8 alike, the "
        "paper's; the lasso's strength by 5-fold cross-validation; one fit to all seeds' coalitions, with a level for "
        "each seed; no knockoffs, for values are ranked and none is tested"
    )

    def algebra(self, size: JobSize) -> float:
        return lasso.operations(self.seeds * self.each(size.contributors), size.contributors)

    def contributor_values(self, problem: Problem) -> Floats:
        contributors = len(problem.contributors)
        streams = [problem.scope_stream("inclusion", seed) for seed in range(self.seeds)]
        rows, chances = zip(*(drawn(rng, self.each(contributors), contributors) for rng in streams), strict=True)
        utilities_K, seed_K = pooled([problem.retrain(rows_KC, seed) for seed, rows_KC in enumerate(rows)])
        return effects(np.vstack(rows), np.concatenate(chances), utilities_K, seed_K)[None]


def drawn(rng: np.random.Generator, count: int, contributors: int) -> tuple[Bools, Floats]:
    """Coalitions K x C and the chance of inclusion that each was drawn with, K."""
    draws = rng.random((count, contributors + 1))
    chance_K = np.array(INCLUSION)[(draws[:, 0] * len(INCLUSION)).astype(np.int64)]
    return np.asarray(draws[:, 1:] < chance_K[:, None]), chance_K


def effects(rows_KC: Bools, chance_K: Floats, utilities_K: Floats, seed_K: Ints) -> Floats:
    """Average marginal effects, C.

    1 / p for who is in and -1 / (1 - p) for who is not have mean 0, are uncorrelated and have variance
    v = E[1 / (p (1 - p))], and their covariance with utility is the effect: regression on them over root v gives the
    effect over root v.
    """
    chance = np.array(INCLUSION)
    root = float(np.sqrt((1 / (chance * (1 - chance))).mean()))
    features_KC = np.where(rows_KC, 1 / chance_K[:, None], -1 / (1 - chance_K[:, None])) / root
    return root * lasso.coefficients(features_KC, utilities_K, seed_K)
