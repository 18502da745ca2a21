"""What the view holds beyond single cells: points by pool, all tasks together, and which methods a short table has."""

from __future__ import annotations

import csv
import io
import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from harness.config import Suite
from harness.records.results import PoolRecord, Results, TruthRecord, ValuationRecord
from harness.report import sentences
from harness.report.leaderboard import leaderboard
from harness.report.leaderboard_csv import overall_to_csv
from harness.report.markdown import overall_short, page
from harness.report.view import TRUTH, Overall, View
from harness.seeds import stream
from harness.types import Cost, Question

C = 12
TASKS, POOLS = ("one", "two"), 4
ASKED: tuple[Question, ...] = ("standalone", "shapley")
NAMES = tuple(f"c{i}" for i in range(C))


def drawn(*path: object) -> np.ndarray:
    return stream(0, *map(str, path)).standard_normal(C)


def truth(task: str, pool: int, question: str) -> np.ndarray:
    return drawn("truth", task, pool, question)


def answer(method: str, task: str, pool: int, question: str) -> np.ndarray:
    """``same`` is the truth itself, ``good`` follows it with noise, ``part`` too; the others don't."""
    if method == "same":
        return truth(task, pool, question)
    noise = drawn(method, task, pool, question)
    return truth(task, pool, question) + noise if method in ("good", "part") else noise


def view_of(
    methods: tuple[str, ...] = ("good", "noise"), lacking: str = "", constant: str = "", same_questions: bool = False
) -> View:
    """Two tasks, four pools, two questions; the method ``lacking`` suits the first task only.

    The method ``constant`` gives everyone the same value; with ``same_questions`` both have one truth and one answer.
    """
    results = Results()
    for task in TASKS:
        for pool in range(POOLS):
            results.add(PoolRecord(task, pool, "key", NAMES, ({},) * C, {}, {}, {}))
            for question in ASKED:
                drawn_as = ASKED[0] if same_questions else question
                common = {"task": task, "pool": pool, "pool_key": "key", "question": question, "device": "cpu"}
                kept = {"status": "ok", "reason": "", "run": "run", **common}
                values = (tuple(truth(task, pool, drawn_as).tolist()),) * 2
                cost = Cost(seconds=8.0, retrainings=100)
                results.add(TruthRecord(values=values, reliability=0.9, accuracy=0.5, cost=cost, **kept))  # type: ignore[arg-type]
                for method in methods:
                    own = np.ones(C) if method == constant else answer(method, task, pool, drawn_as)
                    said = (tuple(own.tolist()),)
                    one = ValuationRecord(method=method, family="additive", values=said, cost=Cost(seconds=2.0), **kept)  # type: ignore[arg-type]
                    if method == lacking and task == "two":
                        one = replace(one, status="unsuitable", reason="no", values=())
                    results.add(one)
    suite = Suite(name="s", tasks=TASKS, methods=methods, questions=ASKED, pools=POOLS, seeds=2, pairs=2)
    return leaderboard(suite, results)


def expected(method: str, question: str, tasks: tuple[str, ...] = TASKS) -> float:
    """Mean over tasks of the mean over pools of scipy's Spearman."""
    return float(
        np.mean(
            [
                [
                    stats.spearmanr(answer(method, task, pool, question), truth(task, pool, question))[0]
                    for pool in range(POOLS)
                ]
                for task in tasks
            ]
        )
    )


def line_of(view: View, method: str) -> Overall:
    (line,) = [line for line in view.overall if line.method == method]
    return line


def test_a_cell_has_its_points_by_pool() -> None:
    (cell,) = [c for c in view_of().cells if (c.task, c.question, c.method) == ("two", "shapley", "good")]
    assert [points.pool for points in cell.points] == list(range(POOLS))
    for points in cell.points:
        assert points.contributors == NAMES
        np.testing.assert_allclose(points.truth, truth("two", points.pool, "shapley"))
        np.testing.assert_allclose(points.values, answer("good", "two", points.pool, "shapley"))
        assert points.spearman == pytest.approx(stats.spearmanr(points.values, points.truth)[0])
    assert cell.spearman == pytest.approx(np.mean([points.spearman for points in cell.points]))


