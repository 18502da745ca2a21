"""An outcome's key holds everything that can change it and nothing else; what is known is not trained again."""

from __future__ import annotations

import gc
import math
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.coalitions import all_but_one, to_text
from harness.retraining import training
from harness.retraining.chunks import Diverged, Job
from harness.retraining.engine import Engine
from harness.retraining.ledger import Ledger, LedgerError
from harness.retraining.stacking import STACKED_OUTPUTS, Stacking, stacks_of
from harness.types import Examples, Learner, Plain, Pool
from tests.tiny import engine_of, held_out, tiny_cnn, tiny_mlp, tiny_pool, tiny_recipe

JOBS = [Job("1000", 3), Job("0110", 3), Job("1111", 5), Job("0000", 5)]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "shared.sqlite")


def renamed(learner: Learner, **identity: Plain) -> Learner:
    """The same learner but for its identity."""
    told = {**learner.identity, **identity}
    learner.__class__ = type("Renamed", (type(learner),), {"identity": told})
    return learner


def with_rows(examples: Examples, change: Callable[[dict[str, np.ndarray]], None]) -> Examples:
    """The same examples but for what ``change`` does to a writable copy of the columns, owners and sides."""
    parts = {name: column.copy() for name, column in examples.columns.items()}
    parts |= {"owners": examples.owners_N.copy(), "real": examples.real_N.copy()}
    change(parts)
    return Examples({n: parts[n] for n in examples.columns}, parts["owners"], parts["real"])


def bump(name: str) -> Callable[[dict[str, np.ndarray]], None]:
    """Change the last entry of one column as little as it can be."""

    def change(parts: dict[str, np.ndarray]) -> None:
        flat = parts[name].reshape(-1)
        if flat.dtype == np.bool_:
            flat[-1] = ~flat[-1]
        elif np.issubdtype(flat.dtype, np.floating):
            flat[-1:] = np.nextafter(flat[-1:], np.float32(np.inf))
        else:
            flat[-1] = (flat[-1] + 1) % 3

    return change


def swap_rows(parts: dict[str, np.ndarray]) -> None:
    for column in parts.values():
        column[[0, 1]] = column[[1, 0]]


RECIPE_CHANGES = {
    "steps": 7,
    "batch_size": 9,
    "rate": 0.1000001,
    "optimiser": "adamw",
    "momentum": 0.8,
    "weight_decay": 0.01,
    "warmup": 1,
    "clip": 1.0,
    "checkpoints": 2,
    "micro_batch": 4,
    "precision": "bf16",
}
TRAIN_CHANGES = {
    "a pixel": bump("inputs"),
    "a label": bump("targets"),
    "an owner": bump("owners"),
    "a side": bump("real"),
}


def context(ledger: Ledger, pool: Pool, learner: Learner | None = None, **options: object) -> str:
    return Engine(learner or tiny_mlp(), pool.train, pool.validation, ledger, **options).context  # type: ignore[arg-type]


def test_every_field_of_a_recipe_is_tried() -> None:
    assert set(RECIPE_CHANGES) == set(tiny_recipe().__dataclass_fields__)


@pytest.mark.parametrize("name", RECIPE_CHANGES)
def test_another_recipe_is_another_context(ledger: Ledger, name: str) -> None:
    changed = tiny_mlp(replace(tiny_recipe(), **{name: RECIPE_CHANGES[name]}))  # type: ignore[arg-type]
    assert context(ledger, tiny_pool(), changed) != context(ledger, tiny_pool())


def test_another_learner_is_another_context(ledger: Ledger) -> None:
    same = context(ledger, tiny_pool())
    assert context(ledger, tiny_pool(), renamed(tiny_mlp())) == same
    assert context(ledger, tiny_pool(), renamed(tiny_mlp(), width=6)) != same
    assert context(ledger, tiny_pool(), tiny_cnn()) != same


