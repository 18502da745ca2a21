"""Influence functions by conjugate gradients on Gauss-Newton products."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from harness.types import Additive, Batch, Floats, Learner, Params, Problem
from methods.gradients.directional import directional_losses, gauss_newton_product, mean_gradient, tensors
from methods.gradients.vectors import dot, plus, signs, size, times


@dataclass(frozen=True)
class Influence(Additive):
    """Example's gradient . (G + damping)^-1 validation gradient, G the Gauss-Newton matrix, by conjugate gradients.

    Args:
        runs: independent training runs averaged over.
        damping: added to G's diagonal, as a multiple of G's mean eigenvalue.
        tolerance: relative residual at which the solve stops.
        iterations: most conjugate-gradient steps.
    """

    runs: int = 3
    damping: float = 0.1
    tolerance: float = 1e-2
    iterations: int = 100
    source: str = (
        "Koh & Liang (2017), ICML, eq. 2, with Gauss-Newton curvature; damping as Grosse et al. (2023), sec. 3.2.1"
    )
    passes: str = "1 retraining a run; 2 passes a conjugate-gradient step (at most 100), 1 forward-mode pass"

    def example_values(self, problem: Problem) -> Floats:
        train, validation = tensors(problem.train, problem.device), tensors(problem.validation, problem.device)
        return np.stack([self._one_run(problem, train, validation, run) for run in range(self.runs)])

    def _one_run(self, problem: Problem, train: Batch, validation: Batch, run: int) -> Floats:
        learner, params = problem.learner, problem.fit(run).params
        generator = torch.Generator().manual_seed(int(problem.stream("probes", run).integers(2**62)))
        damping = self.damping * mean_eigenvalue(learner, params, train, generator)
        target = mean_gradient(learner, params, validation)
        direction = solve(learner, params, train, target, damping, self.tolerance, self.iterations)
        aligned_N = directional_losses(learner, params, train, direction)
        return (aligned_N / len(problem.train)).double().cpu().numpy()


def mean_eigenvalue(
    learner: Learner, params: Params, batch: Batch, generator: torch.Generator, probes: int = 8
) -> float:
    """Trace of the Gauss-Newton matrix over its size, by Hutchinson's estimate (1990)."""
    draws = [signs(params, generator) for _ in range(probes)]
    traces = [float(dot(draw, gauss_newton_product(learner, params, batch, draw))) for draw in draws]
    return sum(traces) / probes / size(params)


def solve(
    learner: Learner,
    params: Params,
    batch: Batch,
    target: Params,
    damping: float,
    tolerance: float,
    iterations: int,
) -> Params:
    """x with (G + damping) x = target, by conjugate gradients (Hestenes & Stiefel 1952)."""
    found, residual = times(target, 0.0), dict(target)
    direction, square = dict(residual), dot(residual, residual)
    enough = tolerance**2 * square
    for _ in range(iterations):
        if square <= enough:
            break
        product = plus(gauss_newton_product(learner, params, batch, direction), direction, damping)
        step = square / dot(direction, product)
        found, residual = plus(found, direction, step), plus(residual, product, -step)
        before, square = square, dot(residual, residual)
        direction = plus(residual, direction, square / before)
    return found
