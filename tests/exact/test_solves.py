"""Influence by the exact Hessian, by ASTRA and by DataInf, against dense matrices in double precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch.autograd.functional import hessian

from harness.types import Examples, Learner, Problem
from methods.astra import Astra
from methods.datainf import DataInf
from methods.ekfac import factors_of
from methods.gradients.curvature import GaussNewton, Scaled, conjugate_gradients
from methods.gradients.directional import mean_gradient
from methods.gradients.hessian import Hessian
from methods.gradients.krylov import lanczos
from methods.gradients.preconditioned import preconditioned_gradients
from methods.gradients.summed_rates import summed_rates
from methods.gradients.vectors import by_entry, dot
from methods.influence import Influence, inverse_damping
from methods.influence_hessian import InfluenceHessian
from tests.exact.test_gradients import DATA, double, flat, loss_gradients, randomly
from tests.exact.test_influence import Fitted, fitted, relative_error, tensors_of
from tests.exact.test_layers import language_model as language_model_of
from tests.exact.test_layers import texts
from tests.tiny import problem_of, tiny_cnn, tiny_mlp, tiny_pool, tiny_recipe

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own jvp


@pytest.fixture(scope="module", params=["sgd, MLP", "adamw, CNN"])
def dense(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    optimiser, make = request.param.split(", ")
    recipe = tiny_recipe(steps=20) if optimiser == "sgd" else tiny_recipe(steps=20, optimiser="adamw", rate=0.02)
    return fitted(tmp_path_factory.mktemp("fitted"), {"MLP": tiny_mlp, "CNN": tiny_cnn}[make](recipe))


def dense_hessian(learner: Learner, params: dict[str, torch.Tensor], batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Of the mean loss, P x P, by torch's own."""
    shapes = {name: p.shape for name, p in params.items()}

    def loss(vector: torch.Tensor) -> torch.Tensor:
        parts = vector.split([shape.numel() for shape in shapes.values()])
        there = {name: part.reshape(shape) for part, (name, shape) in zip(parts, shapes.items(), strict=True)}
        return learner.losses(there, double(batch)).mean()

    return hessian(loss, flat(params).double())


