"""Means of numbers of which some are undefined."""

from __future__ import annotations

import math
from collections.abc import Iterable


def finite_mean(numbers: Iterable[float]) -> float:
    """Mean of the defined numbers, nan if there is none."""
    known = [number for number in numbers if math.isfinite(number)]
    return sum(known) / len(known) if known else math.nan
