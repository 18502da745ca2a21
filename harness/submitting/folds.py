"""Whether a truth is the mean of its held-out folds: who changes the one by hand forgets the others."""

from __future__ import annotations

import numpy as np

from harness.records.results import PoolRecord, TruthRecord, mean_values
from harness.types import FOLDS, Ints

NEAR = 1e-3
"""Of the largest value: how near a truth's folds come to it, which are kept in single precision."""


def has_folds(truth: TruthRecord, pool: PoolRecord) -> bool:
    """Whether it keeps a value for each fold that has rows."""
    return bool(truth.by_fold) and len(truth.by_fold) == len(_rows(pool))


def _rows(pool: PoolRecord) -> Ints:
    """Test rows of each fold that has some."""
    rows_F = np.array([len(range(fold, pool.test_rows, FOLDS)) for fold in range(FOLDS)])
    return rows_F[rows_F > 0]


def adds_up(truth: TruthRecord, pool: PoolRecord | None) -> bool:
    """Whether the folds' values, weighed by their rows, are its values; true where they were not kept."""
    if pool is None or not has_folds(truth, pool):
        return True
    rows_F = _rows(pool)
    values_C = mean_values(truth.values)
    off_C = rows_F @ np.array(truth.by_fold) / rows_F.sum() - values_C
    return bool(np.abs(off_C).max() <= NEAR * np.abs(values_C).max() + 1e-5)
