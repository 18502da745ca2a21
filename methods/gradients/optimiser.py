"""The recipe's optimiser as a pure function of its state, so that training is replayed and differentiated.

It is the training engine's arithmetic (``harness.retraining.training.Optimiser``, which works in place on many models);
a replay must come to the fit's own checkpoints, and a test holds both against that.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from harness.types import ADAM_EPSILON, CLIP_EPSILON, MEAN_KEPT, SQUARES_KEPT, Floats, Params, Recipe
from methods.gradients.vectors import dot, plus, times, zeros


class State(NamedTuple):
    """Parameters, SGD's velocity or AdamW's first moment, and AdamW's second moment (empty for SGD)."""

    params: Params
    first: Params
    second: Params


def begun(recipe: Recipe, params: Params) -> State:
    return State(params, zeros(params), zeros(params) if recipe.optimiser == "adamw" else {})


def stepped(
    recipe: Recipe,
    t: int,
    state: State,
    gradient: Params,
    widths: Params | None = None,
    second: Params | None = None,
) -> State:
    """The state after step t on the gradient of the batch's mean loss.

    Args:
        widths: squares that are added to AdamW's second moment under the root: its step g / |g| has a slope of up to
            1e8 over a width of 1e-8, which says nothing of changes that are larger. None: as in training.
        second: the second moment after this step, taken as fixed; None: it follows from the gradient.

    What no gradient has reached yet stays where it is, but for weight decay.
    """
    rate = float(recipe.rates()[t])
    if recipe.clip is not None:
        gradient = times(gradient, shrinkage(recipe, gradient))
    if recipe.optimiser == "sgd":
        if recipe.weight_decay:
            gradient = plus(gradient, state.params, recipe.weight_decay)
        velocity = plus(gradient, state.first, recipe.momentum)
        return State(plus(state.params, velocity, -rate), velocity, {})
    first = plus(times(state.first, MEAN_KEPT), gradient, 1 - MEAN_KEPT)
    if second is None:
        squares = {name: g * g for name, g in gradient.items()}
        second = plus(times(state.second, SQUARES_KEPT), squares, 1 - SQUARES_KEPT)
    scale = inverse_root(second, t, widths)
    move = rate / (1 - MEAN_KEPT ** (t + 1))
    params = times(state.params, 1 - rate * recipe.weight_decay)
    return State({name: p - move * first[name] * scale[name] for name, p in params.items()}, first, second)


def inverse_root(second: Params, t: int, widths: Params | None = None) -> Params:
    """AdamW's metric after step t: 1 / (root of the bias-corrected second moment + epsilon), 0 where that is 0."""
    found = {}
    for name, square in second.items():
        corrected = square / (1 - SQUARES_KEPT ** (t + 1))
        if widths is not None:
            corrected = corrected + widths[name]
        reached = corrected > 0
        # The slope of the root at 0 is infinite, so there it is not taken at all.
        root = torch.where(reached, corrected, 1.0).sqrt()
        found[name] = torch.where(reached, 1 / (root + ADAM_EPSILON), 0.0)
    return found


def carried_rates(recipe: Recipe) -> tuple[Floats, float]:
    """How far the optimiser moves parameters along its first moment at each step, and what it keeps of that moment.

    With k the share kept, the gradient of step s moves them by weight x sum over t >= s of rate_t k^(t - s), in the
    optimiser's metric; the weight, 1 for SGD and 1 - k for AdamW, is in these rates.
    """
    rates_T = recipe.rates()
    if recipe.optimiser == "sgd":
        return rates_T, recipe.momentum
    step_T = np.arange(1, recipe.steps + 1)
    return rates_T * (1 - MEAN_KEPT) / (1 - MEAN_KEPT**step_T), MEAN_KEPT


def shrinkage(recipe: Recipe, gradient: Params) -> torch.Tensor:
    """What clipping multiplies the gradient by; 1 without it."""
    square = dot(gradient, gradient)
    if recipe.clip is None:
        return torch.ones_like(square)
    norm = torch.where(square > 0, square, 1.0).sqrt()
    return torch.where(square > 0, (recipe.clip / (norm + CLIP_EPSILON)).clamp(max=1.0), 1.0)
