"""Hand-made results give the rows, the file and the page that they should."""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from harness.config import Projection, Suite, load_suite
from harness.errors import UserError
from harness.records.results import PoolRecord, Results, RunRecord, TruthRecord, ValuationRecord, load
from harness.report import sentences
from harness.report.files import drawn, write_report
from harness.report.leaderboard import leaderboard
from harness.report.leaderboard_csv import to_csv
from harness.report.markdown import page
from harness.report.view import RULE, TRUTH, Cell, Weakness
from harness.statistics.ceilings import residual_squares, spearman_brown
from harness.types import Cost

HEADER = (
    "task,question,method,family,status,reason,spearman,low,high,reliability,ceiling,ceiling_low,ceiling_high,"
    "fraction_of_ceiling,rank_low,rank_high,pools,contributors,seconds,core_hours,gpu_hours,projected_gpu_hours,"
    "reference_gpu_hours,flops,bytes_moved,launches,peak_memory_mb,retrainings,gradient_passes,forward_passes,load"
)
C, TASK, QUESTION = 24, "digits", "standalone"
ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = sorted(file.parent for file in (ROOT / "leaderboards").glob("*/results"))
OLD = sorted(file.parent for file in (ROOT / "tests" / "old_results").glob("*/results"))
"""What earlier versions published, in their formats."""
TRUTHS = [np.arange(C, dtype=float) ** 2, np.random.default_rng(1).standard_normal(C)]
"""Of two pools."""

SUITE = Suite(
    name="hand-made",
    tasks=(TASK,),
    methods=("right", "partly", "wrong", "constant"),
    pools=2,
    seeds=3,
    pairs=3,
    projection=Projection(gpu="Some GPU", peak_tflops=100, utilisation=0.5),
)


def noisy(truth: np.ndarray, amount: float, seed: int) -> np.ndarray:
    return truth + amount * truth.std() * np.random.default_rng(seed).standard_normal(len(truth))


PARTLY = [noisy(truth, 1.0, 10 + pool) for pool, truth in enumerate(TRUTHS)]
ANSWERS = {
    "right": TRUTHS,
    "partly": PARTLY,
    "wrong": [-truth for truth in TRUTHS],
    "constant": [np.ones(C), np.ones(C)],
}


def bill(seconds: float) -> Cost:
    return Cost(seconds, 2 * seconds, seconds / 2, 180e15 * seconds, 10.0, 3, 4.5)


def truth_of(pool: int, values: Sequence[np.ndarray], reliability: float = 0.9, **changes: Any) -> TruthRecord:
    rows = tuple(tuple(row.tolist()) for row in values)
    made = {"question": QUESTION, "status": "ok", "reason": "", "device": "cpu", "cost": bill(100.0), **changes}
    return TruthRecord(TASK, pool, "key", values=rows, reliability=reliability, accuracy=0.5, run="run", **made)


def said(method: str, pool: int, values: np.ndarray | None, **changes: Any) -> ValuationRecord:
    rows = () if values is None else tuple(tuple(row) for row in np.atleast_2d(values).tolist())
    made = {"question": QUESTION, "status": "ok", "reason": "", "device": "cpu", "cost": bill(1.0 + pool), **changes}
    return ValuationRecord(TASK, pool, "key", method=method, family="additive", values=rows, run="run", **made)


def results_of(
    answers: Mapping[str, Sequence[np.ndarray]] = ANSWERS,
    reliability: float = 0.9,
    truth: Mapping[str, Any] | None = None,
) -> Results:
    results = Results()
    results.add(RunRecord("run", ORIGIN))
    for pool, values in enumerate(TRUTHS):
        features = {"size": tuple(PARTLY[pool].tolist()), "flat": (1.0,) * C}
        names = tuple(f"c{i}" for i in range(C))
        results.add(PoolRecord(TASK, pool, "key", names, ({},) * C, features, {}, {}))
        results.add(truth_of(pool, [values - 0.1, values, values + 0.1], reliability, **(truth or {})))
        for method, rows in answers.items():
            results.add(said(method, pool, rows[pool]))
    return results


ORIGIN = {
    "command": "dataworth run",
    "started": "2025-01-01T00:00:00",
    "commit": "abc",
    "processor": "a processor",
    "threads": 2,
    "device": "cpu",
    "python": "3.11",
    "packages": {"torch": "2.0", "absent": None},
}


def rows_of(results: Results, suite: Suite = SUITE) -> dict[str, Cell]:
    return {cell.method: cell for cell in leaderboard(suite, results).cells}


