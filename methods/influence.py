"""Influence functions by conjugate gradients on Gauss-Newton products."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.types import (
    CHECKPOINTS,
    Additive,
    Batch,
    Budget,
    Count,
    Floats,
    JobSize,
    NotNegative,
    Params,
    Positive,
    Problem,
)

PROBES = 8
"""Random vectors from which the mean eigenvalue is estimated, a product each."""


def passes_of_damping(damping: float | None) -> int:
    """Gradient passes that it takes to find a run's damping, at most: those of AdamW's rule, or of the probes."""
    return 2 * CHECKPOINTS if damping is None else 3 * PROBES


@dataclass(frozen=True)
class Influence(Additive):
    """Example's gradient . (G + D)^-1 validation gradient, G the Gauss-Newton matrix, by conjugate gradients.

    Args:
        runs: independent training runs averaged over.
        damping: None for the rule: D is one over the learning rate summed over training, for AdamW each parameter's
            own (``gradients/summed_rates.py``). A number: D is that multiple of G's mean eigenvalue, as for models
            trained until they stand still (0.1 in Grosse et al. 2023, there of each layer's own).
        tolerance: most error of the solve, relative to it, both measured by D; the residual bounds it.
        iterations: most conjugate-gradient steps.
    """

    runs: Count = 3
    damping: Positive | None = None
    tolerance: NotNegative = 0.01
    iterations: Count = 50
    source = (
        "Koh & Liang (2017), ICML, eq. 2, with Gauss-Newton curvature; damping: early stopping as a ridge, Ali, Kolter "
        "& Tibshirani (2019), AISTATS, sec. 3"
    )
    passes = (
        "1 retraining a run; 2 passes a conjugate-gradient step (about 10 steps, at most 50; 3 passes where rows take "
        "many blocks), 1 forward-mode pass; for AdamW 1 to 2 a checkpoint"
    )
    choices = (
        "damping: by rule 1 / the learning rate summed over training, as early stopping damps by itself (with AdamW in "
        "its own metric); tolerance: 1 % of the solve at most, by which contributors' values were off by 0.2 to 0.4 %"
    )
    claims = frozenset({"null", "copies", "additive"})

    def budget(self, contributors: int, examples: int) -> Budget:
        each = passes_of_damping(self.damping) + 3 * self.iterations + 1
        return Budget(self.runs, gradient_passes=self.runs * each, validation_passes=self.runs)

    def algebra(self, size: JobSize) -> float:
        return 0.0

    def example_values(self, problem: Problem) -> Floats:
        from methods.gradients.directional import tensors

        train, validation = tensors(problem.train, problem.device), tensors(problem.validation, problem.device)
        return np.stack([self._one_run(problem, train, validation, run) for run in range(self.runs)])

    def _one_run(self, problem: Problem, train: Batch, validation: Batch, run: int) -> Floats:
        from methods.gradients.curvature import GaussNewton, damped_solve
        from methods.gradients.directional import directional_losses, mean_gradient

        learner, params = problem.learner, problem.fit(run).params
        scale, target = inverse_damping(problem, run, self.damping), mean_gradient(learner, params, validation)
        solved = damped_solve(GaussNewton(learner, params, train), scale, target, self.tolerance, self.iterations)
        values_N = directional_losses(learner, params, train, solved)
        return (values_N / len(problem.train)).double().cpu().numpy()


def inverse_damping(problem: Problem, run: int, damping: float | None) -> Params:
    """1 / D, by parameter: the summed rates, or 1 / (a multiple of G's mean eigenvalue) for all alike."""
    import torch

    from methods.gradients.summed_rates import summed_rates

    if damping is None:
        return summed_rates(problem, run)
    strength = scalar_damping(problem, run, damping)
    return {name: torch.full_like(p, 1 / strength) for name, p in problem.fit(run).params.items()}


def scalar_damping(problem: Problem, run: int, damping: float) -> float:
    """That multiple of G's mean eigenvalue after a run."""
    import torch

    from methods.gradients.curvature import GaussNewton
    from methods.gradients.directional import tensors

    curvature = GaussNewton(problem.learner, problem.fit(run).params, tensors(problem.train, problem.device))
    probes = torch.Generator().manual_seed(int(problem.stream("probes", run).integers(2**62)))
    return damping * curvature.mean_eigenvalue(probes, PROBES)
