"""Numbers as the page holds them: few digits, null where undefined."""

from __future__ import annotations

import math
from collections.abc import Iterable

Number = int | float | None

SCORE = 6
"""Decimals of a correlation: enough that the page, which shows two, rounds as other reports do."""
COST = 6
"""Significant digits of a cost: enough for the same."""
DIGITS = 3
"""Of what was planted, and of the ends of a method's values."""
TRUTH = 4
"""Of what a contributor is worth."""


def score(value: float) -> Number:
    """A correlation."""
    return shortest(round(value, SCORE)) if math.isfinite(value) else None


def significant(value: float, digits: int = DIGITS) -> Number:
    return shortest(float(f"{value:.{digits}g}")) if math.isfinite(value) else None


def significants(values: Iterable[float], digits: int = TRUTH) -> list[Number]:
    return [significant(value, digits) for value in values]


def shortest(value: float) -> int | float:
    """A whole number without its point."""
    return int(value) if value == int(value) and abs(value) < 1e15 else value
