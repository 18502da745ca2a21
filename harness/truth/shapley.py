"""Unbiased Shapley values of any set function from sampled coalitions, in repeats whose spread tells the noise.

Sampled values come from *repeats* of 2C coalitions: nobody, everyone, and pairs of a coalition and its complement.
What a surrogate (a Gaussian process, ``harness.truth.surrogate``) predicts of them is valued exactly, and what it
leaves is valued without bias from the pairs that it has not seen, so that a wrong surrogate costs precision and nothing
else. At equal retrainings the variance is a fraction of antithetic permutations'
(tests/benchmarks/shapley_precision.py).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from harness import coalitions
from harness.truth import surrogate
from harness.types import Bools, Floats, Ints

HALVES = 2
"""Independently drawn parts of a repeat's pairs; each is predicted from all others, of this repeat and the rest."""


@cache
def size_chances(contributors: int) -> Floats:
    """Chance that a pair's smaller coalition has s = 1 .. C/2 members, proportional to 1 / (s (C - s)).

    The Shapley kernel's sizes (Covert & Lee 2021, AISTATS). A residual at size s enters the values with variance in
    proportion to 1 / (s (C - s)): were residuals alike at all sizes, the root of that would be the best chance (the
    one-for-all estimators of Li & Yu 2024). They are larger for few and for nearly all, where the surrogate fits least,
    and these sizes halve the error on images (docs/truth.md). Half of C is one size, not two.
    """
    size = np.arange(1, contributors // 2 + 1)
    chance = np.where(2 * size == contributors, 0.5, 1.0) / (size * (contributors - size))
    return np.asarray(chance / chance.sum())


def repeat_coalitions(contributors: int, rng: np.random.Generator) -> Bools:
    """One repeat's coalitions, 2C x C: nobody, everyone, C - 1 coalitions, and their complements.

    Within each half sizes are drawn systematically (their numbers are as expected, to one) and members in turn from
    permutations laid end to end, so that all contributors come about equally often; each coalition is still
    uniform among those of its size, and the halves are independent.
    """
    parts = [_draw_half(contributors, len(part), rng) for part in _halves(contributors)]
    drawn = np.vstack(parts)
    return np.vstack([coalitions.nobody(contributors), coalitions.everyone(contributors), drawn, ~drawn])


def _halves(contributors: int) -> list[Ints]:
    """The pairs of each half, by place."""
    return [part for part in np.array_split(np.arange(contributors - 1), HALVES) if len(part)]


def _half_of_each(contributors: int) -> Ints:
    """Which half each of a repeat's coalitions is of, from everyone (-1) on, 2C - 1."""
    half = np.concatenate([np.full(len(part), h) for h, part in enumerate(_halves(contributors))])
    return np.concatenate([[-1], half, half])


def _draw_half(contributors: int, pairs: int, rng: np.random.Generator) -> Bools:
    places = (rng.random() + np.arange(pairs)) / pairs
    size = 1 + np.searchsorted(np.cumsum(size_chances(contributors))[:-1], places, side="right")
    rows = np.zeros((pairs, contributors), dtype=np.bool_)
    waiting: list[int] = []
    for row, count in zip(rows, rng.permutation(size), strict=True):
        chosen, waiting = waiting[:count], waiting[count:]
        if len(chosen) < count:
            fresh = [int(i) for i in rng.permutation(contributors)]
            waiting = [i for i in fresh if i not in chosen] + [i for i in fresh if i in chosen]
            chosen, waiting = chosen + waiting[: count - len(chosen)], waiting[count - len(chosen) :]
        row[chosen] = True
    return rows


def pair_weights(rows_KC: Bools) -> Floats:
    """Weights by which a half's P pairs give its values without bias, C x 2P (coalitions first, then complements).

    Summed over sizes 1 to C - 1, the value of i is C / (s (C - s)) times the covariance of worth and membership among
    coalitions of size s; a pair stands for both of its sizes and is weighted by the inverse of its chance
    (Horvitz & Thompson 1952). What is alike for a coalition and its complement cancels, a seed's level among it.
    """
    contributors = rows_KC.shape[1]
    size_K = rows_KC.sum(axis=1)
    smaller_K = np.minimum(size_K, contributors - size_K)
    sizes_K = np.where(2 * smaller_K == contributors, 0.5, 1.0)
    scale_K = sizes_K * contributors / (smaller_K * (contributors - smaller_K))
    scale_K /= len(rows_KC) * size_chances(contributors)[smaller_K - 1]
    weights_KC = (rows_KC - size_K[:, None] / contributors) * scale_K[:, None]
    return np.vstack([weights_KC, -weights_KC]).T


def estimator(rows_RKC: Bools, scores_RK: Floats) -> Callable[[Floats], Floats]:
    """Unbiased values of every repeat, from scores of one kind or several (... x R x K -> ... x R x C).

    The rows are those of ``repeat_coalitions`` for each repeat.

    The kernel's scales are found once, from ``scores_RK``: those that a half is predicted with come from the other
    halves of all repeats. The surrogate that predicts a half is fitted on what else the repeats hold. Neither
    has seen the half, which was drawn independently of them, so each repeat's estimate is unbiased whatever the
    surrogate, for the utilities of its own seed. Leaving a half out of the fit is exact, from the inverse of the whole
    covariance (Rasmussen & Williams 2006, sec. 5.4.2).
    """
    seeds, _, contributors = rows_RKC.shape
    half_K = _half_of_each(contributors)
    width = len(half_K)
    rows = rows_RKC[:, 1:].reshape(-1, contributors)  # nobody is in the ends alone
    seed_N, half_N = np.repeat(np.arange(seeds), width), np.tile(half_K, seeds)
    halves = [h for h in np.unique(half_K) if h >= 0]
    scales = []
    for half in halves:
        seen = half_N != half
        scales.append(surrogate.fit(rows[seen], seed_N[seen], scores_RK[:, 1:].reshape(-1)[seen]))
    inverses = [np.linalg.inv(scale.gram(rows, seed_N)) for scale in scales]
    shapleys = [scale.shapley(rows) for scale in scales]

    def values_of(scores: Floats) -> Floats:
        ends = (scores[..., 1] - scores[..., 0]) / contributors
        data_NU = np.moveaxis(scores[..., 1:].reshape(*scores.shape[:-2], -1), -1, 0).reshape(len(rows), -1)
        found = np.zeros((seeds, contributors, data_NU.shape[1]))
        for half, scale, inverse_NN, shapley_CN in zip(halves, scales, inverses, shapleys, strict=True):
            weight_NU = inverse_NN @ (data_NU - scale.centre)
            own_K = np.flatnonzero(half_K == half)
            for r in range(seeds):
                own = r * width + own_K
                weights_CK = pair_weights(rows[own[: len(own) // 2]])
                residual_KU = np.linalg.solve(inverse_NN[np.ix_(own, own)], weight_NU[own])
                without_NU = weight_NU - inverse_NN[:, own] @ residual_KU
                value_CU = shapley_CN @ without_NU + weights_CK @ residual_KU
                found[r] += value_CU * len(own_K) / (width - 1)
        return np.moveaxis(found, -1, 0).reshape(*ends.shape, contributors) + ends[..., None]

    return values_of
