"""Which examples stand in more than one place: within a contributor, with another one, in the target."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from harness.brought import Copies
from harness.types import Ints
from tasks.sources.near import Neighbours


def copies_of(whole: Neighbours, asked: Neighbours, owners_N: Ints, contributors: int) -> Copies:
    """Counts from near-duplicates among everyone's rows, the target's last.

    Args:
        whole: examples as they are, answers included; asked: questions alone.
        owners_N: of the contributors' rows; the target's come after them.
    """
    rows = len(owners_N)
    groups_N = whole.groups_N[:rows]
    holds_GC = sparse.csr_matrix(
        (np.ones(rows, np.int32), (groups_N, owners_N)), shape=(whole.near.shape[0], contributors)
    )
    near_GC = (whole.near @ (holds_GC > 0).astype(np.int32)) > 0  # groups that are near some row of each contributor
    near_NC = near_GC[groups_N].astype(np.int32)
    others_NC = near_NC - sparse.csr_matrix((np.ones(rows, np.int32), (np.arange(rows), owners_N)), shape=near_NC.shape)
    shared_CC = np.stack([np.asarray(others_NC[owners_N == c].sum(axis=0)).ravel() for c in range(contributors)])
    return Copies(
        within_N=_earlier_twin(whole, groups_N, owners_N),
        shared_CC=shared_CC.astype(np.int64),
        elsewhere_N=np.asarray(others_NC.sum(axis=1)).ravel() > 0,
        target_N=_in_target(asked, rows),
    )


def _earlier_twin(found: Neighbours, groups_N: Ints, owners_N: Ints) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether an earlier row of the same owner is nearly the same."""
    twin = np.zeros(len(owners_N), dtype=np.bool_)
    starts, near = found.near.indptr, found.near.indices
    seen: set[tuple[int, int]] = set()
    for row, (group, owner) in enumerate(zip(groups_N.tolist(), owners_N.tolist(), strict=True)):
        twin[row] = any((other, owner) in seen for other in near[starts[group] : starts[group + 1]].tolist())
        seen.add((group, owner))
    return twin


def _in_target(found: Neighbours, rows: int) -> Ints:
    """For each contributor's row the first target row whose question is nearly the same, -1 where there is none."""
    groups = found.near.shape[0]
    first = np.full(groups, -1, dtype=np.int64)
    of_target = found.groups_N[rows:]
    first[of_target[::-1]] = np.arange(len(of_target))[::-1]
    hit = np.full(groups, -1, dtype=np.int64)
    starts, near = found.near.indptr, found.near.indices
    for group in np.unique(found.groups_N[:rows]):
        places = first[near[starts[group] : starts[group + 1]]]
        places = places[places >= 0]
        hit[group] = places.min() if len(places) else -1
    return np.asarray(hit[found.groups_N[:rows]])
