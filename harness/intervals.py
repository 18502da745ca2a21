"""How sure a score is: noise ceilings, bootstrap intervals, paired comparisons. Arrays in, numbers out.

P pools, S seeds (or antithetic pairs), C contributors, D bootstrap draws, M methods.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from harness.scores import spearman, weighted_spearman
from harness.types import Array, Floats, Ints

DRAWS = 2000
LEVEL = 0.95


def spearman_brown(reliability: float, factor: float) -> float:
    """Reliability of ``factor`` times as many repeats (Spearman 1910; Brown 1910); nan at or below -1/factor."""
    if not reliability > -1 / max(factor, 1):
        return math.nan
    return factor * reliability / (1 + (factor - 1) * reliability)


def repeats_needed(reliability: float, repeats: int, target: float) -> int | None:
    """Repeats at which the reliability would reach ``target``, None where none can be told from these."""
    if not 0 < reliability < 1:
        return None
    needed = repeats * target * (1 - reliability) / (reliability * (1 - target))
    return math.ceil(needed * (1 - 1e-12))  # a whole number stays itself under rounding


def noise_ceiling(
    mean_of: Callable[[Ints], Floats], repeats: int, rng: np.random.Generator, splits: int = 100
) -> float:
    """What another run of the truth, with as many new seeds, would score against this one.

    The means of two random halves of the repeats are correlated (Spearman), averaged over many splits and
    corrected to the full number of repeats (Spearman-Brown). A method that knew the noiseless truth would score about
    the root of it, so a fraction of the ceiling can pass 1.

    Args:
        mean_of: values of the truth computed from the chosen repeats alone, C.
        repeats: S; below 2 the ceiling is nan.
    """
    if repeats < 2:
        return math.nan
    half = repeats // 2
    found = []
    for _ in range(splits):
        order = rng.permutation(repeats)
        found.append(spearman(mean_of(order[:half]), mean_of(order[half : 2 * half])))
    return spearman_brown(float(np.mean(found)), repeats / half)


def resamples(contributors: Sequence[int], rng: np.random.Generator, draws: int = DRAWS) -> tuple[Array, list[Array]]:
    """Bootstrap draws of pools (D x P counts), and of contributors within each pool (P arrays of D x C counts).

    Two levels, pools and then contributors. In simulations of 2 to 8 pools at a nominal 95 % this covers the true
    mean 83-100 % of the time (mostly too wide; least where two pools differ much), and resampling pools and truth seeds
    alone 55-98 % (tests/benchmarks/coverage.py). The truth's own noise is in the contributors' scatter already.
    """
    pools = len(contributors)
    pools_DP = rng.multinomial(pools, np.full(pools, 1 / pools), size=draws)
    within = [rng.multinomial(c, np.full(c, 1 / c), size=draws) for c in contributors]
    return pools_DP, within


def bootstrap_means(
    values_PC: Sequence[Floats], truth_PC: Sequence[Floats], pools_DP: Array, within: Sequence[Array]
) -> Floats:
    """Mean Spearman over pools in each bootstrap draw, D."""
    scores_DP = np.stack(
        [
            weighted_spearman(values_C, truth_C, counts_DC)
            for values_C, truth_C, counts_DC in zip(values_PC, truth_PC, within, strict=True)
        ],
        axis=1,
    )
    drawn = np.where(np.isfinite(scores_DP), pools_DP, 0)
    total = drawn.sum(axis=1)
    summed = (drawn * np.nan_to_num(scores_DP)).sum(axis=1)
    return np.where(total > 0, summed / np.maximum(total, 1), np.nan)


def interval(means_D: Floats, level: float = LEVEL) -> tuple[float, float]:
    """Percentile interval; nan where no draw is defined."""
    finite = means_D[np.isfinite(means_D)]
    if not len(finite):
        return math.nan, math.nan
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


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
