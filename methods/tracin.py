"""TracIn: what each example's gradient steps did to the validation loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.types import CHECKPOINTS, Additive, Batch, Budget, Count, Floats, JobSize, Problem


@dataclass(frozen=True)
class TracIn(Additive):
    """Sum over checkpoints of learning rate x (example's gradient . validation gradient), in forward mode.

    Args:
        runs: independent training runs averaged over.
    """

    runs: Count = 3
    source = "Pruthi, Liu, Kale & Sundararajan (2020), NeurIPS, sec. 3.2 (TracInCP)"
    passes = "1 retraining a run; 1 forward-mode pass + 1 validation gradient a checkpoint"
    claims = frozenset({"null", "copies", "additive"})

    def budget(self, contributors: int, examples: int) -> Budget:
        looks = self.runs * CHECKPOINTS
        return Budget(fits=self.runs, gradient_passes=looks, validation_passes=looks)

    def algebra(self, size: JobSize) -> float:
        return 0.0

    def example_values(self, problem: Problem) -> Floats:
        from methods.gradients.directional import tensors

        train, validation = tensors(problem.train, problem.device), tensors(problem.validation, problem.device)
        return np.stack([self._one_run(problem, train, validation, run) for run in range(self.runs)])

    def _one_run(self, problem: Problem, train: Batch, validation: Batch, run: int) -> Floats:
        import torch

        from methods.gradients.directional import directional_losses, mean_gradient

        values_N = torch.zeros(len(problem.train), device=problem.device)
        for checkpoint in problem.fit(run).checkpoints:
            target = mean_gradient(problem.learner, checkpoint.params, validation)
            aligned_N = directional_losses(problem.learner, checkpoint.params, train, target)
            values_N += checkpoint.rate_sum * aligned_N
        return values_N.double().cpu().numpy()
