"""Shapley values from antithetic pairs of permutations, adjusted by a linear surrogate: for methods' set functions.

Scores of coalitions that grow one into the next share work that scores of unrelated ones don't (a kernel's factor is
extended by one block), so that methods are asked along walks; the truth's retrainings share nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness import coalitions
from harness.types import Array, Bools, Floats, Ints, Scorer

CROSS_FITS = 4
"""Parts of the pairs; the surrogate that adjusts one is fitted on the others."""

RIDGE = 1e-3

ROUNDING = 1e-12
"""Of the largest score: gains that differ by no more are the same."""


def pair_coalitions(order_C: Ints) -> Bools:
    """The coalitions of a permutation and of its reverse, 2C x C: there, then the inside of the way back."""
    there, back = coalitions.prefixes(order_C), coalitions.prefixes(order_C[::-1])
    return np.vstack([there, back[1:-1]])


@dataclass(frozen=True, slots=True, eq=False)
class Walks:
    """Scores along R antithetic pairs of permutations.

    Args:
        orders_RC: the permutations; each was also walked backwards.
        scores_RK: scores of ``pair_coalitions`` of each, K = 2C.
    """

    orders_RC: Ints
    scores_RK: Floats

    def __len__(self) -> int:
        return len(self.orders_RC)

    def gains(self) -> tuple[Array, Array]:
        """Who joined (R x 2 x C) and what it gained (R x 2 x C), along both directions, in order of joining."""
        contributors = self.orders_RC.shape[1]
        forward = self.scores_RK[:, : contributors + 1]
        backward = np.hstack([forward[:, :1], self.scores_RK[:, contributors + 1 :], forward[:, -1:]])
        joined = np.stack([self.orders_RC, self.orders_RC[:, ::-1]], axis=1)
        return joined, np.stack([np.diff(forward), np.diff(backward)], axis=1)


def walk(score: Scorer, contributors: int, pairs: int, rng: np.random.Generator) -> Walks:
    """Score R antithetic pairs (Mitchell et al. 2022, Journal of Machine Learning Research 23(43), sec. 4.1)."""
    orders = np.array([rng.permutation(contributors) for _ in range(pairs)])
    scores = np.asarray(score(np.vstack([pair_coalitions(order) for order in orders])), dtype=np.float64)
    return Walks(orders, scores.reshape(pairs, 2 * contributors))


def plain(walks: Walks) -> Floats:
    """One unbiased estimate a pair, R x C: the mean gain of each contributor over the two directions."""
    return _by_contributor(*walks.gains())


def adjusted(walks: Walks) -> Floats:
    """One unbiased estimate a pair, R x C, with the surrogate's share taken out and put back exactly.

    The surrogate of a set function is a size effect plus, for each contributor, an effect that is constant and
    one that falls as 1/size (a fixed number of training steps makes utility depend on the mixture's shares); it
    is fitted to the gains by ridge regression. A pair's estimate is the surrogate's exact Shapley value plus the
    pair's mean residual gain. The surrogate is fitted on the other folds' pairs, so each estimate stays unbiased
    (cross-fitting; the idea is that of regression-adjusted Monte Carlo, Witter et al. 2025). Where all gain the
    same whenever they join, they are worth just that, which the surrogate, fitted with a ridge, would blur.
    """
    if len(walks) < 2:
        return plain(walks)
    contributors = walks.orders_RC.shape[1]
    joined, gains = walks.gains()
    if _is_additive(joined, gains, ROUNDING * float(np.abs(walks.scores_RK).max())):
        return plain(walks)
    steps_RDP = np.array([_surrogate_steps(order) for order in walks.orders_RC])
    gains_RD = gains.reshape(len(walks), -1)
    gram_RPP = np.einsum("rdp,rdq->rpq", steps_RDP, steps_RDP, optimize=True)
    moment_RP = np.einsum("rdp,rd->rp", steps_RDP, gains_RD)
    ridge_PP = np.diag(np.concatenate([np.full(2 * contributors, RIDGE), np.full(contributors, 1e-9)]))
    rows = np.empty((len(walks), contributors))
    fold_R = np.arange(len(walks)) % min(CROSS_FITS, len(walks))
    for fold in np.unique(fold_R):
        others, own = fold_R != fold, fold_R == fold
        penalty = gains_RD[others].size * ridge_PP
        effects_P = np.linalg.solve(gram_RPP[others].sum(0) + penalty, moment_RP[others].sum(0))
        residual = (gains_RD[own] - steps_RDP[own] @ effects_P).reshape(-1, 2, contributors)
        rows[own] = _surrogate_values(effects_P, contributors) + _by_contributor(joined[own], residual)
    return rows


def _is_additive(joined: Array, gains: Array, rounding: float) -> bool:
    """Whether each contributor gains the same along all walks."""
    each = _placed(joined, gains)
    return bool((np.ptp(each.reshape(-1, each.shape[2]), axis=0) <= rounding).all())


def _by_contributor(joined: Array, gains: Array) -> Floats:
    """Mean gain of each contributor over the two directions of its pair, R x C."""
    return np.asarray(_placed(joined, gains).mean(axis=1))


def _placed(joined: Array, gains: Array) -> Floats:
    """Gains by who joined, R x 2 x C, in place of by when."""
    found = np.empty(gains.shape)
    np.put_along_axis(found, joined, gains, axis=2)
    return found


def _surrogate_steps(order_C: Ints) -> Floats:
    """What each joining changes in the surrogate's terms, (2C) x (3C): constant, 1/size, and the size itself."""
    contributors = len(order_C)
    one_direction = []
    for order in (order_C, order_C[::-1]):
        members = coalitions.prefixes(order).astype(np.float64)
        shares = members / np.maximum(members.sum(axis=1, keepdims=True), 1)
        one_direction.append(np.hstack([np.diff(members, axis=0), np.diff(shares, axis=0), np.eye(contributors)]))
    return np.vstack(one_direction)


def _surrogate_values(effects_P: Floats, contributors: int) -> Floats:
    """Exact Shapley values of the surrogate, C.

    For w(K) = sum of t_i h(|K|) over members, i gains t_i h(s+1) and what it does to the others, whose expected
    effect at size s is (T - t_i) s / (C-1) with T the sum of all; Shapley averages over s = 0..C-1.
    """
    constant, share, size = np.split(effects_P, 3)
    s = np.arange(contributors)
    falls = 1 / (s + 1) - np.where(s > 0, 1 / np.maximum(s, 1), 0.0)
    others = (share.sum() - share) / max(1, contributors - 1)
    return np.asarray(constant + share * (1 / (s + 1)).mean() + others * (s * falls).mean() + size.mean())
