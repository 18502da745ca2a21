"""The method: minus the weighed terms, averaged over initialisations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from harness.types import Budget, Count, Floats, JobSize, Positive, Problem, Scorer, SetFunction
from methods import algebra, scopes
from methods.ntk_mmd import weights


@dataclass(frozen=True)
class NtkMmd(SetFunction):
    """v(K) = -(w1 initial loss + w2 MK-MMD to validation + w3 NTK complexity + w4 sample term), without training.

    Args:
        scheme: the weights, see weights.py.
        seeds: initialisations averaged over; their spread is published.
        ridge: added to the NTK's diagonal, as a multiple of the pool's mean diagonal.
        output: whose Jacobian makes the NTK: the true target's probability (label 1), or its logarithm (label 0).
        features: what the discrepancy is of: penultimate features joined with the target, or these features alone.
        kernel: exp(-d^2 / 2 s^2), or exp(-d / s).
        bandwidth: s, as a multiple of the median distance within the validation split; None for an equal mixture of
            1/4, 1/2, 1, 2 and 4.
        unbiased: leave an example's kernel with itself out of the discrepancy.
        solve: the NTK whole up to 4,000 examples and from projected gradients beyond (auto), or never made: conjugate
            gradients on products with it (matrix-free), exact at any size, 2 passes a product.
    """

    scheme: weights.Scheme = "scale"
    seeds: Count = 3
    ridge: Positive = 0.1
    output: Literal["probability", "log-probability"] = "probability"
    features: Literal["joint", "initial"] = "joint"
    kernel: Literal["gaussian", "laplacian"] = "gaussian"
    bandwidth: Positive | None = None
    unbiased: bool = False
    solve: Literal["auto", "matrix-free"] = "auto"
    seed_scope = scopes.NTK_MMD
    reads_sides = True
    source = "arXiv 2511.13640 (2025); terms as this project's docs/methods.md states them"
    passes = "2 forward passes and 1 backward pass a seed, n x n Cholesky (n <= 4,000) or n x 512 sketches"
    claims = frozenset({"copies"})
    choices = (
        "bandwidth: an equal mixture of 1/4 to 4 times the median distance, for the paper's MMD has several kernels, "
        "and so no one scale needs to be chosen (whether one would do better is recorded on no tuning pool); ridge: a "
        "tenth of the mean diagonal; output: the true target's probability, with 1 as the label to be reached; "
        "features: joined with targets, so that a wrong label is a distance; unbiased: no, as in the paper, though the "
        "biased MMD is partly size; weights: 1 / the mean of each term; nobody is "
        "worth 0, as if no term were there"
    )

    @property
    def summary(self) -> str:
        first = super().summary
        return first if self.scheme == "scale" else f"NTK-MMD with weights '{self.scheme}'."

    @property
    def calibrates(self) -> bool:  # type: ignore[override]
        return self.scheme == "calibrated"

    def budget(self, contributors: int, examples: int) -> Budget:
        """A model that may be made of linear layers alone is looked at on a few rows first."""
        each = 1 + 2 * algebra.LOOKED_AT / examples if "ntk" in self._asked else 0.0
        if each and self.solve == "matrix-free":
            solves = algebra.coalitions(contributors) + contributors  # and each alone, which sets the weights
            each = 1 + 2 * algebra.MATRIX_FREE_PRODUCTS * solves
        return Budget(gradient_passes=self.seeds * each)

    def algebra(self, size: JobSize) -> float:
        """Half of the examples are taken to be real."""
        found = 0.0
        if "discrepancy" in self._asked:
            found += 2 * algebra.mmd(size, size.examples / 2)
        if "ntk" in self._asked and self.solve == "auto":
            found += algebra.complexity(size)
        return self.seeds * found

    def unsuitable(self, problem: Problem) -> str | None:
        if self.scheme != "calibrated":
            return None
        if not problem.precedents:
            return "its weights are fitted on the truths of other tasks, and this run has no other task"
        needed = [f"ntk-mmd:single:{term}" for term in weights.TERMS]
        missing = [name for name in needed if not all(name in p.values for p in problem.precedents)]
        if missing:
            return f"its weights are fitted on the single terms of other tasks, and this run lacks {', '.join(missing)}"
        return None

    def scorers(self, problem: Problem) -> Sequence[Scorer]:
        return [self._scorer(problem, seed) for seed in range(self.seeds)]

    def _scorer(self, problem: Problem, seed: int) -> Scorer:
        from methods.kernels import BANDWIDTHS, Kernel
        from methods.ntk_mmd.terms import Reading, Terms

        def share(key: str, build: Callable[[], Any]) -> Any:
            """All weight schemes share what they have in common; each is charged for what it asks for alone."""
            return problem.shared(f"ntk-mmd/{seed}/{key}", build)

        kernel = Kernel(self.kernel, BANDWIDTHS if self.bandwidth is None else (self.bandwidth,))
        reading = Reading(self.ridge, self.output, self.features, kernel, self.unbiased, self.solve)
        terms = Terms(problem, seed, share, reading)
        alone = terms.of(np.eye(len(problem.contributors), dtype=np.bool_), self._asked)
        weight = self._weights(alone, problem)
        return lambda coalitions_KC: -(terms.of(coalitions_KC, self._asked) @ weight)

    @property
    def _asked(self) -> tuple[str, ...]:
        """The terms that have a weight."""
        return (self._single,) if self._single else weights.TERMS

    @property
    def _single(self) -> str:
        """The one term of an ablation, empty for the others."""
        return self.scheme.partition("single:")[2]

    def _weights(self, terms_C4: Floats, problem: Problem) -> Floats:
        if self.scheme == "paper":
            return weights.paper(terms_C4)
        if self.scheme == "calibrated":
            return weights.calibrated(terms_C4, problem.precedents)
        if self.scheme == "scale":
            return weights.scale(terms_C4)
        return weights.single(terms_C4, self._single)
