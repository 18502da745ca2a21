"""What texts and images have in common when they become examples: owners, sides, and what is told of them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from harness.types import HELD_OUT, Array, Examples, Ints
from tasks.brought.rows import TARGET, Read, Rows


def owners_of(read: Read) -> Ints:
    """Of every contributor's rows, one contributor after another, N."""
    sizes = [len(rows) for rows in read.contributors.values()]
    return np.repeat(np.arange(len(sizes)), sizes)


def training(columns: Mapping[str, Array], read: Read) -> Examples:
    """Everyone's examples; those of unknown side count as real."""
    real = [side is not False for rows in read.contributors.values() for side in rows.real]
    return Examples(columns, owners_of(read), np.array(real, dtype=np.bool_))


def held_out(columns: Mapping[str, Array], count: int) -> Examples:
    return Examples(columns, np.full(count, HELD_OUT), np.ones(count, dtype=np.bool_))


def sides_of(read: Read) -> tuple[str, ...]:
    """Of each contributor."""
    return tuple(_side(rows) for rows in read.contributors.values())


def _side(rows: Rows) -> str:
    found = set(rows.real)
    if None in found:
        return "unknown"
    return "mixed" if len(found) > 1 else "real" if True in found else "synthetic"


def left_out(read: Read) -> dict[str, Mapping[str, int]]:
    """Contributor (or the target) -> why rows are not here -> how many; who lacks none is not named."""
    every = {**read.contributors, TARGET: read.target}
    return {name: rows.left_out for name, rows in every.items() if rows.left_out}


def read_counts(read: Read) -> Ints:
    """Rows that each contributor's files have, C."""
    return np.array([rows.read for rows in read.contributors.values()], dtype=np.int64)
