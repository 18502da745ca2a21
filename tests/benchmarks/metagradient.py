"""How far a trained model's utility would move if a contributor began to leave: backward through its training.

Coupled leave-one-out swaps a contributor's rows, at each step, for the next rows in the order of priorities. Take only
the share x of each swap: the batch's loss is (1 - x) times everyone's plus x times that of everyone but i. The
derivative at x = 0 is to leave-one-out what influence is to retraining, and one training with one pass back
through it gives all C of them (Engstrom et al. 2025, arXiv 2504.16430, there for the weights of examples).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.func import grad, grad_and_value, jvp, vmap

from harness.errors import UserError
from harness.retraining.training import Optimiser
from harness.types import Batch, Floats, Ints, Learner, Params, Recipe

Pull = Callable[[Params, Batch, Params], tuple[Params, torch.Tensor]]
"""Parameters, batches and vectors a -> the gradients of a . (the step's gradient), and a . (each row's gradient)."""


def order_of(seed: int, recipe: Recipe, examples: int) -> Ints:
    """Rows by falling priority at every step, T x N: what ``harness.retraining.training.draw_batches`` draws from."""
    return np.argsort(-np.random.default_rng(seed).random((recipe.steps, examples)), axis=1)


def swaps_of(order_TN: Ints, owners_N: Ints, batch_size: int) -> Floats:
    """What each contributor's presence changes in every batch, C x T x K over the first K rows of the order.

    1 where a row of its own is drawn, -1 where another's row would be drawn in its place, 0 elsewhere.
    """
    steps, contributors = len(order_TN), int(owners_N.max()) + 1
    swaps_CTN = np.zeros((contributors, *order_TN.shape))
    for t in range(steps):
        owner_N = owners_N[order_TN[t]]
        for c in range(contributors):
            own = np.flatnonzero(owner_N[:batch_size] == c)
            others = batch_size + np.flatnonzero(owner_N[batch_size:] != c)
            if len(others) < len(own):
                raise UserError(
                    f"Everyone but contributor {c} has fewer rows than a batch of {batch_size}; the swap needs a row "
                    "in each one's place. Take larger contributors or a smaller batch."
                )
            swaps_CTN[c, t, own] = 1
            swaps_CTN[c, t, others[: len(own)]] = -1
    deepest = int(np.flatnonzero(swaps_CTN.any(axis=(0, 1)))[-1]) + 1
    return swaps_CTN[:, :, : max(batch_size, deepest)]


@dataclass(frozen=True, slots=True)
class Step:
    """What the way back needs of one step: parameters before it, the gradient, and the optimiser's state after it."""

    params: Params
    gradients: Params
    first: Params
    second: Params


def derivatives(
    learner: Learner,
    data: Batch,
    held_out: Batch,
    owners_N: Ints,
    seeds: Sequence[int],
    initial: Sequence[Params],
    smoothing: float = 0.0,
) -> tuple[Floats, Floats]:
    """What everyone's utility owes to each contributor, to first order, S x C, and that utility, S.

    Args:
        data, held_out: training and held-out rows on the device.
        owners_N: whose each training row is.
        seeds, initial: S streams of priorities and initialisations; trained side by side.
        smoothing: size of gradients, in the loss's units, below which AdamW's step is taken as linear on the way back
            (its slope there is up to 1e8, over a width of 1e-8: true at a point, and false for any finite change). 0:
            the exact derivative.
    """
    recipe = learner.recipe
    if recipe.clip is not None or recipe.precision != "float32":
        raise UserError("The way back is written for training in float32 without clipping; got another recipe.")
    orders = [order_of(seed, recipe, len(owners_N)) for seed in seeds]
    swaps = [swaps_of(order_TN, owners_N, recipe.batch_size) for order_TN in orders]
    depth = max(swap_CTK.shape[2] for swap_CTK in swaps)
    rows_STK = torch.from_numpy(np.stack([order_TN[:, :depth] for order_TN in orders]))
    params, steps = _trained(learner, data, rows_STK[:, :, : recipe.batch_size], initial)
    back, utility_S = vmap(grad_and_value(lambda p: -learner.losses(p, held_out).mean()))(params)
    pulls_STK = _backward(learner, data, rows_STK, steps, back, smoothing).double().cpu().numpy()
    values_SC = [
        np.einsum("ctk,tk->c", swap_CTK, pulls_TK[:, : swap_CTK.shape[2]]) / recipe.batch_size
        for swap_CTK, pulls_TK in zip(swaps, pulls_STK, strict=True)
    ]
    return np.array(values_SC), utility_S.detach().double().cpu().numpy()


