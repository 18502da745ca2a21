"""Splits by content hash, and what is held out divided anew by each pool: equal content is never on two sides."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from harness.errors import UserError
from harness.types import Floats, Ints

HELD_OUT = "held out"
"""The split that models are judged on: each pool draws its own validation and test rows from it."""


def split_by_content(
    contents: Sequence[bytes], shares: Mapping[str, float], salt: str, strata: Sequence[str] | None = None
) -> dict[str, Ints]:
    """Rows of each named split; equal contents never fall in two splits.

    Args:
        contents: one byte string a row: what makes two rows the same example.
        shares: split -> its expected share of the rows; they add up to 1.
        salt: name of the task, so that tasks over the same rows split differently.
        strata: one name a row, the same for equal contents: each stratum is divided by the shares as evenly as whole
            contents allow, so that the splits are alike in what their rows are of.

    Raises:
        UserError: the shares do not add up to 1, or a split came out empty.
    """
    if abs(sum(shares.values()) - 1) > 1e-9:
        raise UserError(f"Split shares must add up to 1, got {dict(shares)}.")
    edges = np.cumsum(list(shares.values()))
    places = np.array([place(content, salt) for content in contents])
    if strata is not None:
        places = _evened(places, strata, salt)
    sides = np.minimum(np.searchsorted(edges, places, side="right"), len(edges) - 1)
    rows = {name: np.flatnonzero(sides == k) for k, name in enumerate(shares)}
    for name, found in rows.items():
        if not len(found):
            raise UserError(
                f"The split {name!r} ({shares[name]:.0%} of {len(contents)} rows) is empty; give more rows."
            )
    return rows


def divide(contents: Sequence[bytes], strata: Sequence[str], counts: Mapping[str, int], salt: str) -> dict[str, Ints]:
    """Rows of each named part, drawn at random by the salt: at most so many, and alike in their strata.

    Where contents are all different, every part takes of each stratum its proportional share: to less than one row
    where the parts use up all rows, to less than two else. Rows of equal content stay together, and a part then is
    short of what no whole group of a stratum fits in.

    Args:
        contents: one byte string a row: what makes two rows the same example.
        strata: one name a row; the first row of a content tells the stratum of all that are equal to it.
        counts: part -> most rows of it; where there are too few for all parts, each gets its share of them.
        salt: another salt is another draw.
    """
    groups: dict[bytes, list[int]] = {}
    for row, content in enumerate(contents):
        groups.setdefault(content, []).append(row)
    waiting: dict[str, list[list[int]]] = {}
    for content in sorted(groups, key=lambda content: place(content, salt)):
        waiting.setdefault(strata[groups[content][0]], []).append(groups[content])
    order = sorted(waiting, key=lambda stratum: place(stratum.encode(), salt))  # who gets the odd rows is by chance too
    sizes = np.array([sum(map(len, waiting[stratum])) for stratum in order])
    left, still, found = sizes.copy(), sum(counts.values()), {}
    for name, most in counts.items():
        total = min(most, round(int(left.sum()) * most / still)) if still else 0
        quotas = _apportioned(total, left)
        found[name] = np.array(sorted(_taken(order, quotas, waiting)), dtype=np.int64)
        left, still = left - quotas, still - most
    return found


def describe_splits(shares: Mapping[str, float]) -> str:
    """The shares as ``dataworth show`` prints them."""
    return "splits by content hash: " + ", ".join(f"{share:.0%} {name}" for name, share in shares.items())


def _apportioned(total: int, sizes: Ints) -> Ints:
    """``total`` seats in proportion to sizes, the odd ones by largest remainders, earlier places first."""
    shares = total * sizes / max(1, sizes.sum())
    seats: Ints = np.floor(shares).astype(np.int64)
    seats[np.argsort(seats - shares, kind="stable")[: total - int(seats.sum())]] += 1
    return seats


def _taken(order: Sequence[str], quotas: Ints, waiting: Mapping[str, list[list[int]]]) -> list[int]:
    """Rows of whole groups that fit in the quota of their stratum; those groups wait no more."""
    taken: list[int] = []
    for stratum, quota in zip(order, quotas.tolist(), strict=True):
        left, later = quota, []
        for group in waiting[stratum]:
            if len(group) <= left:
                taken += group
                left -= len(group)
            else:
                later.append(group)
        waiting[stratum][:] = later
    return taken


def _evened(places: Floats, strata: Sequence[str], salt: str) -> Floats:
    """Places of each stratum at equal distances, in the same order, from a start that depends on its name alone."""
    evened = np.empty_like(places)
    names, stratum_N = np.unique(np.array(strata, dtype=np.str_), return_inverse=True)
    for number, stratum in enumerate(names):
        rows = np.flatnonzero(stratum_N == number)
        distinct, rank = np.unique(places[rows], return_inverse=True)
        evened[rows] = (rank + place(str(stratum).encode(), salt)) / len(distinct)
    return evened


def place(content: bytes, salt: str) -> float:
    """A number in [0, 1) that depends on the content alone."""
    digest = hashlib.sha256(salt.encode() + b"\0" + content).digest()
    return int.from_bytes(digest[:7], "big") / 2**56
