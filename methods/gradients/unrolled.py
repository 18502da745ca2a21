"""Backward through training: what the final model's utility owes to each row of each step.

The adjoint recursion of reverse-mode differentiation, step by step from the last: the derivative in the step's gradient
comes through the optimiser (``optimiser.stepped``, differentiated as it is), and the gradient's own dependence on the
parameters is a product with the batch's curvature.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.func import grad, jvp, vjp

from harness.types import Batch, Floats, Learner, Params
from methods.gradients.curvature import GaussNewton
from methods.gradients.directional import blocks, directional_losses
from methods.gradients.optimiser import State, stepped
from methods.gradients.replay import Replay, Step
from methods.gradients.vectors import plus, times, zeros

Curved = Callable[[Learner, Params, Batch, int, Params], tuple[Params, torch.Tensor]]
"""Learner, parameters, rows, how many of these are the batch, a vector a -> the curvature of the batch's mean loss
times a, and each row's gradient . a.
"""


def hessian(learner: Learner, params: Params, batch: Batch, width: int, vector: Params) -> tuple[Params, torch.Tensor]:
    """Reverse mode through the mean of the forward derivatives along a: exact, for one pass."""
    total, pulls, done = zeros(vector), [], 0
    for block in blocks(batch, learner):
        drawn = max(0, min(width - done, len(block["targets"])))

        def summed(p: Params, block: Batch = block, drawn: int = drawn) -> tuple[torch.Tensor, torch.Tensor]:
            pulls_K = jvp(lambda q: learner.losses(q, block), (p,), (vector,))[1]
            return pulls_K[:drawn].sum(), pulls_K

        curved, pulls_K = grad(summed, has_aux=True)(params)
        total, done = plus(total, curved), done + len(block["targets"])
        pulls.append(pulls_K.detach())
    return times(total, 1 / width), torch.cat(pulls)


def outer_products(
    learner: Learner, params: Params, batch: Batch, width: int, vector: Params
) -> tuple[Params, torch.Tensor]:
    """The mean of the outer products of the examples' gradients in the place of the Hessian."""
    pulls_K = directional_losses(learner, params, batch, vector)
    total, done = zeros(vector), 0
    drawn = {name: column[:width] for name, column in batch.items()}
    for block in blocks(drawn, learner):
        weights = pulls_K[done : done + len(block["targets"])]
        weighed = grad(lambda p, b=block, w=weights: (learner.losses(p, b) * w).sum())(params)
        total, done = plus(total, weighed), done + len(weights)
    return times(total, 1 / width), pulls_K


def gauss_newton(
    learner: Learner, params: Params, batch: Batch, width: int, vector: Params
) -> tuple[Params, torch.Tensor]:
    drawn = {name: column[:width] for name, column in batch.items()}
    return GaussNewton(learner, params, drawn) @ vector, directional_losses(learner, params, batch, vector)


def pulls(
    replay: Replay,
    target: Params,
    curved: Curved,
    depth: int | None = None,
    widths: Callable[[], Params] | None = None,
    fixed_metric: bool = False,
) -> Floats:
    """The derivative in the weight of each row at each step, T x K (weight 1 is a row of a mean over the batch).

    Args:
        target: the derivative in the final parameters.
        curved: the curvature that carries it back.
        depth: K, rows of each step's order; None for the batch alone.
        widths: gives what AdamW's slope is smoothed by (``optimiser.stepped``); asked after the walk forth.
        fixed_metric: AdamW's second moment is taken as it was, whatever the gradients.
    """
    back: State | None = None
    smoothed: Params | None = None
    found = []
    for step in replay.backwards():
        if back is None:
            smoothed = widths() if widths else None
            back = State(target, zeros(target), zeros(target) if replay.recipe.optimiser == "adamw" else {})
        back, on_gradient = _through(replay, step, back, smoothed, fixed_metric)
        rows = replay.batch(step.t, depth)
        on_params, pulls_K = curved(replay.learner, step.before.params, rows, replay.width, on_gradient)
        back = back._replace(params=plus(back.params, on_params))
        found.append(pulls_K / replay.width)
    return torch.stack(found[::-1]).double().cpu().numpy()


def _through(
    replay: Replay, step: Step, back: State, widths: Params | None, fixed_metric: bool
) -> tuple[State, Params]:
    """Derivatives in the state before the step and in its gradient, from those in the state after it."""
    second = replay.after(step).second if fixed_metric and replay.recipe.optimiser == "adamw" else None

    def forth(state: State, gradient: Params) -> State:
        return stepped(replay.recipe, step.t, state, gradient, widths, second)

    found: tuple[State, Params] = vjp(forth, step.before, step.gradient)[1](back)
    return State(*found[0]), found[1]
