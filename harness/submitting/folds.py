"""Whether a truth is the mean of its held-out folds: who changes the one by hand forgets the others."""

from __future__ import annotations

import numpy as np

from harness.records.results import PoolRecord, TruthRecord
from harness.types import FOLDS

NEAR = 1e-3
"""Of the largest value: how near a truth's folds come to it, which are kept in single precision."""


def adds_up(truth: TruthRecord, pool: PoolRecord | None) -> bool:
    """Whether the folds' values, weighed by their rows, are its values; true where they were not kept."""
    if pool is None:
        return True
    rows_F = np.array([len(range(fold, pool.test_rows, FOLDS)) for fold in range(FOLDS)])
    rows_F = rows_F[rows_F > 0]
    if not truth.by_fold or len(rows_F) != len(truth.by_fold):
        return True
    values_C = np.mean(truth.values, axis=0)
    off_C = rows_F @ np.array(truth.by_fold) / rows_F.sum() - values_C
    return bool(np.abs(off_C).max() <= NEAR * np.abs(values_C).max() + 1e-5)
