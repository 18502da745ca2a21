"""Hand-made results give the rows and the file that they should: scores, ranks, what they cost."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from harness.records.results import PoolRecord, Results
from harness.report import sentences
from harness.report.leaderboard import leaderboard
from harness.report.leaderboard_csv import to_csv
from harness.report.markdown import page
from harness.report.view import RULE, TRUTH
from tests.harness.hand_made import (
    HEADER,
    PARTLY,
    QUESTION,
    SUITE,
    TASK,
    TRUTHS,
    C,
    bill,
    noisy,
    page_of,
    parsed,
    results_of,
    rows_of,
    said,
    truth_of,
)


def test_the_files_columns_are_these() -> None:
    assert to_csv([]) == HEADER + "\n"
    assert to_csv(leaderboard(SUITE, results_of()).cells).splitlines()[0] == HEADER


def test_scores_are_scipys_mean_over_pools() -> None:
    rows = rows_of(results_of())
    expected = np.mean([stats.spearmanr(a, b).statistic for a, b in zip(PARTLY, TRUTHS, strict=True)])
    assert rows["partly"].spearman == pytest.approx(expected, abs=1e-12)
    assert rows["right"].spearman == pytest.approx(1.0)
    assert rows["wrong"].spearman == pytest.approx(-1.0)
    assert rows["partly"].low < expected < rows["partly"].high
    assert math.isnan(rows["right"].low)  # without any one contributor it would be 1 too, which is no certainty
    assert not rows["right"].above_zero


def test_repeats_are_averaged_before_they_are_ranked() -> None:
    spread = np.random.default_rng(3).standard_normal((2, C)) * 100
    repeated = [np.stack([truth + noise, truth - noise]) for truth, noise in zip(TRUTHS, spread, strict=True)]
    assert rows_of(results_of({"right": repeated}))["right"].spearman == pytest.approx(1.0)


def test_the_bill_is_the_mean_of_the_valuations_in_hours() -> None:
    row = rows_of(results_of())["right"]
    assert row.cost.seconds == pytest.approx(1.5)
    assert row.cost.core_hours == pytest.approx(3.0 / 3600)
    assert row.cost.projected_gpu_hours == pytest.approx(1.5 * 180e15 / 50e12 / 3600)
    assert math.isnan(row.cost.gpu_hours)
    assert (row.cost.retrainings, row.cost.gradient_passes, row.cost.peak_memory_mb) == (3, 4.5, 10.0)
    assert (row.pools, row.contributors) == (2, C)
    truth = rows_of(results_of())[TRUTH]
    assert (truth.cost.seconds, truth.reliability) == (pytest.approx(100.0), pytest.approx(0.9))


def test_operations_are_of_the_pools_that_count_them_and_times_of_the_others() -> None:
    results = results_of({})
    results.add(said("right", 0, TRUTHS[0]))
    results.add(said("right", 1, TRUTHS[1], cost=replace(bill(2.0), flops=math.nan, bytes_moved=math.nan)))
    cost = rows_of(results)["right"].cost
    assert (cost.seconds, cost.core_hours, cost.flops) == (2.0, 4.0 / 3600, 180e15)
    assert cost.projected_gpu_hours == pytest.approx(180e15 / 50e12 / 3600)
    assert (cost.retrainings, cost.gradient_passes) == (3, 4.5)


def test_hours_on_a_gpu_are_measured() -> None:
    results = results_of({})
    for pool, values in enumerate(TRUTHS):
        results.add(said("right", pool, values, device="cuda:0"))
    row = rows_of(results)["right"]
    assert row.cost.gpu_hours == pytest.approx(0.75 / 3600)
    assert row.cost.projected_gpu_hours == pytest.approx(1.5 * 180e15 / 50e12 / 3600)


def test_a_constant_method_is_undefined_with_a_reason_and_never_zero() -> None:
    row = rows_of(results_of())["constant"]
    assert math.isnan(row.spearman)
    assert math.isnan(row.fraction_of_ceiling)
    assert row.rank_low is None
    assert (row.constant, row.flat) == (True, (0, 1))
    assert all(math.isnan(pool.spearman) for pool in row.points)
    line = next(found for found in parsed(to_csv([row])))
    assert (line["spearman"], line["rank_low"], line["gpu_hours"]) == ("", "", "")
    assert line["reason"] == "its values are constant in pool 1, 2, so no order can be compared"


def test_a_method_missing_on_a_pool_is_a_failed_row_that_names_the_pool() -> None:
    results = results_of()
    del results.valuations[TASK, 1, QUESTION, "right"]
    row = rows_of(results)["right"]
    assert (row.status, row.reason) == ("failed", "not asked about pool 2")
    assert math.isnan(row.spearman)
    assert row.rank_low is None


@pytest.mark.parametrize(("status", "reason"), [("failed", "pool 2: it broke"), ("unsuitable", "it broke")])
def test_a_method_without_an_answer_on_one_pool_says_why(status: str, reason: str) -> None:
    results = results_of()
    results.add(said("right", 1, None, status=status, reason="it broke"))
    row = rows_of(results)["right"]
    assert (row.status, row.reason) == (status, reason)
    assert math.isnan(row.spearman)
    assert row.cost.seconds == pytest.approx(1.0)  # what the pool that was answered cost


def test_without_a_truth_no_method_has_a_score() -> None:
    results = results_of()
    for pool in (0, 1):
        results.add(truth_of(pool, [], math.nan, status="failed", reason="training diverged"))
    rows = rows_of(results)
    assert (rows[TRUTH].status, rows[TRUTH].reason) == ("failed", "pool 1: training diverged")
    assert rows["right"].status == "failed"
    assert "training diverged" in rows["right"].reason
    assert all(math.isnan(row.spearman) for row in rows.values())


def test_answers_to_a_changed_pool_are_no_rows() -> None:
    results = results_of()
    names = tuple(f"c{i}" for i in range(C))
    results.add(PoolRecord(TASK, 0, "dealt again", names, ({},) * C, {}, {}, {}))
    rows = rows_of(results)
    assert rows[TRUTH].pools == 1
    assert rows["right"].pools == 1
    expected = stats.spearmanr(PARTLY[1], TRUTHS[1]).statistic
    assert rows["partly"].spearman == pytest.approx(expected)


def test_a_method_that_is_constant_in_one_pool_has_no_score_instead_of_one_from_fewer_pools() -> None:
    row = rows_of(results_of({"partly": [PARTLY[0], np.ones(C)]}))["partly"]
    assert math.isnan(row.spearman)
    assert (row.constant, row.flat, row.pools) == (True, (1,), 2)
    assert "constant in pool 2" in sentences.reason(row)


def test_a_pool_whose_truth_gives_no_order_is_left_out_for_all_methods_and_told() -> None:
    results = results_of()
    results.add(truth_of(1, [np.ones(C)] * 3))
    rows = rows_of(results)
    assert rows["partly"].spearman == pytest.approx(stats.spearmanr(PARTLY[0], TRUTHS[0]).statistic)
    assert (rows["partly"].pools, rows[TRUTH].pools, rows[TRUTH].flat) == (1, 1, (1,))
    assert "same for all contributors in pool 2" in sentences.reason(rows[TRUTH])
    results.add(truth_of(0, [np.ones(C)] * 3))
    row = rows_of(results)["partly"]
    assert (row.constant, sentences.reason(row)) == (True, "the truth is constant, so no order can be compared")


# --- ranks --------------------------------------------------------------------------------------------


def many(pools: int) -> Results:
    """Pools with a method that is right, one that is so too, one partly, a wrong one, and random with a lucky draw."""
    results = Results()
    for pool in range(pools):
        truth = np.random.default_rng((9, pool)).standard_normal(C)
        almost = noisy(truth, 0.2, 110 + pool)
        results.add(PoolRecord(TASK, pool, "key", tuple(f"c{i}" for i in range(C)), ({},) * C, {}, {}, {}))
        results.add(truth_of(pool, [truth] * 2))
        for name, values in {
            "right": almost,
            "right too": 2 * almost + 1,
            "partly": noisy(truth, 1.0, 70 + pool),
            "partly too": noisy(truth, 1.0, 90 + pool),
            "random": truth,
            "wrong": -almost,
        }.items():
            results.add(said(name, pool, values))
    return results


def test_rank_ranges_and_marks_say_what_can_be_told_apart() -> None:
    rows = rows_of(many(8), SUITE)
    ranges = {name: (row.rank_low, row.rank_high) for name, row in rows.items() if not row.is_truth}
    assert ranges == {
        "right": (1, 2),
        "right too": (1, 2),
        "partly": (3, 4),
        "partly too": (3, 4),
        "random": (5, 5),
        "wrong": (6, 6),
    }
    marks = {name: (row.above_zero, row.behind) for name, row in rows.items()}
    assert marks == {
        TRUTH: (False, False),
        "right": (True, False),
        "right too": (True, False),
        "partly": (True, True),
        "partly too": (True, True),
        "random": (False, True),
        "wrong": (False, True),
    }


def test_random_orders_are_compared_at_zero_and_show_their_draw() -> None:
    row = rows_of(many(8))["random"]
    assert row.spearman == pytest.approx(1)
    assert (row.rank_low, row.above_zero) == (5, False)


def test_a_verdict_names_those_that_are_compared_with_no_other() -> None:
    results = many(8)
    for pool in range(8):
        truth = np.array(results.truths[TASK, pool, QUESTION].values[0])
        results.add(said("right", pool, truth))
    ((_, text),) = sentences.of_tasks(leaderboard(SUITE, results), "standalone")
    assert text.startswith("of those that have an interval, right too is ahead of every other method. In order of")
    assert text.endswith(" Without an interval, and compared with no other: right.")


def test_two_pools_are_not_ranked() -> None:
    rows = rows_of(many(2))
    assert all(row.rank_low is None and row.rank_high is None and not row.behind for row in rows.values())
    assert rows["partly"].above_zero
    assert "not enough signal: 2 pools, and methods are compared from 3 on" in page_of(many(2))


def test_verdicts_name_a_winner_a_tie_with_its_cheapest_or_no_signal() -> None:
    def told(results: Results) -> str:
        ((_, text),) = sentences.of_tasks(leaderboard(SUITE, results), "standalone")
        return text

    results = many(8)
    for pool in range(8):
        old = results.valuations[TASK, pool, QUESTION, "right too"]
        results.add(replace(old, cost=bill(0.25)))
    assert told(results).startswith(
        "right scores highest, and right too cannot be told apart from it; the cheapest of these is right too, 0.2 s a "
        "valuation, and may be as much as 0."
    )
    assert " behind. In order of score, 3 of 5 neighbours are told apart; of all pairs 87%." in told(results)
    for key in [key for key in results.valuations if key[-1] == "right too"]:
        del results.valuations[key]
    assert told(results).startswith("right is ahead of every other method. In order of score, 3 of 4 neighbours")
    for key in [key for key in results.valuations if key[-1] not in ("random", "wrong")]:
        del results.valuations[key]
    assert told(results).startswith("not enough signal: no method is told to be better than random orders.")


def test_rows_come_in_the_suites_order_and_do_not_depend_on_the_order_of_arrival() -> None:
    view = leaderboard(SUITE, results_of())
    assert [cell.method for cell in view.cells] == [TRUTH, *SUITE.methods]
    backwards = Results()
    made = results_of()
    for table in (made.valuations, made.truths, made.pools, made.runs):
        for record in reversed(list(table.values())):
            backwards.add(record)
    again = leaderboard(SUITE, backwards)
    assert (to_csv(again.cells), page(again)) == (to_csv(view.cells), page(view))


def test_other_measures_are_scipys_and_counted_by_hand() -> None:
    found = {name: row.secondary for name, row in rows_of(results_of()).items() if row.secondary}
    expected = np.mean([stats.kendalltau(a, b).statistic for a, b in zip(PARTLY, TRUTHS, strict=True)])
    assert found["partly"].kendall == pytest.approx(expected)
    shared = [len(set(np.argsort(-a)[:6]) & set(np.argsort(-b)[:6])) / 6 for a, b in zip(PARTLY, TRUTHS, strict=True)]
    assert found["partly"].top_quarter == pytest.approx(np.mean(shared))
    assert found["right"].top_quarter == 1.0
    assert math.isnan(found["right"].repeats)


def test_the_spread_of_a_methods_own_repeats_is_told() -> None:
    repeated = [np.stack([a, b, -a]) for a, b in zip(PARTLY, TRUTHS, strict=True)]
    found = rows_of(results_of({"partly": repeated}))["partly"].secondary
    expected = [
        np.mean([stats.spearmanr(one, other).statistic for one, other in itertools.combinations(rows, 2)])
        for rows in repeated
    ]
    assert found is not None
    assert found.repeats == pytest.approx(np.mean(expected))


def test_discrimination_is_the_absolute_mean_spearman_of_each_feature() -> None:
    (line,) = leaderboard(SUITE, results_of()).discrimination
    expected = np.mean([stats.spearmanr(a, b).statistic for a, b in zip(PARTLY, TRUTHS, strict=True)])
    assert (line.task, line.question, line.feature) == (TASK, QUESTION, "size")
    assert line.discriminates == (abs(expected) < RULE)
    assert line.features == {"size": pytest.approx(abs(expected))}  # the flat feature is undefined, so it is not there
