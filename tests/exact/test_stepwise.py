"""Methods that follow training step by step, against dense recursions and enumerated games in double precision."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, combinations
from math import comb
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.func import hessian

from harness.retraining.training import on_device
from harness.types import Floats, Params, Problem
from methods.dvemb import DvEmb
from methods.in_run_shapley import InRunShapley
from methods.metagradient import Metagradient
from tasks.learners.classifier import Classifier
from tests.exact.test_gradients import double, flat
from tests.exact.test_influence import Linear
from tests.tiny import CLASSES, problem_of, tiny_cnn, tiny_mlp, tiny_pool, tiny_recipe

POOL = tiny_pool()
DATA, HELD_OUT = double(on_device(POOL.train, "cpu")), double(on_device(POOL.validation, "cpu"))
RECIPES = {
    "sgd": tiny_recipe(momentum=0.0),
    "momentum": tiny_recipe(),
    "adamw": tiny_recipe(optimiser="adamw", rate=0.02),
    "clipped": tiny_recipe(optimiser="adamw", rate=0.02, clip=0.3),
}


@dataclass
class Traced:
    """One step of a run by torch's own optimiser, dense."""

    rows: list[int]
    params: Params
    gradients_BP: torch.Tensor
    """Each drawn example's, over the batch's size, after clipping."""
    move_P: torch.Tensor
    second_P: torch.Tensor
    """AdamW's second moment, corrected for its bias."""


def steps_of(problem: Problem) -> Iterator[Traced]:
    """The problem's first run in double precision, by a plain loop."""
    recipe, fit = problem.learner.recipe, problem.fit(0)
    params = {name: p.double().requires_grad_() for name, p in fit.initial.items()}
    optimiser: torch.optim.Optimizer = torch.optim.SGD(params.values(), momentum=recipe.momentum)
    if recipe.optimiser == "adamw":
        optimiser = torch.optim.AdamW(params.values(), weight_decay=0.0)
    for t, rows in enumerate(fit.batches_TB.tolist()):
        before = {name: p.detach().clone() for name, p in params.items()}
        batch = {name: column[rows] for name, column in DATA.items()}
        each_BP = each_gradient(problem, before, batch) / len(rows)
        optimiser.param_groups[0]["lr"] = recipe.rates()[t]
        optimiser.zero_grad()
        problem.learner.losses(params, batch).mean().backward()
        if recipe.clip is not None:
            norm = torch.nn.utils.clip_grad_norm_(params.values(), recipe.clip)
            each_BP = each_BP * min(1.0, recipe.clip / (float(norm) + 1e-6))
        optimiser.step()
        state = [optimiser.state[p].get("exp_avg_sq", torch.zeros_like(p)) for p in params.values()]
        second_P = torch.cat([v.flatten() for v in state]) / (1 - 0.999 ** (t + 1))
        yield Traced(rows, before, each_BP, flat(params).detach() - flat(before), second_P)


def each_gradient(problem: Problem, params: Params, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Of each example's loss, one backward pass at a time, N x P."""
    found = []
    for n in range(len(batch["targets"])):
        leaves = {name: p.detach().requires_grad_() for name, p in params.items()}
        loss = problem.learner.losses(leaves, {name: column[n : n + 1] for name, column in batch.items()}).sum()
        found.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(leaves.values()))]))
    return torch.stack(found)


def shaped(vector_P: torch.Tensor, like: Params) -> Params:
    parts = vector_P.split([p.numel() for p in like.values()])
    return {name: part.reshape(p.shape) for (name, p), part in zip(like.items(), parts, strict=True)}


def summed(rows_TB: list[list[int]], values_TB: list[torch.Tensor]) -> Floats:
    found_N = np.zeros(len(POOL.train))
    for rows, values in zip(rows_TB, values_TB, strict=True):
        np.add.at(found_N, rows, values.numpy())
    return found_N


def close(found: Floats, expected: Floats, tolerance: float = 1e-4) -> None:
    """In single precision against double."""
    assert np.linalg.norm(found - expected) < tolerance * np.linalg.norm(expected)


# --- data value embeddings --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sgd", "momentum", "adamw"])
def test_data_value_embeddings_equal_the_dense_recursion(name: str, tmp_path: Path) -> None:
    """Forward in time as the paper has it: each embedding is carried through every later step's dense Jacobian."""
    recipe = RECIPES[name]
    problem = problem_of(tmp_path, POOL, tiny_mlp(recipe))
    steps, rates_T = list(steps_of(problem)), recipe.rates()
    size = steps[0].gradients_BP.shape[1]
    last = steps[-1]
    end = shaped(flat(last.params) + last.move_P, last.params)
    target_P = -each_gradient(problem, end, HELD_OUT)
    values_TB = []
    for s, step in enumerate(steps):
        params_PB, first_PB = torch.zeros(size, len(step.rows)).double(), torch.zeros(size, len(step.rows)).double()
        for t in range(s, len(steps)):
            later = steps[t]
            outer_PP = len(later.rows) * later.gradients_BP.T @ later.gradients_BP
            push_PB = step.gradients_BP.T if t == s else outer_PP @ params_PB
            if recipe.optimiser == "sgd":
                first_PB = recipe.momentum * first_PB + push_PB
                params_PB = params_PB - rates_T[t] * first_PB
            else:
                first_PB = 0.9 * first_PB + 0.1 * push_PB
                scale_P = 1 / (later.second_P.sqrt() + 1e-8) * (later.second_P > 0)
                params_PB = params_PB - rates_T[t] / (1 - 0.9 ** (t + 1)) * scale_P[:, None] * first_PB
        values_TB.append(params_PB.T @ target_P.mean(0))
    found_N = DvEmb(runs=1).example_values(problem)[0]
    close(found_N, summed([step.rows for step in steps], values_TB))


