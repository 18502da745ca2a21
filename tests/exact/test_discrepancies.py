"""KAIROS and data distribution valuation against finite differences and pair by pair definitions of the MMD."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from harness.registry import method
from harness.types import Examples, Floats, Problem
from methods.baselines import Mmd
from methods.distribution_value import DistributionValue
from methods.features import Seen, seen
from methods.kairos import RIDGES, Kairos, chances, residuals
from methods.kernels import Samples, features_alone, joint_features, mean_kernels, median_distance
from tests.harness.small_runs import THIRD_PARTY
from tests.tiny import CLASSES, evaluator_of, problem_of, tiny_pool

pytestmark = THIRD_PARTY


MIXTURE = (0.25, 0.5, 1, 2, 4)


def plain_kernel(a: Floats, b: Floats, median: float, widths: Sequence[float] = MIXTURE) -> Floats:
    squares = ((a[:, None] - b[None]) ** 2).sum(axis=2)
    return np.mean([np.exp(-squares / (2 * (f * median) ** 2)) for f in widths], axis=0)


def standardised(train: Seen, validation: Seen) -> tuple[Floats, Floats]:
    """Features by validation's mean and spread; what is the same all over validation is left where it is."""
    centre, spread = validation.features_NF.mean(axis=0), validation.features_NF.std(axis=0)
    spread = np.where(spread > 1e-12, spread, 1.0)
    return (train.features_NF - centre) / spread, (validation.features_NF - centre) / spread


def logistic_chances(train: Seen, validation: Seen) -> Floats:
    """By a general minimiser: log-likelihood summed over validation, half the weights' squares beside it."""
    rows_NF, rows_VF = standardised(train, validation)
    width, labels = rows_VF.shape[1], validation.targets_NM.shape[1]

    def logits(at: Floats, rows: Floats) -> Floats:
        return rows @ at[labels:].reshape(width, labels) + at[:labels]

    def objective(at: Floats) -> tuple[float, Floats]:
        out_VM = logits(at, rows_VF)
        loss = (logsumexp(out_VM, axis=1) - (out_VM * validation.targets_NM).sum(axis=1)).sum()
        errors_VM = softmax(out_VM, axis=1) - validation.targets_NM
        slope = np.concatenate([errors_VM.sum(axis=0), (rows_VF.T @ errors_VM).ravel() + at[labels:]])
        return float(loss + 0.5 * at[labels:] @ at[labels:]), slope

    options = {"maxiter": 10_000, "maxfun": 10_000, "ftol": 1e-15, "gtol": 1e-9}
    found = minimize(objective, np.zeros(labels * (1 + width)), jac=True, method="L-BFGS-B", options=options)
    return np.asarray(softmax(logits(found.x, rows_NF), axis=1))


def ridge_means(train: Seen, validation: Seen) -> Floats:
    """By normal equations, at the strength that foretells each validation row best from all the others."""
    rows_NF, rows_VF = standardised(train, validation)

    def fit(rows: Floats, targets: Floats, asked: Floats, ridge: float) -> Floats:
        centre, level = rows.mean(axis=0), targets.mean(axis=0)
        moments = (rows - centre).T @ (rows - centre) + ridge * np.eye(rows.shape[1])
        return (asked - centre) @ np.linalg.solve(moments, (rows - centre).T @ (targets - level)) + level

    def error(ridge: float) -> float:
        total, targets = 0.0, validation.targets_NM
        for v in range(len(targets)):
            others = np.arange(len(targets)) != v
            total += ((fit(rows_VF[others], targets[others], rows_VF[v], ridge) - targets[v]) ** 2).sum()
        return total

    best = min((strength * len(rows_VF) for strength in RIDGES), key=error)
    return fit(rows_VF, validation.targets_NM, rows_NF, best)


def parts(problem: Problem) -> tuple[Samples, Floats, Floats, float]:
    joint = joint_features(problem, problem.initial(0))
    return joint, joint.train.numpy(), joint.validation.numpy(), median_distance(joint.validation)


def features(problem: Problem) -> Samples:
    return features_alone(problem, problem.initial(0))


def squared_mmd(weights_N: Floats, own: Floats, across: Floats, among: float) -> float:
    """Between the training examples so weighed and the validation split (Gretton et al. 2012, eq. 5)."""
    return float(weights_N @ own @ weights_N - 2 * weights_N @ across.mean(axis=1) + among)


@pytest.mark.parametrize("of", ["labels", "responses"])
@pytest.mark.parametrize("marginal", [0.97, 0.4])
def test_kairos_is_minus_the_finite_difference_of_the_discrepancy(of: str, marginal: float, tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tiny_pool(4))
    problem.learner.one_label = of == "labels"
    train, validation = seen(problem, problem.initial(0))
    rows, asked, median = train.features_NF, validation.features_NF, median_distance(features(problem).validation)
    own, across = (plain_kernel(rows, side, median, [1.0]) for side in (rows, asked))
    among = float(plain_kernel(asked, asked, median, [1.0]).mean())
    foretold = (logistic_chances if of == "labels" else ridge_means)(train, validation)
    unit = 1.0 if of == "labels" else np.sqrt(validation.targets_NM.var(axis=0).sum())
    missed_N = np.linalg.norm(train.targets_NM - foretold, axis=1) / unit

    def discrepancy(weights_N: Floats) -> float:
        inputs = squared_mmd(weights_N, own, across, among) / 2
        return marginal * inputs + (1 - marginal) * float(weights_N @ missed_N)

    uniform = np.full(len(rows), 1 / len(rows))
    found = Kairos(marginal=marginal, seeds=1).example_values(problem)[0]
    for i, value in enumerate(found):
        towards = [(1 - e) * uniform + e * np.eye(len(rows))[i] for e in (1e-4, -1e-4)]
        slope = (discrepancy(towards[0]) - discrepancy(towards[1])) / 2e-4
        assert value == pytest.approx(-slope, abs=1e-5)
    assert found.sum() == pytest.approx(0, abs=1e-9)  # towards all examples alike is nowhere


