"""The best mixture of models against a grid, its own optimality conditions, and what it must do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.coalitions import powerset
from harness.types import Floats
from methods.mixmin import GAP, MixMin, best_mixtures, scorer
from tests.tiny import problem_of, tiny_pool

ONE = np.ones((1, 3), dtype=bool)


def likelihoods(contributors: int, examples: int, seed: int) -> Floats:
    return np.random.default_rng(seed).dirichlet(np.ones(3), (contributors, examples))[..., 0]


def simplex(contributors: int, steps: int) -> Floats:
    if contributors == 2:
        first = np.linspace(0, 1, steps + 1)
        return np.column_stack([first, 1 - first])
    grid = [(i, j, steps - i - j) for i in range(steps + 1) for j in range(steps + 1 - i)]
    return np.array(grid) / steps


@pytest.mark.parametrize("contributors", [2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_no_mixture_on_a_grid_is_better_and_the_best_on_it_is_close(contributors: int, seed: int) -> None:
    chances_CN = likelihoods(contributors, 20, seed)
    on_grid = np.log(simplex(contributors, 200) @ chances_CN).mean(axis=1).max()
    (found,) = best_mixtures(np.ones((1, contributors), dtype=bool), chances_CN)[1]
    assert on_grid - GAP <= found <= on_grid + 1e-3


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(1, 30), st.integers(0, 10_000))
def test_weights_are_a_mixture_within_the_certified_gap_of_the_best(
    contributors: int, examples: int, seed: int
) -> None:
    """Scipy's solution of the same convex program is no better by more than the gap, nor is any single model."""
    from scipy.optimize import minimize

    chances_CN = likelihoods(contributors, examples, seed)
    (weights_C,), (worth,) = best_mixtures(np.ones((1, contributors), dtype=bool), chances_CN)
    assert (weights_C >= 0).all()
    assert weights_C.sum() == pytest.approx(1)

    def negative(logits: Floats) -> float:
        part_C = np.exp(logits - logits.max())
        return -float(np.log(part_C / part_C.sum() @ chances_CN).mean())

    theirs = minimize(negative, np.zeros(contributors), method="BFGS")
    assert worth >= max(-theirs.fun, np.log(chances_CN).mean(axis=1).max()) - 2 * GAP


def test_more_models_are_never_worse_and_one_alone_is_itself() -> None:
    logs_CN = np.log(likelihoods(4, 25, 3))
    score = scorer(logs_CN, nobody=-7.0)
    rows_KC = powerset(4)
    worths_K = score(rows_KC)
    assert worths_K[0] == -7.0
    for i in range(4):
        alone = np.eye(4, dtype=bool)[[i]]
        assert score(alone)[0] == pytest.approx(logs_CN[i].mean())
        without = np.flatnonzero(~rows_KC[:, i] & rows_KC.any(axis=1))
        assert (worths_K[without | 1 << i] >= worths_K[without] - 2 * GAP).all()


def alike(contributors: int, examples: int, seed: int) -> Floats:
    """Models that say much the same of each example, as those of one initialisation do; over the best one's."""
    rng = np.random.default_rng(seed)
    logs_CN = 0.3 * rng.standard_normal((contributors, examples)) + rng.standard_normal(examples)
    return np.asarray(np.exp(logs_CN - logs_CN.max(axis=0)))


@pytest.mark.parametrize("seed", range(3))
def test_mixtures_of_models_that_are_alike_reach_the_certified_gap(seed: int) -> None:
    """Of all models and of half of them: no model's mean likelihood over the mixture's is above 1."""
    chances_CN, rows_KC = alike(24, 240, seed), np.ones((2, 24), dtype=bool)
    rows_KC[1, ::2] = False
    weights_KC, worths_K = best_mixtures(rows_KC, chances_CN)
    pull_KC = (1 / (weights_KC @ chances_CN)) @ chances_CN.T / 240
    assert np.where(rows_KC, pull_KC, 0).max() <= 1 + 2 * GAP
    np.testing.assert_allclose(worths_K, np.log(weights_KC @ chances_CN).mean(axis=1), atol=1e-13)


def test_whoever_has_no_weight_is_worth_exactly_nothing_left_out() -> None:
    """By the dual program in a kept solver: a multiplier for each model, 0 for those that are mixed."""
    import cvxpy as cp

    chances_CN = alike(24, 120, 5)
    rows_KC = np.vstack([np.ones((1, 24), dtype=bool), ~np.eye(24, dtype=bool)])
    weights_KC, worths_K = best_mixtures(rows_KC, chances_CN)
    w = cp.Variable(24)
    asks = [w >= 0, cp.sum(w) == 1]
    cp.Problem(cp.Maximize(cp.sum(cp.log(chances_CN.T @ w))), asks).solve(solver=cp.CLARABEL)
    unused_C = asks[0].dual_value > 1e-3
    assert 5 < unused_C.sum() < 24
    np.testing.assert_allclose(weights_KC[0], w.value, atol=1e-3)
    lost_C = worths_K[0] - worths_K[1:]
    assert (lost_C[unused_C] == 0).all()
    assert (lost_C[~unused_C] > 1e-7).all()


def test_of_two_copies_either_can_be_left_out_at_no_loss() -> None:
    chances_CN = alike(12, 80, 2)
    chances_CN[7] = chances_CN[best_mixtures(np.ones((1, 12), dtype=bool), chances_CN)[0][0].argmax()]
    worths_K = best_mixtures(np.vstack([np.ones((1, 12), dtype=bool), ~np.eye(12, dtype=bool)]), chances_CN)[1]
    copies = np.flatnonzero((chances_CN == chances_CN[7]).all(axis=1))
    assert len(copies) == 2
    np.testing.assert_allclose(worths_K[1 + copies], worths_K[0], rtol=0, atol=1e-12)


def test_only_members_are_mixed() -> None:
    rows_KC = powerset(3)[1:]
    weights_KC, _ = best_mixtures(rows_KC, likelihoods(3, 12, 1))
    assert (weights_KC[~rows_KC] == 0).all()


def test_experts_of_disjoint_halves_share_alike_and_a_copy_adds_nothing() -> None:
    """Each right on its half: weights 1/2; of a model and its copy, the worth is the model's."""
    sure, not_sure = np.repeat([0.9, 0.1], 10), np.repeat([0.1, 0.9], 10)
    (weights_C,), (worth,) = best_mixtures(ONE[:, :2], np.array([sure, not_sure]))
    np.testing.assert_allclose(weights_C, 0.5, atol=1e-3)
    assert worth == pytest.approx(np.log(0.5), abs=1e-4)
    assert best_mixtures(ONE[:, :2], np.array([sure, sure]))[1][0] == pytest.approx(np.log(sure).mean())


def test_a_model_that_thinks_the_truth_impossible_still_has_a_finite_worth() -> None:
    score = scorer(np.array([[-2_000.0, -1.0], [-1.0, -2_000.0], [-3_000.0, -3_000.0]]), nobody=-1.0)
    assert np.isfinite(score(powerset(3))).all()


def test_standalone_worths_are_the_retrained_ones(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tiny_pool())
    scorers = MixMin().scorers(problem)
    assert len(scorers) == 3
    rows_KC = np.vstack([np.zeros((1, 4), dtype=bool), np.eye(4, dtype=bool)])
    for seed, score in enumerate(scorers):
        np.testing.assert_allclose(score(rows_KC), problem.retrain(rows_KC, seed), atol=1e-5)
