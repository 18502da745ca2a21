"""Coalitions are rows of booleans over contributors: K x C."""

from __future__ import annotations

import numpy as np

from harness.types import Bools, Ints


def nobody(contributors: int) -> Bools:
    """The empty coalition, 1 x C."""
    return np.zeros((1, contributors), dtype=np.bool_)


def everyone(contributors: int) -> Bools:
    """The grand coalition, 1 x C."""
    return np.ones((1, contributors), dtype=np.bool_)


def singletons(contributors: int) -> Bools:
    """Each contributor alone, C x C."""
    return np.eye(contributors, dtype=np.bool_)


def all_but_one(contributors: int) -> Bools:
    """Everyone without contributor i, C x C."""
    return ~np.eye(contributors, dtype=np.bool_)


def powerset(contributors: int) -> Bools:
    """All 2^C coalitions; row k holds contributor i where bit i of k is set."""
    return np.asarray(np.arange(2**contributors)[:, None] >> np.arange(contributors) & 1, dtype=np.bool_)


def prefixes(order_C: Ints) -> Bools:
    """The growing coalitions of one permutation, nobody to everyone: (C + 1) x C."""
    rank_C = np.empty(len(order_C), dtype=np.int64)
    rank_C[order_C] = np.arange(len(order_C))
    return np.asarray(rank_C[None, :] < np.arange(len(order_C) + 1)[:, None])


def to_text(coalition_C: Bools) -> str:
    """A coalition as the ledger writes it: one character a contributor, '1' for a member."""
    return "".join("1" if member else "0" for member in coalition_C)
