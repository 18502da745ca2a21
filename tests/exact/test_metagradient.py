"""Derivatives through training against finite differences of training by torch's own optimisers, and retraining."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from harness.metering.flops import FlopCounter
from harness.retraining.chunks import Job
from harness.retraining.training import draw_batches, draw_order, on_device, traced
from harness.seeds import seed_of
from harness.truth.questions import leave_one_out
from harness.types import Checkpoint, Examples, Fit, Floats, Params, Recipe
from methods.gradients import replay as replays
from methods.gradients.optimiser import begun, stepped
from methods.gradients.replay import Replay
from methods.metagradient import Metagradient, MetagradientSwaps, of_rows, swaps
from tests.benchmarks.loo_control_variate import least_cost, limit
from tests.tiny import engine_of, problem_of, tiny_cnn, tiny_mlp, tiny_pool, tiny_recipe

POOL = tiny_pool()
OWNERS = POOL.train.owners_N
EVERYONE = np.ones(len(OWNERS), dtype=bool)
SGD = tiny_recipe(weight_decay=0.01, warmup=1)
ADAMW = tiny_recipe(optimiser="adamw", rate=0.01, weight_decay=0.1)
RECIPES = {
    "sgd": SGD,
    "sgd, clipped": tiny_recipe(clip=0.5),
    "adamw": ADAMW,
    "adamw, clipped": tiny_recipe(optimiser="adamw", rate=0.01, clip=0.5),
    "adamw, in parts": tiny_recipe(optimiser="adamw", rate=0.01, micro_batch=3),
}
EVERY_RECIPE = pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)


def double(examples: Examples) -> dict[str, torch.Tensor]:
    columns = on_device(examples, "cpu")
    return {name: column.double() if column.is_floating_point() else column for name, column in columns.items()}


def in_double(params: Params) -> Params:
    return {name: p.double() for name, p in params.items()}


def fit_in_double(recipe: Recipe, seed: int) -> Fit:
    learner = tiny_cnn(recipe)
    start = in_double(learner.initialise(seed))
    return traced(learner, double(POOL.train), start, EVERYONE, OWNERS, seed, FlopCounter())[0]


def utility(recipe: Recipe, fit: Fit, weights_TK: Floats) -> float:
    """After training on weighted rows of each step's order, by torch's own optimisers and clipping."""
    learner, data = tiny_cnn(recipe), double(POOL.train)
    params = {name: p.clone().requires_grad_() for name, p in fit.initial.items()}
    optimiser: torch.optim.Optimizer
    if recipe.optimiser == "adamw":
        optimiser = torch.optim.AdamW(params.values(), weight_decay=recipe.weight_decay)
    else:
        optimiser = torch.optim.SGD(params.values(), momentum=recipe.momentum, weight_decay=recipe.weight_decay)
    for rate, order_K, weights_K in zip(recipe.rates(), fit.order_TK, weights_TK, strict=True):
        optimiser.param_groups[0]["lr"] = rate
        optimiser.zero_grad()
        rows = torch.from_numpy(order_K[: len(weights_K)].copy())
        losses = learner.losses(params, {name: column[rows] for name, column in data.items()})
        ((losses * torch.from_numpy(weights_K)).sum() / fit.batch_size).backward()
        if recipe.clip is not None:
            torch.nn.utils.clip_grad_norm_(params.values(), recipe.clip)
        optimiser.step()
    with torch.no_grad():
        return float(-learner.losses(params, double(POOL.validation)).mean())


def slopes(recipe: Recipe, fit: Fit, changes: Floats, small: float = 1e-5) -> list[float]:
    """Central differences of utility along changes of the weights, each T x K."""
    drawn_TK = np.broadcast_to(np.arange(changes.shape[2]) < fit.batch_size, changes.shape[1:]).astype(float)
    return [
        (utility(recipe, fit, drawn_TK + small * one) - utility(recipe, fit, drawn_TK - small * one)) / (2 * small)
        for one in changes
    ]


def derived(recipe: Recipe, fit: Fit, depth: int) -> Floats:
    return of_rows(tiny_cnn(recipe), fit, double(POOL.train), double(POOL.validation), depth, smoothed=0.0)


@EVERY_RECIPE
def test_the_derivative_in_an_example_s_weight_agrees_with_central_differences(recipe: Recipe) -> None:
    """A wrong adjoint of momentum, of AdamW's moments, of decay, of clipping or of the curvature would show here."""
    fit = fit_in_double(recipe, 3)
    found_N = np.zeros(len(OWNERS))
    np.add.at(found_N, fit.batches_TB, derived(recipe, fit, fit.batch_size))
    rows = range(0, len(OWNERS), 3)
    expected = slopes(recipe, fit, np.array([(fit.batches_TB == row).astype(float) for row in rows]))
    assert found_N[rows] == pytest.approx(expected, rel=1e-6, abs=1e-9)
    assert np.abs(expected).max() > 1e-3


