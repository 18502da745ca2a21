"""How much a method's score varies from task to task, beyond its own mean and the task's."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from harness.statistics.jackknife import PoolScores
from harness.types import Floats


def interaction(tasks: Sequence[Sequence[PoolScores]]) -> float:
    """Standard deviation of method x task, the noise of few pools taken off; nan where it cannot be told.

    Two-way layout with pools as replicates within tasks: the mean square of what is left of the methods' means less
    what the spread over pools explains, not below 0 (Searle, Casella & McCulloch 1992, Variance Components, ch. 4).

    Args:
        tasks: the pools of each task, all with the same columns, the methods.
    """
    if len(tasks) < 2 or min(len(pools) for pools in tasks) < 2 or (methods := len(tasks[0][0].scores_M)) < 2:
        return math.nan
    scores = [_centred(np.array([pool.scores_M for pool in pools])) for pools in tasks]
    means_TM = np.array([scores_PM.mean(axis=0) for scores_PM in scores])
    left_TM = means_TM - means_TM.mean(axis=0)
    square = float((left_TM**2).sum()) / ((methods - 1) * (len(tasks) - 1))
    noise = np.mean([scores_PM.var(axis=0, ddof=1).sum() / (len(scores_PM) * (methods - 1)) for scores_PM in scores])
    return math.sqrt(max(0.0, square - float(noise)))


def _centred(scores_PM: Floats) -> Floats:
    """Less each pool's mean over methods."""
    return np.asarray(scores_PM - scores_PM.mean(axis=1, keepdims=True))
