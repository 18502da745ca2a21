"""DAVINZ: a bound on the generalisation error at the initialisation, in the domain and across domains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from harness.types import Bools, Budget, Count, Floats, JobSize, Positive, Problem, Scorer, SetFunction
from methods import algebra, scopes


@dataclass(frozen=True)
class Davinz(SetFunction):
    """v(K) = -(kappa x NTK complexity + MMD of features to validation), kappa their ratio over what is valued.

    Args:
        ridge: added to the kernel's diagonal, as it is.
        output: whose gradients make the kernel, and whose label is 1: the true target's ``logit`` (of responses, which
            have many, its probability), or its ``probability``.
        seeds: initialisations averaged over.
    """

    ridge: Positive = 1e-4
    output: Literal["logit", "probability"] = "logit"
    seeds: Count = 3
    seed_scope = scopes.NTK_MMD  # initialisations and sketches are NTK-MMD's, and the losses that probabilities take
    source = "Wu, Shu & Low (2022), ICML, eq. 4 with kappa as in sec. 4, and the authors' code"
    passes = (
        "2 forward passes and 1 backward pass a seed, n x n Cholesky (n <= 4,000) or n x 512 sketches, kernels of pairs"
    )
    choices = (
        "ridge, output and kappa are those of the authors' code: 1e-4, the true target's logit, and the ratio of both "
        "terms' means over the coalitions that a question asks for, everyone among them when one is left out, and for "
        "Shapley values of more than ten contributors over those along one order and back; the kernel is whole, of all "
        "parameters (theirs: blocks of it for large networks, weights without biases); the paper's MMD is of inputs, "
        "which for texts means nothing: it is of penultimate features, without targets, by NTK-MMD's mixture of "
        "kernels (their code: one, of width 5); nobody is worth 0"
    )
    claims = frozenset({"copies"})

    def budget(self, contributors: int, examples: int) -> Budget:
        """A model that may be made of linear layers alone is looked at on a few rows first, for probabilities."""
        return Budget(gradient_passes=self.seeds * (1 + 2 * algebra.LOOKED_AT / examples))

    def algebra(self, size: JobSize) -> float:
        """The width of the targets, which its distances do not have, is in it too."""
        walks = algebra.WALKS + (2 if size.contributors > algebra.ENUMERATED else 0)  # those that kappa is of
        return self.seeds * (algebra.mmd(size, size.examples) + algebra.complexity(size, False, walks))

    def scorers(self, problem: Problem) -> Sequence[Scorer]:
        return [self._scorer(problem, seed) for seed in range(self.seeds)]

    def _scorer(self, problem: Problem, seed: int) -> Scorer:
        from methods.kernels import CoalitionMmd, features_alone
        from methods.ntk_mmd.terms import Reading, Terms
        from methods.ntk_mmd.weights import TERMS

        def share(key: str, build: Callable[[], Any]) -> Any:
            return problem.shared(f"ntk-mmd/{seed}/{key}", build)

        reading = Reading(self.ridge, absolute=True, output=self.output)
        terms, place = Terms(problem, seed, share, reading), TERMS.index("ntk")
        mmd = CoalitionMmd(features_alone(problem, problem.initial(seed)), problem)

        def parts(coalitions_KC: Bools) -> tuple[Floats, Floats]:
            return terms.of(coalitions_KC, ("ntk",))[:, place], mmd.distances(coalitions_KC)

        valued_KC = valued(problem, seed)
        some_K = valued_KC.any(axis=1)  # nobody has neither term
        complexity_K, distance_K = (part_K[some_K] for part_K in parts(valued_KC))
        weighed = complexity_K.sum()
        kappa = distance_K.sum() / weighed if weighed > 0 else 0.0

        def score(coalitions_KC: Bools) -> Floats:
            complexity_K, distance_K = parts(coalitions_KC)
            return -(kappa * complexity_K + distance_K)

        return score


def valued(problem: Problem, seed: int) -> Bools:
    """The coalitions that the question asks for, K x C.

    Of many contributors' Shapley values the harness draws them; here are those along one order and back, which have as
    many members as theirs.
    """
    contributors = len(problem.contributors)
    nobody, alone = np.zeros((1, contributors), dtype=np.bool_), np.eye(contributors, dtype=np.bool_)
    if problem.question == "standalone":
        return np.vstack([nobody, alone])
    if problem.question == "leave-one-out":
        return np.vstack([~nobody, ~alone])
    if contributors <= algebra.ENUMERATED:
        return np.asarray(np.arange(2**contributors)[:, None] >> np.arange(contributors) & 1, dtype=np.bool_)
    joins_C = problem.stream("order", seed).permutation(contributors)
    there_KC = joins_C < np.arange(contributors + 1)[:, None]
    return np.vstack([there_KC, ~there_KC[-2:0:-1]])
