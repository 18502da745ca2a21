"""Agreement between two orders of contributors: arrays in, numbers out.

Undefined is nan, never zero. Only numpy: a table is redrawn without anything heavy.
"""

from __future__ import annotations

import math

import numpy as np

from harness.types import Array, Floats


def weighted_ranks(values_C: Floats, weights_DC: Array) -> Floats:
    """Average ranks of C values when value c occurs ``weights[d, c]`` times, D x C; ties share their mean rank.

    With every weight 1 these are the usual ranks; with bootstrap counts they are the ranks of each resample,
    without sorting any of them.
    """
    below = (values_C[:, None] < values_C[None, :]).astype(np.float64)
    level = (values_C[:, None] == values_C[None, :]).astype(np.float64)
    return np.asarray(weights_DC @ below + (weights_DC @ level + 1) / 2)


def weighted_spearman(a_C: Floats, b_C: Floats, weights_DC: Array) -> Floats:
    """Spearman correlation in each of D resamples given by counts, D; nan where a side is constant."""
    ranks_a, ranks_b = weighted_ranks(a_C, weights_DC), weighted_ranks(b_C, weights_DC)
    total_D1 = weights_DC.sum(axis=1, keepdims=True)
    a = ranks_a - (weights_DC * ranks_a).sum(axis=1, keepdims=True) / total_D1
    b = ranks_b - (weights_DC * ranks_b).sum(axis=1, keepdims=True) / total_D1
    spread = np.sqrt((weights_DC * a * a).sum(axis=1) * (weights_DC * b * b).sum(axis=1))
    agreement = (weights_DC * a * b).sum(axis=1)
    return np.where(spread > 1e-9, agreement / np.where(spread > 1e-9, spread, 1.0), np.nan)


def spearman(a_C: Floats, b_C: Floats) -> float:
    """Spearman's rank correlation (1904), ties sharing ranks; nan where a side is constant."""
    return float(weighted_spearman(a_C, b_C, np.ones((1, len(a_C))))[0])


def kendall(a_C: Floats, b_C: Floats) -> float:
    """Kendall's tau-b (1945); nan where a side is constant."""
    signs_a = np.sign(a_C[:, None] - a_C[None, :])
    signs_b = np.sign(b_C[:, None] - b_C[None, :])
    spread = math.sqrt((signs_a**2).sum() * (signs_b**2).sum())
    return float((signs_a * signs_b).sum() / spread) if spread else math.nan


def top_recall(values_C: Floats, truth_C: Floats, share: float = 0.25) -> float:
    """How many of the truth's best contributors are among the method's best, as a share."""
    k = max(1, round(share * len(truth_C)))
    best = set(np.argsort(-truth_C, kind="stable")[:k].tolist())
    return len(best & set(np.argsort(-values_C, kind="stable")[:k].tolist())) / k
