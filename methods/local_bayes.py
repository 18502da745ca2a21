"""Local Bayesian influence: how losses vary together over models drawn from around the trained one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.types import Additive, Batch, Budget, Count, Floats, JobSize, Positive, Problem
from methods.influence import passes_of_damping

PRODUCTS = 8
"""Curvature products from which the stiffest direction is told."""

MOST_EXAMPLES = 32
"""Rows of a step's batch."""


@dataclass(frozen=True)
class LocalBayes(Additive):
    """Covariance of an example's loss with the validation loss over Langevin samples around the trained model.

    Args:
        runs: independent training runs averaged over, the same as those of ``influence``.
        chains: walks of a run.
        steps: of each walk; the last and one at three quarters are kept.
        temperature: squared distance to which walks are spread, in that from the initialisation to the trained model.
    """

    runs: Count = 3
    chains: Count = 16
    steps: Count = 8
    temperature: Positive = 1.0
    source = "Kreer, Wu, Adam, Furman & Hoogland (2025), arXiv 2509.26544 (local BIF, by Langevin dynamics)"
    passes = (
        "1 retraining a run; 2 gradients of 32 examples a step of each chain, 2 forward passes over all a chain, 16 "
        "passes for the step size; for AdamW 1 to 2 a checkpoint"
    )
    choices = (
        "localisation: D of influence's rule, so that on a quadratic the covariance is influence; inverse temperature: "
        "such that the prior lies as far from the trained model as training came; walks begin at draws of the prior, "
        "which is the posterior but for stiff directions; the stiffest mix within 8 steps, and those of a tenth of "
        "their curvature keep up to twice their variance; step: a quarter of what the stiffest direction bears, noise "
        "averaged over two steps, so that of a quadratic it has no bias (Leimkuhler & Matthews 2013); the loss's slope "
        "at the trained model is taken off, for it is no minimum"
    )
    claims = frozenset({"null", "copies", "additive"})

    def budget(self, contributors: int, examples: int) -> Budget:
        walking = 2 * self.chains * self.steps * min(1.0, MOST_EXAMPLES / examples)
        each = passes_of_damping(None) + 3 * PRODUCTS + walking
        return Budget(self.runs, gradient_passes=self.runs * each, validation_passes=self.runs)

    def algebra(self, size: JobSize) -> float:
        return self.runs * 4.0 * self.chains * (size.examples + size.validation)

    def example_values(self, problem: Problem) -> Floats:
        from methods.gradients.directional import tensors

        train, validation = tensors(problem.train, problem.device), tensors(problem.validation, problem.device)
        return np.stack([self._one_run(problem, train, validation, run) for run in range(self.runs)])

    def _one_run(self, problem: Problem, train: Batch, validation: Batch, run: int) -> Floats:
        import torch

        from methods.gradients.curvature import GaussNewton, Scaled
        from methods.gradients.directional import mean_gradient
        from methods.gradients.nearby import (
            Nearby,
            covariances,
            entries_moved,
            largest_eigenvalue,
            losses_of_models,
            normal_moves,
            squared_distance,
        )
        from methods.gradients.summed_rates import summed_rates
        from methods.gradients.vectors import by_entry, plus, times

        learner, fit = problem.learner, problem.fit(run)
        scale = {name: entry.sqrt() for name, entry in summed_rates(problem, run).items()}
        distance = self.temperature * squared_distance(fit.initial, fit.params, scale)
        if not distance > 0:
            return np.zeros(len(problem.train))
        precision = entries_moved(scale) / distance
        target = by_entry(scale, mean_gradient(learner, fit.params, validation))
        stiffest = largest_eigenvalue(Scaled(GaussNewton(learner, fit.params, train), scale), target, PRODUCTS) + 1
        step = 0.5 / stiffest
        rng, generator = problem.stream("rows", run), torch.Generator()
        generator.manual_seed(int(problem.stream("noise", run).integers(2**62)))
        nearby = Nearby(learner, fit.params, scale, train, MOST_EXAMPLES)
        moves = times(normal_moves(scale, self.chains, generator), precision**-0.5)
        losses_KN, targets_KV = [], []
        noise = normal_moves(scale, self.chains, generator)
        for t in range(self.steps):
            downhill = plus(moves, nearby.slopes(moves, rng))
            before, noise = noise, normal_moves(scale, self.chains, generator)
            shaken = times(plus(before, noise), 0.5 * (2 * step / precision) ** 0.5)
            moves = plus(plus(moves, downhill, -step), shaken)
            if t + 1 in (self.steps, self.steps - self.steps // 4):
                models = nearby.models(moves)
                losses_KN.append(losses_of_models(learner, models, train))
                targets_KV.append(losses_of_models(learner, models, validation))
        found_N = covariances(np.concatenate(losses_KN), np.concatenate(targets_KV))
        return found_N * precision / len(problem.train)
