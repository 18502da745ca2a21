"""What the view holds beyond single cells: points by pool, all tasks together, and which methods a short table has."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from harness.config import Suite
from harness.records.results import PoolRecord, Results, TruthRecord, ValuationRecord
from harness.report import sentences
from harness.report.leaderboard import leaderboard
from harness.report.markdown import overall_short, page
from harness.report.overall import overall
from harness.report.view import TRUTH, Overall, View
from harness.seeds import stream
from harness.types import Cost, Question

C = 12
TASKS, POOLS = ("one", "two"), 2
ASKED: tuple[Question, ...] = ("standalone", "shapley")
NAMES = tuple(f"c{i}" for i in range(C))


def drawn(*path: object) -> np.ndarray:
    return stream(0, *map(str, path)).standard_normal(C)


def truth(task: str, pool: int, question: str) -> np.ndarray:
    return drawn("truth", task, pool, question)


def answer(method: str, task: str, pool: int, question: str) -> np.ndarray:
    """``good`` follows the truth with noise, ``part`` too; the others don't."""
    noise = drawn(method, task, pool, question)
    return truth(task, pool, question) + noise if method in ("good", "part") else noise


def view_of(methods: tuple[str, ...] = ("good", "noise"), lacking: str = "") -> View:
    """Two tasks, two pools, two questions; the method ``lacking`` suits the first task only."""
    results = Results()
    for task in TASKS:
        for pool in range(POOLS):
            results.add(PoolRecord(task, pool, "key", NAMES, ({},) * C, {}, {}, {}))
            for question in ASKED:
                common = {"task": task, "pool": pool, "pool_key": "key", "question": question, "device": "cpu"}
                kept = {"status": "ok", "reason": "", "run": "run", **common}
                values = (tuple(truth(task, pool, question).tolist()),) * 2
                cost = Cost(seconds=8.0, retrainings=100)
                results.add(TruthRecord(values=values, ceiling=0.9, accuracy=0.5, cost=cost, **kept))  # type: ignore[arg-type]
                for method in methods:
                    said = (tuple(answer(method, task, pool, question).tolist()),)
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
    assert [points.pool for points in cell.points] == [0, 1]
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
    assert truth_line.mean.ceiling == pytest.approx(0.9)
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
    assert (part.complete, part.unsuitable, part.mean.tasks) == (False, True, 1)
    assert [mean.tasks for mean in part.by_question] == [1, 1]
    assert part.by_question[0].spearman == pytest.approx(expected("part", "standalone", ("one",)))
    row = next(line for line in page(view).splitlines() if line.startswith("| part "))
    assert row.count("(1 of 2 tasks)") == 3


def test_a_method_without_any_score_has_no_mean_and_never_zero() -> None:
    view = view_of(("good", "noise"))
    cells = [replace(c, spearman=math.nan, points=()) if c.method == "noise" else c for c in view.cells]

    (none,) = [line for line in overall(0, cells) if line.method == "noise"]
    assert math.isnan(none.mean.spearman)
    assert math.isnan(none.mean.low)
    assert (none.mean.tasks, none.complete) == (0, False)


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