def test_two_responses_lie_on_average_as_far_apart_as_two_labels() -> None:
    """Root mean square, over targets that are foretold by nothing."""
    targets_NM = np.random.default_rng(0).dirichlet(np.ones(6), size=50)
    side = Seen(np.zeros((50, 2)), targets_NM)
    missed_N = residuals(side, side, one_label=False)
    assert 2 * (missed_N**2).mean() == pytest.approx(2)


def test_wrong_labels_lower_values_by_what_validation_expected_of_them(tmp_path: Path) -> None:
    """And by nothing else: the inputs' part does not see them."""
    pool, rng = tiny_pool(4, each=30), np.random.default_rng(0)
    wrong_N = rng.random(len(pool.train)) < 0.3
    others_N = (pool.train.targets + rng.integers(1, CLASSES, len(pool.train))) % CLASSES
    columns = {**pool.train.columns, "targets": np.where(wrong_N, others_N, pool.train.targets)}
    noisy = replace(pool, train=Examples(columns, pool.train.owners_N, pool.train.real_N))
    before, after = problem_of(tmp_path / "before", pool), problem_of(tmp_path / "after", noisy)
    inputs = [Kairos(marginal=1.0).example_values(one) for one in (before, after)]
    np.testing.assert_array_equal(*inputs)
    values_2N = [Kairos().example_values(one).mean(axis=0) for one in (before, after)]
    change_N = values_2N[1] - values_2N[0]
    assert np.ptp(change_N[~wrong_N]) == pytest.approx(0, abs=1e-9)  # the mean's, the same for all
    assert (change_N[wrong_N] < change_N[~wrong_N].min()).mean() > 0.8
    assert values_2N[1][wrong_N].mean() < values_2N[1][~wrong_N].mean() - 0.01


def test_a_label_that_validation_lacks_is_never_expected() -> None:
    rng = np.random.default_rng(1)
    rows, labels = rng.standard_normal((20, 3)), np.eye(4)
    train = Seen(rng.standard_normal((6, 3)), labels[[0, 1, 2, 3, 0, 1]])
    found_NM = chances(train, Seen(rows, labels[rng.integers(0, 2, 20) * 2]))
    assert (found_NM[:, [1, 3]] == 0).all()
    np.testing.assert_allclose(found_NM.sum(axis=1), 1)
    np.testing.assert_array_equal(chances(train, Seen(rows, labels[np.full(20, 2)])), labels[np.full(6, 2)])


def test_mean_kernels_are_the_means_over_pairs(tmp_path: Path) -> None:
    joint, train, validation, median = parts(problem_of(tmp_path, tiny_pool(4)))
    own, across = mean_kernels(joint)
    np.testing.assert_allclose(own.numpy(), plain_kernel(train, train, median).mean(axis=1), rtol=1e-9)
    np.testing.assert_allclose(across.numpy(), plain_kernel(train, validation, median).mean(axis=1), rtol=1e-9)


@pytest.mark.parametrize("reference", ["validation", "pool"])
def test_a_contributor_s_distribution_has_one_value_for_every_question(reference: str, tmp_path: Path) -> None:
    pool = tiny_pool(5)
    _, train, validation, median = parts(problem_of(tmp_path, pool))
    target = validation if reference == "validation" else train
    expected = []
    for c in range(5):
        own = train[pool.train.owners_N == c]
        pairs = ((own, own), (own, target), (target, target))
        within, across, among = (plain_kernel(a, b, median).mean() for a, b in pairs)
        expected.append(-np.sqrt(within - 2 * across + among))
    evaluator = evaluator_of(tmp_path, pool)
    asked = DistributionValue(reference, seeds=1)  # type: ignore[arg-type]
    for question in ("standalone", "leave-one-out", "shapley"):
        found = evaluator.evaluate("one", asked, question)  # type: ignore[arg-type]
        assert not isinstance(found, str)
        np.testing.assert_allclose(found.values_C, expected, rtol=1e-6)


def test_alone_a_contributor_s_value_is_mmd_s_and_left_out_it_is_not(tmp_path: Path) -> None:
    evaluator = evaluator_of(tmp_path, tiny_pool(5))
    answers = {
        (type(one).__name__, question): evaluator.evaluate("one", one, question)  # type: ignore[arg-type]
        for one in (Mmd(), DistributionValue())
        for question in ("standalone", "leave-one-out")
    }
    values = {key: found.values_SC for key, found in answers.items() if not isinstance(found, str)}
    np.testing.assert_allclose(values["Mmd", "standalone"], values["DistributionValue", "standalone"], rtol=1e-9)
    gap = values["Mmd", "leave-one-out"] - values["DistributionValue", "leave-one-out"]
    assert np.abs(gap).max() > 0.01


@pytest.mark.parametrize("name", ["mmd", "kairos", "davinz", "data-distribution-valuation", "ntk-mmd", "ntk-mmd:paper"])
def test_one_validation_example_tells_no_kernel_s_width_which_is_said(name: str, tmp_path: Path) -> None:
    pool = tiny_pool(4)
    alone = replace(pool, validation=pool.validation.take(np.array([0])))
    with pytest.raises(ValueError, match="median distance within the validation split, which has one example"):
        evaluator_of(tmp_path, alone).evaluate(name, method(name), "standalone")
