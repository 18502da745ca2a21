"""Values that only rounding separates are tied, on every machine; how large the values are does not matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.statistics.ceilings import split_half_reliability
from harness.statistics.jackknife import pool_scores
from harness.statistics.scores import TIED, kendall, levels, spearman, top_recall
from harness.types import Floats

properties = settings(max_examples=100, deadline=None, derandomize=True)
shares = st.integers(-1024, 1024).map(lambda k: k / 1024)  # many lie on the half lines of a grid of 1e-9
tied = st.lists(st.tuples(shares | st.sampled_from([0.0, 0.5]), shares), min_size=2, max_size=20).map(
    lambda rows: np.array(rows).T
)
SCORES = (spearman, kendall, top_recall)


def scores(a_C: Floats, b_C: Floats) -> list[float]:
    return [score(a_C, b_C) for score in SCORES]


@properties
@given(tied, st.integers(0, 2**32 - 1))
def test_noise_in_the_last_digits_changes_no_score(pair: Floats, seed: int) -> None:
    a, b = pair
    rng = np.random.default_rng(seed)
    other_a, other_b = (side + 1e-12 * np.abs(side).max() * rng.uniform(-1, 1, len(side)) for side in (a, b))
    np.testing.assert_array_equal(scores(other_a, other_b), scores(a, b))
    rough, exact = (pool_scores([one], [other]) for one, other in ((other_a, other_b), (a, b)))
    np.testing.assert_array_equal(rough.deviations_MC, exact.deviations_MC)


@properties
@given(tied, st.floats(1e-200, 1e200))
def test_a_scale_changes_no_score(pair: Floats, scale: float) -> None:
    a, b = pair
    np.testing.assert_array_equal(scores(scale * a, b), scores(a, b))
    np.testing.assert_array_equal(scores(a, scale * b), scores(a, b))


def test_a_tie_that_rounding_breaks_counts_as_one() -> None:
    """0.1 + 0.2 and 0.3 are the same value, as scipy sees it where they are written alike."""
    broken, whole = np.array([0.1 + 0.2, 0.3, 0.7, -0.4]), np.array([0.3, 0.3, 0.7, -0.4])
    truth = np.array([1.0, 4.0, 2.0, 3.0])
    assert spearman(broken, truth) == pytest.approx(stats.spearmanr(whole, truth)[0], abs=1e-15)
    assert spearman(truth, broken) == spearman(broken, truth)
    assert kendall(broken, truth) == pytest.approx(stats.kendalltau(whole, truth)[0], abs=1e-15)
    assert stats.spearmanr(broken, truth)[0] != stats.spearmanr(whole, truth)[0]  # without a tolerance it is broken


def test_differences_that_are_none_of_rounding_stay() -> None:
    np.testing.assert_array_equal(levels(np.array([1.0, 1.0 - 3 * TIED, 0.0, -1e-8])), [3, 2, 1, 0])
    np.testing.assert_array_equal(levels(np.array([1e-300, 3e-300, 2e-300])), [0, 2, 1])
    np.testing.assert_array_equal(levels(np.array([-1e308, 1e308, 0.0])), [0, 2, 1])


def test_values_that_differ_by_rounding_alone_are_constant() -> None:
    nearly = 0.3 + np.array([0, 1, -1, 2]) * 1e-16
    assert np.isnan(spearman(nearly, np.arange(4.0)))
    assert np.isnan(kendall(nearly, np.arange(4.0)))
    np.testing.assert_array_equal(levels(np.zeros(3)), [0, 0, 0])
    assert len(levels(np.empty(0))) == 0


def test_a_truth_that_repeats_up_to_rounding_has_no_less_a_ceiling() -> None:
    repeats = np.array([[0.1 + 0.2, 0.3, 0.7, -0.4], [0.3, 0.1 + 0.2, 0.7, -0.4]])
    found = split_half_reliability(lambda chosen: repeats[chosen].mean(axis=0), 2, np.random.default_rng(0))
    assert found == pytest.approx(1)
