"""How far training carries parameters per unit of gradient, against torch's own optimisers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from harness.retraining.training import Optimiser, on_device
from harness.types import Params, Problem, Recipe
from methods.gradients import summed_rates as module
from methods.gradients.directional import mean_gradient
from methods.gradients.summed_rates import mean_square_gradient, summed_rate_of_sgd, summed_rates
from tests.exact.test_gradients import flat
from tests.tiny import problem_of, tiny_mlp, tiny_pool, tiny_recipe


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_constant_gradient_moves_parameters_by_the_summed_rate_of_sgd(momentum: float) -> None:
    recipe = Recipe(steps=40, batch_size=4, rate=0.1, momentum=momentum, warmup=5)
    params = {"weight": torch.zeros(1, 3)}
    optimiser = Optimiser(recipe, params)
    for t in range(recipe.steps):
        optimiser.step(t, {"weight": torch.ones(1, 3)})
    torch.testing.assert_close(params["weight"], torch.full((1, 3), -summed_rate_of_sgd(recipe)))


@pytest.mark.parametrize(("momentum", "low", "high"), [(0.0, 0.999, 1.32), (0.9, 0.93, 1.62)])
def test_stopping_early_answers_as_a_ridge_of_one_over_the_summed_rate(
    momentum: float, low: float, high: float
) -> None:
    """On a quadratic of any curvature that training is stable for; at both ends of the scale, exactly."""
    recipe = Recipe(steps=40, batch_size=4, rate=0.1, momentum=momentum)
    summed = summed_rate_of_sgd(recipe)
    curvature_L = torch.logspace(-3, np.log10(summed / recipe.rate), 100)[:, None] / summed
    params = {"weight": torch.zeros(100, 1)}
    optimiser = Optimiser(recipe, params)
    for t in range(recipe.steps):
        optimiser.step(t, {"weight": curvature_L * params["weight"] + 1})
    ratio_L = -params["weight"] * (curvature_L + 1 / summed)
    assert low < ratio_L.min() <= ratio_L.max() < high
    assert ratio_L[[0, -1]].tolist() == [[pytest.approx(1, abs=0.08)], [pytest.approx(1, abs=0.08)]]


def test_the_summed_rate_of_sgd_is_near_the_rates_over_one_minus_momentum() -> None:
    recipe = Recipe(steps=1_000, batch_size=4, rate=0.1, momentum=0.9)
    assert summed_rate_of_sgd(recipe) == pytest.approx(recipe.rates().sum() / 0.1, rel=0.02)


def adamw_problem(folder: Path, steps: int = 8, **changes: object) -> Problem:
    recipe = tiny_recipe(steps=steps, optimiser="adamw", rate=0.01, **changes)
    return problem_of(folder, tiny_pool(4), tiny_mlp(recipe))


def test_rates_of_adamw_are_those_of_torch_s_own_second_moments(tmp_path: Path) -> None:
    """Whole batches and a checkpoint a step, so that nothing is estimated."""
    problem = adamw_problem(tmp_path, batch_size=10_000, checkpoints=8)
    learner, train = problem.learner, on_device(problem.train, "cpu")
    params = {name: p.clone().requires_grad_() for name, p in problem.fit(0).initial.items()}
    optimiser = torch.optim.AdamW(params.values(), lr=1.0, weight_decay=0.0)
    expected = torch.zeros(len(flat(params)))
    for t, rate in enumerate(learner.recipe.rates()):
        optimiser.param_groups[0]["lr"] = rate
        optimiser.zero_grad()
        learner.losses(params, train).mean().backward()
        optimiser.step()
        second = torch.cat([optimiser.state[p]["exp_avg_sq"].flatten() for p in params.values()])
        expected += rate / ((second / (1 - 0.999 ** (t + 1))).sqrt() + 1e-8)
    found = flat(summed_rates(problem, 0))
    moved = found > 0
    assert moved.float().mean() > 0.5
    torch.testing.assert_close(found[moved], expected[moved], rtol=0.02, atol=0)


def test_what_no_example_moves_has_no_rate(tmp_path: Path) -> None:
    """Epsilon alone would give it the largest of all."""
    problem = adamw_problem(tmp_path)
    learner = problem.learner
    initial = learner.initialise(0)
    weight = next(name for name, p in initial.items() if p.ndim == 2)
    train = on_device(problem.train, "cpu")
    train["inputs"][:, 0, 0, 0] = 0  # so the first column of the first weight gets no gradient
    fit = problem.fit(0)
    found = module.summed_rates_of_adamw(learner, fit, train, np.random.default_rng(0))[weight]
    assert not found[:, 0].any()
    assert found[:, 1:].max() < 1e4


def test_squares_are_the_mean_over_batches_of_the_recipe_s_size(tmp_path: Path) -> None:
    problem = adamw_problem(tmp_path, batch_size=8)
    learner, params, train = problem.learner, problem.initial(0), on_device(problem.train, "cpu")
    rows_KB = np.resize(np.random.default_rng(3).permutation(len(problem.train)), (-(-len(problem.train) // 8), 8))
    batches = [{name: column[torch.from_numpy(rows)] for name, column in train.items()} for rows in rows_KB]
    expected = torch.stack([flat(mean_gradient(learner, params, batch)).square() for batch in batches]).mean(0)
    found = mean_square_gradient(learner, params, train, np.random.default_rng(3))
    torch.testing.assert_close(flat(found), expected, rtol=1e-4, atol=1e-9)
    assert {*rows_KB.flat} == {*range(len(problem.train))}


def test_squares_are_the_same_however_many_batches_pass_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = adamw_problem(tmp_path, batch_size=3)
    learner, params, train = problem.learner, problem.initial(0), on_device(problem.train, "cpu")

    def squares() -> Params:
        return mean_square_gradient(learner, params, train, np.random.default_rng(3))

    expected = squares()
    monkeypatch.setattr(module, "BATCHES_AT_ONCE", 2)
    torch.testing.assert_close(squares(), expected, rtol=1e-4, atol=1e-9)
    monkeypatch.setattr(learner, "stacks", False)
    torch.testing.assert_close(squares(), expected, rtol=1e-4, atol=1e-9)