@pytest.mark.parametrize("name", TRAIN_CHANGES)
def test_other_training_data_is_another_context(ledger: Ledger, name: str) -> None:
    pool = tiny_pool()
    changed = replace(pool, train=with_rows(pool.train, TRAIN_CHANGES[name]))
    assert context(ledger, changed) != context(ledger, pool)


def test_rows_in_another_order_are_another_context(ledger: Ledger) -> None:
    pool = tiny_pool()
    assert context(ledger, replace(pool, train=with_rows(pool.train, swap_rows))) != context(ledger, pool)


@pytest.mark.parametrize("column", ["inputs", "targets"])
def test_another_held_out_row_is_another_context(ledger: Ledger, column: str) -> None:
    pool = tiny_pool()
    changed = replace(pool, validation=with_rows(pool.validation, bump(column)))
    assert context(ledger, changed) != context(ledger, pool)
    longer = replace(pool, validation=held_out(31, 1_000))
    assert context(ledger, longer) != context(ledger, pool)


def test_another_kind_of_device_is_another_context(ledger: Ledger) -> None:
    """The meta device holds no data, but is there on every machine."""
    pool, same = tiny_pool(), context(ledger, tiny_pool())
    assert context(ledger, pool, device="meta") != same
    assert context(ledger, pool, device="cpu:0") == same


