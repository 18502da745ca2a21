"""What a valuation costs, as means over those answered: what ran, projected for a GPU, and at reference scale."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from harness.config import Suite
from harness.errors import UserError
from harness.records.results import TruthRecord, ValuationRecord
from harness.registry import Broken, method
from harness.report.view import TRUTH, MeanCost
from harness.types import Cost, JobSize, Question

UNKNOWN_PRECISION = "bf16"
"""Which a pool's learner is taken to have trained in where its record does not say."""


def mean_cost(
    suite: Suite,
    task: str,
    question: Question,
    name: str,
    records: Sequence[TruthRecord] | Sequence[ValuationRecord],
    precision: str = UNKNOWN_PRECISION,
) -> MeanCost:
    """Mean cost of the records of one method (or the truth), in the leaderboard's units; nan where there is none.

    Args:
        precision: that the run computed in.
    """
    if not records:
        return MeanCost()
    costs = [record.cost for record in records]

    def mean(name: str) -> float:
        return float(np.mean([getattr(cost, name) for cost in costs]))

    on_gpu = all(record.device.startswith("cuda") for record in records)
    own_algebra = algebra(name, suite.projection.job(task).size(question))
    return MeanCost(
        seconds=mean("seconds"),
        core_hours=mean("core_seconds") / 3600,
        gpu_hours=mean("gpu_seconds") / 3600 if on_gpu else math.nan,
        projected_gpu_hours=float(np.mean([_projected(suite, cost, precision) for cost in costs])),
        reference_gpu_hours=float(np.mean([_at_reference(suite, task, cost, own_algebra) for cost in costs])),
        flops=mean("flops"),
        bytes_moved=mean("bytes_moved"),
        launches=mean("launches"),
        peak_memory_mb=mean("peak_memory_mb"),
        retrainings=mean("retrainings"),
        gradient_passes=mean("gradient_passes"),
        forward_passes=mean("forward_passes"),
        load=mean("load"),
    )


def _projected(suite: Suite, cost: Cost, precision: str) -> float:
    return suite.projection.hours(cost.flops, cost.bytes_moved, cost.launches, precision)


def _at_reference(suite: Suite, task: str, cost: Cost, own_algebra: float) -> float:
    """nan where all that ran was forward passes, and it ran before these were counted."""
    uncounted = cost.flops > 0 and not (cost.launches or cost.retrainings or cost.gradient_passes)
    return math.nan if uncounted else suite.projection.reference_hours(task, cost, own_algebra)


def algebra(name: str, size: JobSize) -> float:
    """What a method says that its own algebra takes; nan where no such method is installed to be asked."""
    if name == TRUTH:
        return 0.0
    try:
        found = method(name)
    except UserError:
        return math.nan
    return math.nan if isinstance(found, Broken) else float(found.algebra(size))
