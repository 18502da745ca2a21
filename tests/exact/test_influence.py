"""Influence functions against dense damped solves in double precision: names are not enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch.func import vmap

from harness.types import Examples, Learner, Problem, Recipe
from methods.gradients.curvature import GaussNewton, damped_solve
from methods.gradients.directional import mean_gradient
from methods.gradients.summed_rates import summed_rates
from methods.gradients.vectors import zeros
from methods.influence import PROBES, Influence
from methods.influence_pydvl import InfluenceEkfac, InfluencePydvl
from methods.tracin import TracIn
from tasks.learners.classifier import Classifier
from tests.exact.test_gradients import dense_gauss_newton, flat, loss_gradients
from tests.tiny import problem_of, tiny_cnn, tiny_mlp, tiny_pool, tiny_recipe

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own jvp


@dataclass
class Fitted:
    """A trained model's gradients, curvature and the damping that a method draws, all dense."""

    problem: Problem
    gradients_NP: torch.Tensor
    target_P: torch.Tensor
    gauss_newton_PP: torch.Tensor

    @property
    def rule_P(self) -> torch.Tensor:
        """The rule's damping, each parameter's."""
        return 1 / flat(summed_rates(self.problem, 0)).double()

    @property
    def tenth_P(self) -> torch.Tensor:
        """The method's own estimate of a tenth of the mean eigenvalue, from the stream that it draws from."""
        problem = self.problem
        generator = torch.Generator().manual_seed(int(problem.stream("probes", 0).integers(2**62)))
        params = problem.fit(0).params
        curvature = GaussNewton(problem.learner, params, tensors_of(problem.train))
        return torch.full_like(self.target_P, 0.1 * curvature.mean_eigenvalue(generator, PROBES))

    def values(self, curvature_PP: torch.Tensor, damping_P: torch.Tensor) -> np.ndarray:
        """gradient . (curvature + damping)^-1 validation gradient / N, for each example."""
        damped = curvature_PP + torch.diag(damping_P)
        return (self.gradients_NP @ torch.linalg.solve(damped, self.target_P) / len(self.gradients_NP)).numpy()


def tensors_of(examples: object) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(column) for name, column in examples.columns.items()}