def test_all_tasks_together_are_means_over_tasks_and_then_over_questions() -> None:
    view = view_of()
    assert [line.method for line in view.overall] == [TRUTH, "good", "noise"]
    line = line_of(view, "good")
    by_question = [expected("good", question) for question in view.questions]
    assert [mean.spearman for mean in line.by_question] == pytest.approx(by_question)
    assert line.mean.spearman == pytest.approx(np.mean(by_question))
    assert (line.complete, line.mean.tasks, line.cost.seconds) == (True, 2, 2.0)
    for mean in (line.mean, *line.by_question):
        assert mean.low < mean.spearman < mean.high
    truth_line = line_of(view, TRUTH)
    assert math.isnan(truth_line.mean.ceiling)  # these truths keep no values by fold
    assert math.isnan(truth_line.mean.spearman)
    assert truth_line.cost.retrainings == 100


def test_more_tasks_give_a_narrower_interval_than_one() -> None:
    """Independent errors average out: two tasks' mean is surer than either alone, by about the root of two."""
    view = view_of(("good",))
    widths = [cell.high - cell.low for cell in view.cells if (cell.method, cell.question) == ("good", "standalone")]
    both = line_of(view, "good").by_question[0]
    assert 0.5 * min(widths) < both.high - both.low < 0.9 * float(np.mean(widths))


def test_a_task_without_a_score_is_counted_and_its_method_stands_below_the_others() -> None:
    view = view_of(("good", "part", "noise"), lacking="part")
    assert [line.method for line in view.overall] == [TRUTH, "good", "noise", "part"]
    part = line_of(view, "part")
    assert (part.complete, part.mean.tasks) == (False, 1)
    assert [mean.tasks for mean in part.by_question] == [1, 1]
    for mean in (part.mean, *part.by_question):  # never over fewer tasks than the others
        assert math.isnan(mean.spearman)
        assert (mean.rank_low, mean.pools) == (None, POOLS)
    row = next(line for line in page(view).splitlines() if line.startswith("| part "))
    assert row.count(" 1 of 2 tasks ") == 3
    assert [line.mean.rank_high for line in view.overall if line.mean.rank_low is not None] == [1, 2]


def test_a_method_without_any_score_has_no_mean_and_never_zero() -> None:
    view = view_of(("good", "noise"), constant="noise")
    none = line_of(view, "noise")
    assert all(math.isnan(value) for value in (none.mean.spearman, none.mean.low))
    assert (none.mean.tasks, none.complete, none.mean.rank_low) == (0, False, None)


def test_ranks_over_tasks_and_their_verdicts_stand_for_each_question_and_for_their_mean() -> None:
    view = view_of(("good", "part", "noise"))
    lines = {line.method: line for line in view.overall}
    for q in range(len(ASKED)):
        assert [lines[name].by_question[q].rank_low for name in ("good", "part", "noise")] == [1, 1, 3]
        assert (lines["good"].by_question[q].behind, lines["noise"].by_question[q].behind) == (False, True)
    assert (lines["noise"].mean.rank_low, lines["noise"].mean.rank_high) == (3, 3)
    over = [one for one in view.verdicts if one.task is None]
    assert [one.question for one in over] == ["standalone", "shapley", None]
    for one in over:
        assert (set(one.top), one.adjacent, one.signal) == ({"good", "part"}, (1, 2), True)
        assert one.pairs == pytest.approx(2 / 3)
        assert one.spread < 0.15
    assert sorted({(one.task, one.question) for one in view.verdicts if one.task}) == sorted(
        itertools.product(TASKS, ASKED)
    )
    text = page(view)
    assert text.index("| mean over questions ") < text.index("| method")
    assert "The claim is about these 2 tasks" in text


