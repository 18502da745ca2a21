"""Leave-one-out retraining on the validation split: what a truth's estimate is worth with other seeds and rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from harness.types import Budget, Count, Floats, JobSize, Problem, Retraining
from methods.coalitions import SCOPE, named, no_whole_seed, whole_seeds


@dataclass(frozen=True)
class LeaveOneOut(Retraining):
    """What utility on the validation split loses when a contributor is left out of training.

    Args:
        retrainings: of everyone and of everyone but one, C + 1 a seed, over as many seeds as fit in; None: 4 x
            contributors.
    """

    retrainings: Count | None = None
    seed_scope: ClassVar[str] = SCOPE
    source: ClassVar[str] = "Cook (1977), Technometrics 19(1), of utility; Koh & Liang (2017), ICML, sec. 2"
    passes: ClassVar[str] = "contributors + 1 retrainings a seed, 3 seeds of 24 contributors"
    choices: ClassVar[str] = (
        "retrainings: 4 a contributor, data-shapley's budget, of which whole seeds of C + 1 are taken; seeds differ by "
        "initialisation and by the order of examples"
    )
    claims = frozenset({"null", "copies"})

    def seeds(self, contributors: int) -> int:
        return whole_seeds(self.retrainings, contributors)

    def budget(self, contributors: int, examples: int) -> Budget:
        seeds, shared = self.seeds(contributors), dict[str, float]()
        for seed in range(seeds):
            shared |= named(seed, everyone=1, all_but_one=contributors)
        return Budget(retrainings=seeds * (contributors + 1), shared=shared)

    def algebra(self, size: JobSize) -> float:
        return 0.0

    def unsuitable(self, problem: Problem) -> str | None:
        return no_whole_seed(self.retrainings, len(problem.contributors))

    def contributor_values(self, problem: Problem) -> Floats:
        contributors = len(problem.contributors)
        rows_KC = np.vstack([np.ones((1, contributors), dtype=np.bool_), ~np.eye(contributors, dtype=np.bool_)])
        found = [problem.retrain(rows_KC, seed) for seed in range(self.seeds(contributors))]
        return np.array([utilities_K[0] - utilities_K[1:] for utilities_K in found])
