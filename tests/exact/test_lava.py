"""LAVA and its transport against linear programs, finite differences and matrix square roots."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from scipy.optimize import linprog
from scipy.special import logsumexp

from harness.types import Examples, Floats, Pool
from methods import lava
from methods.lava import Lava, calibrated, costs, label_distances
from methods.transport import divergence_gradient, gaussian_distances, own_potential, potentials
from tests.harness.small_runs import THIRD_PARTY
from tests.tiny import problem_of, tiny_pool

pytestmark = THIRD_PARTY
ALL = {"tolerance": 1e-10, "iterations": 20_000}


def transport(cost_NV: Floats, weights_N: Floats) -> tuple[float, Floats]:
    """Cost of the best plan to a uniform sample, and the duals of the rows, by scipy's linear program."""
    rows, columns = cost_NV.shape
    constraints = np.vstack([np.kron(np.eye(rows), np.ones(columns)), np.kron(np.ones(rows), np.eye(columns))])
    masses = np.concatenate([weights_N, np.full(columns, 1 / columns)])
    found = linprog(cost_NV.ravel(), A_eq=constraints, b_eq=masses, method="highs")
    assert found.status == 0
    return float(found.fun), found.eqlin.marginals[:rows]


def sample(rows: int, columns: int, seed: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((rows, 2)), rng.standard_normal((columns, 2)) + 0.3
    squared = [((x[:, None] - y[None]) ** 2).sum(axis=2) for x, y in ((a, b), (a, a))]
    return squared[0], squared[1]


def test_without_entropy_the_calibrated_gradient_is_the_linear_program_s() -> None:
    """7 masses and 5: no part of one side is as heavy as a part of the other, so that the duals are unique."""
    cost_NV, _ = sample(7, 5, 0)
    found = calibrated(potentials(cost_NV, 5e-4, **ALL)[0])
    np.testing.assert_allclose(found, calibrated(transport(cost_NV, np.full(7, 1 / 7))[1]), atol=0.02)


def test_the_linear_program_s_duals_are_what_shifting_mass_costs() -> None:
    cost_NV, _ = sample(7, 5, 0)
    uniform = np.full(7, 1 / 7)
    duals = transport(cost_NV, uniform)[1]
    for i in range(7):
        shifted = [uniform + step * (np.eye(7)[i] - (1 - np.eye(7)[i]) / 6) for step in (1e-4, -1e-4)]
        slope = (transport(cost_NV, shifted[0])[0] - transport(cost_NV, shifted[1])[0]) / 2e-4
        assert calibrated(duals)[i] == pytest.approx(slope, abs=1e-6)


def smoothed(cost: Floats, a: Floats, b: Floats, entropy: float) -> float:
    """Entropic transport of weighted samples by scipy's logsumexp, its dual value."""
    f, g = np.zeros(len(a)), np.zeros(len(b))
    for _ in range(600):
        f = -entropy * logsumexp((g[None, :] - cost) / entropy, b=b[None, :], axis=1)
        g = -entropy * logsumexp((f[:, None] - cost) / entropy, b=a[:, None], axis=0)
    return float(f @ a + g @ b)


def test_the_divergence_s_gradient_is_its_finite_difference_in_the_weights() -> None:
    cost_NV, within_NN = sample(6, 4, 1)
    entropy, b, uniform = 1.0, np.full(4, 1 / 4), np.full(6, 1 / 6)

    def divergence(a: Floats) -> float:
        return smoothed(cost_NV, a, b, entropy) - smoothed(within_NN, a, a, entropy) / 2

    found = calibrated(divergence_gradient(cost_NV, within_NN, entropy, **ALL))
    for i in range(6):
        turn = np.eye(6)[i] - (1 - np.eye(6)[i]) / 5
        slope = (divergence(uniform + 1e-5 * turn) - divergence(uniform - 1e-5 * turn)) / 2e-5
        assert found[i] == pytest.approx(slope, abs=1e-6)


def test_potentials_settle_where_both_sides_have_their_masses() -> None:
    cost_NV, within_NN = sample(6, 4, 2)
    rows_N, columns_V = potentials(cost_NV, 0.05, **ALL)
    plan = np.exp((rows_N[:, None] + columns_V[None, :] - cost_NV) / 0.05) / 24
    np.testing.assert_allclose(plan.sum(axis=1), 1 / 6, atol=1e-8)
    np.testing.assert_allclose(plan.sum(axis=0), 1 / 4, atol=1e-8)
    own = own_potential(within_NN, 0.05, **ALL)
    plan = np.exp((own[:, None] + own[None, :] - within_NN) / 0.05) / 36
    np.testing.assert_allclose(plan.sum(axis=1), 1 / 6, atol=1e-8)


def test_two_samples_that_are_one_have_no_gradient() -> None:
    _, within_NN = sample(9, 5, 3)
    np.testing.assert_allclose(divergence_gradient(within_NN, within_NN, 0.1, **ALL).ptp(), 0, atol=1e-7)


@pytest.mark.parametrize("sizes", [(30, 20), (3, 20), (1, 5), (1, 1)])
def test_distances_of_gaussians_are_those_with_matrix_square_roots(sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(sum(sizes))
    samples = [rng.standard_normal((size, 4)) * (k + 1) + k for k, size in enumerate(sizes)]
    m, n = (rows.mean(axis=0) for rows in samples)
    s, t = ((rows - rows.mean(axis=0)).T @ (rows - rows.mean(axis=0)) / len(rows) for rows in samples)
    s, t = (covariance + 1e-12 * np.eye(4) for covariance in (s, t))
    root = sqrtm(s).real
    expected = ((m - n) ** 2).sum() + np.trace(s + t - 2 * sqrtm(root @ t @ root).real)
    assert gaussian_distances(samples)[0, 1] == pytest.approx(expected, abs=1e-4)


def test_the_cost_is_feature_distance_and_label_distance(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tiny_pool(4))
    across, within = costs(problem, problem.initial(0))
    assert across.shape == (len(problem.train), len(problem.validation))
    assert np.abs(np.diag(within)).max() < 1e-6
    module = problem.learner.module(problem.initial(0))
    a, b = (
        module.inner(torch.tensor(e.columns["inputs"]))[1].detach().double().numpy()
        for e in (problem.train, problem.validation)
    )
    labels_N, labels_V = label_distances(a, problem.train.targets, b, problem.validation.targets)
    gap = ((a[3] - b[5]) ** 2).sum()
    assert across[3, 5] == pytest.approx(gap + labels_V[3, 5], rel=1e-5)
    same = problem.train.targets[:, None] == problem.train.targets[None, :]
    assert (labels_N[same] == 0).all()
    assert (labels_N[~same] > 0).all()


def test_more_examples_than_have_room_are_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = problem_of(tmp_path, tiny_pool(4))
    assert Lava().unsuitable(problem) is None
    monkeypatch.setattr(lava, "MOST", 10)
    assert "room" in (Lava().unsuitable(problem) or "")


def relabelled(labels_N: np.ndarray) -> Pool:
    pool = tiny_pool(4, each=12)
    train = Examples({**pool.train.columns, "targets": labels_N}, pool.train.owners_N, pool.train.real_N)
    return replace(pool, train=train)


def test_a_contributor_of_wrong_labels_is_worth_least(tmp_path: Path) -> None:
    train = tiny_pool(4, each=12).train
    wrong = relabelled(np.where(train.owners_N == 2, (train.targets + 1) % 3, train.targets))
    values_N = Lava().example_values(problem_of(tmp_path, wrong)).mean(axis=0)
    assert np.argmin([values_N[train.owners_N == c].mean() for c in range(4)]) == 2


def test_labels_that_only_one_side_has_are_no_fault(tmp_path: Path) -> None:
    train = tiny_pool(4, each=12).train
    values_SN = Lava().example_values(problem_of(tmp_path, relabelled(np.where(train.owners_N == 0, 1, 2))))
    assert np.isfinite(values_SN).all()
    assert values_SN.std(axis=1).min() > 0
