"""Whether a pool that is dealt here is the one that a record tells of."""

from __future__ import annotations

import math
from collections.abc import Mapping

from harness.records.results import PoolRecord
from harness.running.pool_run import PoolRun
from harness.types import Plain


def is_dealt_again(record: PoolRecord, run: PoolRun) -> bool:
    """Whether the pool is that of the record; last digits may differ by machine."""
    dealt = [contributor.planted for contributor in run.pool.contributors]
    same = len(dealt) == len(record.planted) and all(map(alike, dealt, record.planted))
    return same and record.task_version == run.task.version and record.test_rows in (0, len(run.pool.test))


def alike(one: Mapping[str, Plain], other: Mapping[str, Plain]) -> bool:
    """Whether two descriptions say the same; last digits may differ."""

    def equal(a: Plain, b: Plain) -> bool:
        return math.isclose(a, b, rel_tol=1e-9) if isinstance(a, float) and isinstance(b, float) else a == b

    return one.keys() == other.keys() and all(equal(value, other[name]) for name, value in one.items())
