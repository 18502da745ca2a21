"""Influence functions by conjugate gradients on Gauss-Newton products."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from itertools import islice

import numpy as np

from harness.types import Additive, Batch, Budget, Floats, Problem

LOOK = 5
"""Steps of the solve between two looks at the values."""

PROBES = 8
"""Random vectors from which the mean eigenvalue is estimated, a product each."""


@dataclass(frozen=True)
class Influence(Additive):
    """Example's gradient . (G + damping)^-1 validation gradient, G the Gauss-Newton matrix, by conjugate gradients.

    Args:
        runs: independent training runs averaged over.
        damping: added to G's diagonal, as a multiple of G's mean eigenvalue.
        tolerance: the solve stops when its last five steps have moved the values by less than this, relative to them
            (both as Euclidean norms over examples). It settles long before the residual is small.
        iterations: most conjugate-gradient steps.
    """

    runs: int = 3
    damping: float = 0.1
    tolerance: float = 0.03
    iterations: int = 100
    source = "Koh & Liang (2017), ICML, eq. 2, with Gauss-Newton curvature; damping as Grosse et al. (2023), sec. 3.2.1"
    passes = (
        "1 retraining a run; 2 passes a conjugate-gradient step (at most 100; 3 where rows take many blocks), "
        "1 forward-mode pass every 5 steps"
    )

    def budget(self, contributors: int, examples: int) -> Budget:
        products, looks = PROBES + self.iterations, -(-self.iterations // LOOK)
        return Budget(self.runs, gradient_passes=self.runs * (3 * products + looks), validation_passes=self.runs)

    def example_values(self, problem: Problem) -> Floats:
        from methods.gradients.directional import tensors

        train, validation = tensors(problem.train, problem.device), tensors(problem.validation, problem.device)
        return np.stack([self._one_run(problem, train, validation, run) for run in range(self.runs)])

    def _one_run(self, problem: Problem, train: Batch, validation: Batch, run: int) -> Floats:
        import torch

        from methods.gradients.curvature import GaussNewton, conjugate_gradients
        from methods.gradients.directional import directional_losses, mean_gradient

        learner, params = problem.learner, problem.fit(run).params
        curvature = GaussNewton(learner, params, train)
        probes = torch.Generator().manual_seed(int(problem.stream("probes", run).integers(2**62)))
        damping = self.damping * curvature.mean_eigenvalue(probes, PROBES)
        target = mean_gradient(learner, params, validation)
        values_N = torch.zeros(len(problem.train), device=problem.device)
        solving = islice(conjugate_gradients(curvature, damping, target), self.iterations)
        while last := deque(islice(solving, LOOK), maxlen=1):
            before_N, values_N = values_N, directional_losses(learner, params, train, last[0])
            if (values_N - before_N).norm() <= self.tolerance * values_N.norm():
                break
        return (values_N / len(problem.train)).double().cpu().numpy()
