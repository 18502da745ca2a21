"""Data Banzhaf: what a contributor adds to a coalition drawn from all of them alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from harness.types import Bools, Floats, JobSize, Problem, Retraining
from methods.coalitions import Sampling


@dataclass(frozen=True)
class DataBanzhaf(Sampling, Retraining):
    """Banzhaf values of utility on the validation split: mean utility with a contributor less the mean without it.

    Args:
        retrainings: coalitions retrained, all repeats together; None: 4 x contributors.
        seeds: independent repeats, each with its own initialisation and its own coalitions.
    """

    design: ClassVar[str] = "uniform"
    source: ClassVar[str] = "Wang & Jia (2023), AISTATS (maximum sample reuse)"
    passes: ClassVar[str] = "4 retrainings a contributor, over all seeds"
    choices: ClassVar[str] = (
        "retrainings: 4 a contributor in two repeats, data-shapley's budget; players are contributors; a contributor "
        "that was in all coalitions of a repeat, or in none, is worth 0 there"
    )

    def algebra(self, size: JobSize) -> float:
        return 2.0 * self.seeds * self.each(size.contributors) * size.contributors

    def contributor_values(self, problem: Problem) -> Floats:
        drawn = enumerate(self.drawn(problem))
        return np.array([reused(rows_KC, problem.retrain(rows_KC, seed)) for seed, rows_KC in drawn])


def reused(rows_KC: Bools, utilities_K: Floats) -> Floats:
    """Mean of the coalitions with i less the mean of those without, C; 0 where there are none on one side."""
    with_C, without_C = rows_KC.sum(axis=0), (~rows_KC).sum(axis=0)
    gains_C = rows_KC.T @ utilities_K / np.maximum(with_C, 1) - (~rows_KC).T @ utilities_K / np.maximum(without_C, 1)
    return np.where((with_C > 0) & (without_C > 0), gains_C, 0.0)
