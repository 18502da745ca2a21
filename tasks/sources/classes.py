"""Classes of several sources of images, made the same: one number for one name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.errors import UserError
from tasks.sources.table import Table


def alike(tables: Sequence[Table]) -> list[Table]:
    """The tables, with the classes of the real ones numbered together by name; numbers without names stay.

    Raises:
        UserError: some sources have names and others numbers, or a synthetic one has a class that no real one has.
    """
    named = [table for table in tables if table.names]
    if not named:
        return list(tables)
    if bare := next((table for table in tables if not table.names), None):
        raise UserError(
            f"{bare.source.name} has numbers for classes and {named[0].source.name} names ({_some(named[0].names)}). "
            f"Say what each number means in the description of {bare.source.name}: labels = {{0 = ...}}."
        )
    known = sorted({name for table in tables if table.source.side == "real" for name in table.names})
    for table in tables:
        if strange := sorted(set(table.names) - set(known)):
            raise UserError(
                f"{table.source.name} has the class {strange[0]!r}, which no real source has; these have "
                f"{_some(known)}. Mend the labels in its description, or leave such rows out."
            )
    number = {name: k for k, name in enumerate(known)}
    return [
        replace(
            table,
            labels=np.array([number[name] for name in table.names], dtype=np.int64)[np.asarray(table.labels)],
            names=tuple(known),
        )
        for table in tables
    ]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
