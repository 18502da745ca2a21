"""Convex dataset valuation against scikit-learn's lasso, scipy's quadratic programs and its optimality conditions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.linear_model import Lasso
from torch.nn import functional as F

from harness.types import Examples
from methods import dataset_weights
from methods.dataset_weights import ConvexDatasetValuation, lasso, mean_gradients
from tests.harness.small_runs import THIRD_PARTY
from tests.tiny import evaluator_of, problem_of, tiny_pool

pytestmark = THIRD_PARTY


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.99])
def test_the_weights_are_scikit_learn_s_lasso(share: float) -> None:
    rng = np.random.default_rng(0)
    a, target = rng.standard_normal((30, 8)), rng.standard_normal(30)
    penalty = share * float(np.abs(a.T @ target).max())
    fitted = Lasso(alpha=penalty / 30, fit_intercept=False, tol=1e-12, max_iter=100_000).fit(a, target)
    np.testing.assert_allclose(lasso(a.T @ a, a.T @ target, penalty), fitted.coef_, atol=1e-8)


def test_the_weights_are_a_quadratic_program_s() -> None:
    """In positive and negative parts, by scipy's sequential quadratic programming."""
    rng = np.random.default_rng(1)
    a, target = rng.standard_normal((20, 5)), rng.standard_normal(20)
    gram, aligned = a.T @ a, a.T @ target
    penalty = 0.2 * float(np.abs(aligned).max())

    def cost(parts: np.ndarray) -> float:
        b = parts[:5] - parts[5:]
        return float(b @ gram @ b / 2 - aligned @ b + penalty * parts.sum())

    found = minimize(
        cost, np.ones(10), method="SLSQP", bounds=[(0, None)] * 10, options={"maxiter": 500, "ftol": 1e-14}
    )
    np.testing.assert_allclose(lasso(gram, aligned, penalty), found.x[:5] - found.x[5:], atol=1e-4)


@given(st.integers(1, 24), st.integers(0, 2**32), st.floats(0.001, 1.2))
def test_nothing_better_is_near(contributors: int, seed: int, share: float) -> None:
    """What is left points nowhere by more than the penalty, and by just that where there is weight."""
    rng = np.random.default_rng(seed)
    a, target = rng.standard_normal((40, contributors)), rng.standard_normal(40)
    gram, aligned = a.T @ a, a.T @ target
    penalty = share * float(np.abs(aligned).max())
    found = lasso(gram, aligned, penalty)
    left = aligned - gram @ found
    assert np.abs(left).max() <= penalty * (1 + 1e-7)
    heavy = np.abs(found) > 1e-9
    np.testing.assert_allclose(left[heavy], penalty * np.sign(found[heavy]), rtol=1e-6)
    assert not (heavy.any() and share > 1)


def test_gradients_are_those_of_the_contributors_mean_losses(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tiny_pool(4))
    module = problem.learner.module(problem.initial(0)).double()
    expected = []
    for c in range(5):
        rows = problem.train.take(problem.train.owners_N == c) if c < 4 else problem.validation
        loss = F.cross_entropy(module(torch.tensor(rows.columns["inputs"]).double()), torch.tensor(rows.targets))
        expected.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(module.parameters()))]).numpy())
    np.testing.assert_allclose(mean_gradients(problem, problem.initial(0), 0).numpy(), expected, rtol=1e-4, atol=1e-6)


def test_large_models_gradients_are_sketched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = problem_of(tmp_path, tiny_pool(4))
    whole = mean_gradients(problem, problem.initial(0), 0)
    monkeypatch.setattr(dataset_weights, "EXACT_ENTRIES", 90 * 5)
    sketched = mean_gradients(problem, problem.initial(0), 0)
    assert sketched.shape == (5, 90)
    products = whole @ whole.T
    np.testing.assert_allclose(sketched @ sketched.T, products, atol=0.5 * float(products.diagonal().max()))


def test_copies_share_what_one_of_them_would_have(tmp_path: Path) -> None:
    pool = tiny_pool(3)
    rows = np.concatenate([np.arange(len(pool.train)), np.flatnonzero(pool.train.owners_N == 2)])
    twice = pool.train.take(rows)
    owners = twice.owners_N.copy()
    owners[len(pool.train) :] = 3
    people = tiny_pool(4).contributors
    copied = replace(pool, contributors=people, train=Examples(twice.columns, owners, twice.real_N))
    found = [
        evaluator_of(tmp_path, each).evaluate("one", ConvexDatasetValuation(seeds=1), "shapley")
        for each in (pool, copied)
    ]
    one, both = (valuation.values_C for valuation in found if not isinstance(valuation, str))
    assert abs(one[2]) > 0.01
    assert both[2] == pytest.approx(both[3], rel=1e-3)
    assert both[2] + both[3] == pytest.approx(one[2], rel=0.02)


def test_of_many_contributors_a_weight_is_the_value_for_every_question_and_no_weight_none(tmp_path: Path) -> None:
    """More than whose every coalition is asked for: Shapley values come from walks."""
    evaluator, one = evaluator_of(tmp_path, tiny_pool(12)), ConvexDatasetValuation(penalty=0.3, seeds=1)
    found = [evaluator.evaluate("one", one, question) for question in ("standalone", "shapley")]
    alone, walked = (valuation.values_C for valuation in found if not isinstance(valuation, str))
    assert (np.abs(alone) < 1e-12).any()
    np.testing.assert_allclose(walked, alone, rtol=0, atol=1e-12)
