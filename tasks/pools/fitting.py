"""What would fit where a pool needs more rows than there are: smaller pools are tried until they can be dealt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from harness.errors import UserError
from harness.types import FEWEST_CONTRIBUTORS
from tasks.pools.dealing import Axes
from tasks.pools.drawing import TooFewRows

TRIED = 8
"""Pools that an answer is tried on: what each draws is another number of rows."""


def advised(error: TooFewRows, axes: Axes, index: int, deal: Callable[[int, Axes], object], share: float) -> UserError:
    """The error with what would fit.

    Args:
        index: of the pool that could not be dealt.
        deal: a pool of that index by these axes; raises ``TooFewRows`` where it cannot.
        share: of the real rows that may reach contributors.
    """
    pools = sorted({*range(TRIED), index})

    def fits(axes: Axes) -> bool:
        try:
            for pool in pools:
                deal(pool, axes)
        except UserError:  # too few rows, or too few to be wrong about
            return False
        return True

    found = []
    fewest = max(FEWEST_CONTRIBUTORS, 2 * axes.copies)
    if (count := _most(fewest, axes.contributors - 1, lambda c: fits(replace(axes, contributors=c)))) is not None:
        found.append(f"contributors = {count}")
    if (largest := _most(1, axes.size[1] - 1, lambda most: fits(replace(axes, size=_shrunk(axes, most))))) is not None:
        found.append(f"size = {list(_shrunk(axes, largest))}")
    reach = f" ({share:.0%} of them reach contributors)" if error.kind.startswith("real") else ""
    if not found:
        return UserError(
            f"{error.what} Neither fewer contributors nor smaller ones would fit: give more {error.kind}{reach}."
        )
    now = f"{axes.contributors} contributors of {axes.size[0]}-{axes.size[1]} examples"
    return UserError(
        f"{error.what} In place of {now} what fits is {' or '.join(found)} (settings of the task; tried on "
        f"{len(pools)} pools). Or give more {error.kind}{reach}."
    )


def _shrunk(axes: Axes, most: int) -> tuple[int, int]:
    """The range of sizes with another end, its start in proportion."""
    low, high = axes.size
    return max(1, low * most // high), most


def _most(lowest: int, highest: int, fits: Callable[[int], bool]) -> int | None:
    """The largest number that fits, by halving; None where none is found."""
    low, high = lowest - 1, highest
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low if low >= lowest else None
