"""DAVINZ: a bound on the generalisation error at the initialisation, in the domain and across domains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.types import Bools, Budget, Count, Floats, JobSize, Problem, Scorer, SetFunction
from methods import algebra


@dataclass(frozen=True)
class Davinz(SetFunction):
    """v(K) = -(kappa x NTK complexity + MMD of features to validation), kappa their ratio over contributors.

    Args:
        seeds: initialisations averaged over.
    """

    seeds: Count = 3
    seed_scope = "ntk-mmd"  # its complexity is NTK-MMD's, worked out once for both
    source = "Wu, Shu & Low (2022), ICML, eq. 4 with kappa as in sec. 4"
    passes = (
        "2 forward passes and 1 backward pass a seed, n x n Cholesky (n <= 4,000) or n x 512 sketches, kernels of pairs"
    )
    choices = (
        "the paper's MMD is of inputs, which for texts means nothing: it is of penultimate features, without targets, "
        "by NTK-MMD's mixture of kernels (the authors' code: one, of width 5); complexity is NTK-MMD's, of the true "
        "target's probability with a ridge of 0.1 of the mean diagonal (their code: of its logit, 1e-4); kappa makes "
        "both terms' means over the contributors alone equal for every question, and is divided out (their code takes "
        "the means over the coalitions that are valued, for leave-one-out those that lack one)"
    )
    claims = frozenset({"copies"})

    def budget(self, contributors: int, examples: int) -> Budget:
        """A model that may be made of linear layers alone is looked at on a few rows first."""
        return Budget(gradient_passes=self.seeds * (1 + 2 * algebra.LOOKED_AT / examples))

    def algebra(self, size: JobSize) -> float:
        """The width of the targets, which its distances do not have, is in it too."""
        return self.seeds * (algebra.mmd(size, size.examples) + algebra.complexity(size))

    def scorers(self, problem: Problem) -> Sequence[Scorer]:
        return [self._scorer(problem, seed) for seed in range(self.seeds)]

    def _scorer(self, problem: Problem, seed: int) -> Scorer:
        from methods.kernels import CoalitionMmd, features_alone
        from methods.ntk_mmd.terms import Terms
        from methods.ntk_mmd.weights import TERMS, scale

        def share(key: str, build: Callable[[], Any]) -> Any:
            return problem.shared(f"ntk-mmd/{seed}/{key}", build)

        terms, place = Terms(problem, seed, share), TERMS.index("ntk")
        mmd = CoalitionMmd(features_alone(problem, problem.initial(seed)), problem)

        def both(coalitions_KC: Bools) -> Floats:
            complexity_K = terms.of(coalitions_KC, ("ntk",))[:, place]
            return np.stack([complexity_K, mmd.distances(coalitions_KC)], axis=1)

        weight = scale(both(np.eye(len(problem.contributors), dtype=np.bool_)))
        return lambda coalitions_KC: -(both(coalitions_KC) @ weight)