@pytest.fixture(scope="module", params=["sgd, MLP", "sgd, CNN", "adamw, MLP", "adamw, CNN"])
def dense(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    optimiser, make = request.param.split(", ")
    recipe = tiny_recipe(steps=20) if optimiser == "sgd" else tiny_recipe(steps=20, optimiser="adamw", rate=0.02)
    return fitted(tmp_path_factory.mktemp("fitted"), {"MLP": tiny_mlp, "CNN": tiny_cnn}[make](recipe))


def fitted(folder: Path, learner: Learner | None = None) -> Fitted:
    problem = problem_of(folder, tiny_pool(4, each=20), learner or tiny_mlp(tiny_recipe(steps=20)))
    learner, params = problem.learner, problem.fit(0).params
    train, validation = tensors_of(problem.train), tensors_of(problem.validation)
    return Fitted(
        problem,
        loss_gradients(learner, params, train).double(),
        loss_gradients(learner, params, validation).double().mean(0),
        dense_gauss_newton(learner, params, train),
    )


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def slope(found: np.ndarray, expected: np.ndarray) -> float:
    """Least-squares scale of the found values against the expected ones: 1 where both agree in sign and size."""
    return float(found @ expected / (expected @ expected))


def test_influence_equals_the_exact_damped_gauss_newton_solve(dense: Fitted) -> None:
    """By the rule's damping: for AdamW every parameter has its own."""
    found = Influence(runs=1).example_values(dense.problem)[0]
    expected = dense.values(dense.gauss_newton_PP, dense.rule_P)
    assert spearmanr(found, expected)[0] > 0.999
    assert relative_error(found, expected) < 0.02


def test_influence_by_a_multiple_of_the_mean_eigenvalue_equals_that_solve(dense: Fitted) -> None:
    found = Influence(runs=1, damping=0.1, tolerance=1e-3, iterations=500).example_values(dense.problem)[0]
    assert relative_error(found, dense.values(dense.gauss_newton_PP, dense.tenth_P)) < 0.01


def test_influence_converges_to_the_exact_solve(dense: Fitted) -> None:
    found = Influence(runs=1, tolerance=1e-6, iterations=500).example_values(dense.problem)[0]
    assert relative_error(found, dense.values(dense.gauss_newton_PP, dense.rule_P)) < 2e-4


def test_the_solve_s_error_is_at_most_its_tolerance_measured_by_the_damping(dense: Fitted) -> None:
    """|D^1/2 (x - exact)| <= tolerance |D^1/2 x|, for the scaled system has no eigenvalue under 1."""
    problem, root_P = dense.problem, dense.rule_P.sqrt()
    params = problem.fit(0).params
    train, validation = tensors_of(problem.train), tensors_of(problem.validation)
    exact_P = torch.linalg.solve(dense.gauss_newton_PP + torch.diag(dense.rule_P), dense.target_P)
    curvature, target = GaussNewton(problem.learner, params, train), mean_gradient(problem.learner, params, validation)
    for tolerance in (0.3, 0.1, 0.01):
        found_P = flat(damped_solve(curvature, summed_rates(problem, 0), target, tolerance, 100)).double()
        assert ((found_P - exact_P) * root_P).norm() <= 1.001 * tolerance * (found_P * root_P).norm()


def test_what_nothing_moved_gets_no_part_of_the_solve(tmp_path: Path) -> None:
    dense = fitted(tmp_path)
    problem, params = dense.problem, dense.problem.fit(0).params
    rates = summed_rates(problem, 0)
    still = next(iter(rates))
    rates = {**rates, still: torch.zeros_like(rates[still])}
    target = mean_gradient(problem.learner, params, tensors_of(problem.validation))
    curvature = GaussNewton(problem.learner, params, tensors_of(problem.train))
    found = damped_solve(curvature, rates, target, 0.01, 100)
    assert not found[still].any()
    assert all(found[name].any() for name in found if name != still)
    assert not any(entry.any() for entry in damped_solve(curvature, rates, zeros(target), 0.01, 100).values())


def test_curvature_matters_to_the_order(tmp_path: Path) -> None:
    """Plain gradient products would not pass for influence, so the agreement above says something."""
    dense = fitted(tmp_path)
    plain = (dense.gradients_NP @ dense.target_P).numpy()
    assert spearmanr(plain, dense.values(dense.gauss_newton_PP, dense.rule_P))[0] < 0.99
    assert spearmanr(plain, dense.values(dense.gauss_newton_PP, dense.tenth_P))[0] < 0.9


class Linear(torch.nn.Module):
    """Softmax regression: its Gauss-Newton matrix is its Hessian."""

    def __init__(self) -> None:
        super().__init__()
        self.head = torch.nn.Linear(16, 3)

    def forward(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = rows.flatten(1)
        return self.head(features), features


def linear(recipe: Recipe) -> Learner:
    return Classifier("linear", Linear, 3, recipe)


@pytest.mark.parametrize(("make", "ours", "converged"), [(linear, 0.94, 0.85), (tiny_mlp, 0.85, 0.7)])
def test_the_rule_predicts_what_weighing_an_example_does_to_a_short_training(
    make: Callable[[Recipe], Learner], ours: float, converged: float, tmp_path: Path
) -> None:
    """Against retraining with torch's own optimiser, mean of three pools; a converged model's rule is further off.

    Half of the labels are random: where a model soon fits all of them, the last gradients are unlike the earlier ones.
    """
    found = []
    for index in range(3):
        pool, rng = tiny_pool(4, index, each=20), np.random.default_rng(index)
        count = len(pool.train)
        labels = np.where(rng.random(count) < 0.5, rng.integers(0, 3, count), pool.train.targets)
        train = Examples({**pool.train.columns, "targets": labels}, pool.train.owners_N, pool.train.real_N)
        recipe = tiny_recipe(steps=20, rate=0.01, batch_size=count)
        problem = problem_of(tmp_path, replace(pool, train=train), make(recipe))
        exact_N = derivatives_through_training(problem)
        rivals = Influence(runs=1), Influence(runs=1, damping=0.1, iterations=300)
        found.append([spearmanr(method.example_values(problem)[0], exact_N)[0] for method in rivals])
    by_rule, by_eigenvalue = np.mean(found, axis=0)
    assert by_rule > ours
    assert by_eigenvalue < converged


def derivatives_through_training(problem: Problem) -> np.ndarray:
    """Minus the derivative of the validation loss in each example's weight, N: central differences of 2N trainings on
    whole batches, side by side in double precision.
    """
    learner, recipe = problem.learner, problem.learner.recipe
    train, validation = tensors_of(problem.train), tensors_of(problem.validation)
    train["inputs"], validation["inputs"] = train["inputs"].double(), validation["inputs"].double()
    count, move = len(problem.train), 1e-3
    weights_JN = 1 + move * torch.cat([torch.eye(count), -torch.eye(count)]).double()
    initial = problem.fit(0).initial
    params = {name: p.double().expand(2 * count, *p.shape).clone().requires_grad_() for name, p in initial.items()}
    losses_of = vmap(learner.losses, (0, None))
    optimiser = torch.optim.SGD(params.values(), lr=1.0, momentum=recipe.momentum)
    for rate in recipe.rates():
        optimiser.param_groups[0]["lr"] = rate
        optimiser.zero_grad()
        (losses_of(params, train) * weights_JN).sum().div(count).backward()
        optimiser.step()
    with torch.no_grad():
        up_N, down_N = losses_of(params, validation).mean(1).split(count)
    return ((down_N - up_N) / (2 * move)).numpy()


@pytest.mark.parametrize("method", [Influence(), InfluencePydvl(), InfluenceEkfac()])
def test_each_run_has_its_own_model(method: Influence | InfluencePydvl | InfluenceEkfac, tmp_path: Path) -> None:
    rows = method.example_values(problem_of(tmp_path, tiny_pool(4)))
    assert rows.shape[0] == 3 == TracIn().runs
    assert min(np.abs(rows[a] - rows[b]).max() for a, b in ((0, 1), (0, 2), (1, 2))) > 1e-4


# --- pyDVL ------------------------------------------------------------------------------------------


def test_pydvl_agrees_with_the_exact_damped_empirical_fisher(dense: Fitted) -> None:
    found = InfluencePydvl(runs=1).example_values(dense.problem)[0]
    fisher_PP = dense.gradients_NP.T @ dense.gradients_NP / len(dense.gradients_NP)
    expected = dense.values(fisher_PP, dense.rule_P)
    assert spearmanr(found, expected)[0] > 0.99
    assert relative_error(found, expected) < 0.05


def test_pydvl_s_ekfac_points_the_same_way_and_no_more(tmp_path: Path) -> None:
    """A weak check, as documented: block-diagonal Kronecker factors are another estimator, and too large here."""
    dense = fitted(tmp_path)
    for damping, damping_P in ((None, dense.rule_P), (0.1, dense.tenth_P)):
        found = InfluenceEkfac(runs=1, damping=damping).example_values(dense.problem)[0]
        expected = dense.values(dense.gauss_newton_PP, damping_P)
        assert spearmanr(found, expected)[0] > 0.5
        assert slope(found, expected) > 1


def test_pydvl_s_ekfac_takes_the_rule_after_sgd_and_its_paper_s_after_adamw(tmp_path: Path) -> None:
    for optimiser, rule in (("sgd", False), ("adamw", True)):
        problem = problem_of(tmp_path, tiny_pool(4), tiny_mlp(tiny_recipe(optimiser=optimiser)))
        found, tenth = (InfluenceEkfac(runs=1, damping=d).example_values(problem)[0] for d in (None, 0.1))
        assert np.allclose(found, tenth) == rule


def test_ekfac_names_the_layers_that_it_does_not_know(tmp_path: Path) -> None:
    assert InfluenceEkfac().unsuitable(problem_of(tmp_path, tiny_pool(4), tiny_mlp())) is None
    reason = InfluenceEkfac().unsuitable(problem_of(tmp_path, tiny_pool(4), tiny_cnn()))
    assert reason is not None
    assert "tiny-cnn has PatchConv2d" in reason


def test_pydvl_by_a_multiple_of_the_mean_eigenvalue_agrees_with_that_solve(tmp_path: Path) -> None:
    dense = fitted(tmp_path)
    found = InfluencePydvl(runs=1, damping=0.1).example_values(dense.problem)[0]
    fisher_PP = dense.gradients_NP.T @ dense.gradients_NP / len(dense.gradients_NP)
    assert relative_error(found, dense.values(fisher_PP, dense.tenth_P)) < 0.05


@pytest.mark.parametrize("method", [InfluencePydvl(), InfluenceEkfac()])
def test_pydvl_is_unsuitable_where_an_example_has_more_than_one_label(
    method: InfluencePydvl | InfluenceEkfac, tmp_path: Path
) -> None:
    learner = tiny_mlp()
    learner.one_label = False
    reason = method.unsuitable(problem_of(tmp_path, tiny_pool(4), learner))
    assert reason is not None
    assert "one label an example" in reason
