"""What a suite is said to take is what it takes."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest

from harness.cli.planning import _between
from harness.projection import Projection
from harness.registry import method
from harness.retraining.chunks import Job
from harness.retraining.engine import Engine
from harness.retraining.ledger import Ledger
from harness.retraining.stacking import STACKED_OUTPUTS, Stacking
from harness.running import estimate
from harness.running.estimate import Pace, count, measure
from harness.truth.truth import plan
from harness.types import QUESTIONS, Budget, Cost, Question, Task
from methods.semivalues.data_shapley import DataShapley
from tests.harness.small_runs import THIRD_PARTY, finished, tiny_suite
from tests.tiny import tiny_mlp, tiny_pool, tiny_task

pytestmark = THIRD_PARTY


def many(contributors: int) -> Task:
    return Task(
        "many", 1, "", "image-label", lambda index: tiny_pool(contributors, index, each=2, task="many"), tiny_mlp
    )


def trained(folder: Path, ledger: str) -> int:
    with sqlite3.connect(folder / "ledger" / f"{ledger}.sqlite") as db:
        ((found,),) = db.execute("select count(*) from outcomes").fetchall()
    db.close()
    return int(found)


# --- counting -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("contributors", [4, 11])  # Shapley values of all coalitions, and of walks
@pytest.mark.parametrize("questions", [("standalone",), ("leave-one-out", "shapley"), QUESTIONS])
def test_truths_train_what_was_counted(tmp_path: Path, contributors: int, questions: tuple[Question, ...]) -> None:
    asked = {"pools": 2, "settings": {"many": {"seeds": {"standalone": 3, "leave-one-out": 3, "shapley": 2}}}}
    run = finished(tmp_path, methods=["size"], tasks=[many(contributors)], questions=questions, **asked)
    counts = count(run.suite, "many", contributors, [])
    assert counts.truth == trained(tmp_path, "truth")
    assert counts.methods == trained(tmp_path, "methods") == 0
    assert tuple(counts.questions) == questions
    assert counts.truth <= sum(counts.questions.values())
    if "standalone" in questions:
        assert counts.questions["standalone"] == 2 * 3 * (contributors + 1)


def test_methods_train_at_most_what_was_counted(tmp_path: Path) -> None:
    asked = (
        "tracin",
        "influence",
        "metagradient",
        "data-shapley",
        "data-banzhaf",
        "regression-shapley",
        "leave-one-out",
    )
    run = finished(tmp_path, methods=list(asked), tasks=[many(8)], questions=["standalone"])
    budgets = {name: method(name).budget(8, len(many(8).deal(0).train)) for name in asked}
    counted = count(run.suite, "many", 8, list(budgets.values())).methods
    assert trained(tmp_path, "methods") <= counted  # fewer: methods of one scope train the same models once
    billed = {key[3]: record.cost.retrainings for key, record in run.results.valuations.items()}
    for name, retrainings in billed.items():
        most = budgets[name].fits + budgets[name].retrainings
        assert 0.9 * most <= retrainings <= most, name


SHARING = (
    "data-shapley",
    "data-banzhaf",
    "least-core",
    "datamodels",
    "beta-shapley",
    "kernel-shap",
    "regression-shapley",
    "coalition-gp",
    "leave-one-out",
    "mixmin",
)


def test_what_methods_of_one_scope_train_once_is_counted_once_and_billed_to_each(tmp_path: Path) -> None:
    run = finished(tmp_path, methods=list(SHARING), tasks=[many(12)], questions=["standalone"])
    budgets = [method(name).budget(12, len(many(12).deal(0).train)) for name in SHARING]
    counts = count(run.suite, "many", 12, budgets)
    assert counts.billed == sum(budget.retrainings for budget in budgets)
    done = trained(tmp_path, "methods")
    assert 0.8 * counts.methods <= done <= counts.methods  # fewer: draws meet in coalitions of one, or of all but one
    assert counts.billed > 1.4 * counts.methods


def test_of_methods_that_name_the_same_coalitions_the_most_is_trained_by_hand() -> None:
    budgets = [
        Budget(retrainings=10, shared={"a": 6, "b": 4}),
        Budget(retrainings=9, shared={"a": 8}),
        Budget(fits=2, retrainings=3),
        Budget(fits=3),
    ]
    assert estimate.trained(budgets) == 3 + (8 + 4) + 1 + 3


def test_a_plans_retrainings_are_its_jobs() -> None:
    for question in QUESTIONS:
        found = plan(question, 11, 0, ("many", 0), 3)
        assert found.retrainings == [tuple(job) for job in found.jobs]


def test_walks_take_nobody_and_everyone_once() -> None:
    assert DataShapley(seeds=4, pairs=2).budget(24, 600) == Budget(retrainings=4 * (2 * 46 + 2))


def test_data_shapley_s_default_takes_four_retrainings_a_contributor() -> None:
    """Its written rule: about what two seeds of the standalone and leave-one-out truths take, 2 x (2C + 2)."""
    assert DataShapley().budget(24, 600).retrainings == 4 * 24
    assert DataShapley().budget(10, 600).retrainings == 4 * 10


# --- timing ---------------------------------------------------------------------------------------------


def test_timed_retrainings_are_the_truths_own(tmp_path: Path) -> None:
    """Fewer than one stack: all of them are trained, as the truth trains them."""
    task, suite = tiny_task(), tiny_suite()
    started = time.perf_counter()
    pace = measure(suite, task, "cpu")
    took = time.perf_counter() - started
    pool = task.deal(0)
    engine = Engine(task.learner(), pool.train, pool.test, Ledger(tmp_path / "own.sqlite"), validation=pool.validation)
    jobs = [
        Job(f"{k:04b}"[::-1], seed)
        for seed in {s for _, s in plan("shapley", 4, 0, ("tiny", 0), 2).jobs}
        for k in range(16)
    ]
    cost = sum((outcome.cost for outcome in engine.outcomes(jobs)), Cost())
    assert (pace.retrainings, pace.contributors, pace.examples, len(pace.rounds)) == (32, 4, len(pool.train), 1)
    for name in ("flops", "bytes_moved", "launches"):
        assert getattr(pace.cost, name) > 0
        assert getattr(pace.cost, name) == pytest.approx(getattr(cost, name))
    assert pace.gpu_hours(64, Projection()) == Projection().hours(
        2 * cost.flops, 2 * cost.bytes_moved, 2 * cost.launches, "float32"
    )
    assert 0 < pace.rounds[0] * 32 < took


def test_timing_covers_a_large_truth_in_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.retraining.engine.stacking_for", lambda learner, train, device: Stacking(3, 2))
    pace = measure(tiny_suite(seeds=4), many(11), "cpu")
    assert len(pace.rounds) == estimate.ROUNDS
    assert pace.retrainings == 4 * 6
    monkeypatch.setattr(estimate, "ENOUGH_SECONDS", 0.0)
    assert len(measure(tiny_suite(seeds=4), many(11), "cpu").rounds) == 1


def test_timing_takes_no_more_side_by_side_than_a_run_would(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where outputs are many, a stack of everyone's is small, however many models might stand in one."""
    many_outputs = Stacking(48, 2, outputs=STACKED_OUTPUTS // (3 * 8))  # three of a batch of 8
    monkeypatch.setattr("harness.retraining.engine.stacking_for", lambda learner, train, device: many_outputs)
    pace = measure(tiny_suite(seeds=4), many(11), "cpu")
    assert pace.retrainings == estimate.ROUNDS * 3 * 2


@pytest.mark.parametrize("total", [1, 5, 9, 40, 101])
def test_rounds_are_spread_evenly_and_share_nothing(total: int) -> None:
    jobs = [(str(k), 0) for k in range(total)]
    rounds = estimate._spread(jobs, 9)
    assert len(rounds) == max(1, min(4, total // 9))
    chosen = [int(text) for stretch in rounds for text, _ in stretch]
    assert len(set(chosen)) == len(chosen) == min(total, 9 * len(rounds))
    assert chosen == sorted(chosen)
    if total > 9:
        assert np.mean(chosen) == pytest.approx((total - 1) / 2, abs=1)


def test_a_pace_tells_its_spread() -> None:
    pace = Pace((0.5, 0.2, 0.3), 12, Cost(flops=1e6), "float32", 24, 600)
    assert pace.seconds(100) == (20.0, 50.0)


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (0.0042, 0.0049, "4.2-4.9 ms"),
        (0.00000123, 0.0000234, "0.0012-0.023 ms"),
        (1.5, 3.25, "1.5-3.2 s"),
        (100, 130, "1.7-2.2 min"),
        (7000, 14_000, "1.9-3.9 h"),
        (3.0, 3.0, "3.0 s"),
        (0.0, 3.0, "0-3.0 s"),
        (1e6, 2e6, "278-556 h"),
    ],
)
def test_times_are_told_in_one_unit(low: float, high: float, told: str) -> None:
    assert _between(low, high) == told
