"""The derivative of leave-one-out against finite differences of training in double precision, and retraining."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from harness.retraining.chunks import Job
from harness.retraining.training import Optimiser, draw_batches, on_device
from harness.truth.questions import leave_one_out
from harness.types import Examples, Floats, Params, Recipe
from tests.benchmarks.loo_control_variate import least_cost, limit
from tests.benchmarks.metagradient import derivatives, order_of, swaps_of
from tests.tiny import engine_of, tiny_cnn, tiny_pool, tiny_recipe

SGD = tiny_recipe(weight_decay=0.01)
ADAMW = tiny_recipe(optimiser="adamw", rate=0.01, weight_decay=0.1)


def double(examples: Examples) -> dict[str, torch.Tensor]:
    columns = on_device(examples, "cpu")
    return {name: column.double() if column.is_floating_point() else column for name, column in columns.items()}


def start(recipe: Recipe, seed: int) -> Params:
    return {name: p.double() for name, p in tiny_cnn(recipe).initialise(seed).items()}


def utility(recipe: Recipe, seed: int, swaps_TK: Floats, share: float) -> float:
    """Utility after training everyone with a share of one contributor's swaps made, by a loop of its own."""
    pool, learner = tiny_pool(), tiny_cnn(recipe)
    data, order_TN = double(pool.train), order_of(seed, recipe, len(pool.train))
    params = {name: p[None].requires_grad_() for name, p in start(recipe, seed).items()}
    optimiser = Optimiser(recipe, params)
    for t, swaps_K in enumerate(swaps_TK):
        rows = torch.from_numpy(order_TN[t, : len(swaps_K)].copy())
        weights = torch.from_numpy((np.arange(len(swaps_K)) < recipe.batch_size) - share * swaps_K)
        losses = learner.losses({n: p[0] for n, p in params.items()}, {n: column[rows] for n, column in data.items()})
        gradients = torch.autograd.grad((losses * weights).sum() / recipe.batch_size, list(params.values()))
        with torch.no_grad():
            optimiser.step(t, dict(zip(params, gradients, strict=True)))
    with torch.no_grad():
        return float(-learner.losses({n: p[0] for n, p in params.items()}, double(pool.validation)).mean())


def found(recipe: Recipe, seeds: list[int]) -> Floats:
    pool = tiny_pool()
    starts = [start(recipe, seed) for seed in seeds]
    values_SC, _ = derivatives(
        tiny_cnn(recipe), double(pool.train), double(pool.validation), pool.train.owners_N, seeds, starts
    )
    return values_SC


@pytest.mark.parametrize("recipe", [SGD, ADAMW], ids=["sgd", "adamw"])
def test_the_way_back_agrees_with_central_differences(recipe: Recipe) -> None:
    """A wrong adjoint of momentum, of AdamW's moments, of decay or of the curvature would show here."""
    owners_N, seeds, small = tiny_pool().train.owners_N, [3, 4], 1e-5
    values_SC = found(recipe, seeds)
    for seed, values_C in zip(seeds, values_SC, strict=True):
        swaps_CTK = swaps_of(order_of(seed, recipe, len(owners_N)), owners_N, recipe.batch_size)
        slopes = [(utility(recipe, seed, s, -small) - utility(recipe, seed, s, small)) / (2 * small) for s in swaps_CTK]
        assert values_C == pytest.approx(slopes, rel=1e-4, abs=1e-7)


def test_a_whole_swap_is_what_coupled_leave_one_out_draws() -> None:
    """Another rule of replacement than the engine's would be the derivative of another question."""
    owners_N = tiny_pool().train.owners_N
    order_TN = order_of(7, SGD, len(owners_N))
    swaps_CTK = swaps_of(order_TN, owners_N, SGD.batch_size)
    without = np.array([owners_N != c for c in range(len(swaps_CTK))])
    for t, (rows_JB, _) in enumerate(draw_batches(without, [7] * len(without), SGD)):
        for c, swaps_TK in enumerate(swaps_CTK):
            left_K = (np.arange(swaps_TK.shape[1]) < SGD.batch_size) - swaps_TK[t]
            assert sorted(order_TN[t, : len(left_K)][left_K == 1]) == sorted(rows_JB[c])


def test_at_low_rates_it_is_leave_one_out_itself(tmp_path: Path) -> None:
    """Training that is nearly linear in its batches leaves nothing to first order's error: the engine's own numbers."""
    recipe, pool = tiny_recipe(rate=1e-3), tiny_pool()
    engine = engine_of(tmp_path, pool, tiny_cnn(recipe))
    outcomes = engine.outcomes([Job(row, 5) for row in ("1111", "0111", "1011", "1101", "1110")])
    retrained_C = leave_one_out(np.array([outcome.utility for outcome in outcomes]))
    assert found(recipe, [5])[0] == pytest.approx(retrained_C, rel=0.02, abs=1e-6)


def test_the_cost_of_a_control_variate() -> None:
    """A perfect one at no cost leaves two seeds of retraining: a standard error needs them; a useless one buys none."""
    assert limit(1.0, 0.0, 25) == 0
    assert limit(0.0, 2.0, 25) == 1
    assert limit(0.96, 4.0, 25) == pytest.approx((0.28 + 0.96 * 0.4) ** 2)
    assert least_cost(1.0, 1e-9, 25, plain=12) == pytest.approx(2 / 12, abs=1e-6)
    assert least_cost(0.0, 2.0, 25, plain=12) == 1
