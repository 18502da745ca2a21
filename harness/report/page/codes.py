"""Values as text, two characters each: a page of half a million values stays under two megabytes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.statistics.scores import levels
from harness.types import Floats, Ints

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
"""Digits from 0 up, the more significant one first; none of them means anything to HTML or JSON."""
LARGEST = len(ALPHABET) ** 2 - 1


def coded(values_MC: Sequence[Sequence[float]]) -> list[str]:
    """Each row on a grid of 4,096 points from its least to its largest value, C x 2 characters: order and ties exact.

    What of two values is larger gets a larger place also where the grid is too coarse for both.
    """
    places_MC = _places(np.asarray(values_MC, dtype=np.float64))
    pairs_MC2 = np.stack(np.divmod(places_MC, len(ALPHABET)), axis=-1)
    return [row.tobytes().decode("ascii") for row in _DIGITS[pairs_MC2]]


_DIGITS = np.frombuffer(ALPHABET.encode("ascii"), dtype=np.uint8)


def _places(values_MC: Floats) -> Ints:
    """Where each value stands on its row's grid, all 0 where they are the same."""
    order_MC = np.argsort(values_MC, axis=1, kind="stable")
    sorted_MC = np.take_along_axis(values_MC, order_MC, axis=1)
    level_MC = np.take_along_axis(levels(values_MC), order_MC, axis=1)
    if (most := int(level_MC.max(initial=0)) + 1) > LARGEST + 1:
        raise ValueError(f"expected at most {LARGEST + 1:,} different values, got {most:,}")
    span_M1 = sorted_MC[:, -1:] - sorted_MC[:, :1]
    nearest_MC = np.rint((_least(sorted_MC, level_MC) - sorted_MC[:, :1]) / np.where(span_M1 > 0, span_M1, 1) * LARGEST)
    # Rising places, moved as little as it takes for levels to differ, within the grid.
    raised_MC = np.maximum.accumulate(nearest_MC - level_MC, axis=1) + level_MC
    fitted_MC = np.minimum(raised_MC, LARGEST - level_MC[:, -1:] + level_MC)
    found_MC = np.empty(values_MC.shape, dtype=np.int64)
    np.put_along_axis(found_MC, order_MC, np.where(level_MC[:, -1:] > 0, fitted_MC, 0).astype(np.int64), axis=1)
    return found_MC


def _least(sorted_MC: Floats, level_MC: Ints) -> Floats:
    """The least value of each one's level."""
    begins_MC = np.diff(level_MC, axis=1, prepend=-1) > 0
    place_MC = np.maximum.accumulate(np.where(begins_MC, np.arange(sorted_MC.shape[1]), 0), axis=1)
    return np.asarray(np.take_along_axis(sorted_MC, place_MC, axis=1))
