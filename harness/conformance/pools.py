"""Small pools that differ in one thing: who owns what, how much there is, how many share it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from harness.types import Contributor, Examples, Ints, Pool

ORDER = (2, 0, 3, 1)
"""Where each of four contributors goes when they are relabelled."""


def relabelled(pool: Pool) -> Pool:
    """The same rows in the same order; contributor c stands at ORDER[c], under its own name."""
    people = tuple(pool.contributors[ORDER.index(place)] for place in range(len(ORDER)))
    return replace(pool, contributors=people, train=_owned(pool.train, np.array(ORDER)[pool.train.owners_N]))


def merged(pool: Pool) -> Pool:
    """The last two contributors are one."""
    owners_N = np.minimum(pool.train.owners_N, len(pool.contributors) - 2)
    return replace(pool, contributors=pool.contributors[:-1], train=_owned(pool.train, owners_N))


def larger(pools: list[Pool]) -> Pool:
    """Each contributor brings what it brings in all of them."""
    owners_N = np.concatenate([pool.train.owners_N for pool in pools])
    return replace(pools[0], train=_owned(_together(pools), owners_N))


def wider(pools: list[Pool]) -> Pool:
    """All contributors of all of them."""
    sizes = [len(pool.contributors) for pool in pools]
    owners_N = np.concatenate([pool.train.owners_N + sum(sizes[:k]) for k, pool in enumerate(pools)])
    named = [(f"{k}-{one.name}", one.planted) for k, pool in enumerate(pools) for one in pool.contributors]
    people = tuple(Contributor(*one) for one in named)
    return replace(pools[0], contributors=people, train=_owned(_together(pools), owners_N))


def _owned(examples: Examples, owners_N: Ints) -> Examples:
    return Examples(examples.columns, owners_N, examples.real_N)


def _together(pools: list[Pool]) -> Examples:
    rows = [pool.train for pool in pools]
    columns = {name: np.concatenate([one.columns[name] for one in rows]) for name in rows[0].columns}
    owners_N, real_N = (np.concatenate([getattr(one, name) for one in rows]) for name in ("owners_N", "real_N"))
    return Examples(columns, owners_N, real_N)