def test_where_curvature_is_gauss_newton_s_it_is_the_metagradient(tmp_path: Path) -> None:
    """Softmax regression: its Gauss-Newton matrix is its Hessian; outer products are not."""
    learner = Classifier("linear", Linear, CLASSES, tiny_recipe(rate=0.3))
    problem = problem_of(tmp_path, POOL, learner)
    exact_N = Metagradient(runs=1).example_values(problem)[0]
    close(DvEmb(runs=1, curvature="gauss-newton").example_values(problem)[0], exact_N, 1e-4)
    assert np.linalg.norm(DvEmb(runs=1).example_values(problem)[0] - exact_N) > 0.05 * np.linalg.norm(exact_N)


# --- in-run Data Shapley ----------------------------------------------------------------------------


def enumerated(worth: dict[frozenset[int], float], players: int) -> Floats:
    """Shapley values by all coalitions."""
    everyone = range(players)
    coalitions = [frozenset(c) for c in chain.from_iterable(combinations(everyone, k) for k in range(players))]
    return np.array(
        [
            sum((worth[c | {i}] - worth[c]) / (players * comb(players - 1, len(c))) for c in coalitions if i not in c)
            for i in everyone
        ]
    )


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", RECIPES)
def test_in_run_shapley_is_the_shapley_value_of_each_step_s_taylor_utility(
    name: str, order: int, tmp_path: Path
) -> None:
    """Contributors play; what a step does without some is its move less their gradients', now and through momentum."""
    recipe, owners_N = RECIPES[name], POOL.train.owners_N
    problem = problem_of(tmp_path, POOL, tiny_cnn(recipe))
    worth = {frozenset(c): 0.0 for c in chain.from_iterable(combinations(range(4), k) for k in range(5))}
    steps = list(steps_of(problem))
    first_CP = torch.zeros(4, steps[0].gradients_BP.shape[1]).double()
    gained = 0.0
    for t, step in enumerate(steps):
        pushes_CP = torch.zeros_like(first_CP).index_add_(0, torch.tensor(owners_N[step.rows]), step.gradients_BP)
        if recipe.optimiser == "sgd":
            first_CP = recipe.momentum * first_CP + pushes_CP
            moves_CP = -recipe.rates()[t] * first_CP
        else:
            first_CP = 0.9 * first_CP + 0.1 * pushes_CP
            moves_CP = -recipe.rates()[t] / (1 - 0.9 ** (t + 1)) * first_CP / (step.second_P.sqrt() + 1e-8)
        torch.testing.assert_close(moves_CP.sum(0), step.move_P)  # all of them together make training's own move
        slope_P, dense_PP = slope_and_hessian(problem, step.params)
        for coalition in worth:
            move_P = moves_CP[[*coalition]].sum(0)
            worth[coalition] -= float(slope_P @ move_P + (order - 1) / 2 * move_P @ dense_PP @ move_P)
        gained = worth[frozenset(range(4))]
    found_N = InRunShapley(runs=1, order=order).example_values(problem)[0]
    found_C = np.bincount(owners_N, weights=found_N, minlength=4)
    close(found_C, enumerated(worth, 4))
    assert found_C.sum() == pytest.approx(gained, rel=1e-3)


def slope_and_hessian(problem: Problem, params: Params) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the validation loss, dense."""

    def loss(vector_P: torch.Tensor) -> torch.Tensor:
        return problem.learner.losses(shaped(vector_P, params), HELD_OUT).mean()

    return torch.func.grad(loss)(flat(params)), hessian(loss)(flat(params))


def test_to_second_order_it_accounts_for_more_of_what_training_gained(tmp_path: Path) -> None:
    """The shares of one run add up to its gain in utility, up to what the expansion leaves out of each step."""
    recipe = tiny_recipe(momentum=0.0, rate=0.5)
    problem = problem_of(tmp_path, POOL, tiny_cnn(recipe))
    fit = problem.fit(0)
    with torch.no_grad():
        losses = [
            float(problem.learner.losses(p, on_device(POOL.validation, "cpu")).mean())
            for p in (fit.initial, fit.params)
        ]
    gain = losses[0] - losses[1]
    off = [abs(InRunShapley(runs=1, order=order).example_values(problem)[0].sum() - gain) for order in (1, 2)]
    assert off[1] < 0.5 * off[0]
    assert off[1] < 0.1 * abs(gain)
