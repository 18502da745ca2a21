"""SOURCE against its dense formula, and against retraining where its assumptions hold exactly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import expm
from scipy.stats import spearmanr

from harness.retraining.training import on_device
from harness.types import Examples, Floats, Params, Pool, Problem, Recipe
from methods.gradients.krylov import function_times
from methods.source import Source, decayed
from methods.tracin import TracIn
from tasks.learners.classifier import Classifier
from tests.exact.test_adamw_metric import torch_at_checkpoints
from tests.exact.test_gradients import dense_gauss_newton, double, flat, loss_gradients
from tests.exact.test_influence import Linear, derivatives_through_training
from tests.exact.test_stepwise import shaped
from tests.tiny import CLASSES, problem_of, tiny_mlp, tiny_pool, tiny_recipe

POOL = tiny_pool()
DATA, HELD_OUT = on_device(POOL.train, "cpu"), on_device(POOL.validation, "cpu")


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
@pytest.mark.parametrize("segments", [1, 3])
def test_source_is_its_dense_formula(optimiser: str, segments: int, tmp_path: Path) -> None:
    """Matrix exponentials in double precision; one checkpoint a segment, or all three in one."""
    rate = 0.1 if optimiser == "sgd" else 0.02
    recipe = tiny_recipe(optimiser=optimiser, rate=rate, steps=9)
    problem = problem_of(tmp_path, POOL, tiny_mlp(recipe))
    marks, examples = problem.fit(0).checkpoints, len(POOL.train)
    rates_P = rates_by_hand(problem)
    target_P = loss_gradients(problem.learner, marks[-1].params, HELD_OUT).double().mean(0)
    expected_N = np.zeros(examples)
    for number, chosen in reversed([*enumerate(np.array_split(np.arange(3), segments))]):
        rows = problem.stream("rows", 0, number).permutation(examples)
        parts = np.array_split(rows, len(chosen))
        dense_PP = sum(
            dense_gauss_newton(problem.learner, marks[k].params, {n: c[part] for n, c in DATA.items()})
            for k, part in zip(chosen, parts, strict=True)
        ) / len(chosen)
        rate_P = sum(rates_P[k] for k in chosen)
        time_PP = -(dense_PP * rate_P).numpy()  # of gradients, over the segment
        carried_PP = torch.from_numpy(integral_of_exponential(time_PP))
        moved_P = rate_P * (carried_PP @ target_P)
        gradients_NP = sum(loss_gradients(problem.learner, marks[k].params, DATA) for k in chosen) / len(chosen)
        expected_N += (gradients_NP.double() @ moved_P / examples).numpy()
        target_P = torch.from_numpy(expm(time_PP)) @ target_P
    found_N = Source(runs=1, segments=segments, tolerance=1e-6, iterations=200).example_values(problem)[0]
    assert np.linalg.norm(found_N - expected_N) < 5e-3 * np.linalg.norm(expected_N)
    usual_N = Source(runs=1, segments=segments).example_values(problem)[0]
    assert np.linalg.norm(usual_N - expected_N) < 0.05 * np.linalg.norm(expected_N)


def integral_of_exponential(matrix_PP: Floats) -> Floats:
    """Of exp(s matrix) from 0 to 1, singular or not: a corner of the exponential of a matrix of twice the size."""
    size, identity_PP = len(matrix_PP), np.eye(len(matrix_PP))
    return np.asarray(expm(np.block([[matrix_PP, identity_PP], [0 * identity_PP, 0 * identity_PP]]))[:size, size:])


def rates_by_hand(problem: Problem) -> list[torch.Tensor]:
    """What each stretch of three steps moves parameters by a unit of gradient: now and in all later steps."""
    recipe = problem.learner.recipe
    kept = recipe.momentum if recipe.optimiser == "sgd" else 0.9
    weights_T = np.ones(9) if recipe.optimiser == "sgd" else 0.1 / (1 - 0.9 ** np.arange(1, 10))
    each_T = [sum(recipe.rates()[s] * weights_T[s] * kept ** (s - t) for s in range(t, 9)) for t in range(9)]
    size = len(flat(problem.fit(0).params))
    scales = [torch.ones(size).double()] * 3
    if recipe.optimiser == "adamw":
        scales = []
        for mark, optimiser in zip(problem.fit(0).checkpoints, torch_at_checkpoints(problem), strict=True):
            params = optimiser.param_groups[0]["params"]
            square_P = torch.cat([optimiser.state[p]["exp_avg_sq"].flatten() for p in params]).double()
            scales.append((square_P > 0) / ((square_P / (1 - 0.999**mark.step)).sqrt() + 1e-8))
    return [sum(each_T[3 * k : 3 * k + 3]) * scale for k, scale in enumerate(scales)]


# --- where it is exact ------------------------------------------------------------------------------


def noisy(index: int = 0) -> Pool:
    """Half of the labels are random, so that softmax regression has an optimum."""
    pool, rng = tiny_pool(4, index, each=30), np.random.default_rng(index)
    count = len(pool.train)
    labels = np.where(rng.random(count) < 0.5, rng.integers(0, CLASSES, count), pool.train.targets)
    return replace(
        pool, train=Examples({**pool.train.columns, "targets": labels}, pool.train.owners_N, pool.train.real_N)
    )


def optimum(pool: Pool) -> Params:
    """By Newton's method, damped a little for the directions that change no probability."""
    learner, data = Classifier("linear", Linear, CLASSES, tiny_recipe()), double(on_device(pool.train, "cpu"))
    params = double(learner.initialise(0))
    for _ in range(40):
        slope_P = flat(torch.func.grad(lambda p: learner.losses(p, data).mean())(params))
        dense_PP = dense_gauss_newton(learner, params, data)
        step_P = torch.linalg.solve(dense_PP + 1e-6 * torch.eye(len(dense_PP)), slope_P)
        params = shaped(flat(params) - step_P, params)
    assert slope_P.abs().max() < 1e-8
    return {name: p.float() for name, p in params.items()}


