"""Datamodels: a sparse linear model of utility on who was in the training set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from harness.types import Floats, JobSize, Problem, Retraining
from methods import lasso
from methods.coalitions import Sampling, pooled


@dataclass(frozen=True)
class Datamodels(Sampling, Retraining):
    """Weights of a lasso from who is in to utility on the validation split, on random halves of the contributors.

    Args:
        retrainings: coalitions retrained, all seeds together, which one lasso is fitted to; None: 4 x contributors.
        seeds: initialisations, each with coalitions of its own and a level of its own in the fit.
    """

    design: ClassVar[str] = "halves"
    source: ClassVar[str] = "Ilyas, Park, Engstrom, Leclerc & Madry (2022), ICML (linear datamodels)"
    passes: ClassVar[str] = "4 retrainings a contributor, over all seeds"
    choices: ClassVar[str] = (
        "retrainings: 4 a contributor, data-shapley's budget; subsets of a share alpha = 1/2 of contributors, the "
        "paper's main setting; one datamodel of the mean log-likelihood in place of the mean of one a validation "
        "example; the lasso's strength by 5-fold cross-validation, as the paper has it by held-out subsets; one fit to "
        "all seeds' coalitions, with a level for each seed"
    )

    def algebra(self, size: JobSize) -> float:
        return lasso.operations(self.seeds * self.each(size.contributors), size.contributors)

    def contributor_values(self, problem: Problem) -> Floats:
        rows = self.drawn(problem)
        utilities_K, seed_K = pooled([problem.retrain(rows_KC, seed) for seed, rows_KC in enumerate(rows)])
        return lasso.coefficients(1.0 * np.vstack(rows), utilities_K, seed_K)[None]
