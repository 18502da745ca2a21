"""Hand-made results give the rows, the file and the page that they should."""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from scipy import stats

from harness.config import Projection, Suite
from harness.records.results import PoolRecord, Results, RunRecord, TruthRecord, ValuationRecord
from harness.report import sentences
from harness.report.leaderboard import leaderboard
from harness.report.leaderboard_csv import to_csv
from harness.report.markdown import page
from harness.report.view import RULE, TRUTH, Cell, Weakness
from harness.statistics.ceilings import spearman_brown
from harness.types import Cost

HEADER = (
    "task,question,method,family,status,reason,spearman,low,high,ceiling,fraction_of_ceiling,rank,pools,contributors,"
    "seconds,core_hours,gpu_hours,projected_gpu_hours,flops,peak_memory_mb,retrainings,gradient_passes"
)
C, TASK, QUESTION = 24, "digits", "standalone"
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


def truth_of(pool: int, values: Sequence[np.ndarray], ceiling: float = 0.9, **changes: Any) -> TruthRecord:
    rows = tuple(tuple(row.tolist()) for row in values)
    made = {"question": QUESTION, "status": "ok", "reason": "", "device": "cpu", "cost": bill(100.0), **changes}
    return TruthRecord(TASK, pool, "key", values=rows, ceiling=ceiling, accuracy=0.5, run="run", **made)


def said(method: str, pool: int, values: np.ndarray | None, **changes: Any) -> ValuationRecord:
    rows = () if values is None else tuple(tuple(row) for row in np.atleast_2d(values).tolist())
    made = {"question": QUESTION, "status": "ok", "reason": "", "device": "cpu", "cost": bill(1.0 + pool), **changes}
    return ValuationRecord(TASK, pool, "key", method=method, family="additive", values=rows, run="run", **made)


def results_of(
    answers: Mapping[str, Sequence[np.ndarray]] = ANSWERS, ceiling: float = 0.9, truth: Mapping[str, Any] | None = None
) -> Results:
    results = Results()
    results.add(RunRecord("run", ORIGIN))
    for pool, values in enumerate(TRUTHS):
        features = {"size": tuple(PARTLY[pool].tolist()), "flat": (1.0,) * C}
        names = tuple(f"c{i}" for i in range(C))
        results.add(PoolRecord(TASK, pool, "key", names, ({},) * C, features, {}, {}))
        results.add(truth_of(pool, [values - 0.1, values, values + 0.1], ceiling, **(truth or {})))
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
    assert rows["partly"].fraction_of_ceiling == pytest.approx(expected / 0.9)
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
    assert (truth.cost.seconds, truth.ceiling) == (pytest.approx(100.0), pytest.approx(0.9))


def test_hours_on_a_gpu_are_measured() -> None:
    results = results_of({})
    for pool, values in enumerate(TRUTHS):
        results.add(said("right", pool, values, device="cuda:0"))
    row = rows_of(results)["right"]
    assert row.cost.gpu_hours == row.cost.shown_gpu_hours == pytest.approx(0.75 / 3600)
    assert row.cost.projected_gpu_hours == pytest.approx(1.5 * 180e15 / 50e12 / 3600)


def test_a_constant_method_is_undefined_with_a_reason_and_never_zero() -> None:
    row = rows_of(results_of())["constant"]
    assert math.isnan(row.spearman)
    assert math.isnan(row.fraction_of_ceiling)
    assert row.rank is None
    assert row.constant
    assert all(math.isnan(pool.spearman) for pool in row.points)
    line = next(found for found in parsed(to_csv([row])))
    assert (line["spearman"], line["rank"], line["gpu_hours"]) == ("", "", "")
    assert "constant" in line["reason"]


def test_a_method_missing_on_a_pool_is_a_failed_row_that_names_the_pool() -> None:
    results = results_of()
    del results.valuations[TASK, 1, QUESTION, "right"]
    row = rows_of(results)["right"]
    assert (row.status, row.reason) == ("failed", "not asked about pool 2")
    assert math.isnan(row.spearman)
    assert row.rank is None


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


def test_a_weak_truth_says_how_many_seeds_would_mend_it() -> None:
    rows = rows_of(results_of(ceiling=0.5))
    for method in (TRUTH, "right"):
        # Spearman-Brown: 0.5 from 3 seeds is 0.8 from 4 times as many
        assert rows[method].weakness == Weakness(ceiling=0.5, repeats=3, unit="seeds", needed=12)
        assert rows[method].reason == ""
        assert sentences.reason(rows[method]) == "weak truth: ceiling 0.50; 0.8 would take about 12 seeds, not 3"
    assert spearman_brown(0.5, 12 / 3) == pytest.approx(0.8)
    strong = rows_of(results_of(ceiling=0.85))["right"]
    assert (strong.weakness, sentences.reason(strong)) == (None, "")


