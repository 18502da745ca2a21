"""Influence functions by conjugate gradients on Gauss-Newton products."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.func import vmap

from harness.types import Additive, Batch, Floats, Learner, Params, Problem
from methods.gradients.directional import directional_losses, gauss_newton_product, mean_gradient, tensors
from methods.gradients.vectors import dot, dots, one_of, plus_each, side_by_side, signs, size, times


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
        runs = list(range(self.runs))
        together = [runs] if problem.learner.stacks else [[run] for run in runs]  # large models one after another
        return np.concatenate([self._values(problem, train, validation, group) for group in together])

    def _values(self, problem: Problem, train: Batch, validation: Batch, runs: list[int]) -> Floats:
        """Values of each of some runs, R x N."""
        learner, fitted = problem.learner, [problem.fit(run).params for run in runs]
        streams = [torch.Generator().manual_seed(int(problem.stream("probes", run).integers(2**62))) for run in runs]
        eigenvalues = [mean_eigenvalue(learner, p, train, s) for p, s in zip(fitted, streams, strict=True)]
        damping_R = self.damping * torch.tensor(eigenvalues, device=problem.device)
        targets = side_by_side([mean_gradient(learner, params, validation) for params in fitted])
        found = solve(learner, side_by_side(fitted), train, targets, damping_R, self.tolerance, self.iterations)
        aligned = [directional_losses(learner, params, train, one_of(found, r)) for r, params in enumerate(fitted)]
        return (torch.stack(aligned) / len(problem.train)).double().cpu().numpy()


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
    damping_R: torch.Tensor,
    tolerance: float,
    iterations: int,
) -> Params:
    """x with (G + damping) x = target for R models side by side, by conjugate gradients (Hestenes & Stiefel 1952).

    Args:
        params, target: with a leading axis of R models.
        damping_R: each model's own.
        tolerance: relative residual at which a model's solve stops.
    """

    def product(params: Params, vector: Params) -> Params:
        return gauss_newton_product(learner, params, batch, vector)

    products = vmap(product) if learner.stacks else lambda p, v: side_by_side([product(one_of(p, 0), one_of(v, 0))])
    found, residual = times(target, 0.0), dict(target)
    direction, square_R = dict(residual), dots(residual, residual)
    enough_R = tolerance**2 * square_R
    for _ in range(iterations):
        going_R = square_R > enough_R
        if not going_R.any():
            break
        curved = plus_each(products(params, direction), direction, damping_R)
        step_R = torch.where(going_R, square_R / dots(direction, curved), 0.0)
        found, residual = plus_each(found, direction, step_R), plus_each(residual, curved, -step_R)
        before_R, square_R = square_R, torch.where(going_R, dots(residual, residual), square_R)
        direction = plus_each(residual, direction, torch.where(going_R, square_R / before_R, 0.0))
    return found
