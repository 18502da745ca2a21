"""What became of a source's rows: read, left out, dropped, and where the rest went; told after every read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tasks.sources.cleaning import SYNTHETIC_SIDE, Cleaned, Splits
from tasks.sources.table import Table


@dataclass(frozen=True, slots=True)
class Account:
    """Of one source; every row that was read stands in exactly one of the counts.

    Args:
        name, side: of the source.
        read: rows that its files have.
        left_out: why rows were not taken -> how many.
        near: near-duplicates of a row that stayed.
        crossing: split -> rows of it that were too near a question of another split.
        kept: split -> rows that are left.
    """

    name: str
    side: str
    read: int
    left_out: Mapping[str, int]
    near: int
    crossing: Mapping[str, int]
    kept: Mapping[str, int]

    def sentence(self) -> str:
        splits = [
            f"{self.kept.get(split, 0):,} {split}" + (f" ({lost:,} near another split dropped)" if lost else "")
            for split in dict.fromkeys([*self.kept, *self.crossing])
            if (lost := self.crossing.get(split, 0)) or self.kept.get(split)
        ]
        near = f", {self.near:,} near-duplicates dropped" if self.near else ""
        where = ", ".join(splits) or "none left"
        return f"{self.name} ({self.side}): {rows_read(self.read, self.left_out)}{near}; {where}."


def rows_read(read: int, left_out: Mapping[str, int]) -> str:
    """How many rows a file has, how many were not taken, and why."""
    lost = sum(left_out.values())
    reasons = ", ".join(f"{count:,} {why}" if len(left_out) > 1 else why for why, count in left_out.items())
    return f"{read:,} rows read" + (f", {lost:,} left out ({reasons})" if lost else "")


def rows_of(table: Table) -> int:
    """All that its files have."""
    return len(table) + sum(table.left_out.values())


def accounts(tables: Sequence[Table], cleaned: Cleaned, splits: Splits) -> tuple[Account, ...]:
    """One for each table, in the order given: real ones first, as they were split."""
    found, real = [], len(tables) - len(splits.synthetic)
    for k, table in enumerate(tables):
        name = table.source.name
        kept = (
            {split: len(parts[k]) for split, parts in splits.real.items()}
            if k < real
            else {SYNTHETIC_SIDE: len(splits.synthetic[k - real])}
        )
        near = cleaned.near_duplicates_dropped[name]
        found.append(
            Account(name, table.source.side, rows_of(table), table.left_out, near, splits.crossing[name], kept)
        )
    return tuple(found)
