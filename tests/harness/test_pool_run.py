"""One pool of a run: how long its engines live, what its keys cover, and what of kept answers is believed."""

from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

import harness.running.pool_run
from harness.config import Suite
from harness.records.results import load
from harness.registry import method
from harness.retraining.engine import Engine
from harness.retraining.ledger import Ledger
from harness.running.answer_keys import answer_key
from harness.running.pool_run import Ledgers, PoolRun
from harness.running.task_learner import TaskLearner
from harness.truth.truth import Plan, Truth, read_off
from harness.types import Learner, Outcome, Task
from tests.harness.small_runs import runner
from tests.tiny import tiny_mlp, tiny_pool, tiny_task


def test_a_learner_is_made_once_a_run_and_engines_go_with_their_pools_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    engines: list[weakref.ref[Engine]] = []
    most = 0

    def learner() -> Learner:
        made.append(1)
        return tiny_mlp()

    def counting(self: Engine, *args: object, **kwargs: object) -> None:
        nonlocal most
        engines.append(weakref.ref(self))
        create(self, *args, **kwargs)  # type: ignore[arg-type]
        if sum(engine() is not None for engine in engines) > 2:
            gc.collect()
        most = max(most, sum(engine() is not None for engine in engines))

    create = Engine.__init__
    monkeypatch.setattr(Engine, "__init__", counting)
    task = Task("tiny", 1, "", "image-label", deal=lambda index: tiny_pool(index=index), learner=learner)
    methods = ["tracin", "ntk-mmd:calibrated"]  # calibrated weights take a turn of their own
    run = runner(tmp_path, methods=methods, tasks=[task], pools=3, questions=["standalone"])
    run.run()
    gc.collect()
    assert len(made) == 1
    assert len(engines) >= 9
    assert most <= 2  # the truth's and the methods' while a pool is dealt
    assert [engine() for engine in engines if engine() is not None] == []  # though the run and its pools are alive


# --- keys and kept answers -----------------------------------------------------------------------------


def pool_run(folder: Path, notes: list[str] | None = None, task: Task | None = None, **changes: object) -> PoolRun:
    content = {"name": "tiny", "tasks": ("tiny",), "methods": ("size",), "pools": 1, "seeds": 2, **changes}
    ledgers = Ledgers(Ledger(folder / "truth.sqlite"), Ledger(folder / "methods.sqlite"))
    note = (lambda text: None) if notes is None else notes.append
    return PoolRun(Suite.model_validate(content), task or tiny_task(), 0, ledgers, "cpu", "run", note=note)


def test_the_tasks_version_is_in_the_pools_key_and_in_its_record(tmp_path: Path) -> None:
    one = pool_run(tmp_path / "1")
    two = pool_run(tmp_path / "2", task=replace(tiny_task(), version=2))
    assert one.key != two.key
    assert two.pool_record().task_version == 2


def test_a_truths_key_tells_its_question_and_seeds(tmp_path: Path) -> None:
    keys = [pool_run(tmp_path / str(k), **changes).truth_keys for k, changes in enumerate([{}, {"seeds": 3}, {}])]
    assert len(set(keys[0].values())) == 3
    assert keys[0] == keys[2]
    assert all(
        keys[0][question] != keys[1][question] for question in keys[0]
    )  # four contributors: exact Shapley values


