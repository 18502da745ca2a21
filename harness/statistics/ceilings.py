"""How well a truth repeats, and how many repeats it would take. S seeds (or antithetic pairs), C contributors."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from harness.statistics.scores import spearman
from harness.types import Floats, Ints


def spearman_brown(reliability: float, factor: float) -> float:
    """Reliability of ``factor`` times as many repeats (Spearman 1910; Brown 1910); nan at or below -1/factor."""
    if not reliability > -1 / max(factor, 1):
        return math.nan
    return factor * reliability / (1 + (factor - 1) * reliability)


def repeats_needed(reliability: float, repeats: int, target: float) -> int | None:
    """Repeats at which the reliability would reach ``target``, None where none can be told from these."""
    if not 0 < reliability < 1:
        return None
    needed = repeats * target * (1 - reliability) / (reliability * (1 - target))
    return math.ceil(needed * (1 - 1e-12))  # a whole number stays itself under rounding


def noise_ceiling(
    mean_of: Callable[[Ints], Floats], repeats: int, rng: np.random.Generator, splits: int = 100
) -> float:
    """What another run of the truth, with as many new seeds, would score against this one.

    The means of two random halves of the repeats are correlated (Spearman), averaged over many splits and
    corrected to the full number of repeats (Spearman-Brown). A method that knew the noiseless truth would score about
    the root of it, so a fraction of the ceiling can pass 1.

    Args:
        mean_of: values of the truth computed from the chosen repeats alone, C.
        repeats: S; below 2 the ceiling is nan.
    """
    if repeats < 2:
        return math.nan
    half = repeats // 2
    found = []
    for _ in range(splits):
        order = rng.permutation(repeats)
        found.append(spearman(mean_of(order[:half]), mean_of(order[half : 2 * half])))
    return spearman_brown(float(np.mean(found)), repeats / half)
