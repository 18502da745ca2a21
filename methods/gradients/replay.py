"""A traced training run, gone through again: every step's parameters, gradient and optimiser state, either way.

Backwards, states are held of one stretch of steps at a time, and stretches are replayed from their beginnings, which
the first walk kept: about two root(T) states instead of T, for one more training (Griewank 1992; Engstrom et al. 2025,
arXiv 2503.13751, REPLAY). Where all T fit, there is one stretch and nothing is replayed twice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from harness.types import Batch, Fit, Learner, Params
from methods.gradients.directional import mean_gradient
from methods.gradients.optimiser import State, begun, shrinkage, stepped
from methods.gradients.vectors import plus, size, times, zeros

KEPT_ENTRIES = 100_000_000
"""Numbers that kept states may hold (400 MB in single precision) before steps are replayed twice."""


@dataclass(frozen=True, slots=True)
class Step:
    """Step t: the state before it, and the gradient of its batch's mean loss, unclipped."""

    t: int
    before: State
    gradient: Params


class Replay:
    """One run's steps.

    Args:
        learner: with the recipe that it was trained by.
        fit: the run.
        train: the pool's training rows on the device.
    """

    def __init__(self, learner: Learner, fit: Fit, train: Batch) -> None:
        self.learner, self.recipe, self._fit, self._train = learner, learner.recipe, fit, train
        self.width = fit.batch_size
        self._order_TK = torch.tensor(fit.order_TK, device=train["targets"].device)
        self._noise, self._noted = zeros(fit.initial), 0

    def batch(self, t: int, depth: int | None = None) -> Batch:
        """The rows that step t drew, or the first ``depth`` of its order."""
        rows = self._order_TK[t, : depth or self.width]
        return {name: column[rows] for name, column in self._train.items()}

    def after(self, step: Step) -> State:
        return stepped(self.recipe, step.t, step.before, step.gradient)

    def forwards(self) -> Iterator[Step]:
        return self._walk(begun(self.recipe, self._fit.initial), 0, self.recipe.steps)

    def backwards(self) -> Iterator[Step]:
        """From the last step to the first."""
        steps, each = self.recipe.steps, 4 * size(self._fit.initial)
        length = steps if steps * each <= KEPT_ENTRIES else math.ceil(math.sqrt(steps))
        starts, stretch = dict[int, State](), list[Step]()
        for step in self.forwards():
            if step.t % length == 0:
                starts[step.t], stretch = step.before, []
            stretch.append(step)
        for start in [*sorted(starts, reverse=True)[1:], None]:
            yield from reversed(stretch)
            if start is not None:
                stretch = list(self._walk(starts[start], start, start + length))

    def noise(self) -> Params:
        """How far a step's gradient is off by which examples were drawn: its variance, mean over the steps walked.

        Each batch's halves tell it, by their difference; 0 where batches have one row. It is that of the gradient as
        clipping leaves it, for so AdamW's second moment has it.
        """
        return times(self._noise, 1 / max(1, self._noted))

    def _walk(self, state: State, start: int, stop: int) -> Iterator[Step]:
        for t in range(start, stop):
            gradient = self._gradient(state.params, self.batch(t))
            yield (step := Step(t, state, gradient))
            state = self.after(step)

    def _gradient(self, params: Params, batch: Batch) -> Params:
        """Of the batch's mean loss; AdamW's in halves, whose difference is noted."""
        half = self.width // 2
        if not half or self.recipe.optimiser == "sgd":
            return mean_gradient(self.learner, params, batch)
        one = mean_gradient(self.learner, params, {name: column[:half] for name, column in batch.items()})
        other = mean_gradient(self.learner, params, {name: column[half:] for name, column in batch.items()})
        share = half / self.width
        whole = plus(times(one, share), other, 1 - share)
        square = {name: (g - other[name]).square() for name, g in one.items()}
        left = shrinkage(self.recipe, whole).square()
        self._noise, self._noted = plus(self._noise, square, share * (1 - share) * left), self._noted + 1
        return whole
