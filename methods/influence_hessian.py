"""Influence functions by the loss's own Hessian, which after a short training is not positive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from harness.types import Additive, Batch, Budget, Count, Floats, JobSize, NotNegative, Positive, Problem
from methods.influence import inverse_damping, passes_of_damping

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class InfluenceHessian(Additive):
    """Influence with the exact Hessian, its negative eigenvalues taken for 0, by Lanczos' method.

    Args:
        runs: independent training runs averaged over, the same as those of ``influence``.
        damping: as in ``influence``.
        negative: what is made of H's negative eigenvalues, in units in which D is 1: ``clip``: 0; ``absolute``: their
            size (Dauphin et al. 2014).
        tolerance: change of the answer, relative to it, at which the iteration ends.
        iterations: most products with H.
    """

    runs: Count = 3
    damping: Positive | None = None
    negative: Literal["clip", "absolute"] = "clip"
    tolerance: NotNegative = 0.01
    iterations: Count = 15
    source = (
        "Koh & Liang (2017), ICML, eq. 2, with the exact Hessian; functions of it by Lanczos' method, Golub & Van Loan "
        "(2013), sec. 10.2; negative eigenvalues: Dauphin et al. (2014), NeurIPS, or none"
    )
    passes = (
        "1 retraining a run; 2 passes a product (at most 15; 3 passes where rows take many blocks), 1 forward-mode "
        "pass; for AdamW 1 to 2 a checkpoint"
    )
    choices = (
        "negative curvature is taken for none: 1 / (z + 1) has a pole at -1, and training of summed rate 1 answers to "
        "an eigenvalue z by (1 - exp(-z)) / z, which is 1 at z = 0 and over 1 below it, so 1 errs less than 1 / (|z| + "
        "1) there; damping: influence's rule, so that the two differ by curvature alone; tolerance: influence's, at "
        "the latest after 15 products, half as many again as influence takes: functions with a kink converge slowly"
    )
    claims = frozenset({"null", "copies", "additive"})

    def budget(self, contributors: int, examples: int) -> Budget:
        each = passes_of_damping(self.damping) + 3 * self.iterations + 2
        return Budget(self.runs, gradient_passes=self.runs * each, validation_passes=self.runs)

    def algebra(self, size: JobSize) -> float:
        """Each new vector is made orthogonal to all before it, twice."""
        return self.runs * 4 * self.iterations**2 * float(size.parameters)

    def example_values(self, problem: Problem) -> Floats:
        from methods.gradients.directional import tensors

        train, validation = tensors(problem.train, problem.device), tensors(problem.validation, problem.device)
        return np.stack([self._one_run(problem, train, validation, run) for run in range(self.runs)])

    def _one_run(self, problem: Problem, train: Batch, validation: Batch, run: int) -> Floats:
        from methods.gradients.directional import directional_losses, mean_gradient
        from methods.gradients.hessian import Hessian, damped_response

        learner, params = problem.learner, problem.fit(run).params
        scale, target = inverse_damping(problem, run, self.damping), mean_gradient(learner, params, validation)
        curvature = Hessian(learner, params, train)
        solved = damped_response(curvature, scale, target, self._response, self.tolerance, self.iterations)
        values_N = directional_losses(learner, params, train, solved)
        return (values_N / len(problem.train)).double().cpu().numpy()

    def _response(self, eigenvalues: Tensor) -> Tensor:
        positive = eigenvalues.clamp(min=0.0) if self.negative == "clip" else eigenvalues.abs()
        return 1 / (positive + 1)
