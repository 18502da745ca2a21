"""Errors of values, and who is told apart, against closed forms, simulation and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from harness.statistics.values import certainty, spearman_interval

NONE = np.empty((0, 3))


def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def test_two_contributors_have_the_t_interval_of_their_repeats() -> None:
    """So few variances have nothing in common to be drawn to."""
    values_SC = rng().normal([1.0, 2.0], 0.3, size=(6, 2))
    found = certainty(values_SC, np.empty((0, 2)), rng())
    for c in range(2):
        expected = stats.t.interval(0.95, 5, values_SC[:, c].mean(), stats.sem(values_SC[:, c]))
        assert found.interval(c) == pytest.approx(expected)
    assert np.isnan(found.target_C).all()


def test_leaving_parts_out_gives_the_error_of_a_mean_over_rows() -> None:
    """The delete-a-group jackknife of a mean over equal groups is the variance of the groups' means by their number."""
    rows_VC = rng().normal(size=(40, 2))
    groups = np.arange(40).reshape(8, 5)
    parts_GC = np.array([np.delete(rows_VC, group, axis=0).mean(axis=0) for group in groups])
    found = certainty(rows_VC.mean(axis=0)[None], parts_GC, rng())
    means_GC = rows_VC[groups].mean(axis=1)
    np.testing.assert_allclose(found.target_C, means_GC.var(axis=0, ddof=1) / 8)
    assert np.isnan(found.repeats_C).all()
    assert found.df_C == pytest.approx(7)


def test_both_sources_add_up() -> None:
    values_SC, parts_GC = rng().normal(size=(5, 2)), rng().normal(size=(6, 2))
    found = certainty(values_SC, parts_GC, rng())
    np.testing.assert_allclose(found.error_C**2, found.repeats_C + found.target_C)
    np.testing.assert_allclose(found.repeats_C, values_SC.var(axis=0, ddof=1) / 5)


def test_shares_add_up_to_one_and_have_the_error_of_a_ratio() -> None:
    """By the delta method, against a simulation of the ratio itself."""
    generator = rng()
    values_SC = np.array([5.0, 3.0, 2.0, 1.0]) + generator.normal(0, 0.2, size=(400, 4))
    found = certainty(values_SC, np.empty((0, 4)), rng())
    assert found.share_C.sum() == pytest.approx(1)
    means = np.array([generator.choice(values_SC, 400).mean(axis=0) for _ in range(2_000)])
    ratio = means / means.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.share_error_C, ratio.std(axis=0), rtol=0.15)


def test_there_is_no_share_of_a_sum_that_may_be_nothing() -> None:
    values_SC = np.array([[1.0, -1.1, 0.2], [-1.0, 1.0, -0.1], [0.3, 0.1, 0.2]])
    assert np.isnan(certainty(values_SC, NONE, rng()).share_C).all()


def test_without_repeats_and_parts_nothing_is_told() -> None:
    found = certainty(np.array([[1.0, 2.0, 3.0]]), NONE, rng())
    assert np.isnan(found.interval(0)).all()
    assert not found.apart_CC.any()
    assert [(one.low, one.high) for one in found.ranges] == [(1, 3)] * 3


def test_equal_contributors_are_seldom_told_apart_and_unlike_ones_are() -> None:
    generator, wrong, covered = rng(), 0, []
    for _ in range(200):
        noise = generator.normal(size=(4, 6)) * 0.5
        parts = generator.normal(size=(10, 6)) * 0.05
        found = certainty(noise, parts, generator)
        wrong += bool(found.apart_CC.any())
        lows, highs = np.array([found.interval(c) for c in range(6)]).T
        covered.append(((lows < 0) & (highs > 0)).mean())
    assert wrong / 200 < 0.11  # 5 % and three standard errors of 200 trials
    assert np.mean(covered) > 0.92
    far = certainty(np.arange(6.0) + generator.normal(size=(4, 6)) * 0.05, np.empty((0, 6)), generator)
    assert [(one.low, one.high) for one in far.ranges] == [(6 - k, 6 - k) for k in range(6)]


def test_noise_that_all_share_does_not_hide_an_order() -> None:
    shared = rng().normal(size=(5, 1)) * 10
    values_SC = np.array([0.0, 1.0, 2.0]) + shared + rng().normal(size=(5, 3)) * 0.01
    assert certainty(values_SC, NONE, rng()).apart_CC.sum() == 6


def test_the_interval_of_a_rank_correlation_is_bonett_and_wright_s() -> None:
    low, high = spearman_interval(0.5, 30)
    error = np.sqrt((1 + 0.125) / 27) * stats.norm.ppf(0.975)
    assert (low, high) == pytest.approx((np.tanh(np.arctanh(0.5) - error), np.tanh(np.arctanh(0.5) + error)))
    assert np.isnan(spearman_interval(0.5, 3)).all()
    assert spearman_interval(1.0, 10) == (spearman_interval(1 - 12 / 990, 10)[0], 1.0)  # as of the next best order
    assert spearman_interval(-1.0, 4) == (-1.0, -spearman_interval(0.8, 4)[0])
    generator = rng()
    covered = []
    for _ in range(400):
        pairs = generator.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=25)
        low, high = spearman_interval(stats.spearmanr(*pairs.T).statistic, 25)
        covered.append(low < 6 / np.pi * np.arcsin(0.3) < high)
    assert 0.91 < np.mean(covered) < 0.98
