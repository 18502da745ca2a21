"""Shapley values by regression-adjusted sampling: a surrogate takes the bulk, sampling the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.types import Floats, JobSize, Problem, Retraining
from methods.coalitions import Sampling, paired_sizes
from methods.semivalues import probabilistic


@dataclass(frozen=True)
class RegressionShapley(Sampling, Retraining):
    """Shapley values of utility on the validation split: a linear surrogate's, and what it leaves, sampled.

    Args:
        retrainings: coalitions retrained, all repeats together; None: 4 x contributors.
        seeds: independent repeats, each with its own initialisation and its own coalitions; one alone has no surrogate.
    """

    design: ClassVar[str] = "paired"
    has_ends: ClassVar[bool] = True
    source: ClassVar[str] = "Witter, Liu & Musco (2025), arXiv 2506.11849 (Linear MSR)"
    passes: ClassVar[str] = "4 retrainings a contributor, over all seeds"
    choices: ClassVar[str] = (
        "retrainings: 4 a contributor, data-shapley's budget; the linear surrogate, with members' shares and the size "
        "beside membership, for a fixed number of steps makes utility depend on shares; trees have too few coalitions "
        "here; a repeat's surrogate is fitted on the others; pairs of complements with sizes by the Shapley kernel, so "
        "that the retrainings are kernel-shap's"
    )
    claims = frozenset({"efficient"})

    def algebra(self, size: JobSize) -> float:
        return self.seeds * probabilistic.operations(self.seeds * self.each(size.contributors), size.contributors)

    def contributor_values(self, problem: Problem) -> Floats:
        contributors = len(problem.contributors)
        rows = self.drawn(problem)
        utilities = [problem.retrain(rows_KC, seed) for seed, rows_KC in enumerate(rows)]
        joins_S = probabilistic.shapley_chances(contributors)
        return probabilistic.adjusted(rows, utilities, joins_S, paired_sizes(self.each(contributors), contributors))
