"""Probabilistic values of a game from coalitions of sizes that were drawn, without bias, adjusted by a surrogate.

A probabilistic value averages a contributor's gain over coalitions of the others: of s members with chance q_s, all of
these alike. Shapley has q_s = 1/C; Beta Shapley leans to one end (Li & Yu 2024 estimate all from one sample).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb, lgamma

import numpy as np

from harness.types import Bools, Floats
from methods.coalitions import balanced

RIDGES = np.logspace(-3, 3, 13)
"""Strengths of the surrogate's ridge, in variances of its features; leave-one-out error chooses."""


def shapley_chances(contributors: int) -> Floats:
    """Chance that a contributor joins s = 0 .. C-1 others: all alike."""
    return np.full(contributors, 1.0 / contributors)


def beta_chances(contributors: int, alpha: float, beta: float) -> Floats:
    """The same for Beta(alpha, beta) Shapley: B's of (s + beta, C - 1 - s + alpha), Kwon & Zou 2022, eq. 5.

    A coalition of others is drawn as if everybody were in with a chance from Beta(beta, alpha).
    """
    last = contributors - 1

    def log_beta(a: float, b: float) -> float:
        return lgamma(a) + lgamma(b) - lgamma(a + b)

    def chance(s: int) -> float:
        ways = lgamma(last + 1) - lgamma(s + 1) - lgamma(last - s + 1)
        return float(np.exp(ways + log_beta(s + beta, last - s + alpha) - log_beta(alpha, beta)))

    return np.array([chance(s) for s in range(contributors)])


def best_sizes(joins_S: Floats) -> Floats:
    """Chances of 1 .. C-1 members with which the weights below have the least variance on utilities that are all noise.

    In proportion to the root of the mean square over contributors of what a size's coalitions weigh.
    """
    contributors = len(joins_S)
    t = np.arange(1, contributors)
    root = np.sqrt(joins_S[t - 1] ** 2 / t + joins_S[t] ** 2 / (contributors - t))
    return np.asarray(root / root.sum())


def expected(sizes_S: Floats, count: int) -> Floats:
    """How many of so many coalitions to expect of 1 .. C-1 members, a size being taken whole where all of it are due.

    What a whole size does not need goes to the others by their chances.
    """
    contributors = len(sizes_S) + 1
    all_S = np.array([float(comb(contributors, t)) for t in range(1, contributors)])
    whole_S = np.zeros(len(sizes_S), dtype=np.bool_)
    while True:
        chance_S = np.where(whole_S, 0.0, sizes_S)
        due_S = np.where(whole_S, all_S, (count - all_S[whole_S].sum()) * chance_S / max(chance_S.sum(), 1e-300))
        more_S = ~whole_S & (due_S >= all_S)
        if not more_S.any():
            return due_S
        whole_S[int(np.flatnonzero(more_S)[0])] = True


def drawn(rng: np.random.Generator, expected_S: Floats) -> Bools:
    """Coalitions of which so many are expected of each size: whole sizes as they are, the others drawn in balance."""
    contributors = len(expected_S) + 1
    whole = [t for t in range(1, contributors) if expected_S[t - 1] == comb(contributors, t)]
    rows = [
        np.isin(np.arange(contributors), members) for t in whole for members in combinations(range(contributors), t)
    ]
    rest_S = np.where([t in whole for t in range(1, contributors)], 0.0, expected_S)
    count = round(float(rest_S.sum()))
    if count:
        rows.extend(balanced(rng, count, rest_S / rest_S.sum()))
    return np.array(rows)


def weights(rows_KC: Bools, joins_S: Floats, expected_S: Floats) -> Floats:
    """What each coalition, neither nobody nor everyone, adds to each value, C x K: by how many of its size to expect.

    Horvitz & Thompson (1952): the mean over coalitions of size t with i enters with q_(t-1), that over those without i
    with -q_t.
    """
    contributors = rows_KC.shape[1]
    t_K = rows_KC.sum(axis=1)
    scale_K = contributors / expected_S[t_K - 1]
    inside_K, outside_K = joins_S[t_K - 1] / t_K, joins_S[t_K] / (contributors - t_K)
    return np.asarray(np.where(rows_KC, inside_K[:, None], -outside_K[:, None]) * scale_K[:, None]).T