def test_training_code_of_another_version_is_another_context(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    same = context(ledger, tiny_pool())
    monkeypatch.setattr(training, "VERSION", training.VERSION + 1)
    assert context(ledger, tiny_pool()) != same
    monkeypatch.undo()
    monkeypatch.setattr(torch, "__version__", "1.0.0+cpu")
    assert context(ledger, tiny_pool()) != same


def test_how_the_work_is_laid_out_is_not_in_the_context(ledger: Ledger) -> None:
    pool = tiny_pool()
    layouts = [Stacking(1, 1), Stacking(1, 4), Stacking(128, 2), None]
    assert len({context(ledger, pool, stacking=layout) for layout in layouts}) == 1


@pytest.mark.parametrize(("outputs", "together"), [(1, True), (STACKED_OUTPUTS, False)])
def test_models_whose_outputs_fill_a_stack_alone_train_in_turn(
    outputs: int, together: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[bool] = []

    def train(*given: Any, stacked: bool, **named: Any) -> Any:
        told.append(stacked)
        return plainly(*given, stacked=stacked, **named)

    plainly = training.train
    monkeypatch.setattr(training, "train", train)
    engine = engine_of(tmp_path, tiny_pool(4), tiny_mlp(), Stacking(48, 1, outputs))
    engine.outcomes([Job("1100", 1), Job("0111", 1), Job("1111", 1)])
    assert set(told) == {together}


def test_outcomes_do_not_depend_on_how_the_work_is_laid_out(tmp_path: Path) -> None:
    pool = tiny_pool()
    found = [
        [outcome.utility for outcome in engine_of(tmp_path, pool, stacking=layout).outcomes(JOBS)]
        for layout in (Stacking(1, 1), Stacking(3, 1), Stacking(3, 2), Stacking(64, 1))
    ]
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=0, atol=1e-6)


@given(count=st.integers(0, 400), most=st.integers(1, 64), multiple=st.sampled_from([1, 2]))
def test_stacks_hold_every_job_once_and_are_nearly_alike(count: int, most: int, multiple: int) -> None:
    stacks = stacks_of(count, most, multiple)
    assert [job for stack in stacks for job in stack] == list(range(count))
    sizes = [len(stack) for stack in stacks]
    assert max(sizes, default=0) <= most
    assert max(sizes, default=0) - min(sizes, default=0) <= 1
    assert all(sizes)
    if most > 1 and count >= multiple:
        assert len(stacks) % multiple == 0
        assert len(stacks) <= count / most + multiple  # no more than are needed


# --- what is known ------------------------------------------------------------------------------------


class Trainings:
    """Counts jobs that are really trained."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.jobs: list[int] = []
        inner = training.train

        def counted(learner: Learner, data: object, initial: list, *rest: object, **options: object) -> object:
            self.jobs.append(len(initial))
            return inner(learner, data, initial, *rest, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(training, "train", counted)


def test_a_second_engine_over_the_same_ledger_trains_nothing(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    pool, counted = tiny_pool(), Trainings(monkeypatch)
    first = Engine(tiny_mlp(), pool.train, pool.validation, ledger)
    assert first.missing(JOBS) == 4
    found = first.outcomes(JOBS)
    assert sum(counted.jobs) == 3  # nobody's model is the initialisation
    second = Engine(tiny_mlp(), pool.train, pool.validation, ledger)
    assert second.missing(JOBS) == 0
    assert second.outcomes(JOBS) == found
    assert sum(counted.jobs) == 3


def test_an_engine_on_another_split_does_not_read_this_ones_outcomes(ledger: Ledger) -> None:
    pool = tiny_pool()
    Engine(tiny_mlp(), pool.train, pool.validation, ledger).outcomes(JOBS)
    assert Engine(tiny_mlp(), pool.train, pool.test, ledger).missing(JOBS) == 4


def test_only_what_is_missing_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_of(tmp_path, tiny_pool())
    engine.outcomes(JOBS[:2])
    counted = Trainings(monkeypatch)
    told: list[int] = []
    assert engine.missing(JOBS) == 2
    engine.outcomes(JOBS, told.append)
    assert sum(counted.jobs) == 1
    assert sum(told) == 2


def test_duplicates_in_a_list_are_trained_once_and_answered_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Trainings(monkeypatch)
    engine = engine_of(tmp_path, tiny_pool())
    doubled = [JOBS[1], JOBS[0], JOBS[1], JOBS[1]]
    assert engine.missing(doubled) == 2
    found = engine.outcomes(doubled)
    assert sum(counted.jobs) == 2
    assert found[0] == found[2] == found[3] == engine.outcomes([JOBS[1]])[0]
    assert found[1] == engine.outcomes([JOBS[0]])[0] != found[0]


def test_the_first_price_is_kept(ledger: Ledger) -> None:
    pool = tiny_pool()
    first = Engine(tiny_mlp(), pool.train, pool.validation, ledger).outcomes(JOBS)
    again = Engine(tiny_mlp(), pool.train, pool.validation, ledger).outcomes(JOBS)
    assert [outcome.cost for outcome in again] == [outcome.cost for outcome in first]
    for outcome in first:
        assert outcome.cost.seconds > 0
        assert outcome.cost.flops > 0
        assert outcome.cost.retrainings == 1


def test_a_traced_fit_is_the_same_model_as_the_retraining_on_everyone(tmp_path: Path) -> None:
    pool = tiny_pool()
    _, traced = engine_of(tmp_path, pool).fit(5)
    other = engine_of(tmp_path, pool)
    (retrained,) = other.outcomes([Job("1111", 5)])
    assert traced.utility == pytest.approx(retrained.utility, abs=1e-6)
    fit, again = other.fit(5)
    assert again == retrained  # the ledger's outcome, at its first price
    assert [checkpoint.step for checkpoint in fit.checkpoints] == [2, 4, 6]


# --- stopping and breaking ------------------------------------------------------------------------------


def test_a_stopped_run_keeps_what_was_finished_and_goes_on(ledger: Ledger) -> None:
    pool = tiny_pool()
    jobs = [Job(text, seed) for seed in range(8) for text in ("1000", "0110", "0111")]
    engine = Engine(tiny_mlp(), pool.train, pool.validation, ledger, stacking=Stacking(3, 2))

    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.outcomes(jobs, stop)
    kept = ledger.outcomes(engine.context)
    assert 3 <= len(kept) < len(jobs)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")]
    found = engine.outcomes(jobs)
    unbroken = Engine(tiny_mlp(), pool.train, pool.validation, Ledger(ledger.path.with_name("other.sqlite")))
    expected = unbroken.outcomes(jobs)
    np.testing.assert_allclose([o.utility for o in found], [o.utility for o in expected], rtol=0, atol=1e-6)
    assert {key: ledger.outcomes(engine.context)[key] for key in kept} == kept


def test_training_stops_between_two_steps_when_told(tmp_path: Path) -> None:
    pool = tiny_pool()
    learner = tiny_mlp()
    finished: list[int] = []
    with pytest.raises(training.Stopped):
        training.train(
            learner,
            training.on_device(pool.train, "cpu"),
            [learner.initialise(0)],
            np.ones((1, len(pool.train)), dtype=bool),
            [0],
            stacked=True,
            flops=training.FlopCounter(),
            stopped=lambda: len(finished) == 2,
            keep=lambda step, params: finished.append(step),
        )
    assert finished == [1, 2]


def test_threads_are_given_back_after_training(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    engine_of(tmp_path, tiny_pool()).outcomes(JOBS)
    assert torch.get_num_threads() == before


def test_a_diverging_retraining_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    engine = engine_of(tmp_path, tiny_pool(), tiny_mlp(tiny_recipe(rate=1e30)))
    with pytest.raises(Diverged) as caught:
        engine.outcomes([Job("0000", 1), Job("1000", 1), Job("1111", 2)])
    message = str(caught.value)
    assert "not finite" in message
    assert "coalition 1000, seed 1" in message
    assert "(and 1 more)" in message
    assert "Lower the learning rate (1e+30)" in message
    assert set(engine.ledger.outcomes(engine.context)) == {("0000", 1)}  # nobody's model is finite, and is kept
    with pytest.raises(Diverged):
        engine.fit(2)


def test_utility_is_minus_the_mean_held_out_loss(tmp_path: Path) -> None:
    pool, learner = tiny_pool(), tiny_mlp()
    (outcome,) = engine_of(tmp_path, pool).outcomes([Job("0000", 7)])
    logits, _ = learner.predict(learner.initialise(7), training.on_device(pool.validation, "cpu"))
    chances = torch.softmax(logits.double(), dim=1).detach().numpy()
    targets = pool.validation.targets
    expected = np.log(chances[np.arange(len(targets)), targets]).mean()
    assert outcome.utility == pytest.approx(expected, abs=1e-6)
    assert outcome.accuracy == pytest.approx((chances.argmax(1) == targets).mean())
    assert math.isfinite(outcome.utility)


def test_leave_one_out_coalitions_fit_the_engines_texts(tmp_path: Path) -> None:
    engine = engine_of(tmp_path, tiny_pool())
    engine.outcomes([Job(to_text(row), 3) for row in all_but_one(4)])
    assert {text for text, _ in engine.ledger.outcomes(engine.context)} == {"0111", "1011", "1101", "1110"}


@pytest.mark.parametrize(
    "blob", [b"", b"abc", np.zeros(3, np.float32).tobytes(), np.full(30, np.nan, np.float32).tobytes()]
)
def test_damaged_log_likelihoods_are_trained_again_once(tmp_path: Path, blob: bytes) -> None:
    engine, jobs = engine_of(tmp_path, tiny_pool()), [Job("1100", 0)]
    _, before = engine.log_likelihoods(jobs)
    engine.ledger._db.execute("update log_likelihoods set examples = ?", (blob,))
    _, again = engine.log_likelihoods(jobs)
    np.testing.assert_array_equal(again, before)
    np.testing.assert_array_equal(engine.ledger.log_likelihoods(engine.context, jobs)[jobs[0]], before[0])


def test_a_ledger_that_can_no_longer_be_read_is_told(tmp_path: Path) -> None:
    engine = engine_of(tmp_path, tiny_pool())
    engine.ledger.close()
    with pytest.raises(LedgerError):
        engine.ledger.answer("any")


def test_an_engine_trains_on_when_a_later_one_of_the_same_context_is_gone(tmp_path: Path) -> None:
    first, later = engine_of(tmp_path, tiny_pool()), engine_of(tmp_path, tiny_pool())
    assert first.context == later.context
    del later
    gc.collect()
    assert math.isfinite(first.outcomes(JOBS[:1])[0].utility)
