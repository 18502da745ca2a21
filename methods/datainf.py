"""DataInf: the inverse of a mean of matrices, taken as the mean of their inverses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.types import Additive, Batch, Budget, Count, Floats, JobSize, Positive, Problem

if TYPE_CHECKING:
    from harness.types import Learner, Params


@dataclass(frozen=True)
class DataInf(Additive):
    """Influence with the inverse curvature as the mean of each example's own, layer by layer, in closed form.

    Args:
        runs: independent training runs averaged over, the same as those of ``influence``.
        damping: of each layer, as a multiple of the mean square of an entry of its examples' gradients.
    """

    runs: Count = 3
    damping: Positive = 0.1
    source = "Kwon, Wu, Wu & Zou (2024), ICLR (DataInf)"
    passes = "1 retraining a run; 2 passes with a gradient per example, 1 forward-mode pass"
    choices = (
        "damping: the paper's rule and its 0.1; a layer is one tensor of parameters, as in the paper's code; the paper "
        "keeps each example's gradients, here they are made twice and added up to one vector, along which forward mode "
        "goes; a layer that no example moves is left out"
    )
    claims = frozenset({"null", "copies", "additive"})

    def budget(self, contributors: int, examples: int) -> Budget:
        return Budget(self.runs, gradient_passes=3 * self.runs, validation_passes=self.runs)

    def algebra(self, size: JobSize) -> float:
        """Norms, products with the target, and a weighted sum, of every example's gradient."""
        return self.runs * 8.0 * size.examples * size.parameters

    def example_values(self, problem: Problem) -> Floats:
        from methods.gradients.directional import tensors

        train, validation = tensors(problem.train, problem.device), tensors(problem.validation, problem.device)
        return np.stack([self._one_run(problem, train, validation, run) for run in range(self.runs)])

    def _one_run(self, problem: Problem, train: Batch, validation: Batch, run: int) -> Floats:
        from methods.gradients.directional import directional_losses, mean_gradient

        learner, params = problem.learner, problem.fit(run).params
        target = mean_gradient(learner, params, validation)
        solved = self._solve(learner, params, train, target)
        return (directional_losses(learner, params, train, solved) / len(problem.train)).double().cpu().numpy()

    def _solve(self, learner: Learner, params: Params, train: Batch, target: Params) -> Params:
        """Mean over examples of (g g' + damping)^-1 target, by Sherman & Morrison, in each layer."""
        from methods.gradients.per_example import parameter_blocks
        from methods.gradients.vectors import zeros

        examples = len(train["targets"])
        squares = dict.fromkeys(params, 0.0)
        for block, _ in parameter_blocks(learner, learner.losses, params, train):
            for name, each in block.items():
                squares[name] += float(each.double().square().sum())
        strengths = {name: self.damping * squares[name] / (examples * p.numel()) for name, p in params.items()}
        total = zeros(params)
        for block, _ in parameter_blocks(learner, learner.losses, params, train):
            for name, each in block.items():
                rows_NP = each.flatten(1)
                if strengths[name] > 0:
                    along_N = rows_NP @ target[name].flatten() / (strengths[name] + rows_NP.square().sum(1))
                    total[name] += (along_N @ rows_NP).reshape(total[name].shape)
        return {
            name: (target[name] - total[name] / examples) / strengths[name] if strengths[name] > 0 else total[name]
            for name in params
        }