@EVERY_RECIPE
def test_the_derivative_of_leaving_agrees_with_central_differences(recipe: Recipe) -> None:
    fit = fit_in_double(recipe, 4)
    swaps_CTK = swaps(OWNERS[fit.order_TK], fit.batch_size, 4)
    found_C = np.einsum("ctk,tk->c", swaps_CTK, derived(recipe, fit, fit.order_TK.shape[1]))
    assert found_C == pytest.approx(slopes(recipe, fit, swaps_CTK), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("recipe", [SGD, tiny_recipe(batch_size=20)], ids=["small batches", "more than others have"])
def test_a_whole_swap_is_what_coupled_leave_one_out_draws(recipe: Recipe) -> None:
    """Another rule of replacement than the engine's would be the derivative of another question."""
    order_TK, width = draw_order(EVERYONE, OWNERS, 7, recipe)
    swaps_CTK = swaps(OWNERS[order_TK], width, 4)
    without = np.array([c != OWNERS for c in range(4)])
    for t, (rows_JB, weights_JB) in enumerate(draw_batches(without, [7] * 4, recipe)):
        for c, swaps_TK in enumerate(swaps_CTK):
            weights_K = (np.arange(order_TK.shape[1]) < width) - swaps_TK[t]
            expected, found = np.zeros(len(OWNERS)), np.zeros(len(OWNERS))
            np.add.at(expected, rows_JB[c], weights_JB[c] / weights_JB[c].sum())
            np.add.at(found, order_TK[t], weights_K / width)
            np.testing.assert_allclose(found, expected, atol=1e-12)


def test_at_low_rates_it_is_leave_one_out_itself(tmp_path: Path) -> None:
    """Training that is nearly linear in its batches leaves nothing to first order's error: the engine's own numbers."""
    recipe = tiny_recipe(rate=1e-3)
    engine = engine_of(tmp_path, POOL, tiny_cnn(recipe))
    outcomes = engine.outcomes([Job(row, 5) for row in ("1111", "0111", "1011", "1101", "1110")])
    retrained_C = leave_one_out(np.array([outcome.utility for outcome in outcomes]))
    fit = fit_in_double(recipe, 5)
    found_C = np.einsum(
        "ctk,tk->c", swaps(OWNERS[fit.order_TK], fit.batch_size, 4), derived(recipe, fit, fit.order_TK.shape[1])
    )
    assert found_C == pytest.approx(retrained_C, rel=0.02, abs=1e-6)


def test_the_methods_are_these_derivatives_of_the_runs_that_they_are_given(tmp_path: Path) -> None:
    """In single precision, one run after another, without smoothing; and swapping nobody's rows is worth nothing."""
    problem = problem_of(tmp_path, POOL, tiny_cnn(SGD))
    examples_SN = Metagradient(runs=2).example_values(problem)
    swapped_SC = MetagradientSwaps(runs=2).contributor_values(problem)
    for run in range(2):
        given = problem.fit(run)
        end = Checkpoint(6, 0.0, in_double(given.params))
        fit = Fit(in_double(given.initial), (end,), given.order_TK, given.batch_size)
        whole = of_rows(tiny_cnn(SGD), fit, double(POOL.train), double(POOL.validation), given.order_TK.shape[1], 0.0)
        expected_N = np.zeros(len(OWNERS))
        np.add.at(expected_N, given.batches_TB, whole[:, :8])
        np.testing.assert_allclose(examples_SN[run], expected_N, rtol=2e-3, atol=1e-5)
        expected_C = np.einsum("ctk,tk->c", swaps(OWNERS[given.order_TK], 8, 4), whole)
        np.testing.assert_allclose(swapped_SC[run], expected_C, rtol=2e-3, atol=1e-5)


# --- AdamW's slope ----------------------------------------------------------------------------------


@pytest.mark.parametrize("gradient", [0.0, 1e-9, 0.3])
def test_adamw_s_first_step_is_smoothed_over_the_width(gradient: float) -> None:
    """g / |g| becomes g / root(g^2 + s^2), of slope s^2 / (g^2 + s^2)^1.5: 1 / s where the exact one is 1e8 or none."""
    width, start = 0.1, {"w": torch.zeros(1, dtype=torch.float64)}
    widths = {"w": torch.full((1,), width**2, dtype=torch.float64)}

    def moved(g: torch.Tensor) -> torch.Tensor:
        return stepped(ADAMW, 0, begun(ADAMW, start), {"w": g}, widths).params["w"].sum()

    given = torch.tensor([gradient], dtype=torch.float64)
    slope = float(torch.func.grad(moved)(given))
    assert slope == pytest.approx(-ADAMW.rate * width**2 / (gradient**2 + width**2) ** 1.5, rel=1e-6)


def test_nothing_that_is_not_finite_comes_back_over_a_gradient_of_nothing() -> None:
    for recipe in RECIPES.values():
        start = {"w": torch.zeros(2, dtype=torch.float64)}

        def moved(g: torch.Tensor, recipe: Recipe = recipe, start: Params = start) -> torch.Tensor:
            return stepped(recipe, 0, begun(recipe, start), {"w": g}).params["w"].sum()

        assert torch.func.grad(moved)(start["w"]).isfinite().all()


def test_the_width_is_what_one_of_the_contributors_moves(tmp_path: Path) -> None:
    """Two C-ths of the variance of a batch's gradient: one C-th of its rows go, and as many come."""
    recipe = tiny_recipe(optimiser="adamw", rate=0.01)
    problem, learner = problem_of(tmp_path, POOL, tiny_cnn(recipe)), tiny_cnn(recipe)
    train, validation = on_device(POOL.train, "cpu"), on_device(POOL.validation, "cpu")
    for smoothing in (0.0, 1.0, 3.0):
        fit, found_N = problem.fit(0), np.zeros(len(OWNERS))
        np.add.at(found_N, fit.batches_TB, of_rows(learner, fit, train, validation, 8, smoothing**2 * 2 / 4))
        values_N = Metagradient(runs=1, smoothing=smoothing).example_values(problem)[0]
        np.testing.assert_allclose(values_N, found_N, rtol=1e-4, atol=1e-7)


def test_how_short_adamw_s_gradients_are_clipped_makes_no_difference(tmp_path: Path) -> None:
    """AdamW divides by their size: two bounds that every gradient exceeds train one model, whose slopes are the same.

    Widths in units of unclipped gradients would smooth the shorter ones' slopes away.
    """
    found = []
    for clip in (0.01, 0.001):
        recipe = tiny_recipe(optimiser="adamw", rate=0.01, clip=clip)
        found.append(Metagradient(runs=1).example_values(problem_of(tmp_path, POOL, tiny_cnn(recipe)))[0])
    assert np.linalg.norm(found[1] - found[0]) < 0.02 * np.linalg.norm(found[0])


@pytest.mark.parametrize("name", ["sgd, clipped", "adamw, in parts"])
def test_a_replay_comes_to_the_fit_s_own_checkpoints(name: str, tmp_path: Path) -> None:
    problem = problem_of(tmp_path, POOL, tiny_mlp(RECIPES[name]))
    fit = problem.fit(1)
    replay = Replay(problem.learner, fit, on_device(POOL.train, "cpu"))
    ends = {step.t + 1: replay.after(step).params for step in replay.forwards()}
    for checkpoint in fit.checkpoints:
        for parameter, value in checkpoint.params.items():
            torch.testing.assert_close(ends[checkpoint.step][parameter], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_what_cannot_be_kept_is_replayed_to_the_same_derivative(
    optimiser: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny_recipe(steps=7, optimiser=optimiser, rate=0.01)
    problem = problem_of(tmp_path, POOL, tiny_mlp(recipe))
    kept = Metagradient(runs=1).example_values(problem)
    held: list[int] = []
    walk = Replay._walk

    def noting(self: Replay, *given: object) -> object:
        steps = list(walk(self, *given))  # type: ignore[arg-type]
        held.append(len(steps))
        return iter(steps)

    monkeypatch.setattr(replays, "KEPT_ENTRIES", 0)
    monkeypatch.setattr(Replay, "_walk", noting)
    np.testing.assert_allclose(Metagradient(runs=1).example_values(problem), kept, rtol=1e-4, atol=1e-7)
    assert held == [7, 3, 3]  # all of them forth, of which the last stretch is one step; then the stretches before it


def test_the_noise_of_a_gradient_is_what_its_batches_differ_by() -> None:
    """At low rates parameters stand still, so batches differ by their rows alone; without replacement, by less."""
    recipe = tiny_recipe(steps=400, checkpoints=1, optimiser="adamw", rate=1e-9)
    learner = tiny_mlp(recipe)
    order_TK, width = draw_order(EVERYONE, OWNERS, 0, recipe)
    params: Params = learner.initialise(0)
    replay = Replay(learner, Fit(params, (), order_TK, width), on_device(POOL.train, "cpu"))
    gradients = [torch.cat([g.flatten() for g in step.gradient.values()]) for step in replay.forwards()]
    found = torch.cat([v.flatten() for v in replay.noise().values()])
    across = torch.stack(gradients).var(0) / (1 - width / len(OWNERS))
    assert float(found.sum() / across.sum()) == pytest.approx(1, abs=0.1)


# --- what a fit says that it drew -------------------------------------------------------------------


@pytest.mark.parametrize("coalition", ["1111", "1000", "0110"])
def test_a_fit_s_batches_are_those_that_training_draws(coalition: str, tmp_path: Path) -> None:
    problem = problem_of(tmp_path, POOL)
    member_C = np.array([mark == "1" for mark in coalition])
    fit = problem.fit(0, member_C)
    seed = seed_of(0, "initial", POOL.task, POOL.index, 0)
    drawn = [rows_JB[0] for rows_JB, _ in draw_batches(member_C[OWNERS][None], [seed], problem.learner.recipe)]
    np.testing.assert_array_equal(fit.batches_TB, drawn)
    assert not fit.order_TK.flags.writeable


def test_the_order_is_as_deep_as_it_takes_to_do_without_anyone() -> None:
    recipe = tiny_recipe()
    order_TK, width = draw_order(EVERYONE, OWNERS, 2, recipe)
    others = np.array([(OWNERS[order_TK] != c).sum(axis=1) for c in range(4)])
    assert (others >= width).all()
    fewer = np.array([(OWNERS[order_TK[:, :-1]] != c).sum(axis=1) for c in range(4)])
    assert (fewer < width).any()


# --- the control variate ----------------------------------------------------------------------------


def test_the_cost_of_a_control_variate() -> None:
    """A perfect one at no cost leaves two seeds of retraining: a standard error needs them; a useless one buys none."""
    assert limit(1.0, 0.0, 25) == 0
    assert limit(0.0, 2.0, 25) == 1
    assert limit(0.96, 4.0, 25) == pytest.approx((0.28 + 0.96 * 0.4) ** 2)
    assert least_cost(1.0, 1e-9, 25, plain=12) == pytest.approx(2 / 12, abs=1e-6)
    assert least_cost(0.0, 2.0, 25, plain=12) == 1
