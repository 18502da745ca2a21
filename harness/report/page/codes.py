"""Values as text, two characters each: a page of half a million values stays under two megabytes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.statistics.scores import levels
from harness.types import Ints

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
"""Digits from 0 up, the more significant one first; none of them means anything to HTML or JSON."""
LARGEST = len(ALPHABET) ** 2 - 1


def coded(values: Sequence[float]) -> str:
    """Values on a grid of 4,096 points from the least to the largest: their order and ties are exact, C x 2 characters.

    What of two values is larger gets a larger place also where the grid is too coarse for both.
    """
    return "".join(ALPHABET[place // len(ALPHABET)] + ALPHABET[place % len(ALPHABET)] for place in _places(values))


def _places(values: Sequence[float]) -> list[int]:
    """Where each value stands on the grid, all 0 where they are the same."""
    values_C = np.asarray(values, dtype=np.float64)
    levels_C = levels(values_C)
    count = int(levels_C.max(initial=0)) + 1
    if count > LARGEST + 1:
        raise ValueError(f"expected at most {LARGEST + 1:,} different values, got {count:,}")
    low, high = float(values_C.min(initial=np.inf)), float(values_C.max(initial=-np.inf))
    if count == 1:
        return [0] * len(values_C)
    first_L = np.array([values_C[levels_C == level].min() for level in range(count)])
    return [int(place) for place in _apart(np.rint((first_L - low) / (high - low) * LARGEST).astype(np.int64))[levels_C]]


def _apart(places_L: Ints) -> Ints:
    """Rising places, moved as little as it takes to differ, within the grid."""
    steps_L = np.arange(len(places_L))
    raised_L = np.maximum.accumulate(places_L - steps_L) + steps_L
    return np.asarray(np.minimum(raised_L, LARGEST - steps_L[::-1]))
