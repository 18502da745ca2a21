"""What tests of whole runs share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def measured_once() -> Iterator[None]:
    """What counting costs is measured, and transforms are warmed up, once a learner and not once a pool.

    Either takes longer than all else that a tiny pool does.
    """
    from harness.metering.meter import ProfilingOverhead
    from harness.retraining import training
    from harness.running import evaluator
    from harness.types import Batch, Examples, Learner, Params

    overheads: dict[str, ProfilingOverhead] = {}
    warm: set[str] = set()
    measure, warm_up = evaluator.profiling_overhead, training.warm_up

    def measured(learner: Learner, params: Params, batch: Batch, device: str) -> ProfilingOverhead:
        key = f"{learner.identity} on {device}"
        if key not in overheads:
            overheads[key] = measure(learner, params, batch, device)
        return overheads[key]

    def warmed_up(learner: Learner, train: Examples, device: str) -> None:
        key = f"{learner.identity} on {device}"
        if key not in warm:
            warm_up(learner, train, device)
            warm.add(key)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluator, "profiling_overhead", measured)
        patch.setattr(training, "warm_up", warmed_up)
        yield


@pytest.fixture(autouse=True)
def no_thread_of_another_test() -> Iterator[None]:
    """Where a method has left a thread, whoever comes next is asked in a process; the next test is none of these."""
    yield
    from harness.running import leftover_threads

    leftover_threads._left.clear()