def test_a_score_that_nobody_moves_has_a_dash_for_its_interval_and_stands_in_no_comparison() -> None:
    view = view_of(("good", "same", "noise"))
    same, good = line_of(view, "same"), line_of(view, "good")
    for mean in (same.mean, *same.by_question):
        assert (mean.spearman, mean.rank_low, mean.above_zero, mean.behind) == (pytest.approx(1), None, False, False)
        assert math.isnan(mean.low)
    assert (good.mean.rank_low, good.mean.rank_high, good.mean.behind) == (1, 2, False)  # as good as may be, or second
    for one in view.verdicts:
        assert one.ranked == ("good", "noise")
        assert math.isnan(one.at_most) or math.isfinite(one.at_most)
    text = page(view)
    assert "| 1.00 [–] " in text
    assert "[–]: without any one contributor the score is the same, so nothing tells how sure it is" in text
    assert "[–]" not in page(view_of(("good", "noise")))
    row = next(row for row in csv.DictReader(io.StringIO(overall_to_csv(view))) if row["method"] == "same")
    assert (row["spearman"], row["low"], row["high"], row["rank_low"]) == ("1", "", "", "")


def test_where_only_such_scores_are_there_the_verdict_says_that_nothing_is_compared() -> None:
    view = view_of(("same",))
    assert sentences.over_tasks(view)[0][1] == "nothing to compare: no method has a score with an interval."


def test_the_mean_over_questions_is_as_sure_as_pools_whose_questions_go_together() -> None:
    """Were the questions of a pool taken for independent, equal answers to both would make the mean too sure."""
    view = view_of(("good", "noise"), same_questions=True)
    line = line_of(view, "good")
    own = line.by_question[0]
    assert (line.mean.spearman, line.by_question[1].spearman) == pytest.approx((own.spearman, own.spearman))
    assert line.mean.high - line.mean.low == pytest.approx(own.high - own.low, rel=0.2)


def test_overall_csv_is_the_view() -> None:
    view = view_of(("good", "part", "noise"), lacking="part")
    rows = list(csv.DictReader(io.StringIO(overall_to_csv(view))))
    assert ",".join(rows[0]) == (
        "question,method,family,spearman,low,high,rank_low,rank_high,tasks,pools,seconds,reference_gpu_hours"
    )
    assert [(row["question"], row["method"]) for row in rows] == list(
        itertools.product(["standalone", "shapley", "all"], ["good", "noise", "part"])
    )
    for row in rows:
        line = line_of(view, row["method"])
        mean = {"standalone": line.by_question[0], "shapley": line.by_question[1], "all": line.mean}[row["question"]]
        assert (row["tasks"], row["pools"], row["family"]) == (str(mean.tasks), str(mean.pools), "additive")
        assert row["rank_low"] == ("" if mean.rank_low is None else str(mean.rank_low))
        np.testing.assert_allclose(float(row["spearman"] or "nan"), mean.spearman, rtol=1e-5)
        assert row["seconds"] == (
            "" if row["method"] == "part" else "2"
        )  # costs are means over as many tasks as scores


def test_the_short_table_has_ten_lines_and_says_who_was_left_out() -> None:
    methods = ("good", "part", "x:single:loss", *(f"noise{k}" for k in range(11)))
    view = view_of(methods, lacking="part")
    kept, told = sentences.short(view.overall, len(view.tasks))
    assert len(kept) == 10
    assert [line.method for line in kept[:2]] == [TRUTH, "good"]
    assert "ablations: x:single:loss" in told
    assert "without a score on all 2 tasks: part" in told
    left = {line.method for line in view.overall} - {line.method for line in kept}
    assert all(method in told for method in left)
    assert overall_short(view).endswith(told)
    assert sentences.short(view_of().overall, 2)[1] == ""