def parsed(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


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
    assert (rows["right"].low, rows["right"].high) == (pytest.approx(1.0), pytest.approx(1.0))


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


# --- truths -------------------------------------------------------------------------------------------


def recorded(pool: int, seeds: int, by_seed: float, by_fold: float, **changes: Any) -> TruthRecord:
    """A truth of known components whose values by fold are kept, of contributors with a variance of 1."""
    rng = np.random.default_rng((7, pool))
    worth_C = rng.standard_normal(C)
    seen_SFC = worth_C + by_seed * rng.standard_normal((seeds, 1, C)) + by_fold * rng.standard_normal((1, 16, C))
    own = worth_C + by_seed * rng.standard_normal((seeds, C))
    kept = {
        "by_fold": tuple(map(tuple, seen_SFC.mean(axis=0).tolist())),
        "residual": tuple(residual_squares(seen_SFC).tolist()),
        "validation": tuple(map(tuple, own.tolist())),
    }
    return truth_of(pool, list(seen_SFC.mean(axis=1)), **{**kept, **changes})


def recorded_results(pools: int, seeds: int = 3, by_seed: float = 0.3, by_fold: float = 2.0, **changes: Any) -> Results:
    results = Results()
    results.add(RunRecord("run", ORIGIN))
    for pool in range(pools):
        truth = recorded(pool, seeds, by_seed, by_fold, **changes)
        results.add(PoolRecord(TASK, pool, "key", tuple(f"c{i}" for i in range(C)), ({},) * C, {}, {}, {}))
        results.add(truth)
        results.add(said("partly", pool, noisy(np.mean(truth.values, axis=0), 1.0, 50 + pool)))
    return results


def test_the_ceiling_knows_the_noise_of_seeds_and_of_the_held_out_sample() -> None:
    known = math.sqrt(1 / (1 + 0.3**2 / 3 + 2.0**2 / 16))
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
    known = math.sqrt(1 / (1 + 0.3**2 / 3)) * math.sqrt(1 / (1 + 0.3**2 / 3 + 2.0**2 / 16))
    assert found == pytest.approx(known, abs=0.05)
    assert math.isnan(rows_of(results)["partly"].validation)
    assert table_after(page(leaderboard(SUITE, results)), "## Standalone")[sentences.PRACTICAL] == [f"{found:.2f}"]


def test_results_without_values_by_fold_have_no_ceiling_and_say_so() -> None:
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
    weak = rows_of(recorded_results(12, seeds=8, by_seed=3.0, by_fold=math.sqrt(3.2), reliability=reliability))[TRUTH]
    assert weak.weakness is not None
    assert weak.weakness.needed is not None
    # Of a mean's variance the worths are the squared ceiling, seeds 1 - reliability: k times as many divide the latter.
    needed = weak.weakness.needed
    squared = [weak.ceiling**2 / (reliability + (1 - reliability) * 8 / n) for n in (needed, needed - 1)]
    assert squared[1] < 0.8**2 <= squared[0]
    never = rows_of(recorded_results(12, seeds=8, by_seed=0.5, by_fold=4.0, reliability=0.97))[TRUTH]
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


# --- ranks --------------------------------------------------------------------------------------------


def many(pools: int) -> Results:
    """Pools with a method that is right, one that is so too, one partly, a wrong one, and random with a lucky draw."""
    results = Results()
    for pool in range(pools):
        truth = np.random.default_rng((9, pool)).standard_normal(C)
        results.add(PoolRecord(TASK, pool, "key", tuple(f"c{i}" for i in range(C)), ({},) * C, {}, {}, {}))
        results.add(truth_of(pool, [truth] * 2))
        for name, values in {
            "right": truth,
            "right too": 2 * truth + 1,
            "partly": noisy(truth, 1.0, 70 + pool),
            "partly too": noisy(truth, 1.0, 90 + pool),
            "random": truth,
            "wrong": -truth,
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


# --- the page -----------------------------------------------------------------------------------------


def page_of(results: Results) -> str:
    return page(leaderboard(SUITE, results))


def table_after(text: str, heading: str) -> dict[str, list[str]]:
    """The first table after a line that contains ``heading``: first cell -> the others."""
    lines = iter(text[text.index(heading) :].splitlines()[1:])
    table = list(itertools.takewhile(lambda line: line.startswith("|"), itertools.dropwhile(_no_table, lines)))
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return {cells[0]: cells[1:] for cells in found if not set(cells[0]) <= {"-"}}


def _no_table(line: str) -> bool:
    return not line.startswith("|")


def test_each_question_has_agreement_beside_its_ceiling_and_the_hours() -> None:
    results = results_of()
    for pool, values in enumerate(TRUTHS):
        results.add(truth_of(pool, [values], 0.6, question="shapley"))
        results.add(said("right", pool, values, question="shapley"))
    text = page_of(results)
    assert re.findall(r"^## (Standalone|Leave-one-out|Shapley)$", text, re.MULTILINE) == ["Standalone", "Shapley"]
    row = rows_of(results_of())["partly"]
    standalone = text[text.index("## Standalone") : text.index("## Shapley")]
    agreement = table_after(standalone, "## Standalone")
    assert agreement["method"] == [TASK]
    assert agreement["partly"] == [f"**{row.spearman:.2f} [{row.low:.2f}, {row.high:.2f}]** ‡"]
    assert agreement["wrong"] == ["-1.00 [-1.00, -1.00] ‡"]
    assert agreement["right"] == ["**1.00 [1.00, 1.00]** ‡"]
    assert agreement["constant"] == ["constant"]
    assert agreement[TRUTH] == ["ceiling – ‡"]
    assert agreement["reliability of the truth"] == ["0.90"]
    hours = table_after(standalone, "GPU-hours of one valuation")
    truth = rows_of(results_of())[TRUTH]
    assert hours[TRUTH] == [f"{truth.cost.reference_gpu_hours:.2g}"]
    assert hours["right"] == ["–"]  # it was not recorded what its algebra takes
    shapley = text[text.index("## Shapley") :]
    assert table_after(shapley, "## Shapley")[TRUTH] == ["ceiling – (weak) ‡"]
    assert table_after(shapley, "GPU-hours of one valuation")["right"]


def test_hours_are_at_reference_scale_and_the_page_says_what_that_is() -> None:
    text = page_of(results_of())
    assert "GPU-hours of one valuation, **at reference scale**" in text
    assert "a language model of 1 B parameters fine-tuned on 24 x 4,000 examples of 256 tokens, 2,250 steps" in text
    assert "bf16 on Some GPU at 50% use" in text


def test_hours_at_reference_scale_come_from_retrainings_and_passes() -> None:
    """3 retrainings and 4.5 gradient passes of the text job, by hand; whatever the small run took."""
    results = results_of({})
    for pool, values in enumerate(TRUTHS):
        results.add(said("tracin", pool, values, algebra=3e20))
    retraining = 1e9 * 256 * (6 * 2250 * 128 + 2 * 4000)
    passes = 6 * 1e9 * 256 * 24 * 4000
    found, operations = rows_of(results), 3 * retraining + 4.5 * passes + 3e20
    assert found["tracin"].cost.reference_gpu_hours == pytest.approx(operations / 50e12 / 3600)


def test_the_projection_is_at_the_precision_that_the_pool_s_model_trained_in() -> None:
    results = results_of()
    for key, record in list(results.pools.items()):
        results.pools[key] = replace(record, learner={"precision": "float32"})
    flops = 1.5 * 180e15
    assert rows_of(results)["right"].cost.projected_gpu_hours == pytest.approx(flops / (19.5e12 * 0.5) / 3600)


@pytest.mark.parametrize(("load", "marked"), [(0.2, False), (0.3, True)])
def test_rows_measured_on_a_busy_machine_are_marked_and_the_mark_is_explained(load: float, marked: bool) -> None:
    results = results_of({})
    for pool, values in enumerate(TRUTHS):
        results.add(said("right", pool, values, cost=replace(bill(2.0), load=load)))
    text = page_of(results)
    assert ("2.0 §" in text) == marked
    assert ("§: measured while others kept more than 25% of the machine busy (up to 30%)" in text) == marked


def test_the_page_says_whether_the_pools_discriminate() -> None:
    feature = abs(np.mean([stats.spearmanr(a, b).statistic for a, b in zip(PARTLY, TRUTHS, strict=True)]))
    assert feature > RULE
    text = page_of(results_of())
    found = table_after(text, "Do the pools discriminate?")[TASK]
    assert found == [QUESTION, "0.90", "–", "size", f"{feature:.2f}", "no", "–", "–"]
    why = f"size alone agrees {feature:.2f} with the truth"
    assert ["| " + TASK, f"{TRUTH}, {QUESTION}", "doubtful", why] in [
        [part.strip() for part in line.rstrip("| ").split(" | ")] for line in text.splitlines()
    ]
    assert f"Agreement tells little here: {why}." in text
    assert table_after(text, "## Standalone")["partly"][0].endswith(" ‡")
    rows = {row["method"]: row["reason"] for row in parsed(to_csv(leaderboard(SUITE, results_of()).cells))}
    assert rows["partly"] == rows[TRUTH] == why
    fair = results_of()
    for key, pool in list(fair.pools.items()):
        fair.pools[key] = PoolRecord(TASK, pool.pool, "key", pool.contributors, pool.planted, {}, {}, {})
    assert "‡" not in table_after(page_of(fair), "## Standalone")["partly"][0]


def test_pools_where_nothing_is_learned_are_counted_and_marked() -> None:
    """Everyone scores 1 more than nobody in the first pool, and as much in the second."""
    results, rng = results_of(), np.random.default_rng(3)
    for pool, values in enumerate(TRUTHS):
        nobody = rng.standard_normal((3, 16))
        everyone = nobody[[1, 0, 2]] + (1.0 if pool == 0 else 0.0) + 0.01 * rng.standard_normal((3, 16))
        results.add(truth_of(pool, [values] * 3, nobody=tuple(map(tuple, nobody.tolist()))))
        kept = {"everyone": tuple(map(tuple, everyone.tolist())), "question": "leave-one-out"}
        results.add(truth_of(pool, [values] * 3, **kept))
    view = leaderboard(SUITE, results)
    assert {line.question for line in view.discrimination} == {"standalone", "leave-one-out"}
    for line in view.discrimination:
        assert (line.unlearned, line.pools) == ((1,), 2)
        assert line.gain == pytest.approx(0.5, abs=0.01)
        assert 0 < line.gain_error < 0.5
    found = [cell for cell in view.cells if cell.doubt]
    assert {cell.question for cell in found} == {"standalone", "leave-one-out"}
    assert "nothing is learned in 1 of 2 pools (2)" in sentences.reason(found[0])


def test_single_features_that_are_as_good_are_told_in_a_fixed_order() -> None:
    pages = []
    for names in (("size", "age"), ("age", "size")):
        results = results_of()
        for key, pool in list(results.pools.items()):
            features = {name: tuple(TRUTHS[pool.pool].tolist()) for name in names}
            results.pools[key] = PoolRecord(TASK, pool.pool, "key", pool.contributors, pool.planted, features, {}, {})
        pages.append(page_of(results))
    assert pages[0] == pages[1]


def test_the_page_tells_reasons_and_where_it_came_from() -> None:
    results = results_of()
    results.add(said("wrong", 1, None, status="failed", reason="it broke"))
    text = page_of(results)
    notes = table_after(text, "## Notes on rows")
    assert notes[TASK]
    assert "pool 2: it broke" in text
    assert "`run`: `dataworth run` on 2025-01-01T00:00:00, commit abc" in text
    assert "torch 2.0." in text
    assert "absent" not in text


# --- what older versions published ----------------------------------------------------------------------


@pytest.mark.parametrize("folder", [*PUBLISHED, *OLD], ids=lambda folder: f"{folder.parent.name}/{folder.name}")
def test_published_results_are_drawn_with_the_scores_that_were_published(folder: Path) -> None:
    view = leaderboard(load_suite(folder / "suite.toml"), load(folder / "results"))
    files = drawn(view)
    assert list(files) == ["leaderboard.csv", "overall.csv", "README.md", "index.html"]
    before = keyed((folder / "leaderboard.csv").read_text(encoding="utf-8"))
    after = keyed(files["leaderboard.csv"])
    assert set(before) == set(after)
    for key, row in after.items():
        assert float(row["spearman"] or "nan") == pytest.approx(float(before[key]["spearman"] or "nan"), nan_ok=True)
        assert row["status"] == before[key]["status"]


@pytest.mark.parametrize("folder", OLD, ids=lambda folder: folder.name)
def test_what_older_results_do_not_tell_is_left_blank(folder: Path) -> None:
    """Their truths kept no held-out folds and their methods no algebra: no ceiling, no hours at reference scale."""
    results = load(folder / "results")
    assert len(results.pools) == 8
    files = drawn(leaderboard(load_suite(folder / "suite.toml"), results))
    rows = parsed(files["leaderboard.csv"])
    assert not any(row["reference_gpu_hours"] for row in rows if row["family"] != "truth")
    assert all(row["rank_low"] == "" for row in rows)  # two pools are not ranked
    assert "not enough signal: 2 pools a task, and methods are compared from 3 on" in files["README.md"]


def keyed(text: str) -> dict[tuple[str, str, str], dict[str, str]]:
    return {(row["task"], row["question"], row["method"]): row for row in parsed(text)}


def test_a_table_that_an_older_version_drew_may_be_drawn_again(tmp_path: Path) -> None:
    older = "task,question,method,family,status,reason,spearman,low,high,ceiling,fraction_of_ceiling,rank,pools\n"
    (tmp_path / "leaderboard.csv").write_text(older, encoding="utf-8")
    write_report(tmp_path, SUITE, results_of())
    assert (tmp_path / "leaderboard.csv").read_text(encoding="utf-8").startswith(HEADER)
    assert (tmp_path / "overall.csv").read_text(encoding="utf-8").startswith("question,method,family,spearman,")
    (tmp_path / "overall.csv").write_text("mine\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"overall.csv was not drawn by dataworth"):
        write_report(tmp_path, SUITE, results_of())
