"""What a leaderboard tells of its truths: how well they repeat, their ceilings, and what is weak about them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.records.results import PoolRecord, Results, RunRecord, TruthRecord
from harness.report import sentences
from harness.report.leaderboard import leaderboard
from harness.report.markdown import page
from harness.report.view import TRUTH, Weakness
from harness.statistics.ceilings import spearman_brown
from tests.harness.hand_made import (
    ORIGIN,
    QUESTION,
    SUITE,
    TASK,
    TRUTHS,
    C,
    noisy,
    page_of,
    results_of,
    rows_of,
    said,
    table_after,
    truth_of,
)


def recorded(pool: int, seeds: int, by_seed: float, held_out: float, **changes: Any) -> TruthRecord:
    """A truth of known components on both splits, of contributors with a variance of 1."""
    rng = np.random.default_rng((7, pool))
    both_SC = rng.standard_normal(C) + by_seed * rng.standard_normal((seeds, C))
    truth_SC, validation_SC = both_SC + held_out * rng.standard_normal(C), both_SC + held_out * rng.standard_normal(C)
    kept = {"validation": tuple(map(tuple, validation_SC.tolist()))}
    return truth_of(pool, list(truth_SC), **{**kept, **changes})


def recorded_results(
    pools: int, seeds: int = 3, by_seed: float = 0.3, held_out: float = 0.5, **changes: Any
) -> Results:
    results = Results()
    results.add(RunRecord("run", ORIGIN))
    for pool in range(pools):
        truth = recorded(pool, seeds, by_seed, held_out, **changes)
        results.add(PoolRecord(TASK, pool, "key", tuple(f"c{i}" for i in range(C)), ({},) * C, {}, {}, {}))
        results.add(truth)
        results.add(said("partly", pool, noisy(np.mean(truth.values, axis=0), 1.0, 50 + pool)))
    return results


def test_the_ceiling_knows_the_noise_of_seeds_and_of_the_held_out_sample() -> None:
    known = math.sqrt(1 / (1 + 0.3**2 / 3 + 0.5**2))
    rows = rows_of(recorded_results(30))
    for row in rows.values():
        assert row.ceiling_low < row.ceiling < row.ceiling_high
        assert row.ceiling == pytest.approx(known, abs=0.05)
        assert row.reliability == pytest.approx(0.9)
    assert rows["partly"].fraction_of_ceiling == rows["partly"].spearman / rows["partly"].ceiling
    assert rows["partly"].ceiling == rows[TRUTH].ceiling


def test_what_retraining_itself_scores_from_the_validation_split_is_told_once_a_task() -> None:
    results = recorded_results(30)
    found = rows_of(results)[TRUTH].validation
    known = 1 / (1 + 0.3**2 / 3 + 0.5**2)
    assert found == pytest.approx(known, abs=0.05)
    assert math.isnan(rows_of(results)["partly"].validation)
    assert table_after(page(leaderboard(SUITE, results)), "## Standalone")[sentences.PRACTICAL] == [f"{found:.2f}"]


def test_results_without_values_on_validation_have_no_ceiling_and_say_so() -> None:
    rows = rows_of(results_of())
    assert all(math.isnan(value) for row in rows.values() for value in (row.ceiling, row.ceiling_high))
    assert math.isnan(rows["partly"].fraction_of_ceiling)
    text = page_of(results_of())
    assert "which older results lack" in text
    assert "which older results lack" not in page_of(recorded_results(3))


def test_a_weak_truth_says_how_many_seeds_would_mend_it_from_six_on() -> None:
    rows = rows_of(results_of(reliability=0.5))
    for method in (TRUTH, "right"):
        assert rows[method].weakness == Weakness(math.nan, 0.5, repeats=3, unit="seeds", needed=None)
        assert rows[method].reason == ""
        assert "weak truth: reliability 0.50 from 3 seeds, so a ceiling under 0.8" in sentences.reason(rows[method])
        assert "would take" not in sentences.reason(rows[method])
    strong = rows_of(results_of(reliability=0.65))["right"]  # a ceiling of 0.81 at most
    assert strong.weakness is None
    results = results_of()
    for pool, values in enumerate(TRUTHS):
        results.add(truth_of(pool, [values] * 6, 0.5))
    # a ceiling of 0.8 is a reliability of 0.64, and Spearman-Brown: 0.5 from 6 seeds is 0.64 from 11
    assert spearman_brown(0.5, 10 / 6) < 0.64 <= spearman_brown(0.5, 11 / 6)
    assert "0.8 would take about 11" in sentences.reason(rows_of(results)[TRUTH])


def test_a_weak_ceiling_is_mended_by_seeds_only_as_far_as_the_held_out_sample_allows() -> None:
    """With held-out noise of 0.2 of the worths' variance seeds bring it to 0.8; with 1.0 no number of them does."""
    reliability = 1.2 / (1.2 + 9 / 8)  # between runs on one held-out sample, whose noise they share
    weak = rows_of(recorded_results(12, seeds=8, by_seed=3.0, held_out=math.sqrt(0.2), reliability=reliability))[TRUTH]
    assert weak.weakness is not None
    assert weak.weakness.needed is not None
    # Of a mean's variance the worths are the squared ceiling, seeds 1 - reliability: k times as many divide the latter.
    needed = weak.weakness.needed
    squared = [weak.ceiling**2 / (reliability + (1 - reliability) * 8 / n) for n in (needed, needed - 1)]
    assert squared[1] < 0.8**2 <= squared[0]
    never = rows_of(recorded_results(12, seeds=8, by_seed=0.5, held_out=1.0, reliability=0.97))[TRUTH]
    assert never.weakness is not None
    assert (never.weakness.held_out, never.weakness.needed) == (True, None)
    assert "a larger test set would" in sentences.reason(never)


def test_a_reason_that_begins_like_a_weak_truth_is_told_and_marks_nothing_weak() -> None:
    results = results_of()
    results.add(said("right", 1, None, status="unsuitable", reason="weak truth is what this method cannot read"))
    row = rows_of(results)["right"]
    assert row.weakness is None
    assert "weak truth is what this method cannot read" in page(leaderboard(SUITE, results))
    assert "(weak)" not in page(leaderboard(SUITE, results))


def test_a_truth_of_one_seed_or_of_noise_is_weak_too() -> None:
    assert "no ceiling from 3 seeds" in sentences.reason(rows_of(results_of(reliability=math.nan))[TRUTH])
    assert "reliability -0.10 from 3 seeds" in sentences.reason(rows_of(results_of(reliability=-0.1))[TRUTH])


def test_a_pool_without_a_reliability_leaves_the_mean_without_one() -> None:
    """A mean over the other pools would be told as that of all."""
    results = results_of()
    assert rows_of(results)[TRUTH].reliability == pytest.approx(0.9)
    results.add(replace(results.truths[TASK, 1, QUESTION], reliability=math.nan))
    assert math.isnan(rows_of(results)[TRUTH].reliability)


def test_a_feature_that_does_not_apply_to_some_contributor_explains_nothing_there() -> None:
    results = results_of()
    for pool in (0, 1):
        old = results.pools[TASK, pool]
        results.add(replace(old, features={**old.features, "part": (None, *old.features["size"][1:])}))
    (found,) = leaderboard(SUITE, results).discrimination
    assert set(found.features) == {"size"}
