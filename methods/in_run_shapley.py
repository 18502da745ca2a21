"""In-run Data Shapley: each step of one training shares out what it did to the validation loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.types import Additive, Batch, Budget, Count, Fit, Floats, JobSize, Params, Problem


@dataclass(frozen=True)
class InRunShapley(Additive):
    """Shapley value of each drawn example in every step's change of the validation loss, to first order.

    Args:
        runs: independent training runs averaged over.
        order: of the expansion in a step's move: 1, or 2 with the validation loss's Hessian.
    """

    runs: Count = 3
    order: Literal[1, 2] = 1
    source = (
        "Wang, Mittal, Song & Jia (2025), ICLR, Data Shapley in One Training Run, sec. 3; Ding et al. (2026), arXiv "
        "2602.00329, for AdamW's state taken as fixed"
    )
    passes = (
        "1 retraining a run; 1 replay of it forth (2 where not all states can be kept) and 1 forward-mode pass back; "
        "1 validation gradient a step, 2 to second order"
    )
    choices = (
        "the paper's steps are SGD's: here a step moves by the momentum of earlier gradients too, in AdamW's metric as "
        "it was, and each gradient has its share of every move that it is part of; to second order weight decay moves "
        "as the gradients do; a contributor's share is the sum of its examples', which a quadratic game's Shapley is"
    )
    claims = frozenset({"null", "additive"})

    @property
    def summary(self) -> str:
        first = super().summary
        return first if self.order == 1 else first.replace("to first order", "to second order")

    def budget(self, contributors: int, examples: int) -> Budget:
        return Budget(fits=self.runs, replays=3 * self.runs, validation_replays=self.order * self.runs)

    def algebra(self, size: JobSize) -> float:
        return 0.0

    def example_values(self, problem: Problem) -> Floats:
        from methods.gradients.directional import tensors

        train, validation = tensors(problem.train, problem.device), tensors(problem.validation, problem.device)
        values_SN = np.zeros((self.runs, len(problem.train)))
        for run, values_N in enumerate(values_SN):
            fit = problem.fit(run)
            np.add.at(values_N, fit.batches_TB, self._of_rows(problem, fit, train, validation))
        return values_SN

    def _of_rows(self, problem: Problem, fit: Fit, train: Batch, validation: Batch) -> Floats:
        """Each drawn row's share, T x B, from the last step to the first.

        The move of step t is - rate_t metric_t sum over s <= t of kept^(t - s) (gradient of step s); so a row of step s
        is worth its gradient . q_s, where q_s = sum over t >= s of rate_t kept^(t - s) metric_t d_t, and d_t, the
        validation gradient and half its Hessian times the move, is what the quadratic's Shapley value pairs it with.
        """
        import torch

        from methods.gradients.directional import directional_losses
        from methods.gradients.optimiser import carried_rates, inverse_root, shrinkage
        from methods.gradients.replay import Replay
        from methods.gradients.vectors import by_entry, plus, times, zeros

        learner, recipe = problem.learner, problem.learner.recipe
        replay, carried, found = Replay(learner, fit, train), zeros(fit.initial), []
        rates_T, kept = carried_rates(recipe)
        for step in replay.backwards():
            before, after = step.before.params, replay.after(step)
            asked = self._asked(problem, before, plus(after.params, before, -1.0), validation)
            if recipe.optimiser == "adamw":
                asked = by_entry(inverse_root(after.second, step.t), asked)
            carried = plus(times(carried, kept), asked, float(rates_T[step.t]))
            products_B = directional_losses(learner, before, replay.batch(step.t), carried)
            found.append(products_B * shrinkage(recipe, step.gradient) / replay.width)
        return torch.stack(found[::-1]).double().cpu().numpy()

    def _asked(self, problem: Problem, params: Params, move: Params, validation: Batch) -> Params:
        """Validation gradient, and half the Hessian times the move."""
        from methods.gradients.directional import mean_gradient
        from methods.gradients.unrolled import hessian
        from methods.gradients.vectors import plus

        slope = mean_gradient(problem.learner, params, validation)
        if self.order == 1:
            return slope
        curved, _ = hessian(problem.learner, params, validation, len(validation["targets"]), move)
        return plus(slope, curved, 0.5)
