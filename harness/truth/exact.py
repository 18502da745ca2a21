"""Shapley values of any set function from all of its coalitions, where there are few enough of them."""

from __future__ import annotations

from math import factorial

import numpy as np

from harness import coalitions
from harness.types import Floats, Scorer

EXACT_UP_TO = 10
"""Contributors up to which values are exact: 2^10 = 1,024 coalitions."""


def shapley(score: Scorer, contributors: int) -> Floats:
    """Shapley values from all 2^C coalitions, C (Shapley 1953, Contributions to the Theory of Games II, eq. 13)."""
    rows_KC = coalitions.powerset(contributors)
    scores_K = np.asarray(score(rows_KC), dtype=np.float64)
    sizes_K = rows_KC.sum(axis=1)
    ways = [factorial(s) * factorial(contributors - s - 1) / factorial(contributors) for s in range(contributors)]
    weight = np.array([*ways, 0.0])
    values_C = np.empty(contributors)
    for i in range(contributors):
        without = np.flatnonzero(~rows_KC[:, i])
        values_C[i] = weight[sizes_K[without]] @ (scores_K[without | 1 << i] - scores_K[without])
    return values_C
