"""How numbers are written."""

from __future__ import annotations

import math

import pytest

from harness.report.numbers import correlation


@pytest.mark.parametrize(
    ("value", "written"), [(-0.004, "0.00"), (0.0, "0.00"), (-0.006, "-0.01"), (0.996, "1.00"), (math.nan, "–")]
)
def test_a_zero_has_no_minus(value: float, written: str) -> None:
    assert correlation(value) == written
