"""Agreement between two orders of contributors: arrays in, numbers out.

Values count by their order alone, and those that only rounding separates as tied (``levels``), so that a machine whose
last digits differ finds the same scores. Undefined is nan, never zero. Only numpy: a table is redrawn without anything
heavy.
"""

from __future__ import annotations

import numpy as np

from harness.types import Bools, Floats, Ints

TIED = 1e-9
"""Values closer than this share of the largest are tied: what separates them is rounding, which differs by machine."""

DECIMALS = 9
"""Of a score that count when methods are put in order; what only later ones separate comes in the suite's order."""


def levels(values_C: Floats) -> Ints:
    """The place of each value among those that differ, from 0 up, C; every score looks at values through this alone.

    A value is tied with the next smaller one where they differ by at most ``TIED`` of the largest absolute value. They
    are compared with each other and not rounded to a grid, which would part tied values that lie astride a grid line.
    Of a stack of values, the last axis is C.
    """
    order, steps_C = _in_order(values_C)
    found = np.empty(values_C.shape, dtype=np.int64)
    np.put_along_axis(found, order, np.cumsum(steps_C, axis=-1), axis=-1)
    return found


def _in_order(values_C: Floats) -> tuple[Ints, Bools]:
    """The order of the values from the lowest up, C, and whether each of them in that order starts a new level."""
    largest = np.abs(values_C).max(axis=-1, initial=0.0, keepdims=True)
    scaled_C = values_C / np.where(largest > 0, largest, 1.0)
    order = np.argsort(scaled_C, axis=-1, kind="stable")
    sorted_C = np.take_along_axis(scaled_C, order, axis=-1)
    return order, np.diff(sorted_C, axis=-1, prepend=sorted_C[..., :1]) > TIED


def below(values_C: Floats) -> Floats:
    """How far each value adds to the rank of each other, C x C: 1 where it is lower, 1/2 where they are tied."""
    levels_C = levels(values_C)
    first, second = levels_C[..., :, None], levels_C[..., None, :]
    return np.asarray((first < second) + (first == second) / 2)


def ranks(values_C: Floats) -> Floats:
    """Average ranks, from 1/2 up; ties share their mean rank. Of a stack of values, the last axis is C."""
    order, steps_C = _in_order(values_C)
    places_C = np.arange(values_C.shape[-1])
    first_C = np.maximum.accumulate(np.where(steps_C, places_C, 0), axis=-1)  # of the tied ones each is among
    ends_C = np.where(np.roll(steps_C, -1, axis=-1) | (places_C == len(places_C) - 1), places_C + 1, len(places_C))
    next_C = np.minimum.accumulate(ends_C[..., ::-1], axis=-1)[..., ::-1]
    found = np.empty(values_C.shape)
    np.put_along_axis(found, order, (first_C + next_C) / 2, axis=-1)
    return found


def correlation(a_C: Floats, b_C: Floats) -> Floats:
    """Pearson's correlation over the last axis, of stacks that go together; nan where a side is constant."""
    a_C, b_C = (side - side.mean(axis=-1, keepdims=True) for side in (a_C, b_C))
    spread = np.sqrt((a_C * a_C).sum(axis=-1) * (b_C * b_C).sum(axis=-1))
    return np.asarray(np.where(spread > 1e-9, (a_C * b_C).sum(axis=-1) / np.where(spread > 1e-9, spread, 1.0), np.nan))


def spearmans(values_MC: Floats, truth_C: Floats) -> Floats:
    """Spearman's rank correlation (1904) of each row, M; ties share ranks, nan where a side is constant."""
    return correlation(ranks(values_MC), ranks(truth_C))


def spearman(a_C: Floats, b_C: Floats) -> float:
    """Spearman's rank correlation of two, as ``spearmans``."""
    return float(spearmans(a_C, b_C))


def between_repeats(values_MRC: Floats) -> Floats:
    """Mean Spearman correlation of two of R repeats, over all pairs where it is defined, M; nan where none is."""
    ranks_MRC = ranks(values_MRC)
    first, second = np.triu_indices(values_MRC.shape[1], 1)
    found_MK = correlation(ranks_MRC[:, first], ranks_MRC[:, second])
    defined_M = np.isfinite(found_MK).sum(axis=1)
    return np.where(defined_M > 0, np.nansum(found_MK, axis=1) / np.maximum(defined_M, 1), np.nan)


def kendalls(values_MC: Floats, truth_C: Floats) -> Floats:
    """Kendall's tau-b (1945) of each row, M; nan where a side is constant."""
    levels_MC, levels_C = levels(values_MC), levels(truth_C)
    signs_MCC = np.sign(levels_MC[..., :, None] - levels_MC[..., None, :])
    signs_CC = np.sign(levels_C[:, None] - levels_C[None, :])
    spread_M = np.sqrt((signs_MCC**2).sum(axis=(-2, -1)) * (signs_CC**2).sum())
    agreement_M = (signs_MCC * signs_CC).sum(axis=(-2, -1))
    return np.asarray(np.where(spread_M > 0, agreement_M / np.where(spread_M > 0, spread_M, 1.0), np.nan))


def kendall(a_C: Floats, b_C: Floats) -> float:
    """Kendall's tau-b of two, as ``kendalls``."""
    return float(kendalls(a_C, b_C))


def top_recalls(values_MC: Floats, truth_C: Floats, share: float = 0.25) -> Floats:
    """How many of the truth's best contributors are among each row's best, as a share, M."""
    k = max(1, round(share * len(truth_C)))
    best = np.argsort(-levels(truth_C), kind="stable")[:k]
    own = np.argsort(-levels(values_MC), axis=-1, kind="stable")[..., :k]
    return np.asarray(np.isin(own, best).sum(axis=-1) / k)


def top_recall(values_C: Floats, truth_C: Floats, share: float = 0.25) -> float:
    """The same of one, as ``top_recalls``."""
    return float(top_recalls(values_C, truth_C, share))
