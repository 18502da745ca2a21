"""How much there was to learn: what everyone's model scores more than nobody's. S seeds, F held-out folds."""

from __future__ import annotations

import math

from harness.types import Floats


def gain(everyone_SF: Floats, nobody_SF: Floats) -> tuple[float, float]:
    """U(everyone) - U(nobody) and its standard error, of seeds and of the held-out sample; nan from a single fold.

    Both are scored on the same folds, whose difficulty cancels, so that the held-out noise is that of their difference;
    seeds are taken for independent, also where both have the same, which can only make the error too large.
    """
    difference_F = everyone_SF.mean(axis=0) - nobody_SF.mean(axis=0)
    if len(difference_F) < 2:
        return float(difference_F.mean()), math.nan
    held_out = float(difference_F.var(ddof=1)) / len(difference_F)
    seeds = sum(float(side.mean(axis=1).var(ddof=1)) / len(side) for side in (everyone_SF, nobody_SF) if len(side) > 1)
    return float(difference_F.mean()), math.sqrt(held_out + seeds)
