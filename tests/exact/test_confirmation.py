"""Scores on hidden pools against those on published ones: Welch's test by scipy, and how often chance decides."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.statistics.confirmation import LEVEL, MARGIN, judged, loss
from harness.types import Floats

SCORES = st.lists(st.floats(-1, 1).map(lambda x: round(x, 6)), min_size=2, max_size=12).map(np.array)


@pytest.mark.filterwarnings("ignore:Precision loss:RuntimeWarning")  # scipy's, where one side is all the same
@given(old=SCORES, new=SCORES)
def test_of_one_task_bounds_and_chance_are_those_of_welchs_test(old: Floats, new: Floats) -> None:
    if np.ptp(old) + np.ptp(new) == 0:
        return
    found = loss([old], [new])
    theirs = stats.ttest_ind(old, new, equal_var=False, alternative="greater")
    assert found.mean == pytest.approx(old.mean() - new.mean(), abs=1e-12)
    assert found.df == pytest.approx(theirs.df)
    assert found.chance() == pytest.approx(theirs.pvalue, abs=1e-9)
    assert found.above() == pytest.approx(theirs.confidence_interval(LEVEL).low, abs=1e-9)
    other = stats.ttest_ind(old, new, equal_var=False, alternative="less").confidence_interval(LEVEL)
    assert found.below() == pytest.approx(other.high, abs=1e-9)


def test_over_tasks_it_is_the_mean_of_their_losses_with_the_error_of_a_mean() -> None:
    rng = np.random.default_rng(0)
    old, new = [rng.normal(0.5, 0.1, 8) for _ in range(4)], [rng.normal(0.4, 0.1, 5) for _ in range(4)]
    found = loss(old, new)
    single = [stats.ttest_ind(a, b, equal_var=False) for a, b in zip(old, new, strict=True)]
    errors = [(a.mean() - b.mean()) / one.statistic for a, b, one in zip(old, new, single, strict=True)]
    assert found.mean == pytest.approx(np.mean([a.mean() - b.mean() for a, b in zip(old, new, strict=True)]))
    assert found.error == pytest.approx(math.sqrt(sum(error**2 for error in errors)) / 4)
    assert (found.old, found.new) == (pytest.approx(np.mean(old)), pytest.approx(np.mean(new)))


def verdicts(truly: float, pools: int, rows: int = 1, draws: int = 2000) -> dict[str, float]:
    """How often each verdict comes out over four tasks whose scores spread by 0.15 between pools."""
    rng = np.random.default_rng(1)
    found = [
        judged(loss(rng.normal(0.5, 0.15, (4, 24)), rng.normal(0.5 - truly, 0.15, (4, pools))), rows)
        for _ in range(draws)
    ]
    return {name: found.count(name) / draws for name in ("confirmed", "lower", "open")}  # type: ignore[call-overload]


def test_a_row_that_loses_the_margin_is_confirmed_by_chance_in_one_of_twenty_tables() -> None:
    assert verdicts(MARGIN, 8)["confirmed"] == pytest.approx(1 - LEVEL, abs=0.015)


def test_a_row_that_loses_nothing_is_called_lower_by_chance_in_one_of_twenty_tables_of_all_rows() -> None:
    assert verdicts(0.0, 8, rows=1)["lower"] == pytest.approx(1 - LEVEL, abs=0.015)
    assert verdicts(0.0, 8, rows=20)["lower"] < 0.008


def test_eight_hidden_pools_a_task_confirm_most_honest_rows_and_find_a_tuned_one() -> None:
    assert verdicts(0.0, 8)["confirmed"] > 0.85
    assert verdicts(0.2, 8, rows=20)["lower"] > 0.95


def test_too_few_pools_tell_nothing() -> None:
    found = loss([np.array([0.5, 0.6])], [np.array([0.1])])
    assert math.isnan(found.error)
    assert judged(found) == "open"
    wide = loss([np.array([0.5, 0.1])], [np.array([0.6, 0.0])])
    assert judged(wide) == "open"


def test_scores_that_never_vary_are_judged_by_their_difference() -> None:
    same, less = [np.full(3, 0.5)], [np.full(3, 0.3)]
    assert judged(loss(same, same)) == "confirmed"
    assert judged(loss(same, less)) == "lower"
