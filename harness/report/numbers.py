"""How numbers are written, the same on every page."""

from __future__ import annotations

import math

NONE = "–"


def correlation(value: float) -> str:
    """To two digits; a zero keeps its sign, for an interval that ends at -0.00 lies below zero."""
    return NONE if math.isnan(value) else f"{value:.2f}"


def interval(value: float, low: float, high: float) -> str:
    """An interval after its number: a dash where it is undefined, nothing where the number is."""
    if math.isnan(value):
        return ""
    return f" [{correlation(low)}, {correlation(high)}]" if math.isfinite(low) else f" [{NONE}]"


def ranks(low: int | None, high: int | None) -> str:
    """A rank range after its number, nothing where there is none."""
    if low is None:
        return ""
    return f" #{low}" if low == high else f" #{low}–{high}"


def hours(value: float) -> str:
    """Hours to two digits, large ones written out; undefined is a dash."""
    if math.isnan(value):
        return NONE
    if value >= 100:
        return f"{float(f'{value:.2g}'):,.0f}"
    return "0" if value == 0 else f"{value:.2g}"


def seconds(value: float) -> str:
    return NONE if math.isnan(value) else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def count(value: float) -> str:
    return NONE if math.isnan(value) else f"{value:,.0f}"
