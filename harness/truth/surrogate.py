"""A Gaussian process on coalitions whose kernel sees only two coalitions' sizes and how many members they share.

Renaming contributors leaves such a kernel as it is, so that Shapley values of its functions are finite sums over sizes
and overlaps: exact, at a cost that does not grow with the number of coalitions beyond looking them up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from harness.types import Array, Bools, Floats, Ints

TERMS = ("members", "shares", "size", "mixture")
"""A coalition's worth: a sum over its members, a mean over them, an effect of its size, and a smooth function of its
mixture (each member's share is 1/size), which holds what members do to each other."""

LEVEL = 30.0
"""Prior variance of the level that all seeds have, and of each seed's own, in variances of the data: hardly shrunk."""

START = np.array([-5.0, -3.0, -4.0, 0.0, -4.0, 0.0])
"""Logarithms of the terms' variances, the noise's variance and the mixture's rate, where the search starts."""

PRIOR_SD = 4.0
BOUND = (-12.0, 5.0)
STEPS = 40
MOST_ROWS = 200
"""Coalitions from which scales are found, at most: more would cost more and change little."""


@dataclass(frozen=True, slots=True, eq=False)
class Scales:
    """How large each term is, in variances of the data, and how fast the mixture's part forgets.

    Args:
        logs: of the terms' variances, the noise's variance and the mixture's rate.
        centre: what is taken off the data before fitting.
    """

    logs: Floats
    centre: float

    def covariance(self, first: Array, second: Array, shared: Array, contributors: int) -> Floats:
        """The terms' covariance of coalitions of so many members, of which so many are shared; arrays of one shape."""
        parts = terms(first, second, shared, contributors, float(np.exp(self.logs[-1])))
        return np.asarray(np.tensordot(np.exp(self.logs[: len(TERMS)]), parts, axes=1))

    def gram(self, rows_KC: Bools, seed_K: Ints) -> Floats:
        """Covariance of noisy data on these coalitions, none of them empty, K x K."""
        found_KK = self.covariance(*_overlaps(rows_KC), rows_KC.shape[1]) + _levels(seed_K)
        found_KK[np.diag_indices(len(rows_KC))] += np.exp(self.logs[len(TERMS)])
        return found_KK

    def shapley(self, rows_KC: Bools) -> Floats:
        """Exact Shapley values of each coalition's covariance with all others, nobody and everyone apart, C x K.

        The value of i is a mean over sizes of the difference between coalitions with and without i; sizes 1 to C - 1
        are here, and the gain from nobody to everyone is known without a surrogate. In the difference at size s, the
        members shared with x are hypergeometric.
        """
        contributors = rows_KC.shape[1]
        size_K = rows_KC.sum(axis=1)
        known, place_K = np.unique(size_K, return_inverse=True)
        table = np.zeros((len(known), 2))
        for place, size in enumerate(known):
            for member in (0, 1):
                if size - member > contributors - 1:
                    continue
                weights = _overlap_weights(contributors, int(size), member)
                s, t = np.meshgrid(np.arange(1, contributors), np.arange(contributors + 1), indexing="ij")
                table[place, member] = (weights * self.covariance(s, np.full_like(s, size), t, contributors)).sum()
        return np.asarray(table[place_K[:, None], rows_KC.astype(np.int64)].T)


def terms(first: Array, second: Array, shared: Array, contributors: int, rate: float) -> Floats:
    """Covariance by each of TERMS: a stack of arrays of the arguments' shape. Sizes are at least 1."""
    product = np.asarray(first * second, dtype=np.float64)
    return np.stack(
        [
            4 * (shared - product / contributors) / contributors,
            shared / product,
            np.log(np.minimum(first, second)) / np.log(contributors) + 0 * product,
            np.exp(-rate * _distance(first, second, shared)),
        ]
    )


def fit(rows_KC: Bools, seed_K: Ints, values_K: Floats) -> Scales:
    """Scales of the largest posterior density, from at most ``MOST_ROWS`` values."""
    rows_KC, seed_K, values_K = rows_KC[:MOST_ROWS], seed_K[:MOST_ROWS], values_K[:MOST_ROWS]
    centre, spread = float(values_K.mean()), float(values_K.std())
    if not spread > 1e-12 * max(1.0, abs(centre)):
        return Scales(START, centre)
    from scipy.optimize import minimize  # a second to import, and a plan is counted without

    found = minimize(
        negative_log_density(rows_KC, seed_K, (values_K - centre) / spread),
        START,
        jac=True,
        method="L-BFGS-B",
        bounds=[BOUND] * len(START),
        options={"maxiter": STEPS},
    )
    return Scales(np.asarray(found.x), centre)


def negative_log_density(rows_KC: Bools, seed_K: Ints, values_K: Floats) -> Callable[[Floats], tuple[float, Floats]]:
    """Minus the log posterior density of a scale's logs, up to a constant, and its gradient.

    The marginal likelihood's gradient is Rasmussen & Williams (2006), Gaussian Processes for Machine Learning, eq. 5.9.
    """
    overlaps = _overlaps(rows_KC)
    distance_KK = _distance(*overlaps)
    flat = terms(*overlaps, rows_KC.shape[1], 0.0)[:-1]
    level_KK, identity = _levels(seed_K), np.eye(len(values_K))

    def density(logs: Floats) -> tuple[float, Floats]:
        variances, rate = np.exp(logs[:-1]), np.exp(logs[-1])
        mixture_KK = variances[len(flat)] * np.exp(-rate * distance_KK)
        gram_KK = np.tensordot(variances[: len(flat)], flat, axes=1) + mixture_KK + level_KK + variances[-1] * identity
        lower_KK = np.linalg.cholesky(gram_KK)
        inverse_KK = np.linalg.inv(gram_KK)
        weight_K = inverse_KK @ values_K
        slope_KK = (inverse_KK - np.outer(weight_K, weight_K)) / 2
        gradient = variances[: len(flat)] * np.tensordot(flat, slope_KK, axes=2)
        mixed_KK = slope_KK * mixture_KK
        rest = [mixed_KK.sum(), variances[-1] * np.trace(slope_KK), -rate * (mixed_KK * distance_KK).sum()]
        off = (logs - START) / PRIOR_SD
        value = values_K @ weight_K / 2 + np.log(np.diag(lower_KK)).sum() + off @ off / 2
        return float(value), np.concatenate([gradient, rest]) + off / PRIOR_SD

    return density


def _levels(seed_K: Ints) -> Floats:
    """Covariance by the level of all seeds and of each, K x K."""
    return np.asarray(LEVEL * (1.0 + (seed_K[:, None] == seed_K)))


def _distance(first: Array, second: Array, shared: Array) -> Floats:
    """Squared distance between two mixtures as vectors of shares; 0 too where so many cannot be shared."""
    return np.asarray(np.maximum(1 / first + 1 / second - 2 * shared / (first * second), 0.0))


def _overlaps(rows_KC: Bools) -> tuple[Floats, Floats, Floats]:
    """Sizes of either coalition of each pair and the members that both have, all K x K."""
    members_KC = rows_KC.astype(np.float64)
    size_K = members_KC.sum(axis=1)
    shared_KK = members_KC @ members_KC.T
    return np.broadcast_to(size_K[:, None], shared_KK.shape), np.broadcast_to(size_K, shared_KK.shape), shared_KK


@cache
def _overlap_weights(contributors: int, size: int, member: int) -> Floats:
    """Weights, sizes 1..C-1 x overlaps 0..C, of a kernel's column x of so many members in the value of i.

    ``member``: whether i is in x. A coalition of s members holds i and s - 1 of the other C - 1, or s of them.
    """
    s, t = np.meshgrid(np.arange(1, contributors), np.arange(contributors + 1), indexing="ij")
    from scipy.stats import hypergeom

    others, in_column = contributors - 1, size - member
    with_i = hypergeom.pmf(t - member, others, in_column, s - 1)
    without_i = hypergeom.pmf(t, others, in_column, s)
    return np.asarray((with_i - without_i) / contributors)
