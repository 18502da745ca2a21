"""MixMin: the mixture of contributors' own models that fits the target best, by convex optimisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from harness.types import Bools, Budget, Count, Floats, JobSize, Problem, Scorer, SetFunction
from methods.algebra import WALKS
from methods.coalitions import SCOPE, named, no_whole_seed, whole_seeds

GAP = 1e-11
"""Mean log-likelihood by which a mixture may stay under the best one: under what counts as a tie between values."""

IMPOSSIBLE = 1e-200
"""The least likelihood over the best model's: what is less likely yet has no reciprocal to weigh by."""

STEPS = 60
"""Of Newton's method, at most; a dozen are enough."""

USUAL_STEPS = 10

NEARBY = 1e-10
"""Of the curvature's mean diagonal, by which a step is held back: of exact copies any shares would do."""

ROUNDING = 1e-14
"""Of a mean log-likelihood near 0: at the end steps no longer show in it, though weights still come closer."""

LOST = 0.01
"""Of its likelihood that an example may keep in one step, at least."""


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
        "gives, nobody what was retrained; Newton's method to a certified gap of 1e-11 in place of entropic descent, "
        "for whoever has no weight is worth exactly nothing where left out, and all such are tied; a response in words "
        "is as likely as its mean token"
    )

    def seeds(self, contributors: int) -> int:
        return whole_seeds(self.retrainings, contributors)

    def budget(self, contributors: int, examples: int) -> Budget:
        seeds, shared = self.seeds(contributors), dict[str, float]()
        for seed in range(seeds):
            shared |= named(seed, nobody=1, alone=contributors)
        return Budget(retrainings=seeds * (contributors + 1), shared=shared)

    def algebra(self, size: JobSize) -> float:
        contributors = size.contributors
        asked = {"standalone": contributors, "leave-one-out": contributors + 1, "shapley": WALKS * contributors}
        step = 2.0 * contributors**2 * size.validation + 4.0 * contributors**3
        return self.seeds(contributors) * asked[size.question] * USUAL_STEPS * step

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

    A coalition that has all models of a larger one's best mixture has that mixture, to the last bit.
    """
    weights_KC, worths_K = np.zeros(coalitions_KC.shape), np.zeros(len(coalitions_KC))
    order = np.argsort(-coalitions_KC.sum(axis=1), kind="stable")
    for place, k in enumerate(order):
        own_C, before = coalitions_KC[k], order[:place]
        holds_J = ~(own_C & ~coalitions_KC[before]).any(axis=1) & ~((weights_KC[before] > 0) & ~own_C).any(axis=1)
        if holds_J.any():
            known = before[int(holds_J.argmax())]
            weights_KC[k], worths_K[k] = weights_KC[known], worths_K[known]
        else:
            weights_KC[k, own_C], worths_K[k] = best_mixture(chances_CN[own_C])
    return weights_KC, worths_K


def best_mixture(chances_CN: Floats) -> tuple[Floats, float]:
    """The weights that make the mean log of the mixture's likelihood largest, C, and that mean.

    Newton's method on it less the weights' sum, whose best weights add up to 1 by themselves: each step is a quadratic
    program over weights of at least 0, solved by active sets (Lawson & Hanson 1974, ch. 23), so that a model which the
    mixture does without has no weight at all. The mean over examples of a model's likelihood over the mixture's is
    1 for whoever has weight; its largest tells how far the best is: by no more than its excess over 1 (Cover 1984, IEEE
    Transactions on Information Theory 30(2)).
    """
    from scipy.linalg import cholesky, solve_triangular
    from scipy.optimize import nnls

    models, examples = chances_CN.shape
    best_N = chances_CN.max(axis=0)
    chances_CN, level = chances_CN / best_N, float(np.log(best_N).mean())
    weights_C = np.full(models, 1.0 / models)
    mixed_N = weights_C @ chances_CN
    for _ in range(STEPS):
        ratios_CN = chances_CN / mixed_N
        pull_C = ratios_CN.mean(axis=1)
        if pull_C.max() <= 1 + GAP:
            break
        curvature_CC = ratios_CN @ ratios_CN.T / examples
        held = NEARBY * float(curvature_CC.diagonal().mean())
        upper_CC = cholesky(curvature_CC + held * np.eye(models))
        aimed_C = nnls(upper_CC, solve_triangular(upper_CC, 2 * pull_C - 1 + held * weights_C, trans="T"))[0]
        weights_C, mixed_N = _towards(aimed_C, weights_C, mixed_N, chances_CN)
    return weights_C, level + float(np.log(mixed_N).mean())


def _towards(aimed_C: Floats, weights_C: Floats, mixed_N: Floats, chances_CN: Floats) -> tuple[Floats, Floats]:
    """Weights that go as far to the aim as the likelihood grows by, and their mixture; no further where nothing does.

    No example may lose most of its likelihood at once, which what the step knows of the curvature does not foresee.
    """
    worth, share = np.log(mixed_N).mean(), 1.0
    while share > 1e-12:
        tried_C = weights_C + share * (aimed_C - weights_C)
        tried_C = tried_C / tried_C.sum()
        tried_N = tried_C @ chances_CN
        if (tried_N >= LOST * mixed_N).all() and np.log(tried_N).mean() > worth - ROUNDING:
            return tried_C, tried_N
        share /= 2
    return weights_C, mixed_N
