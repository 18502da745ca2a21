"""Values as text, three characters for two: a page of half a million values stays under two megabytes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from harness.statistics.scores import levels
from harness.types import Floats, Ints

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
"""Digits from 0 up, the more significant one first; none of them means anything to HTML or JSON."""
FEWEST = 3
"""Digits of two values: a 512th of their range is less than a figure's line is wide."""


def coded(values_MC: Sequence[Sequence[float]]) -> list[str]:
    """Each row on a grid from its least to its largest value, ``digits`` for two of them: order and ties exact.

    What of two values is larger gets a larger place also where the grid is too coarse for both. The last one of an odd
    number is followed by a 0.
    """
    exact_MC = np.asarray(values_MC, dtype=np.float64)
    contributors = exact_MC.shape[1]
    count = digits(contributors)
    places_MC = np.pad(_places(exact_MC, grid(count) - 1), ((0, 0), (0, contributors % 2)))
    pairs_MP = places_MC[:, ::2] * grid(count) + places_MC[:, 1::2]
    digits_MPD = pairs_MP[..., None] // len(ALPHABET) ** np.arange(count)[::-1] % len(ALPHABET)
    return [row.tobytes().decode("ascii") for row in _DIGITS[digits_MPD]]


def digits(contributors: int) -> int:
    """Of two values: as many as it takes for all contributors to differ."""
    return next(count for count in itertools.count(FEWEST) if grid(count) >= contributors)


def grid(count: int) -> int:
    """Points of the grid of values of which two are written in so many digits."""
    return int(8**count)


_DIGITS = np.frombuffer(ALPHABET.encode("ascii"), dtype=np.uint8)


def _places(values_MC: Floats, largest: int) -> Ints:
    """Where each value stands on its row's grid, from 0 to ``largest``; all 0 where they are the same."""
    order_MC = np.argsort(values_MC, axis=1, kind="stable")
    sorted_MC = np.take_along_axis(values_MC, order_MC, axis=1)
    level_MC = np.take_along_axis(levels(values_MC), order_MC, axis=1)
    span_M1 = sorted_MC[:, -1:] - sorted_MC[:, :1]
    nearest_MC = np.rint((_least(sorted_MC, level_MC) - sorted_MC[:, :1]) / np.where(span_M1 > 0, span_M1, 1) * largest)
    # Rising places, moved as little as it takes for levels to differ, within the grid.
    raised_MC = np.maximum.accumulate(nearest_MC - level_MC, axis=1) + level_MC
    fitted_MC = np.minimum(raised_MC, largest - level_MC[:, -1:] + level_MC)
    found_MC = np.empty(values_MC.shape, dtype=np.int64)
    np.put_along_axis(found_MC, order_MC, np.where(level_MC[:, -1:] > 0, fitted_MC, 0).astype(np.int64), axis=1)
    return found_MC


def _least(sorted_MC: Floats, level_MC: Ints) -> Floats:
    """The least value of each one's level."""
    begins_MC = np.diff(level_MC, axis=1, prepend=-1) > 0
    place_MC = np.maximum.accumulate(np.where(begins_MC, np.arange(sorted_MC.shape[1]), 0), axis=1)
    return np.asarray(np.take_along_axis(sorted_MC, place_MC, axis=1))