@dataclass(frozen=True, slots=True, eq=False)
class Surrogate:
    """Worth of a coalition, nobody apart: a sum over its members, a mean over them, and an effect of its size.

    A fixed number of training steps makes utility depend on the mixture's shares, hence the mean.

    Args:
        members_C, shares_C: what each member adds, as it is and divided by the coalition's size.
        size: times the logarithm of the size.
        level: of all.
    """

    members_C: Floats
    shares_C: Floats
    size: float
    level: float

    def score(self, rows_KC: Bools) -> Floats:
        t_K = rows_KC.sum(axis=1)
        parts_K = rows_KC @ self.members_C + rows_KC @ self.shares_C / t_K
        return np.asarray(parts_K + self.size * np.log(t_K) + self.level)

    def values(self, joins_S: Floats) -> Floats:
        """Exact probabilistic values, C, with a worth of 0 for nobody.

        For worth = sum of x_i h(|K|) over members, i gains x_i h(s + 1) and what it does to the s others.
        """
        contributors = len(joins_S)
        s = np.arange(contributors)
        falls_S = np.where(s > 0, 1 / (s + 1) - 1 / np.maximum(s, 1), 0.0)
        others_C = (self.shares_C.sum() - self.shares_C) / max(1, contributors - 1)
        own_C = self.members_C * joins_S.sum() + self.shares_C * (joins_S / (s + 1)).sum()
        common = self.level * joins_S[0] + self.size * (joins_S[1:] * np.log1p(1 / s[1:])).sum()
        return np.asarray(own_C + others_C * (joins_S * s * falls_S).sum() + common)


def fit(rows_KC: Bools, utilities_K: Floats) -> Surrogate:
    """The surrogate by ridge regression, its strength by leave-one-out error; every kind of feature has variance 1."""
    from sklearn.linear_model import RidgeCV

    contributors = rows_KC.shape[1]
    t_K = rows_KC.sum(axis=1)
    kinds = (rows_KC.astype(np.float64), rows_KC / t_K[:, None], np.log(t_K)[:, None])
    scales = [max(float(np.sqrt(kind.var(axis=0).mean())), 1e-9) for kind in kinds]
    features_KP = np.hstack([kind / scale for kind, scale in zip(kinds, scales, strict=True)])
    found = RidgeCV(alphas=RIDGES * len(rows_KC)).fit(features_KP, utilities_K)
    members_C, shares_C, size = np.split(np.asarray(found.coef_), [contributors, 2 * contributors])
    return Surrogate(members_C / scales[0], shares_C / scales[1], float(size[0] / scales[2]), float(found.intercept_))


def adjusted(rows: Sequence[Bools], utilities: Sequence[Floats], joins_S: Floats, expected_S: Floats) -> Floats:
    """One unbiased estimate a repeat, S x C, from rows that begin with nobody and everyone.

    What a surrogate predicts is valued exactly and what it leaves is weighted by inverse chance (Witter, Liu & Musco
    2025). A repeat's surrogate is fitted on the other repeats, which were drawn independently of it, and brought
    to its level at everyone, whom each repeat holds; with one repeat alone it is that level.
    """
    found = []
    for own, (rows_KC, utilities_K) in enumerate(zip(rows, utilities, strict=True)):
        others = [r for r in range(len(rows)) if r != own]
        contributors = rows_KC.shape[1]
        surrogate = Surrogate(np.zeros(contributors), np.zeros(contributors), 0.0, 0.0)
        if others:
            level = float(np.mean([utilities[r][1] for r in others]))
            apart = [utilities[r][1:] - utilities[r][1] + level for r in others]
            surrogate = fit(np.vstack([rows[r][1:] for r in others]), np.concatenate(apart))
        residual_K = utilities_K[1:] - surrogate.score(rows_KC[1:])
        residual_K -= residual_K[0]  # the level of this repeat, which everyone tells
        shifted = utilities_K[1] - float(surrogate.score(rows_KC[1:2])[0])
        drawn_KC = rows_KC[2:]
        values_C = surrogate.values(joins_S) + (shifted - utilities_K[0]) * joins_S[0]
        found.append(values_C + weights(drawn_KC, joins_S, expected_S) @ residual_K[1:])
    return np.array(found)


def operations(rows: int, contributors: int) -> float:
    """Of one fit, a ridge regression with leave-one-out errors: the Gram matrix of the rows, and its eigenvectors."""
    return 4.0 * rows**2 * contributors + 9.0 * rows**3
