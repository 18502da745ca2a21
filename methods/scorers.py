"""Set functions of contributors made of one number each."""

from __future__ import annotations

from harness.types import Floats, Scorer


def modular(values_C: Floats) -> Scorer:
    """The sum over a coalition's contributors: each is worth its number, whoever else is there."""
    return lambda coalitions_KC: coalitions_KC @ values_C
