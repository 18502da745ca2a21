"""Before rows are dealt: near-duplicates are dropped, and nothing that is tested on is trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import connected_components

from harness.errors import UserError
from harness.types import Bools, Ints
from tasks.pools.splits import HELD_OUT, split_by_content
from tasks.sources.near import Neighbours, neighbours, normal
from tasks.sources.table import Table

SYNTHETIC = -1
"""The level of rows that are in no split."""

SYNTHETIC_SIDE = "synthetic"
"""What these are called where splits have names."""


@dataclass(frozen=True, slots=True, eq=False)
class Cleaned:
    """Tables without near-duplicates.

    Args:
        tables: in the order given; no two rows are near-duplicates, within a table or across tables.
        near_duplicates_dropped: source -> rows that went.
    """

    tables: tuple[Table, ...]
    near_duplicates_dropped: Mapping[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class Splits:
    """The real side in disjoint splits, and what of the synthetic side may be trained on.

    Args:
        real: split -> its rows, a table for each real source in the order given (some may be empty).
        synthetic: tables in the order given.
        crossing: source -> split (or SYNTHETIC_SIDE) -> rows of it that went because their question nearly is one of
            another split.
    """

    real: Mapping[str, tuple[Table, ...]]
    synthetic: tuple[Table, ...]
    crossing: Mapping[str, Mapping[str, int]]

    @property
    def crossing_dropped(self) -> dict[str, int]:
        """Source -> all rows that went so."""
        return {name: sum(counts.values()) for name, counts in self.crossing.items()}


def clean(tables: Sequence[Table]) -> Cleaned:
    """Keep one of each group of near-duplicates: a real one before a synthetic one, then whichever comes first.

    Texts are compared with their answers (but for labels), images by their pixels; see ``near``. Every row that goes
    is a near-duplicate of one that stays.

    Raises:
        UserError: there are no tables, texts and images together, or two sources of one name.
    """
    _check(tables)
    order = sorted(range(len(tables)), key=lambda k: tables[k].source.side != "real")  # stable
    ordered = [tables[k] for k in order]
    kept = _keep_first(neighbours(ordered, whole=True))
    parts = dict(zip(order, np.split(kept, np.cumsum([len(table) for table in ordered])[:-1]), strict=True))
    return Cleaned(
        tuple(table.take(np.flatnonzero(parts[k])) for k, table in enumerate(tables)),
        {table.source.name: int((~parts[k]).sum()) for k, table in enumerate(tables)},
    )


def split(real: Sequence[Table], synthetic: Sequence[Table], shares: Mapping[str, float], salt: str) -> Splits:
    """Real rows in splits by the content of their question, so that no question stands on two sides.

    Where there are labels, the splits are alike in them. Where near-duplicates fall in different splits, the later
    split of ``shares`` keeps its row, and the other one is dropped; so what is held out comes last. A synthetic row
    goes where its question nearly is one that is held out.

    Args:
        shares: split -> its expected share of the real rows; they add up to 1. What is held out is called HELD_OUT.
        salt: name of the task, so that tasks over the same rows split differently.

    Raises:
        UserError: as ``clean``, the shares do not add up to 1, or a split comes out empty.
    """
    _check([*real, *synthetic])
    contents = [content for table in real for content in _contents(table)]
    placed = split_by_content(contents, shares, salt, _strata(real, contents))
    levels = np.full(sum(map(len, real)) + sum(map(len, synthetic)), SYNTHETIC, dtype=np.int64)
    for level, rows in enumerate(placed.values()):
        levels[rows] = level
    held_out = [level for level, name in enumerate(shares) if name == HELD_OUT]
    kept = _keep_apart(neighbours([*real, *synthetic], whole=False), levels, held_out)
    for level, (name, rows) in enumerate(placed.items()):
        if not kept[levels == level].any():
            raise UserError(f"The split {name!r} is empty once {len(rows)} near-duplicates have gone; give more rows.")
    tables = [*real, *synthetic]
    edges = np.cumsum([len(table) for table in tables])[:-1]
    parts = list(zip(tables, np.split(kept, edges), np.split(levels, edges), strict=True))
    return Splits(
        {
            name: tuple(table.take(np.flatnonzero(own & (at == level))) for table, own, at in parts[: len(real)])
            for level, name in enumerate(shares)
        },
        tuple(table.take(np.flatnonzero(own)) for table, own, _ in parts[len(real) :]),
        {table.source.name: _crossing(own, at, list(shares)) for table, own, at in parts},
    )


def _crossing(kept_N: Bools, levels_N: Ints, splits: Sequence[str]) -> dict[str, int]:
    """Split -> how many of its rows are not kept, where any are not."""
    lost = {SYNTHETIC_SIDE if k == SYNTHETIC else splits[k]: int(n) for k, n in _counts(levels_N[~kept_N])}
    return {name: lost[name] for name in (*splits, SYNTHETIC_SIDE) if name in lost}


def _counts(levels_N: Ints) -> list[tuple[int, int]]:
    return list(zip(*(found.tolist() for found in np.unique(levels_N, return_counts=True)), strict=True))


def together(tables: Sequence[Table]) -> list[bytes]:
    """For each row of all tables what those share that have to stay together: questions near each other, in chains."""
    found = neighbours(tables, whole=False)
    chains = connected_components(found.near, directed=False)[1][found.groups_N]
    contents = [content for table in tables for content in _contents(table)]
    first = np.unique(chains, return_index=True)[1]
    return [contents[first[chain]] for chain in chains]


def _check(tables: Sequence[Table]) -> None:
    names = [table.source.name for table in tables]
    if not names:
        raise UserError("There are no tables to clean; name one source or more.")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UserError(f"Two sources are called {twice[0]!r}; give one of them another name.")
    if len({table.is_text for table in tables}) > 1:
        raise UserError(f"Texts and images cannot go together, got {', '.join(names)}.")


def _contents(table: Table) -> list[bytes]:
    """What decides in which split a row falls."""
    if table.is_text:
        return [normal(key).encode() for key in table.keys]
    return [level.tobytes() for level in np.rint(np.asarray(table.images) * 255).astype(np.uint8)]


def _strata(tables: Sequence[Table], contents: Sequence[bytes]) -> list[str] | None:
    """The label of each row, of equal contents that of the first; None where rows have none."""
    labels = [str(label) for table in tables for label in _labels(table)]
    if not labels:
        return None
    first: dict[bytes, str] = {}
    return [first.setdefault(content, label) for content, label in zip(contents, labels, strict=True)]


def _labels(table: Table) -> Sequence[object]:
    if not table.is_text:
        return [*np.asarray(table.labels)]
    return table.answers if table.source.labels else []


def _keep_first(found: Neighbours) -> Bools:
    """Going through the rows, each one that is near none kept before."""
    kept_groups = np.zeros(found.near.shape[0], dtype=np.bool_)
    starts, near = found.near.indptr, found.near.indices
    for group in range(len(kept_groups)):  # numbered in the order of their first rows
        kept_groups[group] = not kept_groups[near[starts[group] : starts[group + 1]]].any()
    first = np.zeros(len(found.groups_N), dtype=np.bool_)
    first[np.unique(found.groups_N, return_index=True)[1]] = True
    return first & kept_groups[found.groups_N]


def _keep_apart(found: Neighbours, levels_N: Ints, held_out: Sequence[int]) -> Bools:
    """From the highest level down, rows that are near no kept row of a higher one; synthetic ones mind the held-out."""
    kept = np.ones(len(levels_N), dtype=np.bool_)
    guarded = np.zeros(found.near.shape[0], dtype=np.bool_)
    minded = guarded.copy()
    for level in range(int(levels_N.max(initial=0)), -1, -1):
        here = levels_N == level
        kept[here] = ~guarded[found.groups_N[here]]
        near = found.of(np.unique(found.groups_N[here & kept]))
        guarded[near] = True
        if level in held_out:
            minded[near] = True
    synthetic = levels_N == SYNTHETIC
    kept[synthetic] = ~minded[found.groups_N[synthetic]]
    return kept
