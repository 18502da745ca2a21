"""Datamodels: a sparse linear model of utility on who was in the training set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from harness.types import Floats, JobSize, Problem, Retraining
from methods import lasso
from methods.coalitions import Sampling


@dataclass(frozen=True)
class Datamodels(Sampling, Retraining):
    """Weights of a lasso from who is in to utility on the validation split, on random halves of the contributors.

    Args:
        retrainings: coalitions retrained, all repeats together; None: 4 x contributors.
        seeds: independent repeats, each with its own initialisation and its own coalitions.
    """

    design: ClassVar[str] = "halves"
    source: ClassVar[str] = "Ilyas, Park, Engstrom, Leclerc & Madry (2022), ICML (linear datamodels)"
    passes: ClassVar[str] = "4 retrainings a contributor, over all seeds"
    choices: ClassVar[str] = (
        "subsets of a share alpha = 1/2 of contributors, the paper's main setting; one datamodel of the mean "
        "log-likelihood in place of the mean of one a validation example; the lasso's strength by 5-fold "
        "cross-validation, as the paper has it by held-out subsets"
    )

    def algebra(self, size: JobSize) -> float:
        return self.seeds * lasso.operations(self.each(size.contributors), size.contributors)

    def contributor_values(self, problem: Problem) -> Floats:
        drawn = enumerate(self.drawn(problem))
        return np.array([lasso.coefficients(1.0 * rows, problem.retrain(rows, seed)) for seed, rows in drawn])
