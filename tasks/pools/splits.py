"""Four disjoint splits by content hash: the same content always falls on the same side."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from harness.errors import UserError
from harness.types import Floats, Ints


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
    places = np.array([_place(content, salt) for content in contents])
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


def describe_splits(shares: Mapping[str, float]) -> str:
    """The shares as ``dataworth show`` prints them."""
    return "four splits by content hash: " + ", ".join(f"{share:.0%} {name}" for name, share in shares.items())


def _evened(places: Floats, strata: Sequence[str], salt: str) -> Floats:
    """Places of each stratum at equal distances, in the same order, from a start that depends on its name alone."""
    evened = np.empty_like(places)
    for stratum in sorted(set(strata)):
        rows = np.flatnonzero([name == stratum for name in strata])
        distinct, rank = np.unique(places[rows], return_inverse=True)
        evened[rows] = (rank + _place(stratum.encode(), salt)) / len(distinct)
    return evened


def _place(content: bytes, salt: str) -> float:
    """A number in [0, 1) that depends on the content alone."""
    digest = hashlib.sha256(salt.encode() + b"\0" + content).digest()
    return int.from_bytes(digest[:7], "big") / 2**56