def _trained(
    learner: Learner, data: Batch, rows_STB: torch.Tensor, initial: Sequence[Params]
) -> tuple[Params, list[Step]]:
    """Everyone's models, trained as the engine trains them, with every step on the way."""
    params = {name: torch.stack([start[name] for start in initial]) for name in initial[0]}
    optimiser, kept = Optimiser(learner.recipe, params), list[Step]()
    gradients_of = vmap(grad(lambda p, batch: learner.losses(p, batch).mean()))
    for t in range(learner.recipe.steps):
        gradients, before = gradients_of(params, _rows(data, rows_STB[:, t])), _copies(params)
        optimiser.step(t, gradients)
        kept.append(Step(before, gradients, _copies(optimiser.first), _copies(optimiser.second)))
    return params, kept


def _backward(
    learner: Learner, data: Batch, rows_STK: torch.Tensor, steps: Sequence[Step], back: Params, smoothing: float
) -> torch.Tensor:
    """The derivative of utility in the weight of each row at each step, S x T x K (1 is a row of the batch)."""
    adjoint = Adjoint(learner.recipe, back, smoothing)
    pull = _pull(learner, rows_STK.shape[2])
    pulls = []
    for t in reversed(range(len(steps))):
        on_gradient = adjoint.through(t, steps[t])
        on_params, pulls_SK = pull(steps[t].params, _rows(data, rows_STK[:, t]), on_gradient)
        adjoint.add(on_params)
        pulls.append(pulls_SK)
    return torch.stack(pulls[::-1], dim=1)


def _pull(learner: Learner, depth: int) -> Pull:
    """Forward mode along a gives every row's a . gradient; reverse mode through their mean over the batch, H a."""

    def mean_pull(params: Params, batch: Batch, vector: Params) -> tuple[torch.Tensor, torch.Tensor]:
        pulls_K = jvp(lambda p: learner.losses(p, batch), (params,), (vector,))[1]
        return pulls_K[: min(depth, learner.recipe.batch_size)].mean(), pulls_K

    pull: Pull = vmap(grad(mean_pull, has_aux=True))
    return pull


class Adjoint:
    """Derivatives of utility in the optimiser's state, taken backward through ``training.Optimiser``'s steps."""

    def __init__(self, recipe: Recipe, on_params: Params, smoothing: float) -> None:
        self.recipe, self.rates, self.smoothing = recipe, recipe.rates(), smoothing
        self.params = on_params
        self.first = {name: torch.zeros_like(p) for name, p in on_params.items()}
        self.second = {name: torch.zeros_like(p) for name, p in on_params.items()}

    def through(self, t: int, step: Step) -> Params:
        """Go back over step t; returns the derivative in its gradient, whose own dependence is left to ``add``."""
        back = self._adamw if self.recipe.optimiser == "adamw" else self._sgd
        return {name: back(t, name, step) for name in self.params}

    def add(self, on_params: Params) -> None:
        """What the parameters do to the step's gradient."""
        self.params = {name: on + on_params[name] for name, on in self.params.items()}

    def _sgd(self, t: int, name: str, step: Step) -> torch.Tensor:
        on_gradient = self.first[name] - float(self.rates[t]) * self.params[name]
        self.params[name] = self.params[name] + self.recipe.weight_decay * on_gradient
        self.first[name] = self.recipe.momentum * on_gradient
        return on_gradient

    def _adamw(self, t: int, name: str, step: Step) -> torch.Tensor:
        rate, on_params = float(self.rates[t]), self.params[name]
        mean = step.first[name] / (1 - 0.9 ** (t + 1))
        root = (step.second[name] / (1 - 0.999 ** (t + 1)) + self.smoothing**2).sqrt()
        scale = root + 1e-8
        on_first = self.first[name] - rate * on_params / scale / (1 - 0.9 ** (t + 1))
        on_root = rate * on_params * mean / scale**2
        # A parameter that no gradient has reached yet has a root of 0 and a mean of 0.
        on_square = torch.where(root > 0, on_root / (2 * root.clamp(min=1e-30)), 0.0) / (1 - 0.999 ** (t + 1))
        on_second = self.second[name] + on_square
        self.params[name] = on_params * (1 - rate * self.recipe.weight_decay)
        self.first[name], self.second[name] = 0.9 * on_first, 0.999 * on_second
        return 0.1 * on_first + 0.002 * step.gradients[name] * on_second


def _rows(data: Batch, rows_SB: torch.Tensor) -> Batch:
    return {name: column[rows_SB] for name, column in data.items()}


def _copies(params: Params) -> Params:
    return {name: p.clone() for name, p in params.items()}
