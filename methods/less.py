"""LESS: which examples AdamW would move the model by in the direction that validation asks for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.types import CHECKPOINTS, Batch, Budget, Count, Floats, JobSize, Params, Problem
from methods.over import Over, SumOrMean


@dataclass(frozen=True)
class Less(SumOrMean):
    """Cosine of an example's AdamW update with the validation gradient, mean over checkpoints by learning rate.

    Args:
        runs: independent training runs averaged over.
        over: a contributor's value is the ``sum`` over its examples, or the ``mean``.
    """

    runs: Count = 3
    over: Over = "sum"
    called = "LESS"
    claims_of_sums = frozenset({"copies", "additive"})
    source = "Xia, Malladi, Gururangan, Arora & Chen (2024), ICML, LESS, sec. 3.1 (influence under Adam)"
    passes = (
        "1 retraining a run, 1 replay of a run by AdamW; 1 gradient an example + 1 validation gradient a checkpoint"
    )
    choices = (
        "exact, where the paper projects gradients of LoRA weights to store them: only cosines with one direction are "
        "asked for; the update is the one that AdamW, with its moments at the checkpoint, would make on the example "
        "alone, not clipped (nor is it in the paper's code), most of it the momentum that all examples share; of a run "
        "by SGD, the example's gradient; the validation split is the one subtask; over: the paper selects single "
        "examples; of a contributor the sum is the harness's rule for such methods, and grows with size; :mean does not"
    )

    def budget(self, contributors: int, examples: int) -> Budget:
        looks = self.runs * CHECKPOINTS
        return Budget(fits=self.runs, gradient_passes=looks, validation_passes=looks, replays=self.runs)

    def algebra(self, size: JobSize) -> float:
        return 0.0

    def example_values(self, problem: Problem) -> Floats:
        from methods.gradients.directional import tensors

        train, validation = tensors(problem.train, problem.device), tensors(problem.validation, problem.device)
        found_SN = np.stack([self._one_run(problem, train, validation, run) for run in range(self.runs)])
        return self.by_contributor(found_SN, problem)

    def _one_run(self, problem: Problem, train: Batch, validation: Batch, run: int) -> Floats:
        from methods.gradients.cosines import cosines
        from methods.gradients.directional import mean_gradient
        from methods.gradients.moments import moments_at_checkpoints

        learner, checkpoints = problem.learner, problem.fit(run).checkpoints
        moments = moments_at_checkpoints(problem, run) if learner.recipe.optimiser == "adamw" else ()
        values_N, rates = np.zeros(len(problem.train)), sum(checkpoint.rate_sum for checkpoint in checkpoints)
        for k, checkpoint in enumerate(checkpoints):

            def update(gradients: Params, k: int = k, step: int = checkpoint.step) -> Params:
                return moments[k].update(gradients, step) if moments else gradients

            target = mean_gradient(learner, checkpoint.params, validation)
            found_N = cosines(learner, checkpoint.params, train, target, update)
            values_N += checkpoint.rate_sum / rates * found_N.double().cpu().numpy()
        return values_N
