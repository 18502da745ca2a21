"""Covariances of losses over models around the trained one, against dense influence in double precision."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from harness.types import Examples, Floats, Problem
from methods import daunce
from methods.daunce import Daunce
from methods.gradients.curvature import GaussNewton, Scaled
from methods.gradients.nearby import Nearby, covariances, largest_eigenvalue, squared_distance
from methods.gradients.summed_rates import summed_rates
from methods.local_bayes import LocalBayes
from tests.exact.test_gradients import dense_gauss_newton, flat, loss_gradients
from tests.exact.test_influence import linear, relative_error, slope, tensors_of
from tests.tiny import problem_of, tiny_cnn, tiny_pool, tiny_recipe

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own jvp


class Scale:
    """A linear model's gradients and curvature in units in which the damping is 1, dense."""

    def __init__(self, problem: Problem) -> None:
        learner, params = problem.learner, problem.fit(0).params
        root_P = flat(summed_rates(problem, 0)).double().sqrt()
        train, validation = tensors_of(problem.train), tensors_of(problem.validation)
        self.gradients_NP = loss_gradients(learner, params, train).double() * root_P
        self.target_P = loss_gradients(learner, params, validation).double().mean(0) * root_P
        self.curvature_PP = root_P[:, None] * dense_gauss_newton(learner, params, train) * root_P


