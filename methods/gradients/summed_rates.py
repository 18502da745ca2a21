"""How far training carries each parameter per unit of gradient: the inverse of the ridge that stopping early acts as.

Gradient descent that stops after steps of rates eta_1 ... eta_T has moved along a direction of small curvature by the
sum of the rates times the gradient, as a ridge of one over that sum lets it (Ali, Kolter & Tibshirani 2019, AISTATS,
sec. 3). So where a method asks how the trained model answers to its data, curvature below 1 / summed rate was never
followed, and the damping of its solve is fixed by the recipe, not chosen by a result.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.func import grad, vmap

from harness.types import SQUARES_KEPT, Batch, Fit, Floats, Learner, Params, Problem, Recipe
from methods.gradients.directional import mean_gradient, tensors
from methods.gradients.optimiser import inverse_root
from methods.gradients.vectors import plus, times, zeros

BATCHES_AT_ONCE = 16
"""Whose gradients are held together."""


def summed_rates(problem: Problem, run: int) -> Params:
    """Each parameter's summed effective rate over a run; worked out once a run, for all methods.

    SGD: the same for all. AdamW: the rate divided by the root of the second moment, step by step, the squares of
    gradients being estimated at the initialisation and at every checkpoint but the last. What no training example
    moves has 0. Weight decay and clipping are left out.
    """

    def found() -> Params:
        learner, fit = problem.learner, problem.fit(run)
        if learner.recipe.optimiser == "sgd":
            rate = summed_rate_of_sgd(learner.recipe)
            return {name: torch.full_like(p, rate) for name, p in fit.params.items()}
        train = tensors(problem.train, problem.device)
        return summed_rates_of_adamw(learner, fit, train, np.random.default_rng(run))

    return problem.shared(f"summed rates/{run}", found)


def summed_rate_of_sgd(recipe: Recipe) -> float:
    """Sum over steps of rate x (1 + m + m^2 + ... up to the step's number): about rate / (1 - m) a step."""
    momentum_T = np.cumsum(recipe.momentum ** np.arange(recipe.steps))
    return float(recipe.rates() @ momentum_T)


def summed_rates_of_adamw(learner: Learner, fit: Fit, train: Batch, rng: np.random.Generator) -> Params:
    """Sum over steps of rate / (root of the bias-corrected second moment + epsilon).

    Until the next checkpoint, squares of gradients are taken to be those of the last one.
    """
    rates_T: Floats = learner.recipe.rates()
    starts = [fit.initial, *(checkpoint.params for checkpoint in fit.checkpoints[:-1])]
    second, total, done = zeros(fit.initial), zeros(fit.initial), 0
    for params, checkpoint in zip(starts, fit.checkpoints, strict=True):
        squares = mean_square_gradient(learner, params, train, rng)
        for t in range(done, checkpoint.step):
            second = plus(times(second, SQUARES_KEPT), squares, 1 - SQUARES_KEPT)
            total = plus(total, inverse_root(second, t), float(rates_T[t]))
        done = checkpoint.step
    return total


def mean_square_gradient(learner: Learner, params: Params, train: Batch, rng: np.random.Generator) -> Params:
    """Mean square of a training batch's gradient, by parameter, over batches that hold every example.

    Each batch is a random one of the recipe's size; the last is filled up from the first.
    """
    examples = len(train["targets"])
    width = min(learner.recipe.batch_size, examples)
    rows_KB = np.resize(rng.permutation(examples), (-(-examples // width), width))
    total = zeros(params)
    for rows in np.array_split(rows_KB, -(-len(rows_KB) // BATCHES_AT_ONCE)):
        batches = {name: column[torch.from_numpy(rows).to(column.device)] for name, column in train.items()}
        for name, gradients in _gradients(learner, params, batches).items():
            total[name] += gradients.square().sum(0) / len(rows_KB)
    return total


def _gradients(learner: Learner, params: Params, batches: Batch) -> Params:
    """Gradient of the mean loss of each of K batches, K x the parameter's shape."""
    if learner.stacks and learner.recipe.micro_batch is None:
        each: Params = vmap(grad(lambda p, batch: learner.losses(p, batch).mean()), (None, 0))(params, batches)
        return each
    found = [
        mean_gradient(learner, params, {name: column[k] for name, column in batches.items()})
        for k in range(len(batches["targets"]))
    ]
    return {name: torch.stack([gradient[name] for gradient in found]) for name in params}
