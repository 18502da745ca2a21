"""How numbers are written, the same on every page."""

from __future__ import annotations

import math

from harness.report.leaderboard import Row

NONE = "–"


def correlation(value: float) -> str:
    return NONE if math.isnan(value) else f"{value:.2f}"


def agreement(row: Row) -> str:
    """A score with its interval beside the ceiling, or the row's state."""
    if row.status != "ok":
        return row.status
    if math.isnan(row.spearman):
        return "constant"
    interval = f" [{correlation(row.low)}, {correlation(row.high)}]" if math.isfinite(row.low) else ""
    return f"{correlation(row.spearman)}{interval} / {correlation(row.ceiling)}"


MARKS = "Bold: the interval lies above zero. †: worse than the best of its column (paired bootstrap, Holm)."


def established(row: Row) -> bool:
    """Whether the method agrees with the truth beyond doubt: its interval lies above zero."""
    return row.low > 0


def behind(row: Row) -> str:
    """The mark of a method that is told apart from the best one."""
    return " †" if row.rank is not None and row.rank > 1 else ""


def hours(value: float) -> str:
    """Hours to two digits; undefined is a dash."""
    if math.isnan(value):
        return NONE
    return "0" if value == 0 else f"{value:.2g}"


def gpu_hours(row: Row) -> float:
    """Measured where a GPU ran, else projected."""
    return row.projected_gpu_hours if math.isnan(row.gpu_hours) else row.gpu_hours


def seconds(value: float) -> str:
    return NONE if math.isnan(value) else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def count(value: float) -> str:
    return NONE if math.isnan(value) else f"{value:,.0f}"