# --- the exact Hessian ------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [tiny_mlp, tiny_cnn])
@pytest.mark.parametrize("micro_batch", [None, 4])
def test_hessian_products_are_those_of_torch_s_own(make: Callable[..., Learner], micro_batch: int | None) -> None:
    learner = make(tiny_recipe(micro_batch=micro_batch))
    params = learner.initialise(2)
    expected = dense_hessian(learner, params, DATA)
    vector = randomly(params)
    found = flat(Hessian(learner, params, DATA) @ vector).double()
    torch.testing.assert_close(found, expected @ flat(vector).double(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("negative", ["clip", "absolute"])
def test_influence_by_the_hessian_is_what_its_dense_eigenvectors_give(
    dense: Fitted, negative: Literal["clip", "absolute"]
) -> None:
    learner, params = dense.problem.learner, dense.problem.fit(0).params
    root_P = (1 / dense.rule_P).sqrt()
    scaled = root_P[:, None] * dense_hessian(learner, params, tensors_of(dense.problem.train)) * root_P
    values, vectors = torch.linalg.eigh(scaled)
    assert values[0] < -0.02  # so that it matters what is made of them
    shrunk = 1 / (1 + (values.clamp(min=0) if negative == "clip" else values.abs()))
    solved_P = root_P * (vectors @ (shrunk * (vectors.T @ (root_P * dense.target_P))))
    expected = (dense.gradients_NP @ solved_P / len(dense.gradients_NP)).numpy()
    exact = InfluenceHessian(runs=1, negative=negative, tolerance=1e-5, iterations=200).example_values(dense.problem)[0]
    assert relative_error(exact, expected) < 1e-3
    default = InfluenceHessian(runs=1, negative=negative).example_values(dense.problem)[0]
    assert relative_error(default, expected) < 0.05
    assert spearmanr(default, expected)[0] > 0.995


def test_lanczos_bases_are_orthonormal_and_hold_the_matrix(tmp_path: Path) -> None:
    learner = tiny_mlp()
    params = learner.initialise(1)
    scale = {name: torch.full_like(p, 3.0) for name, p in params.items()}
    curvature = Scaled(Hessian(learner, params, DATA), scale)
    *_, (basis, entries) = islice(lanczos(curvature, randomly(params)), 12)
    grid = torch.stack([flat(vector) for vector in basis]).double()
    torch.testing.assert_close(grid @ grid.T, torch.eye(12).double(), atol=1e-5, rtol=0)
    products = torch.stack([flat(curvature @ vector) for vector in basis]).double()
    torch.testing.assert_close(grid @ products.T, entries, atol=1e-4, rtol=1e-3)


def test_lanczos_ends_where_products_lead_nowhere_new() -> None:
    class Twice:
        def __matmul__(self, vector: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            return {name: 2 * tensor for name, tensor in vector.items()}

    found = list(islice(lanczos(Twice(), {"w": torch.ones(5)}), 9))
    assert len(found) == 1
    assert found[0][1].tolist() == [[pytest.approx(2)]]
    assert not list(lanczos(Twice(), {"w": torch.zeros(5)}))


# --- ASTRA ------------------------------------------------------------------------------------------


def test_astra_converges_to_influence_s_answer(dense: Fitted) -> None:
    exact = dense.values(dense.gauss_newton_PP, dense.rule_P)
    assert relative_error(Astra(runs=1).example_values(dense.problem)[0], exact) < 0.02
    found = Astra(runs=1, tolerance=1e-6, iterations=500).example_values(dense.problem)[0]
    assert relative_error(found, exact) < 5e-4
    assert (
        relative_error(found, Influence(runs=1, tolerance=1e-6, iterations=500).example_values(dense.problem)[0]) < 5e-4
    )


def steps_to(solving: object, target: dict[str, torch.Tensor], tolerance: float) -> int:
    for count, (_, residual) in enumerate(solving, 1):  # type: ignore[arg-type, var-annotated]
        if dot(residual, residual) <= tolerance**2 * dot(target, target):
            return count
    raise AssertionError("it did not converge")


def test_where_little_is_damped_ek_fac_saves_most_steps(tmp_path: Path) -> None:
    """A thousandth of the mean eigenvalue: what the paper is about. At the rule's damping there is little to save."""
    problem = fitted(tmp_path, tiny_mlp(tiny_recipe(steps=20))).problem
    params, train = problem.fit(0).params, tensors_of(problem.train)
    found = {}
    for damping in (1e-3, None):
        scale = {name: entry.sqrt() for name, entry in inverse_damping(problem, 0, damping).items()}
        factors = factors_of(problem, 0, damping, corrected=True)
        curvature = Scaled(GaussNewton(problem.learner, params, train), scale)
        target = by_entry(scale, mean_gradient(problem.learner, params, tensors_of(problem.validation)))
        plain = steps_to(conjugate_gradients(curvature, 1.0, target), target, 0.01)
        found[damping] = (
            plain,
            steps_to(preconditioned_gradients(curvature, factors.precondition, target), target, 0.01),
        )
    assert found[1e-3][1] < 0.8 * found[1e-3][0]
    assert found[None][1] <= found[None][0] + 3


# --- DataInf ----------------------------------------------------------------------------------------


def dense_datainf(problem: Problem, damping: float | None) -> np.ndarray:
    """The paper's equation with every inverse written out, in double precision."""
    learner, params = problem.learner, problem.fit(0).params
    gradients_NP = loss_gradients(learner, params, tensors_of(problem.train)).double()
    target_P = loss_gradients(learner, params, tensors_of(problem.validation)).double().mean(0)
    total = np.zeros(len(gradients_NP))
    for own_NP, own_P, rate in zip(
        gradients_NP.split([p.numel() for p in params.values()], 1),
        target_P.split([p.numel() for p in params.values()]),
        summed_rates(problem, 0).values(),
        strict=True,
    ):
        tenth_P = torch.full_like(own_P, (damping or 0.0) * own_NP.square().mean())
        damping_P = (1 / rate.double()).flatten().clamp(max=1e30) if damping is None else tenth_P
        ridge_PP = torch.diag(damping_P)
        inverse = torch.stack([torch.linalg.inv(torch.outer(g, g) + ridge_PP) for g in own_NP]).mean(0)
        total += (own_NP @ inverse @ own_P).numpy()
    return total / len(gradients_NP)


@pytest.mark.parametrize("make", [tiny_mlp, tiny_cnn])
@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
@pytest.mark.parametrize("micro_batch", [None, 5])
def test_datainf_is_the_mean_of_inverses_written_out(
    make: Callable[..., Learner], micro_batch: int | None, optimiser: str, tmp_path: Path
) -> None:
    """By influence's rule, for AdamW of each parameter's own, and by multiples of the mean eigenvalue."""
    problem = problem_of(tmp_path, tiny_pool(3), make(tiny_recipe(micro_batch=micro_batch, optimiser=optimiser)))
    for damping in (None, 0.1, 2.0):
        found = DataInf(runs=1, damping=damping).example_values(problem)[0]
        assert relative_error(found, dense_datainf(problem, damping)) < 1e-3


def test_of_equal_examples_datainf_is_the_exact_empirical_fisher_solve(tmp_path: Path) -> None:
    """The mean of one inverse is the inverse of the mean: the whole answer, layer by layer."""
    pool = tiny_pool(3)
    same = Examples(
        {name: np.repeat(column[:1], len(pool.train), axis=0) for name, column in pool.train.columns.items()},
        pool.train.owners_N,
        pool.train.real_N,
    )
    problem = problem_of(tmp_path, replace(pool, train=same))
    learner, params = problem.learner, problem.fit(0).params
    one_P = loss_gradients(learner, params, tensors_of(problem.train))[0].double()
    target_P = loss_gradients(learner, params, tensors_of(problem.validation)).double().mean(0)
    expected = 0.0
    for own, aim in zip(*(v.split([p.numel() for p in params.values()]) for v in (one_P, target_P)), strict=True):
        damped = torch.outer(own, own) + 0.1 * own.square().mean() * torch.eye(len(own)).double()
        expected += float(own @ torch.linalg.solve(damped, aim))
    np.testing.assert_allclose(DataInf(runs=1, damping=0.1).example_values(problem)[0], expected / len(same), rtol=1e-3)


def test_hessians_of_sequences_too() -> None:
    """Against forward mode over reverse mode."""
    learner, batch = language_model_of(3), texts()
    params = learner.initialise(2)
    vector = randomly(params)
    slope = torch.func.grad(lambda p: learner.losses(p, batch).mean())
    expected = flat(torch.func.jvp(slope, (params,), (vector,))[1])
    found = flat(Hessian(learner, params, batch) @ vector)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))
