"""Scores and reliabilities against scipy, plain implementations and simulations with known answers."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.statistics.ceilings import repeats_needed, spearman_brown, split_half_reliability
from harness.statistics.scores import (
    between_repeats,
    kendall,
    kendalls,
    ranks,
    spearman,
    spearmans,
    top_recall,
    top_recalls,
)
from harness.statistics.scores import levels as places
from harness.types import Floats

properties = settings(max_examples=50, deadline=None, derandomize=True)
levels = st.integers(-3, 3).map(float)  # few levels, so that ties abound
tied_pairs = st.lists(st.tuples(levels, levels), min_size=2, max_size=20).map(lambda rows: np.array(rows).T)


def constant(values: Floats) -> bool:
    return len(np.unique(values)) == 1


# --- correlations -----------------------------------------------------------------------------------


@properties
@given(tied_pairs)
def test_spearman_and_kendall_equal_scipy_with_ties(pair: Floats) -> None:
    a, b = pair
    if constant(a) or constant(b):
        assert math.isnan(spearman(a, b))
        assert math.isnan(kendall(a, b))
        return
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b)[0], abs=1e-12)
    assert kendall(a, b) == pytest.approx(stats.kendalltau(a, b)[0], abs=1e-12)


def test_a_stack_of_values_has_the_levels_of_each() -> None:
    rows = np.round(np.random.default_rng(2).standard_normal((6, 9)), 1) * np.array([[0, 1e-12, 1, 1, 5, 1e9]]).T
    np.testing.assert_array_equal(places(rows), [places(row) for row in rows])
    np.testing.assert_array_equal(places(rows[2]), stats.rankdata(rows[2], method="dense") - 1)


@properties
@given(st.lists(levels, min_size=1, max_size=15).map(np.array))
def test_ranks_are_scipy_s(values: Floats) -> None:
    np.testing.assert_allclose(ranks(values) + 0.5, stats.rankdata(values))


def test_ranks_see_order_and_not_size() -> None:
    a = np.random.default_rng(0).standard_normal(12)
    assert spearman(a, np.exp(5 * a)) == pytest.approx(1)
    assert spearman(a, -(a**3)) == pytest.approx(-1)
    assert kendall(a, np.exp(a)) == pytest.approx(1)


def test_a_stack_of_values_has_the_scores_of_each() -> None:
    rng = np.random.default_rng(4)
    values_MC, truth_C = np.round(rng.standard_normal((7, 12)), 1), rng.standard_normal(12)
    values_MC[3] = 1.0
    for many, one in ((spearmans, spearman), (kendalls, kendall), (top_recalls, top_recall)):
        np.testing.assert_array_equal(many(values_MC, truth_C), [one(row, truth_C) for row in values_MC])


def test_repeats_are_compared_in_all_pairs_where_that_is_defined() -> None:
    values_MRC = np.random.default_rng(5).standard_normal((3, 4, 10))
    values_MRC[1, 2] = 0.0
    values_MRC[2] = 1.0
    found = between_repeats(values_MRC)
    for m in range(2):
        own = [stats.spearmanr(a, b)[0] for a, b in itertools.combinations(values_MRC[m], 2) if np.ptp(a) and np.ptp(b)]
        assert found[m] == pytest.approx(np.mean(own))
    assert math.isnan(found[2])


def test_top_recall_counts_the_shared_best() -> None:
    truth = np.array([8.0, 7, 6, 5, 4, 3, 2, 1])
    assert top_recall(truth, truth) == 1
    assert top_recall(-truth, truth) == 0
    assert top_recall(np.array([9.0, 0, 8, 0, 0, 0, 0, 0]), truth) == 0.5  # of the best two, one
    assert top_recall(np.array([0.0, 0, 0, 9, 8, 7, 6, 0]), truth, share=0.5) == 0.25
    assert top_recall(np.array([1.0, 0]), np.array([1.0, 0]), share=0.01) == 1  # at least one is looked for


# --- reliability ------------------------------------------------------------------------------------


@properties
@given(st.floats(0.01, 0.99), st.integers(1, 50), st.integers(1, 400))
def test_repeats_needed_inverts_spearman_brown(reliability: float, repeats: int, more: int) -> None:
    target = spearman_brown(reliability, more / repeats)
    found = repeats_needed(reliability, repeats, target)
    assert found in (more, more + 1)  # the next whole number, up to rounding
    assert spearman_brown(reliability, found / repeats) >= target - 1e-9


def test_spearman_brown_is_the_reliability_of_a_sum_of_parallel_measurements() -> None:
    """Signal of variance 1 and noise of variance s in each of k repeats: 1 / (1 + s / k)."""
    for noise, k in ((0.5, 2), (3.0, 7), (1.0, 0.5)):
        assert spearman_brown(1 / (1 + noise), k) == pytest.approx(1 / (1 + noise / k))


def test_reliability_out_of_range_is_undefined() -> None:
    assert math.isnan(spearman_brown(-0.5, 2))
    assert math.isnan(spearman_brown(math.nan, 2))
    assert spearman_brown(-0.4, 2) == pytest.approx(-0.8 / 0.6)
    for share in (0.0, 1.0, -0.2, math.nan):
        assert repeats_needed(share, 4, 0.8) is None
    assert repeats_needed(0.5, 4, 1.1) is None  # no number of repeats reaches it


@pytest.mark.parametrize(("noise", "repeats"), [(0.5, 4), (1.0, 8), (2.0, 6)])
def test_split_half_reliability_is_the_agreement_with_another_run(noise: float, repeats: int) -> None:
    """Over simulated truths its mean is the mean Spearman correlation of two whole runs."""
    rng = np.random.default_rng(0)
    found, agreements = [], []
    for _ in range(60):
        signal = rng.standard_normal(40)
        one, other = (signal + noise * rng.standard_normal((repeats, 40)) for _ in range(2))
        found.append(split_half_reliability(lambda chosen, one=one: one[chosen].mean(axis=0), repeats, rng, splits=15))
        agreements.append(stats.spearmanr(one.mean(axis=0), other.mean(axis=0))[0])
    known = 6 / np.pi * np.arcsin(1 / (1 + noise**2 / repeats) / 2)  # Spearman of normals with that reliability
    assert np.mean(agreements) == pytest.approx(known, abs=0.03)
    assert np.mean(found) == pytest.approx(known, abs=0.03)


def test_an_odd_number_of_repeats_is_corrected_to_the_full_number() -> None:
    """With 3 repeats each half holds 1, so the correction is threefold, not twofold."""
    values = np.random.default_rng(1).standard_normal((3, 30))
    halves = [stats.spearmanr(values[a], values[b])[0] for a, b in ((0, 1), (0, 2), (1, 2))]
    found = split_half_reliability(
        lambda chosen: values[chosen].mean(axis=0), 3, np.random.default_rng(2), splits=1_000
    )
    assert found == pytest.approx(spearman_brown(float(np.mean(halves)), 3), abs=0.03)


def test_the_reliability_of_a_single_repeat_is_undefined_and_of_no_noise_is_one() -> None:
    values = np.arange(5.0)
    assert math.isnan(split_half_reliability(lambda chosen: values, 1, np.random.default_rng(0)))
    assert split_half_reliability(lambda chosen: values, 2, np.random.default_rng(0)) == pytest.approx(1)
