"""Semivalues of utility by retraining, as others estimate them, and with every coalition retrained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np

from harness.types import Bools, Budget, Floats, JobSize, Problem, Retraining, Scorer, SetFunction
from methods.coalitions import SCOPE, Sampling

MOST = 10
"""Contributors of whom all coalitions are retrained: 1,024."""


@dataclass(frozen=True)
class Utility(SetFunction):
    """Utility on the validation split itself: every coalition that a question asks for is retrained.

    Args:
        seeds: initialisations averaged over, the same as those of the methods that sample coalitions.
    """

    seeds: int = 2
    seed_scope: ClassVar[str] = SCOPE
    source: ClassVar[str] = "Shapley (1953), Contributions to the Theory of Games II, eq. 13"
    passes: ClassVar[str] = "2^contributors retrainings a seed"

    def budget(self, contributors: int, examples: int) -> Budget:
        return Budget(retrainings=self.seeds * 2 ** min(contributors, MOST))

    def algebra(self, size: JobSize) -> float:
        return 0.0

    def unsuitable(self, problem: Problem) -> str | None:
        if len(problem.contributors) > MOST:
            return f"it retrains all coalitions, for at most {MOST} contributors"
        return None

    def scorers(self, problem: Problem) -> Sequence[Scorer]:
        return [partial(problem.retrain, seed=seed) for seed in range(self.seeds)]


@dataclass(frozen=True)
class BanzhafPydvl(Sampling, Retraining):
    """Banzhaf values by pyDVL's maximum sample reuse, on the coalitions that ``data-banzhaf`` retrains.

    Args:
        retrainings: as in ``data-banzhaf``.
        seeds: as in ``data-banzhaf``.
    """

    design: ClassVar[str] = "uniform"
    source: ClassVar[str] = "Wang & Jia (2023), AISTATS; pyDVL 0.10 BanzhafValuation, MSRSampler"
    passes: ClassVar[str] = "4 retrainings a contributor, over all seeds"

    def algebra(self, size: JobSize) -> float:
        return 0.0

    def contributor_values(self, problem: Problem) -> Floats:
        from methods.references.pydvl_games import banzhaf_values  # pyDVL takes seconds to import

        drawn = enumerate(self.drawn(problem))
        return np.array([banzhaf_values(rows_KC, problem.retrain(rows_KC, seed)) for seed, rows_KC in drawn])


@dataclass(frozen=True)
class BetaPydvl(Sampling, Retraining):
    """Beta(alpha, beta) Shapley values by pyDVL's permutations, as many as the retrainings allow.

    Args:
        retrainings: coalitions retrained, about, all repeats together; None: 4 x contributors.
        seeds: independent repeats, each with its own initialisation and its own permutations.
        alpha: as in ``beta-shapley``.
        beta: as in ``beta-shapley``.
    """

    alpha: float = 4.0
    beta: float = 1.0
    source: ClassVar[str] = "Kwon & Zou (2022), AISTATS; pyDVL 0.10 BetaShapleyValuation, PermutationSampler"
    passes: ClassVar[str] = "4 retrainings a contributor, over all seeds"

    def budget(self, contributors: int, examples: int) -> Budget:
        return Budget(retrainings=self.seeds * (self._permutations(contributors) * (contributors - 1) + 2))

    def algebra(self, size: JobSize) -> float:
        return 0.0

    def contributor_values(self, problem: Problem) -> Floats:
        return np.array([self._one_seed(problem, seed) for seed in range(self.seeds)])

    def _permutations(self, contributors: int) -> int:
        return max(1, self.each(contributors) // contributors)

    def _one_seed(self, problem: Problem, seed: int) -> Floats:
        from methods.references.pydvl_games import beta_values

        contributors = len(problem.contributors)
        order_seed = int(problem.scope_stream("permutations", seed).integers(2**31))
        values = partial(beta_values, contributors, self._permutations(contributors), order_seed, self.alpha, self.beta)
        return retrained_at_once(values, partial(problem.retrain, seed=seed))


def retrained_at_once(values: Callable[[Callable[[Bools], float]], Floats], score: Scorer) -> Floats:
    """What ``values`` makes of the scores of single coalitions, all of them scored in one call.

    It is run twice, first on a function that only listens: its coalitions must not depend on what they score.
    """
    asked: dict[bytes, Bools] = {}

    def listen(coalition_C: Bools) -> float:
        asked[coalition_C.tobytes()] = coalition_C
        return 0.0

    values(listen)
    scores = dict(zip(asked, score(np.array(list(asked.values()))), strict=True))
    return values(lambda coalition_C: float(scores[coalition_C.tobytes()]))