@pytest.mark.parametrize(("rate", "steps", "off"), [(0.05, 20, 0.03), (0.05, 200, 0.005), (0.3, 60, 0.01)])
def test_at_a_standstill_it_is_the_derivative_of_training(rate: float, steps: int, off: float, tmp_path: Path) -> None:
    """Softmax regression that starts at its optimum: gradients and curvature stay, and Gauss-Newton is the Hessian.

    Central differences of whole trainings by torch's own SGD, short and long against the curvature's own time; what is
    left is (1 - rate x curvature)^steps against its exponential, which shrinks with the rate.
    """
    pool = noisy()
    count = len(pool.train)
    recipe = Recipe(steps=steps, batch_size=count, rate=rate, momentum=0.0, checkpoints=3)
    problem = problem_of(tmp_path, pool, Classifier("linear", Linear, CLASSES, recipe, base=optimum(pool)))
    exact_N = derivatives_through_training(problem)
    found_N = Source(runs=1, tolerance=1e-4, iterations=60).example_values(problem)[0]
    assert np.linalg.norm(found_N - exact_N) < off * np.linalg.norm(exact_N)


def test_it_predicts_what_weighing_an_example_does_where_training_moves_too(tmp_path: Path) -> None:
    """By its paper's default, better than gradients alone."""
    found = []
    for index in range(3):
        pool = noisy(index)
        recipe = tiny_recipe(steps=60, rate=0.1, momentum=0.0, batch_size=len(pool.train), checkpoints=6)
        problem = problem_of(tmp_path, pool, Classifier("linear", Linear, CLASSES, recipe))
        exact_N = derivatives_through_training(problem)
        rivals = Source(runs=1), TracIn(runs=1)
        found.append([spearmanr(method.example_values(problem)[0], exact_N)[0] for method in rivals])
    ours, plain = np.mean(found, axis=0)
    assert ours > 0.97
    assert ours > plain


# --- functions of a matrix --------------------------------------------------------------------------


class Dense:
    """A matrix of all parameters together, noting what it is multiplied by."""

    def __init__(self, matrix_PP: torch.Tensor) -> None:
        self.matrix_PP, self.asked = matrix_PP, list[Params]()

    def __matmul__(self, vector: Params) -> Params:
        self.asked.append(vector)
        return shaped(self.matrix_PP @ flat(vector), vector)


def test_functions_of_a_matrix_are_scipy_s() -> None:
    rng = np.random.default_rng(0)
    root_PP = rng.standard_normal((30, 12))
    dense = Dense(torch.from_numpy(root_PP @ root_PP.T / 10))  # of rank 12: most directions have no curvature
    vector = {"a": torch.from_numpy(rng.standard_normal((5, 2))), "b": torch.from_numpy(rng.standard_normal(20))}

    def flow(x: torch.Tensor) -> torch.Tensor:
        return (-x).exp()

    flow_P = expm(-dense.matrix_PP.numpy()) @ flat(vector).numpy()
    found = function_times(dense, vector, flow, 1e-12, 30)
    np.testing.assert_allclose(flat(found).numpy(), flow_P, rtol=1e-8, atol=1e-8)
    slowly = function_times(dense, vector, decayed, 1e-12, 30)
    still = flat(vector).numpy() - dense.matrix_PP.numpy() @ flat(slowly).numpy()  # exp(-x) = 1 - x decayed(x)
    np.testing.assert_allclose(still, flow_P, rtol=1e-8, atol=1e-8)
    taken = []
    for alike in (1, 2):
        dense.asked.clear()
        rough = flat(function_times(dense, vector, flow, 0.01, 30, alike)).numpy()
        assert np.linalg.norm(rough - flow_P) < 0.02 * np.linalg.norm(flow_P)
        taken.append(len(dense.asked))
    assert taken[1] == taken[0] + 1 < 12


def test_a_vector_in_few_directions_ends_the_search() -> None:
    dense = Dense(torch.diag(torch.tensor([1.0, 2.0, 3.0, 4.0])))
    found = function_times(dense, {"w": torch.tensor([1.0, 0.0, 1.0, 0.0])}, torch.square, 0.0, 50)
    torch.testing.assert_close(found["w"], torch.tensor([1.0, 0.0, 9.0, 0.0]))
    assert len(dense.asked) == 2
    assert not function_times(dense, {"w": torch.zeros(4)}, torch.square, 0.0, 50)["w"].any()
