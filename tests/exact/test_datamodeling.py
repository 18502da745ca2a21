"""The linear datamodeling score against a loop over scipy, and its known answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from harness.cli.studies.lds import COALITIONS, halves
from harness.statistics.datamodeling import linear_datamodeling_scores
from harness.statistics.scores import spearman
from harness.types import Bools, Floats

RNG = np.random.default_rng(0)
MEMBERS: Bools = halves(24, np.random.default_rng(1))


def looped(values_C: Floats, members_KC: Bools, outcomes_K: Floats) -> float:
    """As its paper writes it, a coalition at a time."""
    sums = [sum(values_C[c] for c in np.flatnonzero(row)) for row in members_KC]
    return float(stats.spearmanr(sums, outcomes_K)[0])


def test_every_method_against_every_outcome_is_the_loop_over_scipy() -> None:
    values_MC, outcomes_NK = RNG.standard_normal((5, 24)), RNG.standard_normal((7, COALITIONS))
    found_MN = linear_datamodeling_scores(values_MC[:, None], MEMBERS, outcomes_NK)
    expected = [[looped(values_C, MEMBERS, outcomes_K) for outcomes_K in outcomes_NK] for values_C in values_MC]
    np.testing.assert_allclose(found_MN, expected, atol=1e-12)


def test_examples_with_values_of_their_own_are_the_same_one_by_one_to_the_bit() -> None:
    values_NC, outcomes_NK = RNG.standard_normal((9, 24)), RNG.standard_normal((9, COALITIONS))
    found_N = linear_datamodeling_scores(values_NC, MEMBERS, outcomes_NK)
    one_by_one = [
        spearman(np.array([values_C[row].sum() for row in MEMBERS]), outcomes_K)
        for values_C, outcomes_K in zip(values_NC, outcomes_NK, strict=True)
    ]
    np.testing.assert_array_equal(found_N, one_by_one)


def test_an_additive_utility_is_foretold_by_its_weights_alone() -> None:
    weights_C = RNG.standard_normal(24)
    outcomes_K = 3 + MEMBERS @ weights_C
    assert linear_datamodeling_scores(weights_C, MEMBERS, outcomes_K) == pytest.approx(1)
    assert linear_datamodeling_scores(-weights_C, MEMBERS, outcomes_K) == pytest.approx(-1)
    assert abs(linear_datamodeling_scores(RNG.permutation(weights_C), MEMBERS, outcomes_K)) < 0.7


def test_equal_values_foretell_nothing_of_halves() -> None:
    """0.1 has no exact sum, so equal sums differ by rounding: they are tied all the same."""
    outcomes_K = RNG.standard_normal(COALITIONS)
    assert math.isnan(linear_datamodeling_scores(np.full(24, 0.1), MEMBERS, outcomes_K))


def test_halves_are_random_coalitions_of_half_the_contributors() -> None:
    assert MEMBERS.shape == (COALITIONS, 24)
    assert (MEMBERS.sum(axis=1) == 12).all()
    assert len({row.tobytes() for row in MEMBERS}) == COALITIONS
    shares_C = halves(7, np.random.default_rng(2)).mean(axis=0)
    assert np.abs(shares_C - 3 / 7).max() < 4 * math.sqrt(3 / 7 * 4 / 7 / COALITIONS)
