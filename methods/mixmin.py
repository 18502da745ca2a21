"""MixMin: the mixture of contributors' own models that fits the target best, by convex optimisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from harness.types import Bools, Budget, Count, Floats, JobSize, Problem, Scorer, SetFunction
from methods.algebra import WALKS
from methods.coalitions import SCOPE, named, no_whole_seed, whole_seeds

GAP = 1e-5
"""Mean log-likelihood by which a mixture may stay under the best one."""

IMPOSSIBLE = 1e-200
"""The least likelihood over the best model's: what is less likely yet has no reciprocal to weigh by."""

SWEEPS = 1_000
"""Updates of the weights, at most."""


@dataclass(frozen=True)
class MixMin(SetFunction):
    """The largest mean log-likelihood of validation under a mixture of a coalition's own models.

    Args:
        retrainings: of nobody and of each contributor alone, C + 1 a seed, over as many seeds as fit in; None: 4 x
            contributors.
    """

    retrainings: Count | None = None
    seed_scope: ClassVar[str] = SCOPE
    source: ClassVar[str] = "Thudi, Rovers, Ruan, Thrush & Maddison (2025), MixMin, arXiv 2502.10510"
    passes: ClassVar[str] = "contributors + 1 retrainings a seed, 3 seeds of 24 contributors"
    choices: ClassVar[str] = (
        "retrainings: 4 a contributor, data-shapley's budget, of which whole seeds of C + 1 are taken; contributors "
        "are the sources, and a model of each its proxy; a coalition is worth what the best mixture of its models "
        "gives, nobody what was retrained; multiplicative updates (expectation maximisation) up to a certified gap of "
        "1e-5 in place of entropic descent; a response in words is as likely as its mean token"
    )

    def seeds(self, contributors: int) -> int:
        return whole_seeds(self.retrainings, contributors)

    def budget(self, contributors: int, examples: int) -> Budget:
        seeds, shared = self.seeds(contributors), dict[str, float]()
        for seed in range(seeds):
            shared |= named(seed, nobody=1, alone=contributors)
        return Budget(retrainings=seeds * (contributors + 1), shared=shared)

    def algebra(self, size: JobSize) -> float:
        asked = {"standalone": 2, "leave-one-out": size.contributors + 2, "shapley": WALKS * size.contributors}
        sweep = 4.0 * size.contributors * size.validation
        return self.seeds(size.contributors) * asked[size.question] * SWEEPS / 10 * sweep

    def unsuitable(self, problem: Problem) -> str | None:
        return no_whole_seed(self.retrainings, len(problem.contributors))

    def scorers(self, problem: Problem) -> Sequence[Scorer]:
        contributors = len(problem.contributors)
        rows_KC = np.vstack([np.zeros((1, contributors), dtype=np.bool_), np.eye(contributors, dtype=np.bool_)])
        found = []
        for seed in range(self.seeds(contributors)):
            logs_KN = problem.retrain.by_example(rows_KC, seed)
            found.append(scorer(logs_KN[1:], float(logs_KN[0].mean())))
        return found


def scorer(logs_CN: Floats, nobody: float) -> Scorer:
    """Worth of any coalition, from the log-likelihood of each validation example under each contributor's model."""
    best_N = logs_CN.max(axis=0)
    chances_CN, level = np.maximum(np.exp(logs_CN - best_N), IMPOSSIBLE), float(best_N.mean())

    def score(coalitions_KC: Bools) -> Floats:
        worths_K = np.full(len(coalitions_KC), nobody)
        some_K = coalitions_KC.any(axis=1)
        if some_K.any():
            worths_K[some_K] = level + best_mixtures(coalitions_KC[some_K], chances_CN)[1]
        return worths_K

    return score


def best_mixtures(coalitions_KC: Bools, chances_CN: Floats) -> tuple[Floats, Floats]:
    """Weights of each coalition's best mixture, K x C, and the mean log of its likelihood, K.

    A weight is multiplied by the mean over examples of its model's likelihood over the mixture's, whose largest tells
    how far the best is: by no more than its excess over 1 (Cover 1984, IEEE Transactions on Information Theory 30(2)).
    """
    weights_KC = coalitions_KC / coalitions_KC.sum(axis=1, keepdims=True)
    left = np.arange(len(coalitions_KC))
    for _ in range(SWEEPS):
        pull_KC = (1.0 / (weights_KC[left] @ chances_CN)) @ chances_CN.T / chances_CN.shape[1]
        excess_K = np.where(coalitions_KC[left], pull_KC, 0.0).max(axis=1) - 1.0
        weights_KC[left] *= pull_KC
        weights_KC[left] /= weights_KC[left].sum(axis=1, keepdims=True)
        left = left[excess_K > GAP]
        if not len(left):
            break
    return weights_KC, np.log(weights_KC @ chances_CN).mean(axis=1)