def test_truths_of_an_earlier_suite_are_gone_from_results_that_a_new_one_writes(tmp_path: Path) -> None:
    """Two questions at 2 seeds, then one of them anew at 3."""
    runner(tmp_path, methods=["size"], questions=["standalone", "leave-one-out"]).run()
    runner(tmp_path, methods=["size"], questions=["standalone"], seeds=3).run()
    stored = load(tmp_path / "results")
    assert {key: len(record.values) for key, record in stored.truths.items()} == {("tiny", 0, "standalone"): 3}
    assert set(stored.valuations) == {("tiny", 0, "standalone", "size")}
    assert stored.truths["tiny", 0, "standalone"].truth_key == stored.pools["tiny", 0].truth_keys["standalone"]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ('{"values": [[1.0, NaN, 1.0, 1.0]], "cost": COST, "run": "r"}', "finite number"),
        ('{"values": [[1.0, 1e308, 1.0, 1.0]], "cost": COST, "run": "r"}', "numbers up to"),
        ('{"values": [[1.0, 1.0]], "cost": COST, "run": "r"}', "each of 4 contributors, got 2"),
        ('{"values": [[1.0, 1.0, 1.0, 1.0]], "cost": {}, "run": "r"}', "cost: expected"),
        ('{"values": [[1.0, 1.0, 1.0, 1.0]]}', "expected values, cost and run"),
        ("[1, 2]", "cannot be read"),
        ("{", "cannot be read"),
        ("[" * 100_000, "it is nested too deeply"),
    ],
)
def test_a_kept_answer_that_is_none_is_noted_and_asked_for_again(tmp_path: Path, damage: str, told: str) -> None:
    notes: list[str] = []
    pool = pool_run(tmp_path, notes)
    first = pool.valuation("size", method("size"), "standalone")
    ledger = pool._ledgers.methods
    (cost,) = ledger._db.execute("select json_extract(record, '$.cost') from answers").fetchone()
    ledger._db.execute("update answers set record = ?", (damage.replace("COST", cost),))
    again = pool.valuation("size", method("size"), "standalone")
    assert (again.status, again.values) == ("ok", first.values)
    assert len(notes) == 1
    assert "the answer of size in methods.sqlite" in notes[0]
    assert told in notes[0]
    pool.valuation("size", method("size"), "standalone")
    assert len(notes) == 1  # it was kept anew


def test_a_truth_is_read_off_its_retrainings_on_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that wait for each other take ten times as long; and sums are in one order, whatever the machine."""
    seen: list[int] = []

    def listening(plan: Plan, outcomes: Sequence[Outcome], rng: np.random.Generator) -> Truth:
        seen.extend([torch.get_num_threads(), *(library["num_threads"] for library in threadpool_info())])
        return read_off(plan, outcomes, rng)

    monkeypatch.setattr(harness.running.pool_run, "read_off", listening)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        with threadpool_limits(2):
            assert pool_run(tmp_path).truth("standalone").status == "ok"
    finally:
        torch.set_num_threads(before)
    assert len(seen) > 1
    assert set(seen) == {1}


def test_an_answer_is_of_its_learner_s_code_and_of_the_libraries_that_its_model_is_made_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Upgraded layers, or another learner class, may give other values: answers of before are not served."""
    learner, size = TaskLearner(pool_run(tmp_path, []).task), method("size")

    def key() -> str:
        return answer_key("a pool", learner, "size", size, "standalone", ())

    before = key()
    assert learner.libraries == {"torch", "tests"}  # its linear layers, and the module that holds them
    assert key() == before
    monkeypatch.setattr(learner, "code", "tasks.learners.language_model")
    assert key() != before
    monkeypatch.undo()
    monkeypatch.setattr(learner, "libraries", {"torch", "tests", "transformers"})
    assert key() != before


def test_operations_are_counted_on_every_eighth_pool_and_kept_as_undefined_on_the_others(tmp_path: Path) -> None:
    for _ in range(2):  # what the ledger keeps says the same again
        runner(tmp_path, methods=["tracin"], pools=10, questions=["standalone"]).run()
        costs = [record.cost for _, record in sorted(load(tmp_path / "results").valuations.items())]
        assert [not math.isnan(cost.flops) for cost in costs] == [pool in (0, 8) for pool in range(10)]
        assert all(math.isnan(cost.launches) == math.isnan(cost.flops) for cost in costs)
        assert all(cost.gradient_passes > 0 and cost.seconds > 0 for cost in costs)