def test_a_reason_that_begins_like_a_weak_truth_is_told_and_marks_nothing_weak() -> None:
    results = results_of()
    results.add(said("right", 1, None, status="unsuitable", reason="weak truth is what this method cannot read"))
    row = rows_of(results)["right"]
    assert row.weakness is None
    assert "weak truth is what this method cannot read" in page(leaderboard(SUITE, results))
    assert "(weak)" not in page(leaderboard(SUITE, results))


def test_a_truth_of_one_seed_or_of_noise_is_weak_too() -> None:
    assert "no ceiling from 3 of its seeds" in sentences.reason(rows_of(results_of(ceiling=math.nan))[TRUTH])
    assert "more seeds than 3 needed" in sentences.reason(rows_of(results_of(ceiling=-0.1))[TRUTH])


def test_methods_that_cannot_be_told_apart_share_a_rank() -> None:
    rows = rows_of(results_of({**ANSWERS, "right too": [2 * truth + 1 for truth in TRUTHS]}))
    assert rows["right"].rank == rows["right too"].rank == 1
    assert rows["partly"].rank == 3
    assert rows["wrong"].rank == 4
    marks = {name: (row.established, row.behind) for name, row in rows.items()}
    assert marks == {
        TRUTH: (False, False),
        "right": (True, False),
        "right too": (True, False),
        "partly": (True, True),
        "wrong": (False, True),
        "constant": (False, False),
    }


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
        results.add(truth_of(pool, [values], 0.7, question="shapley"))
        results.add(said("right", pool, values, question="shapley"))
    text = page_of(results)
    assert re.findall(r"^## (Standalone|Leave-one-out|Shapley)$", text, re.MULTILINE) == ["Standalone", "Shapley"]
    row = rows_of(results_of())["partly"]
    standalone = text[text.index("## Standalone") : text.index("## Shapley")]
    agreement = table_after(standalone, "## Standalone")
    assert agreement["method"] == [TASK]
    assert agreement["partly"] == [f"**{row.spearman:.2f} [{row.low:.2f}, {row.high:.2f}] / 0.90** †"]
    assert agreement["wrong"][0].startswith("-1.00 [")
    assert agreement["wrong"][0].endswith("/ 0.90 †")
    assert agreement["right"] == ["**1.00 [1.00, 1.00] / 0.90**"]
    assert agreement["constant"] == ["constant"]
    assert agreement[TRUTH] == ["ceiling 0.90"]
    hours = table_after(standalone, "GPU-hours of one valuation")
    assert hours["right"] == [f"{row.cost.projected_gpu_hours:.2g}"]
    shapley = text[text.index("## Shapley") :]
    assert table_after(shapley, "## Shapley")[TRUTH] == ["ceiling 0.70 (weak)"]
    assert table_after(shapley, "GPU-hours of one valuation")["right"]


def test_projected_hours_are_labelled_and_measured_ones_are_not() -> None:
    assert "GPU-hours of one valuation, **projected** for Some GPU at 50% use" in page_of(results_of())
    measured = results_of({}, truth={"device": "cuda"})
    for pool, values in enumerate(TRUTHS):
        measured.add(said("right", pool, values, device="cuda"))
    text = page_of(measured)
    assert "GPU-hours of one valuation, measured" in text
    assert "**projected**" not in text


def test_the_page_says_whether_the_pools_discriminate() -> None:
    feature = abs(np.mean([stats.spearmanr(a, b).statistic for a, b in zip(PARTLY, TRUTHS, strict=True)]))
    found = table_after(page_of(results_of()), "Do the pools discriminate?")[TASK]
    assert found == [QUESTION, "0.90", "size", f"{feature:.2f}", "yes" if feature < RULE else "no"]
    dominated = results_of()
    for key, pool in list(dominated.pools.items()):
        features = {"size": tuple((-TRUTHS[pool.pool]).tolist())}
        dominated.pools[key] = PoolRecord(TASK, pool.pool, "key", pool.contributors, pool.planted, features, {}, {})
    assert table_after(page_of(dominated), "Do the pools discriminate?")[TASK][2:] == ["size", "1.00", "no"]


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
