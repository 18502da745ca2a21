"""DataInf: the inverse of a mean of matrices, taken as the mean of their inverses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.types import Additive, Batch, Budget, Count, Floats, JobSize, Positive, Problem
from methods.influence import passes_of_damping

if TYPE_CHECKING:
    from harness.types import Learner, Params


@dataclass(frozen=True)
class DataInf(Additive):
    """Influence with the inverse curvature as the mean of each example's own, layer by layer, in closed form.

    Args:
        runs: independent training runs averaged over, the same as those of ``influence``.
        damping: None for the rule of ``influence``, one over each parameter's summed learning rate. A number: of each
            layer, that multiple of the mean square of an entry of its examples' gradients (the paper's, with 0.1).
    """

    runs: Count = 3
    damping: Positive | None = None
    source = "Kwon, Wu, Wu & Zou (2024), ICLR (DataInf); damping as in influence"
    passes = (
        "1 retraining a run; 1 pass with a gradient per example, 1 forward-mode pass; for AdamW 1 to 2 a checkpoint"
    )
    choices = (
        "damping: influence's rule, so that the two differ by curvature alone (the paper's 0.1 of the mean eigenvalue, "
        "the rule that influence left, is damping=0.1); a layer is one tensor of parameters, as in the paper's code; "
        "the paper keeps each example's gradients, here they are added up to one vector, along which forward mode "
        "goes; a layer that no example moves is left out"
    )
    claims = frozenset({"null", "copies", "additive"})

    def budget(self, contributors: int, examples: int) -> Budget:
        """The paper's damping takes a pass of its own."""
        passes = 2 + (passes_of_damping(None) if self.damping is None else 1)
        return Budget(self.runs, gradient_passes=self.runs * passes, validation_passes=self.runs)

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
        scale = self._inverse_damping(problem, train, run)
        solved = mean_of_solves(learner, params, train, scale, target)
        return (directional_losses(learner, params, train, solved) / len(problem.train)).double().cpu().numpy()

    def _inverse_damping(self, problem: Problem, train: Batch, run: int) -> Params:
        """1 / D, by parameter; 0 for what no example moves."""
        import torch

        from methods.gradients.per_example import parameter_blocks
        from methods.gradients.summed_rates import summed_rates

        if self.damping is None:
            return summed_rates(problem, run)
        learner, params = problem.learner, problem.fit(run).params
        squares = dict.fromkeys(params, 0.0)
        for block, _ in parameter_blocks(learner, learner.losses, params, train):
            for name, each in block.items():
                squares[name] += float(each.double().square().sum())
        means = {name: squares[name] / (len(train["targets"]) * p.numel()) for name, p in params.items()}
        inverse = {name: 1 / (self.damping * mean) if mean > 0 else 0.0 for name, mean in means.items()}
        return {name: torch.full_like(p, inverse[name]) for name, p in params.items()}


def mean_of_solves(learner: Learner, params: Params, train: Batch, scale: Params, target: Params) -> Params:
    """Mean over examples of (g g' + D)^-1 target in each layer, D given as 1 / D.

    By Sherman & Morrison: with S = 1 / D it is S (target - mean of g (g' S target) / (1 + g' S g)).
    """
    from methods.gradients.per_example import parameter_blocks
    from methods.gradients.vectors import zeros

    total = zeros(params)
    for block, _ in parameter_blocks(learner, learner.losses, params, train):
        for name, each in block.items():
            rows_NP, scale_P = each.flatten(1), scale[name].flatten()
            along_N = rows_NP @ (scale_P * target[name].flatten()) / (1 + rows_NP.square() @ scale_P)
            total[name] += (along_N @ rows_NP).reshape(total[name].shape)
    examples = len(train["targets"])
    return {name: scale[name] * (target[name] - total[name] / examples) for name in params}