@pytest.fixture(scope="module", params=["sgd", "adamw"])
def problem(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Problem:
    """Softmax regression: its Hessian is its Gauss-Newton matrix, and the posterior is nearly normal."""
    rate = 0.05 if request.param == "sgd" else 0.01
    recipe = tiny_recipe(steps=20, optimiser=request.param, rate=rate)
    return problem_of(tmp_path_factory.mktemp("linear"), tiny_pool(4, each=6), linear(recipe))


def test_langevin_samples_around_a_convex_model_converge_to_the_exact_damped_influence(problem: Problem) -> None:
    dense = Scale(problem)
    damped = dense.curvature_PP + torch.eye(len(dense.target_P)).double()
    expected = (dense.gradients_NP @ torch.linalg.solve(damped, dense.target_P)).numpy() / len(dense.gradients_NP)
    found = LocalBayes(runs=1, chains=1_500, steps=120, temperature=0.05).example_values(problem)[0]
    assert spearmanr(found, expected)[0] > 0.97
    assert slope(found, expected) == pytest.approx(1, abs=0.12)
    assert relative_error(found, expected) < 0.2


def test_models_tuned_against_random_slopes_converge_to_their_exact_covariance(problem: Problem) -> None:
    """Gradient descent on the quadratic, step by step: f(G) of the slopes' covariance, the empirical Fisher's third."""
    dense = Scale(problem)
    values, vectors = torch.linalg.eigh(dense.curvature_PP)
    top = largest_eigenvalue_of(problem)
    steps = min(64, max(8, int(np.ceil(top))))
    filtered = sum((1 - values / steps) ** t for t in range(steps)) / steps
    expected = covariance_of(dense, vectors @ torch.diag(filtered) @ vectors.T)
    found = Daunce(runs=1, models=1_500).example_values(problem)[0]
    assert spearmanr(found, expected)[0] > 0.97
    assert slope(found, expected) == pytest.approx(1, abs=0.12)
    assert relative_error(found, expected) < 0.25


def test_models_of_a_long_training_are_tuned_no_further_than_is_stable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of curvature beyond what 64 steps of a training's length bear, descent would swing ever wider."""
    monkeypatch.setattr(daunce, "MOST_EXAMPLES", 10_000)  # all rows at every step
    pool = tiny_pool(4, each=40)
    labels = np.random.default_rng(5).integers(0, 3, len(pool.train))  # at random, so that no model is ever sure
    guesses = Examples({**pool.train.columns, "targets": labels}, pool.train.owners_N, pool.train.real_N)
    recipe = tiny_recipe(steps=400, rate=0.05, batch_size=10_000)
    problem = problem_of(tmp_path, replace(pool, train=guesses), linear(recipe))
    dense = Scale(problem)
    values, vectors = torch.linalg.eigh(dense.curvature_PP)
    top = float(values[-1])
    assert top > 128
    filtered = sum((1 - values / top) ** t for t in range(64)) / top
    expected = covariance_of(dense, vectors @ torch.diag(filtered) @ vectors.T)
    found = Daunce(runs=1, models=300).example_values(problem)[0]
    assert spearmanr(found, expected)[0] > 0.9
    assert slope(found, expected) == pytest.approx(1, abs=0.3)


def covariance_of(dense: Scale, response_PP: torch.Tensor) -> Floats:
    """Of losses over models that answer random slopes so, N: their covariance is the empirical Fisher's third."""
    count = len(dense.gradients_NP)
    fisher_PP = dense.gradients_NP.T @ dense.gradients_NP / count
    return np.asarray(dense.gradients_NP @ response_PP @ fisher_PP @ response_PP @ dense.target_P) / count


def largest_eigenvalue_of(problem: Problem) -> float:
    learner, params = problem.learner, problem.fit(0).params
    scale = {name: entry.sqrt() for name, entry in summed_rates(problem, 0).items()}
    start = {name: torch.ones_like(p) for name, p in params.items()}
    return largest_eigenvalue(Scaled(GaussNewton(learner, params, tensors_of(problem.train)), scale), start, 8)


def test_the_largest_eigenvalue_is_found_from_below(problem: Problem) -> None:
    exact = float(torch.linalg.eigvalsh(Scale(problem).curvature_PP)[-1])
    assert 0.9 * exact < largest_eigenvalue_of(problem) <= 1.001 * exact


@pytest.mark.parametrize("stacks", [True, False])
def test_slopes_are_differences_of_gradients_on_the_same_rows(
    stacks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = problem_of(tmp_path, tiny_pool(4), tiny_cnn())
    learner, params, train = problem.learner, problem.fit(0).params, tensors_of(problem.train)
    monkeypatch.setattr(learner, "stacks", stacks)
    scale = {name: torch.rand(p.shape, generator=torch.Generator().manual_seed(1)) for name, p in params.items()}
    moves = {
        name: 0.1 * torch.randn(3, *p.shape, generator=torch.Generator().manual_seed(2)) for name, p in params.items()
    }
    found = Nearby(learner, params, scale, train, 10_000).slopes(moves, np.random.default_rng(0))
    for k in range(3):
        moved = {name: p + scale[name] * moves[name][k] for name, p in params.items()}
        change = loss_gradients(learner, moved, train).mean(0) - loss_gradients(learner, params, train).mean(0)
        torch.testing.assert_close(
            flat({n: g[k] for n, g in found.items()}), change * flat(scale), rtol=1e-3, atol=1e-5
        )
    still = {name: torch.zeros_like(move) for name, move in moves.items()}
    assert flat(Nearby(learner, params, scale, train, 5).slopes(still, np.random.default_rng(0))).abs().max() < 1e-6


def test_covariances_are_numpy_s() -> None:
    rng = np.random.default_rng(0)
    losses_KN, targets_KV = rng.standard_normal((9, 4)), rng.standard_normal((9, 5))
    expected = [np.cov(losses_KN[:, n], targets_KV.mean(axis=1))[0, 1] for n in range(4)]
    np.testing.assert_allclose(covariances(losses_KN, targets_KV), expected)


def test_distances_are_measured_where_training_moves() -> None:
    scale = {"w": torch.tensor([2.0, 0.0, 0.5])}
    start, end = {"w": torch.zeros(3)}, {"w": torch.tensor([2.0, 7.0, 1.0])}
    assert squared_distance(start, end, scale) == pytest.approx(1 + 4)


@pytest.mark.parametrize("method", [LocalBayes(), Daunce()])
def test_by_default_the_order_is_that_of_influence_but_for_noise(method: LocalBayes | Daunce, problem: Problem) -> None:
    dense = Scale(problem)
    damped = dense.curvature_PP + torch.eye(len(dense.target_P)).double()
    expected = (dense.gradients_NP @ torch.linalg.solve(damped, dense.target_P)).numpy()
    assert spearmanr(method.example_values(problem).mean(axis=0), expected)[0] > 0.6
