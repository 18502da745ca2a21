"""A chunk is a pure function of what can be pickled: its result does not depend on the process that computes it."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pytest
import torch

from harness import registry
from harness.config import TaskSettings
from harness.errors import UserError
from harness.retraining.chunks import Chunk, ChunkResult, Job, retrain_chunk
from harness.retraining.engine import Engine
from harness.retraining.ledger import Ledger
from harness.retraining.stacking import Stacking, cores
from harness.retraining.workspace import OtherPool
from harness.types import Bools, TaskReference
from tests.tiny import engine_of, tiny_mlp, tiny_pool

JOBS = (Job("1000", 3), Job("0110", 3), Job("0000", 5))


class Elsewhere:
    """An executor that runs each chunk as another machine would: pickled there and back, last one first."""

    def __init__(self, workers: int, device: str) -> None:
        self.workers, self.cancelled = workers, False
        self._chunks: list[bytes] = []

    def submit(self, chunk: Chunk) -> None:
        self._chunks.append(pickle.dumps(chunk))

    def completed(self) -> Iterator[ChunkResult]:
        while self._chunks:
            yield pickle.loads(pickle.dumps(retrain_chunk(pickle.loads(self._chunks.pop()))))

    def cancel(self) -> None:
        self._chunks.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()


def test_an_executor_elsewhere_gives_the_outcomes_of_threads(tmp_path: Path) -> None:
    pool, layout = tiny_pool(), Stacking(2, 2)
    here = engine_of(tmp_path, pool, stacking=layout).outcomes(JOBS)
    engine = Engine(
        tiny_mlp(), pool.train, pool.validation, Ledger(tmp_path / "there.sqlite"), stacking=layout, executor=Elsewhere
    )
    there = engine.outcomes(JOBS)
    assert [(o.utility, o.accuracy, o.folds) for o in there] == [(o.utility, o.accuracy, o.folds) for o in here]
    assert set(engine.ledger.outcomes(engine.context)) == set(JOBS)


def test_a_pool_that_nobody_can_deal_again_is_not_retrained_elsewhere() -> None:
    chunk = Chunk("0123456789abcdef", "cpu", JOBS)
    with pytest.raises(OtherPool, match="gave no description to deal it again"):
        retrain_chunk(chunk)


def test_a_workspace_goes_with_its_engine(tmp_path: Path) -> None:
    engine = engine_of(tmp_path, tiny_pool())
    chunk = Chunk(engine.context, "cpu", JOBS[:1])
    assert retrain_chunk(chunk).outcomes
    del engine
    with pytest.raises(OtherPool):
        retrain_chunk(chunk)


def test_an_engine_trains_on_when_another_of_the_same_pool_has_come_and_gone(tmp_path: Path) -> None:
    engine = engine_of(tmp_path, tiny_pool())
    assert engine_of(tmp_path, tiny_pool()).context == engine.context
    assert engine.outcomes(JOBS)


# --- each example ---------------------------------------------------------------------------------------


def test_each_example_s_log_likelihood_adds_up_to_the_outcome_and_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = tiny_pool()
    engine = engine_of(tmp_path, pool)
    plain = engine.outcomes(JOBS[:1])[0]
    outcomes, found_KN = engine.log_likelihoods(JOBS)  # the first is known by its mean alone
    assert outcomes[0] == plain
    assert found_KN.shape == (3, len(pool.validation))
    np.testing.assert_allclose(found_KN.mean(axis=1), [o.utility for o in outcomes], atol=1e-6)
    monkeypatch.setattr("harness.retraining.training.train", None)  # nothing is trained again
    again, kept_KN = engine.log_likelihoods([JOBS[2], JOBS[0]])
    np.testing.assert_array_equal(kept_KN, found_KN[[2, 0]])
    assert again == [outcomes[2], outcomes[0]]


def test_a_traced_fit_of_a_coalition_is_the_model_that_retraining_gives(tmp_path: Path) -> None:
    engine = engine_of(tmp_path, tiny_pool())
    fit, traced = engine.fit(5, "0110")
    (retrained,) = engine_of(tmp_path, tiny_pool()).outcomes([Job("0110", 5)])
    assert traced.utility == pytest.approx(retrained.utility, abs=1e-6)
    assert traced.folds
    everyone, _ = engine.fit(5)
    assert any(not torch.equal(fit.params[name], everyone.params[name]) for name in fit.params)
    with pytest.raises(UserError, match="at least one contributor"):
        engine.fit(5, "0000")


def test_cores_are_those_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    assert 1 <= cores() <= len(os.sched_getaffinity(0))
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "1")
    assert cores() == 1


def members_of(text: str) -> Bools:
    return np.array([mark == "1" for mark in text])


def test_a_reference_without_folder_is_of_embedded_data() -> None:
    reference = registry.task("reasoning", "embedded", TaskSettings(), None).reference
    assert reference == TaskReference("reasoning", "embedded", {}, None)
