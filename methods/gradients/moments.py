"""AdamW's moments at a run's checkpoints, which the fit itself does not keep."""

from __future__ import annotations

from typing import NamedTuple

import torch

from harness.types import MEAN_KEPT, SQUARES_KEPT, Floats, Params, Problem
from methods.gradients.directional import tensors
from methods.gradients.optimiser import inverse_root, shrinkage
from methods.gradients.replay import Replay


class Moments(NamedTuple):
    """The first and second moments after a step, not corrected for their bias, of gradients as clipping left them.

    Args:
        left_T: what clipping left of the gradient at each step since the checkpoint before; 1 without it. Whoever
            divides by the second moment's root multiplies by it, or clipped gradients would seem to move more.
    """

    first: Params
    second: Params
    left_T: Floats

    def update(self, gradients: Params, t: int) -> Params:
        """What step t (the first is 0) would move each parameter by, less the rate, on each of some gradients alone,
        unclipped.
        """
        second = {
            name: SQUARES_KEPT * self.second[name] + (1 - SQUARES_KEPT) * g.square() for name, g in gradients.items()
        }
        scale, kept = inverse_root(second, t), MEAN_KEPT
        return {
            name: (kept * self.first[name] + (1 - kept) * g) / (1 - kept ** (t + 1)) * scale[name]
            for name, g in gradients.items()
        }


def moments_at_checkpoints(problem: Problem, run: int) -> tuple[Moments, ...]:
    """By replaying the run, once for all methods that need them."""

    def found() -> tuple[Moments, ...]:
        fit = problem.fit(run)
        replay = Replay(problem.learner, fit, tensors(problem.train, problem.device))
        marks, kept = {checkpoint.step for checkpoint in fit.checkpoints}, list[Moments]()
        left = list[torch.Tensor]()
        for step in replay.forwards():
            left.append(shrinkage(replay.recipe, step.gradient))
            if step.t + 1 in marks:
                after = replay.after(step)
                kept.append(Moments(after.first, after.second, torch.stack(left).double().cpu().numpy()))
                left.clear()
        return tuple(kept)

    return problem.shared(f"moments at checkpoints/{run}", found)
