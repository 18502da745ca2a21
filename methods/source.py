"""SOURCE: unrolled differentiation with training cut into a few segments, each of one gradient and one curvature."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.types import (
    CHECKPOINTS,
    Additive,
    Batch,
    Budget,
    Checkpoint,
    Count,
    Floats,
    Ints,
    JobSize,
    Learner,
    NotNegative,
    Params,
    Problem,
)

if TYPE_CHECKING:
    from torch import Tensor

    from methods.gradients.curvature import GaussNewton


@dataclass(frozen=True)
class Source(Additive):
    """Sum over segments of an example's gradient . (1 - exp(-R G)) / G . what later segments leave of validation's.

    G is a segment's Gauss-Newton matrix and R the rate summed over its steps.

    Args:
        runs: independent training runs averaged over.
        segments: of a run, alike in checkpoints.
        tolerance: of the last Lanczos step's change in each function of G, relative to it.
        iterations: most Lanczos steps a segment.
    """

    runs: Count = 3
    segments: Count = 3
    tolerance: NotNegative = 0.01
    iterations: Count = 20
    source = (
        "Bae, Lin, Lorraine & Grosse (2024), NeurIPS, Training Data Attribution via Approximate Unrolling (SOURCE), "
        "sec. 3"
    )
    passes = (
        "1 retraining a run, 1 replay of a run by AdamW; 2 passes a Lanczos step (3 where rows take many blocks; about "
        "7 a segment, at most 20), 1 forward-mode pass a checkpoint"
    )
    choices = (
        "3 segments as in the paper; functions of G by Lanczos, without EK-FAC's blocks and factors; a segment's G is "
        "the mean over its checkpoints, each of an equal part of the examples, and its gradients theirs; momentum "
        "counts as the rates that it carries a gradient over, AdamW as its metric at the checkpoints, of gradients as "
        "clipping left them; after SGD clipping is left out"
    )
    claims = frozenset({"null", "copies", "additive"})

    def budget(self, contributors: int, examples: int) -> Budget:
        each = self.segments * 3 * (self.iterations + 1) + CHECKPOINTS
        return Budget(fits=self.runs, gradient_passes=self.runs * each, validation_passes=self.runs, replays=self.runs)

    def algebra(self, size: JobSize) -> float:
        return 0.0

    def example_values(self, problem: Problem) -> Floats:
        from methods.gradients.directional import tensors

        train, validation = tensors(problem.train, problem.device), tensors(problem.validation, problem.device)
        return np.stack([self._one_run(problem, train, validation, run) for run in range(self.runs)])

    def _one_run(self, problem: Problem, train: Batch, validation: Batch, run: int) -> Floats:
        import torch

        from methods.gradients.curvature import Scaled
        from methods.gradients.directional import directional_losses, mean_gradient
        from methods.gradients.krylov import function_times
        from methods.gradients.vectors import by_entry, plus

        learner, fit = problem.learner, problem.fit(run)
        rates = rates_to_checkpoints(problem, run)
        parts = np.array_split(np.arange(len(fit.checkpoints)), min(self.segments, len(fit.checkpoints)))
        target, values_N = mean_gradient(learner, fit.params, validation), np.zeros(len(problem.train))
        for number, chosen in reversed([*enumerate(parts)]):
            marks = [fit.checkpoints[k] for k in chosen]
            scale = {name: torch.stack([rates[k][name] for k in chosen]).sum(0).sqrt() for name in target}
            rows = problem.stream("rows", run, number).permutation(len(problem.train))
            curvature = MeanGaussNewton(learner, marks, train, rows)
            asked = Scaled(curvature, scale), by_entry(scale, target)
            moved = by_entry(scale, function_times(*asked, decayed, self.tolerance, self.iterations))
            for mark in marks:
                products_N = directional_losses(learner, mark.params, train, moved)
                values_N += products_N.double().cpu().numpy() / (len(marks) * len(values_N))
            target = plus(target, curvature @ moved, -1.0)  # exp(-x) = 1 - x (1 - exp(-x)) / x
        return values_N


def decayed(eigenvalues: Tensor) -> Tensor:
    """(1 - exp(-x)) / x: how far gradient flow for the time 1 gets against the curvature x, 1 without any."""
    x = eigenvalues.clamp(min=1e-12)
    return -(-x).expm1() / x


class MeanGaussNewton:
    """The mean over checkpoints of their Gauss-Newton matrices, each of an equal part of the rows."""

    def __init__(self, learner: Learner, marks: Sequence[Checkpoint], batch: Batch, rows: Ints) -> None:
        import torch

        from methods.gradients.curvature import GaussNewton

        parts = np.array_split(rows, len(marks)) if len(rows) >= len(marks) else [rows] * len(marks)
        self._parts: list[GaussNewton] = []
        for mark, part in zip(marks, parts, strict=True):
            chosen = torch.from_numpy(part).to(batch["targets"].device)
            taken = {name: column[chosen] for name, column in batch.items()}
            self._parts.append(GaussNewton(learner, mark.params, taken))

    def __matmul__(self, vector: Params) -> Params:
        from methods.gradients.vectors import plus, times, zeros

        total = zeros(vector)
        for part in self._parts:
            total = plus(total, part @ vector)
        return times(total, 1 / len(self._parts))


def rates_to_checkpoints(problem: Problem, run: int) -> list[Params]:
    """Each parameter's effective rate summed over the steps to each checkpoint from the one before.

    A step's is how far its gradient moves the parameters, then and through momentum; AdamW's in its metric at the
    checkpoint that the steps lead to.
    """
    import torch

    from methods.gradients.moments import moments_at_checkpoints
    from methods.gradients.optimiser import carried_rates, inverse_root
    from methods.gradients.vectors import times

    recipe, fit = problem.learner.recipe, problem.fit(run)
    rates_T, kept = carried_rates(recipe)
    carried_T, ahead = np.zeros(recipe.steps), 0.0
    for t in reversed(range(recipe.steps)):
        carried_T[t] = ahead = rates_T[t] + kept * ahead
    adamw = moments_at_checkpoints(problem, run) if recipe.optimiser == "adamw" else ()
    found, since = [], 0
    for k, mark in enumerate(fit.checkpoints):
        left_T = adamw[k].left_T if adamw else np.ones(mark.step - since)
        summed, since = float(carried_T[since : mark.step] @ left_T), mark.step
        ones = {name: torch.ones_like(p) for name, p in fit.initial.items()}
        metric = inverse_root(adamw[k].second, mark.step - 1) if adamw else ones
        found.append(times(metric, summed))
    return found
