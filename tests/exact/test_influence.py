"""Influence functions against dense damped solves in double precision: names are not enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from harness.types import Learner, Problem
from methods.gradients import curvature
from methods.gradients.curvature import GaussNewton, conjugate_gradients
from methods.influence import PROBES, Influence
from methods.influence_pydvl import InfluenceEkfac, InfluencePydvl
from tests.exact.test_gradients import dense_gauss_newton, loss_gradients
from tests.tiny import problem_of, tiny_cnn, tiny_mlp, tiny_pool, tiny_recipe

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own jvp


@dataclass
class Fitted:
    """A trained model's gradients, curvature and the damping that a method draws, all dense."""

    problem: Problem
    gradients_NP: torch.Tensor
    target_P: torch.Tensor
    gauss_newton_PP: torch.Tensor

    def damping(self, *probes: str | int) -> float:
        """The method's own estimate of a tenth of the mean eigenvalue, from the stream that it draws from."""
        problem = self.problem
        generator = torch.Generator().manual_seed(int(problem.stream("probes", *probes).integers(2**62)))
        params = problem.fit(0).params
        return 0.1 * GaussNewton(problem.learner, params, tensors_of(problem.train)).mean_eigenvalue(generator, PROBES)

    def values(self, curvature_PP: torch.Tensor, damping: float) -> np.ndarray:
        """gradient . (curvature + damping)^-1 validation gradient / N, for each example."""
        damped = curvature_PP + damping * torch.eye(len(curvature_PP)).double()
        return (self.gradients_NP @ torch.linalg.solve(damped, self.target_P) / len(self.gradients_NP)).numpy()

    @property
    def exact_damping(self) -> float:
        return 0.1 * float(self.gauss_newton_PP.diagonal().mean())


def tensors_of(examples: object) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(column) for name, column in examples.columns.items()}


@pytest.fixture(scope="module", params=[tiny_mlp, tiny_cnn])
def dense(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    return fitted(tmp_path_factory.mktemp("fitted"), request.param)


def fitted(folder: Path, make: Callable[..., Learner]) -> Fitted:
    problem = problem_of(folder, tiny_pool(4, each=20), make(tiny_recipe(steps=20)))
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
    found = Influence(runs=1).example_values(dense.problem)[0]
    expected = dense.values(dense.gauss_newton_PP, dense.damping(0))
    assert spearmanr(found, expected)[0] > 0.999
    assert relative_error(found, expected) < 0.02


def test_influence_converges_to_the_exact_solve(dense: Fitted) -> None:
    found = Influence(runs=1, tolerance=1e-5, iterations=500).example_values(dense.problem)[0]
    assert relative_error(found, dense.values(dense.gauss_newton_PP, dense.damping(0))) < 2e-4


def test_influence_is_near_the_solve_at_the_exact_mean_eigenvalue(dense: Fitted) -> None:
    """Eight probes estimate the mean eigenvalue within a few tens of per cent; the order hardly moves."""
    found = Influence(runs=1).example_values(dense.problem)[0]
    expected = dense.values(dense.gauss_newton_PP, dense.exact_damping)
    assert spearmanr(found, expected)[0] > 0.98
    assert slope(found, expected) == pytest.approx(1, abs=0.15)
    assert 0.5 < dense.damping(0) / dense.exact_damping < 2


def test_curvature_matters_to_the_order(tmp_path: Path) -> None:
    """Plain gradient products would not pass for influence, so the agreement above says something."""
    dense = fitted(tmp_path, tiny_mlp)
    plain = (dense.gradients_NP @ dense.target_P).numpy()
    assert spearmanr(plain, dense.values(dense.gauss_newton_PP, dense.exact_damping))[0] < 0.9


def test_a_solve_that_ends_early_is_looked_at_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A residual of exactly nothing ends the solve before its fifth step."""
    problem = problem_of(tmp_path, tiny_pool(4))
    expected = Influence(runs=1, iterations=3).example_values(problem)
    monkeypatch.setattr(curvature, "conjugate_gradients", lambda *given: islice(conjugate_gradients(*given), 3))
    found = Influence(runs=1).example_values(problem)
    assert np.abs(found).max() > 0
    np.testing.assert_array_equal(found, expected)


def test_each_run_has_its_own_model(tmp_path: Path) -> None:
    rows = Influence(runs=3).example_values(problem_of(tmp_path, tiny_pool(4)))
    assert rows.shape[0] == 3
    assert min(np.abs(rows[a] - rows[b]).max() for a, b in ((0, 1), (0, 2), (1, 2))) > 1e-3


# --- pyDVL ------------------------------------------------------------------------------------------


def test_pydvl_agrees_with_the_exact_damped_empirical_fisher(dense: Fitted) -> None:
    found = InfluencePydvl().example_values(dense.problem)[0]
    fisher_PP = dense.gradients_NP.T @ dense.gradients_NP / len(dense.gradients_NP)
    expected = dense.values(fisher_PP, dense.damping())
    assert spearmanr(found, expected)[0] > 0.99
    assert relative_error(found, expected) < 0.05


def test_pydvl_s_ekfac_points_the_same_way_and_no_more(tmp_path: Path) -> None:
    """A weak check, as documented: block-diagonal Kronecker factors are another estimator, and too large here."""
    dense = fitted(tmp_path, tiny_mlp)
    found = InfluenceEkfac().example_values(dense.problem)[0]
    expected = dense.values(dense.gauss_newton_PP, dense.exact_damping)
    assert spearmanr(found, expected)[0] > 0.5
    assert slope(found, expected) > 1


def test_ekfac_names_the_layers_that_it_does_not_know(tmp_path: Path) -> None:
    assert InfluenceEkfac().unsuitable(problem_of(tmp_path, tiny_pool(4), tiny_mlp())) is None
    reason = InfluenceEkfac().unsuitable(problem_of(tmp_path, tiny_pool(4), tiny_cnn()))
    assert reason is not None
    assert "tiny-cnn has PatchConv2d" in reason


@pytest.mark.parametrize("method", [InfluencePydvl(), InfluenceEkfac()])
def test_pydvl_is_unsuitable_where_an_example_has_more_than_one_label(
    method: InfluencePydvl | InfluenceEkfac, tmp_path: Path
) -> None:
    learner = tiny_mlp()
    learner.one_label = False
    reason = method.unsuitable(problem_of(tmp_path, tiny_pool(4), learner))
    assert reason is not None
    assert "one label an example" in reason
