"""Influence by a solve that EK-FAC shows the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.types import Additive, Batch, Budget, Count, Floats, JobSize, NotNegative, Positive, Problem
from methods.algebra import EXACT_CLASSES
from methods.ekfac import algebra_of_factors, factors_of
from methods.influence import passes_of_damping


@dataclass(frozen=True)
class Astra(Additive):
    """Influence's own solve, by conjugate gradients that EK-FAC preconditions.

    Args:
        runs: independent training runs averaged over, the same as those of ``influence``.
        damping: as in ``influence``.
        tolerance, iterations: as in ``influence``; the residual is that of its own system.
    """

    runs: Count = 3
    damping: Positive | None = None
    tolerance: NotNegative = 0.01
    iterations: Count = 50
    source = (
        "Wang, Nguyen, Yang, Bae, McIlraith & Grosse (2025), NeurIPS, arXiv 2507.14740 (ASTRA); damping as in influence"
    )
    passes = (
        "1 retraining a run; EK-FAC's factors, 2 passes a step (at most 50; 3 where rows take many blocks), 1 "
        "forward-mode pass; for AdamW 1 to 2 a checkpoint"
    )
    choices = (
        "damping: influence's rule; the paper's iteration is Neumann's series on batches, preconditioned by EK-FAC; "
        "here its steps are those of conjugate gradients on all examples, which need no step size and no more steps "
        "than any series of the same products; it ends by influence's rule, so that both give the same up to its "
        "tolerance"
    )
    claims = frozenset({"null", "copies", "additive"})

    def budget(self, contributors: int, examples: int) -> Budget:
        each = passes_of_damping(self.damping) + 3 * EXACT_CLASSES + 3 + 3 * self.iterations + 1
        return Budget(self.runs, gradient_passes=self.runs * each, validation_passes=self.runs)

    def algebra(self, size: JobSize) -> float:
        """A step turns one matrix of each layer into its basis and back."""
        turned = 8.0 * size.parameters * size.features * self.iterations
        return self.runs * (algebra_of_factors(size, corrected=True) + turned)

    def example_values(self, problem: Problem) -> Floats:
        from methods.gradients.directional import tensors

        train, validation = tensors(problem.train, problem.device), tensors(problem.validation, problem.device)
        return np.stack([self._one_run(problem, train, validation, run) for run in range(self.runs)])

    def _one_run(self, problem: Problem, train: Batch, validation: Batch, run: int) -> Floats:
        from methods.gradients.curvature import GaussNewton
        from methods.gradients.directional import directional_losses, mean_gradient
        from methods.gradients.preconditioned import preconditioned_solve

        learner, params = problem.learner, problem.fit(run).params
        factors = factors_of(problem, run, self.damping, corrected=True)
        solved = preconditioned_solve(
            GaussNewton(learner, params, train),
            {name: entry.square() for name, entry in factors.scale.items()},
            factors.precondition,
            mean_gradient(learner, params, validation),
            self.tolerance,
            self.iterations,
        )
        values_N = directional_losses(learner, params, train, solved)
        return (values_N / len(problem.train)).double().cpu().numpy()
