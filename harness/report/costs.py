"""What a valuation costs, as means over those answered: what ran, projected for a GPU, and at reference scale."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.config import Suite
from harness.records.results import TruthRecord, ValuationRecord
from harness.report.view import MeanCost
from harness.statistics.means import finite_mean
from harness.types import Cost

UNKNOWN_PRECISION = "bf16"
"""Which a pool's learner is taken to have trained in where its record does not say."""


def mean_cost(
    suite: Suite,
    task: str,
    records: Sequence[TruthRecord] | Sequence[ValuationRecord],
    precision: str = UNKNOWN_PRECISION,
) -> MeanCost:
    """Mean cost of the records of one method, or of the truth, in the leaderboard's units; nan where there is none.

    Operations, bytes and launches are those of the pools where they were counted, times those of the others, which
    nothing slowed, where there are others.

    Args:
        precision: that the run computed in.
    """
    if not records:
        return MeanCost()
    costs = [record.cost for record in records]
    counted = [cost for cost in costs if not math.isnan(cost.flops)]
    timed = [cost for cost in costs if math.isnan(cost.flops)] or costs

    def mean(name: str, among: Sequence[Cost] = costs) -> float:
        return _mean([getattr(cost, name) for cost in among]) if among else math.nan

    on_gpu = all(record.device.startswith("cuda") for record in records)
    return MeanCost(
        seconds=mean("seconds", timed),
        core_hours=mean("core_seconds", timed) / 3600,
        gpu_hours=mean("gpu_seconds", timed) / 3600 if on_gpu else math.nan,
        projected_gpu_hours=finite_mean(_projected(suite, cost, precision) for cost in counted),
        reference_gpu_hours=_mean([_at_reference(suite, task, record) for record in records]),
        flops=mean("flops", counted),
        bytes_moved=mean("bytes_moved", counted),
        launches=mean("launches", counted),
        peak_memory_mb=mean("peak_memory_mb"),
        retrainings=mean("retrainings"),
        gradient_passes=mean("gradient_passes"),
        forward_passes=mean("forward_passes"),
        load=mean("load", timed),
    )


def _mean(numbers: Sequence[float]) -> float:
    """Of one or more, nan where one of them is."""
    return sum(numbers) / len(numbers)


def _projected(suite: Suite, cost: Cost, precision: str) -> float:
    return suite.projection.hours(cost.flops, cost.bytes_moved, cost.launches, precision)


def _at_reference(suite: Suite, task: str, record: TruthRecord | ValuationRecord) -> float:
    """On the job of the task, and what is of other tasks' truths on theirs; nan where it was not recorded what the
    method's own algebra takes.
    """
    hours = suite.projection.reference_hours
    if isinstance(record, TruthRecord):
        return hours(task, record.cost, 0.0)
    own = record.cost
    if record.pass_scale == 1 and not record.borrowed:  # as of nearly all
        return hours(task, own, record.algebra)
    cost = Cost(
        gradient_passes=own.gradient_passes * record.pass_scale,
        forward_passes=own.forward_passes,
        retrainings=max(0.0, own.retrainings - sum(record.borrowed.values())),
    )
    others = sum(hours(other, Cost(retrainings=count), 0.0) for other, count in record.borrowed.items())
    return hours(task, cost, record.algebra) + others
