"""Agreement between two orders of contributors: arrays in, numbers out.

Values count by their order alone, and those that only rounding separates as tied (``levels``), so that a machine whose
last digits differ finds the same scores. Undefined is nan, never zero. Only numpy: a table is redrawn without anything
heavy.
"""

from __future__ import annotations

import math

import numpy as np

from harness.types import Array, Floats, Ints

TIED = 1e-9
"""Values closer than this share of the largest are tied: what separates them is rounding, which differs by machine."""


def levels(values_C: Floats) -> Ints:
    """The place of each value among those that differ, from 0 up, C; every score looks at values through this alone.

    A value is tied with the next smaller one where they differ by at most ``TIED`` of the largest absolute value. They
    are compared with each other and not rounded to a grid, which would part tied values that lie astride a grid line.
    Of a stack of values, the last axis is C.
    """
    largest = np.abs(values_C).max(axis=-1, initial=0.0, keepdims=True)
    scaled_C = values_C / np.where(largest > 0, largest, 1.0)
    order = np.argsort(scaled_C, axis=-1, kind="stable")
    sorted_C = np.take_along_axis(scaled_C, order, axis=-1)
    found = np.empty(values_C.shape, dtype=np.int64)
    steps_C = np.diff(sorted_C, axis=-1, prepend=sorted_C[..., :1]) > TIED
    np.put_along_axis(found, order, np.cumsum(steps_C, axis=-1), axis=-1)
    return found


def below(values_C: Floats) -> Floats:
    """How far each value adds to the rank of each other, C x C: 1 where it is lower, 1/2 where they are tied."""
    levels_C = levels(values_C)
    first, second = levels_C[..., :, None], levels_C[..., None, :]
    return np.asarray((first < second) + (first == second) / 2)


def weighted_ranks(values_C: Floats, weights_DC: Array) -> Floats:
    """Average ranks of C values when value c occurs ``weights[d, c]`` times, D x C; ties share their mean rank.

    With every weight 1 these are the usual ranks; with counts they are the ranks of each resample, without sorting any
    of them.
    """
    return np.asarray(weights_DC.astype(np.float64) @ below(values_C) + 0.5)


def weighted_spearman(a_C: Floats, b_C: Floats, weights_DC: Array) -> Floats:
    """Spearman correlation in each of D resamples given by counts, D; nan where a side is constant."""
    weights_DC = weights_DC.astype(np.float64)
    middle_D1 = (weights_DC.sum(axis=1, keepdims=True) + 1) / 2  # the mean rank, whatever is tied
    a_DC, b_DC = weighted_ranks(a_C, weights_DC) - middle_D1, weighted_ranks(b_C, weights_DC) - middle_D1
    counted_DC = weights_DC * a_DC
    agreement = np.einsum("dc,dc->d", counted_DC, b_DC)
    spread = np.sqrt(np.einsum("dc,dc->d", counted_DC, a_DC) * np.einsum("dc,dc,dc->d", weights_DC, b_DC, b_DC))
    return np.where(spread > 1e-9, agreement / np.where(spread > 1e-9, spread, 1.0), np.nan)


def spearman(a_C: Floats, b_C: Floats) -> float:
    """Spearman's rank correlation (1904), ties sharing ranks; nan where a side is constant."""
    return float(weighted_spearman(a_C, b_C, np.ones((1, len(a_C))))[0])


def kendall(a_C: Floats, b_C: Floats) -> float:
    """Kendall's tau-b (1945); nan where a side is constant."""
    levels_a, levels_b = levels(a_C), levels(b_C)
    signs_a = np.sign(levels_a[:, None] - levels_a[None, :])
    signs_b = np.sign(levels_b[:, None] - levels_b[None, :])
    spread = math.sqrt((signs_a**2).sum() * (signs_b**2).sum())
    return float((signs_a * signs_b).sum() / spread) if spread else math.nan


def top_recall(values_C: Floats, truth_C: Floats, share: float = 0.25) -> float:
    """How many of the truth's best contributors are among the method's best, as a share."""
    k = max(1, round(share * len(truth_C)))
    best = set(np.argsort(-levels(truth_C), kind="stable")[:k].tolist())
    return len(best & set(np.argsort(-levels(values_C), kind="stable")[:k].tolist())) / k
