"""Influence by Kronecker factors of the curvature, on every learner: no solve, two passes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.types import Additive, Batch, Budget, Count, Floats, JobSize, Positive, Problem
from methods.algebra import EXACT_CLASSES
from methods.influence import inverse_damping, passes_of_damping

if TYPE_CHECKING:
    from methods.gradients.kronecker import Kronecker


@dataclass(frozen=True)
class Ekfac(Additive):
    """Influence with the Gauss-Newton matrix by eigenvalue-corrected Kronecker factors of every layer.

    Args:
        runs: independent training runs averaged over, the same as those of ``influence``.
        damping: as in ``influence``: None for the rule, or a multiple of the Gauss-Newton matrix's mean eigenvalue (0.1
            in Grosse et al. 2023, there of each layer's own).
        corrected: eigenvalues are the second moments of gradients in the factors' basis (EK-FAC), not products of the
            factors' own (K-FAC).
    """

    runs: Count = 3
    damping: Positive | None = None
    corrected: bool = True
    source = (
        "Martens & Grosse (2015), ICML, sec. 3; George et al. (2018), NeurIPS; convolutions: Grosse & Martens "
        "(2016), ICML; for influence: Grosse et al. (2023), arXiv 2308.03296; damping as in influence"
    )
    passes = (
        "1 retraining a run; 1 pass for K-FAC, 2 for EK-FAC (one back for each class where they are at most 10 of one "
        "label, else 1; again for EK-FAC where rows take more than one block), 1 forward-mode pass; for AdamW 1 to 2 a "
        "checkpoint"
    )
    choices = (
        "labels: every class weighed by its probability where at most 10, else one drawn from the model (the true "
        "Fisher matrix, as both papers); damping: influence's rule, so that the two differ by curvature alone, and "
        "factors are those of the curvature in its units; positions that no loss reaches count for nothing; embeddings "
        "have a diagonal factor of counts, a tied matrix's uses count as positions, norms have their whole block, and "
        "what no layer tells has its exact diagonal"
    )
    claims = frozenset({"null", "copies", "additive"})

    @property
    def summary(self) -> str:
        first = super().summary
        return first if self.corrected else first.replace("eigenvalue-corrected Kronecker", "Kronecker")

    def budget(self, contributors: int, examples: int) -> Budget:
        factors = (3 if self.corrected else 2) * EXACT_CLASSES + 3
        each = passes_of_damping(self.damping) + factors + 1
        return Budget(self.runs, gradient_passes=self.runs * each, validation_passes=self.runs)

    def algebra(self, size: JobSize) -> float:
        return self.runs * algebra_of_factors(size, self.corrected)

    def example_values(self, problem: Problem) -> Floats:
        from methods.gradients.directional import tensors

        train, validation = tensors(problem.train, problem.device), tensors(problem.validation, problem.device)
        return np.stack([self._one_run(problem, train, validation, run) for run in range(self.runs)])

    def _one_run(self, problem: Problem, train: Batch, validation: Batch, run: int) -> Floats:
        from methods.gradients.directional import directional_losses, mean_gradient

        learner, params = problem.learner, problem.fit(run).params
        solved = factors_of(problem, run, self.damping, self.corrected).solve(
            mean_gradient(learner, params, validation)
        )
        values_N = directional_losses(learner, params, train, solved)
        return (values_N / len(problem.train)).double().cpu().numpy()


def factors_of(problem: Problem, run: int, damping: float | None, corrected: bool) -> Kronecker:
    """Of a run's curvature on the training examples; worked out once, for all methods."""
    from methods.gradients.directional import tensors
    from methods.gradients.kronecker import kronecker

    scale, params = inverse_damping(problem, run, damping), problem.fit(run).params

    def found() -> Kronecker:
        train = tensors(problem.train, problem.device)
        return kronecker(problem.learner, params, train, scale, run, corrected)

    if damping is not None:  # its probes are each method's own
        return found()
    return problem.shared(f"{'EK-FAC' if corrected else 'K-FAC'}/{run}", found)


def algebra_of_factors(size: JobSize, corrected: bool) -> float:
    """Second moments and rotations of as many square matrices, of the model's width, as its parameters fill.

    A side of the width w: 2 n w^2 for each of two moments, 9 w^3 for each of two bases, and for corrections 4 n w^3
    (a matrix of gradients is turned from both sides); there are P / w^2 of them.
    """
    width, n = size.features, size.examples
    matrices = max(1.0, size.parameters / width**2)
    return matrices * (4 * n * width**2 + 18 * width**3 + (4 * n * width**3 if corrected else 0.0))
