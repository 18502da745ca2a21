"""KAIROS and data distribution valuation against finite differences and pair by pair definitions of the MMD."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.types import Floats, Problem
from methods.baselines import Mmd
from methods.distribution_value import DistributionValue
from methods.kairos import Kairos
from methods.kernels import JointFeatures, joint_features, mean_kernels, median_distance
from tests.harness.small_runs import THIRD_PARTY
from tests.tiny import evaluator_of, problem_of, tiny_pool

pytestmark = THIRD_PARTY


def plain_kernel(a: Floats, b: Floats, median: float) -> Floats:
    squares = ((a[:, None] - b[None]) ** 2).sum(axis=2)
    return np.mean([np.exp(-squares / (2 * (f * median) ** 2)) for f in (0.25, 0.5, 1, 2, 4)], axis=0)


def parts(problem: Problem) -> tuple[JointFeatures, Floats, Floats, float]:
    joint = joint_features(problem, problem.initial(0))
    return joint, joint.train.numpy(), joint.validation.numpy(), median_distance(joint.validation)


def squared_mmd(weights_N: Floats, own: Floats, across: Floats, among: float) -> float:
    """Between the training examples so weighed and the validation split (Gretton et al. 2012, eq. 5)."""
    return float(weights_N @ own @ weights_N - 2 * weights_N @ across.mean(axis=1) + among)


def test_kairos_is_minus_the_finite_difference_of_the_discrepancy(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tiny_pool(4))
    _, train, validation, median = parts(problem)
    own, across = plain_kernel(train, train, median), plain_kernel(train, validation, median)
    among = float(plain_kernel(validation, validation, median).mean())
    uniform = np.full(len(train), 1 / len(train))
    found = Kairos(seeds=1).example_values(problem)[0]
    for i, value in enumerate(found):
        towards = [(1 - e) * uniform + e * np.eye(len(train))[i] for e in (1e-5, -1e-5)]
        slope = (squared_mmd(towards[0], own, across, among) - squared_mmd(towards[1], own, across, among)) / 2e-5
        assert value == pytest.approx(-slope, abs=1e-7)
    assert found.sum() == pytest.approx(0, abs=1e-9)  # towards all examples alike is nowhere


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
    method = DistributionValue(reference, seeds=1)  # type: ignore[arg-type]
    for question in ("standalone", "leave-one-out", "shapley"):
        found = evaluator.evaluate("one", method, question)  # type: ignore[arg-type]
        assert not isinstance(found, str)
        np.testing.assert_allclose(found.values_C, expected, rtol=1e-6)


def test_alone_a_contributor_s_value_is_mmd_s_and_left_out_it_is_not(tmp_path: Path) -> None:
    evaluator = evaluator_of(tmp_path, tiny_pool(5))
    answers = {
        (type(method).__name__, question): evaluator.evaluate("one", method, question)  # type: ignore[arg-type]
        for method in (Mmd(), DistributionValue())
        for question in ("standalone", "leave-one-out")
    }
    values = {key: found.values_SC for key, found in answers.items() if not isinstance(found, str)}
    np.testing.assert_allclose(values["Mmd", "standalone"], values["DistributionValue", "standalone"], rtol=1e-9)
    gap = values["Mmd", "leave-one-out"] - values["DistributionValue", "leave-one-out"]
    assert np.abs(gap).max() > 0.01
