"""TracIn: what each example's gradient steps did to the validation loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.types import CHECKPOINTS, Additive, Batch, Budget, Count, Floats, JobSize, Problem


@dataclass(frozen=True)
class TracIn(Additive):
    """Sum over checkpoints of learning rate x (example's gradient . validation gradient), in forward mode.

    Args:
        runs: independent training runs averaged over.
        metric: ``plain`` as the paper has it, or ``adamw``: gradients are divided by the root of the second moment that
            AdamW had at the checkpoint, which is how far it moves each parameter. Of a run by SGD both are the same.
    """

    runs: Count = 3
    metric: Literal["plain", "adamw"] = "plain"
    source = "Pruthi, Liu, Kale & Sundararajan (2020), NeurIPS, sec. 3.3 (TracInCP)"
    claims = frozenset({"null", "copies", "additive"})
    passes = (
        "1 retraining a run; 1 forward-mode pass + 1 validation gradient a checkpoint; in AdamW's metric 1 replay of "
        "a run by AdamW"
    )
    choices = (
        "checkpoints: as many as the recipe keeps (6, evenly spaced, the last included), each for the rates of the "
        "steps that led to it; momentum is left out, and the plain metric knows of no clipping; in AdamW's metric its "
        "second moment is that of the replayed run, gradients are those that clipping left, and what no drawn example "
        "had moved by the checkpoint counts for nothing"
    )

    @property
    def summary(self) -> str:
        first = super().summary
        return first if self.metric == "plain" else first.replace("in forward mode", "in AdamW's metric")

    def budget(self, contributors: int, examples: int) -> Budget:
        looks, replays = self.runs * CHECKPOINTS, 0 if self.metric == "plain" else self.runs
        return Budget(fits=self.runs, gradient_passes=looks, validation_passes=looks, replays=replays)

    def algebra(self, size: JobSize) -> float:
        return 0.0

    def example_values(self, problem: Problem) -> Floats:
        from methods.gradients.directional import tensors

        train, validation = tensors(problem.train, problem.device), tensors(problem.validation, problem.device)
        return np.stack([self._one_run(problem, train, validation, run) for run in range(self.runs)])

    def _one_run(self, problem: Problem, train: Batch, validation: Batch, run: int) -> Floats:
        import torch

        from methods.gradients.directional import directional_losses, mean_gradient
        from methods.gradients.moments import moments_at_checkpoints
        from methods.gradients.optimiser import inverse_root
        from methods.gradients.vectors import by_entry

        values_N, fit = torch.zeros(len(problem.train), device=problem.device), problem.fit(run)
        in_metric = self.metric == "adamw" and problem.learner.recipe.optimiser == "adamw"
        moments = moments_at_checkpoints(problem, run) if in_metric else ()
        for k, checkpoint in enumerate(fit.checkpoints):
            target, rate = mean_gradient(problem.learner, checkpoint.params, validation), checkpoint.rate_sum
            if moments:
                left_T, last = moments[k].left_T, checkpoint.step
                target = by_entry(inverse_root(moments[k].second, last - 1), target)
                rate = float(problem.learner.recipe.rates()[last - len(left_T) : last] @ left_T)
            values_N += rate * directional_losses(problem.learner, checkpoint.params, train, target)
        return values_N.double().cpu().numpy()
