"""What tests of whole runs share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def overhead_measured_once() -> Iterator[None]:
    """What counting costs is measured once a learner and not in every run: it takes longer than a tiny run itself."""
    from harness.metering.meter import ProfilingOverhead
    from harness.running import evaluator
    from harness.types import Batch, Learner, Params

    found: dict[tuple[str, str], ProfilingOverhead] = {}
    measure = evaluator.profiling_overhead

    def once(learner: Learner, params: Params, batch: Batch, device: str) -> ProfilingOverhead:
        key = (learner.name, device)
        if key not in found:
            found[key] = measure(learner, params, batch, device)
        return found[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluator, "profiling_overhead", once)
        yield
