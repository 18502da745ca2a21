"""Drawing from a stock of which no row is dealt twice."""

from __future__ import annotations

import numpy as np

from harness.errors import UserError
from harness.types import Array, Bools, Ints


def draw(
    free_N: Bools, weights_N: Array, count: int, rng: np.random.Generator, *, task: str, rows: str, told: str
) -> Ints:
    """``count`` rows not dealt before, drawn by weight; they are no longer free then.

    Args:
        rows: what they are called in an error ("images"); ``told``: which of them are wanted ("real images").

    Raises:
        UserError: too few are left.
    """
    free = np.flatnonzero(free_N & (weights_N > 0))
    if count > len(free):
        raise UserError(
            f"{task}: a contributor needs {count} more {told}, {len(free)} are left. Give more {rows}, or ask for "
            "fewer contributors or smaller sizes (settings contributors and size)."
        )
    chosen = np.zeros(0, dtype=np.int64)
    if count:
        chosen = rng.choice(free, size=count, replace=False, p=weights_N[free] / weights_N[free].sum())
    free_N[chosen] = False
    return chosen
