"""Which methods can be told apart: paired comparisons of bootstrap draws. D draws, M methods."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.statistics.intervals import LEVEL
from harness.types import Array, Floats


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (1979), in the order given."""
    order = np.argsort(p_values, kind="stable")
    adjusted = np.empty(len(p_values))
    running = 0.0
    for place, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - place) * p_values[index]))
        adjusted[index] = running
    return [float(p) for p in adjusted]


def shared_ranks(scores_M: Sequence[float], means_MD: Array, alpha: float = 1 - LEVEL) -> list[int | None]:
    """Ranks from the best score down; who can't be told from the best of its group shares that rank.

    Each group's leader is compared with all below it by the paired bootstrap difference, Holm-corrected; the first one
    that differs leads the next group. None where a score is undefined.
    """
    scores = np.asarray(scores_M, dtype=np.float64)
    ranks: list[int | None] = [None] * len(scores)
    waiting = [int(m) for m in np.argsort(-scores, kind="stable") if np.isfinite(scores[m])]
    place = 1
    while waiting:
        leader, below = waiting[0], waiting[1:]
        differs = holm([_paired_p(means_MD[leader] - means_MD[m]) for m in below])
        split = next((k for k, p in enumerate(differs) if p < alpha), len(below))
        group = waiting[: split + 1]
        for m in group:
            ranks[m] = place
        place += len(group)
        waiting = waiting[len(group) :]
    return ranks


def _paired_p(differences_D: Floats) -> float:
    """Two-sided bootstrap p-value of a difference of zero."""
    finite = differences_D[np.isfinite(differences_D)]
    at_most = (1 + (finite <= 0).sum()) / (1 + len(finite))
    at_least = (1 + (finite >= 0).sum()) / (1 + len(finite))
    return float(min(1.0, 2 * min(at_most, at_least)))
