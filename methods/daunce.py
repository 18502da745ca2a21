"""Daunce: how losses vary together over models that were fine-tuned on randomly perturbed objectives."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from harness.types import Additive, Batch, Budget, Count, Floats, JobSize, Problem
from methods.influence import passes_of_damping
from methods.local_bayes import MOST_EXAMPLES, PRODUCTS

if TYPE_CHECKING:
    from harness.types import Learner, Params

FEWEST_STEPS, MOST_STEPS = 8, 64
"""Of a fine-tuning."""


@dataclass(frozen=True)
class Daunce(Additive):
    """Covariance of an example's loss with the validation loss over models fine-tuned against random slopes.

    Args:
        runs: independent training runs averaged over, the same as those of ``influence``.
        models: fine-tuned from each.
    """

    runs: Count = 3
    models: Count = 16
    source = (
        "Pan, Ye, Melkonian, Ma & Zhang (2025), arXiv 2505.23223 (Daunce): covariance of losses over perturbed models"
    )
    passes = (
        "1 retraining a run; 1 pass with a gradient per example, 2 gradients of 32 examples a fine-tuning step (8 to "
        "64), 1 forward pass over all a model, 16 passes for the number of steps; for AdamW 1 to 2 a checkpoint"
    )
    choices = (
        "every example is in every objective; fine-tuning goes on for as long as training did, by gradient descent "
        "with each parameter's summed rate of the run, in as many steps as the stiffest direction's eigenvalue, twice "
        "what stability needs, and has no other damping; where that is over 64 it ends after 64 steps of that size, "
        "sooner than training; 16 models a run, where the paper has more (its accuracy grows with them): their noise "
        "is what a place is lost by; values are scaled as influence is: 3 covariances, for slopes 1 - 2 x uniform have "
        "the variance 1 / 3"
    )
    claims = frozenset({"null", "copies", "additive"})

    def budget(self, contributors: int, examples: int) -> Budget:
        tuning = 2 * self.models * MOST_STEPS * min(1.0, MOST_EXAMPLES / examples)
        each = passes_of_damping(None) + 3 * PRODUCTS + 1 + tuning
        return Budget(self.runs, gradient_passes=self.runs * each, validation_passes=self.runs)

    def algebra(self, size: JobSize) -> float:
        """Weighted sums of gradients, and covariances."""
        sums = 2.0 * self.models * size.examples * size.parameters
        return self.runs * (sums + 2.0 * self.models * (size.examples + size.validation))

    def example_values(self, problem: Problem) -> Floats:
        from methods.gradients.directional import tensors

        train, validation = tensors(problem.train, problem.device), tensors(problem.validation, problem.device)
        return np.stack([self._one_run(problem, train, validation, run) for run in range(self.runs)])

    def _one_run(self, problem: Problem, train: Batch, validation: Batch, run: int) -> Floats:
        from methods.gradients.curvature import GaussNewton, Scaled
        from methods.gradients.directional import mean_gradient
        from methods.gradients.nearby import Nearby, covariances, largest_eigenvalue, losses_of_models
        from methods.gradients.summed_rates import summed_rates
        from methods.gradients.vectors import by_entry, plus, times

        learner, params = problem.learner, problem.fit(run).params
        scale = {name: entry.sqrt() for name, entry in summed_rates(problem, run).items()}
        target = by_entry(scale, mean_gradient(learner, params, validation))
        stiffest = largest_eigenvalue(Scaled(GaussNewton(learner, params, train), scale), target, PRODUCTS)
        steps = min(MOST_STEPS, max(FEWEST_STEPS, ceil(stiffest)))
        uniform_KN = problem.stream("slopes", run).random((self.models, len(problem.train)))
        slopes = by_entry(_weighted_gradients(learner, params, train, 2 * uniform_KN - 1), scale)
        rng, nearby = problem.stream("rows", run), Nearby(learner, params, scale, train, MOST_EXAMPLES)
        share = 1 / max(steps, stiffest)
        moves = times(slopes, share)
        for _ in range(steps - 1):
            moves = plus(moves, plus(slopes, nearby.slopes(moves, rng), -1.0), share)
        models = nearby.models(moves)
        losses_KN, targets_KV = (losses_of_models(learner, models, batch) for batch in (train, validation))
        return 3 * covariances(losses_KN, targets_KV)


def _weighted_gradients(learner: Learner, params: Params, train: Batch, weights_KN: Floats) -> Params:
    """Mean over examples of weight x loss gradient, K x ..."""
    import torch

    from methods.gradients.per_example import parameter_blocks

    total = {name: torch.zeros(len(weights_KN), p.numel()).to(p) for name, p in params.items()}
    start = 0
    for block, _ in parameter_blocks(learner, learner.losses, params, train):
        rows = len(next(iter(block.values())))
        weights = torch.from_numpy(weights_KN[:, start : start + rows] / weights_KN.shape[1])
        for name, each in block.items():
            total[name] += weights.to(each) @ each.flatten(1)
        start += rows
    return {name: found.reshape(-1, *params[name].shape) for name, found in total.items()}
