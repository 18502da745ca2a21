"""Estimators of Shapley values from sampled coalitions: the truth's own, and those that the literature offers.

All get the same number of scores: R repeats of 2C coalitions, each repeat on a seed of its own, which scores nobody and
everyone too. What an estimator may pool over repeats it pools; a coalition and its complement are of one seed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import comb
from unittest.mock import patch

import numpy as np
from sklearn.ensemble import GradientBoostingRegressor

from harness.truth import shapley
from harness.truth import walks as antithetic
from harness.types import Bools, Floats, Ints
from methods.coalitions import ends, paired, paired_sizes
from methods.semivalues import kernel_shap, probabilistic
from tests.benchmarks.tree_values import boosted_values

OURS = "complement pairs, Gaussian process"
"""What the truth is made with."""

FOLDS = 4
"""Parts of the repeats; trees that adjust one are fitted on the others."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """R repeats of a design.

    Args:
        rows_RKC: coalitions, K = 2C.
        orders_RC: the permutations that were walked both ways; None for designs without.
    """

    rows_RKC: Bools
    orders_RC: Ints | None = None

    @classmethod
    def joined(cls, parts: Sequence[Drawn]) -> Drawn:
        """All repeats of draws of one design."""
        orders = [part.orders_RC for part in parts if part.orders_RC is not None]
        return cls(np.vstack([part.rows_RKC for part in parts]), np.vstack(orders) if orders else None)

    def part(self, repeats: Ints) -> Drawn:
        return Drawn(self.rows_RKC[repeats], None if self.orders_RC is None else self.orders_RC[repeats])


Design = Callable[[int, int, np.random.Generator], Drawn]
"""Repeats, contributors and a generator -> what is scored."""


def walks(repeats: int, contributors: int, rng: np.random.Generator) -> Drawn:
    orders_RC = np.array([rng.permutation(contributors) for _ in range(repeats)])
    return Drawn(np.array([antithetic.pair_coalitions(order) for order in orders_RC]), orders_RC)


def even_pairs(repeats: int, contributors: int, rng: np.random.Generator) -> Drawn:
    """The truth's: sizes in proportion to 1 / (s (C - s))."""
    return Drawn(np.array([shapley.repeat_coalitions(contributors, rng) for _ in range(repeats)]))


def root_sizes() -> AbstractContextManager[object]:
    """Within it the truth's repeats have sizes in proportion to 1 / sqrt(s (C - s))."""

    def chances(contributors: int) -> Floats:
        size = np.arange(1, contributors // 2 + 1)
        chance = np.where(2 * size == contributors, 0.5, 1.0) / np.sqrt(size * (contributors - size))
        return np.asarray(chance / chance.sum())

    return patch.object(shapley, "size_chances", chances)


def root_repeats(repeats: int, contributors: int, rng: np.random.Generator) -> Drawn:
    """The truth's but for the sizes."""
    with root_sizes():
        return even_pairs(repeats, contributors, rng)


def kernel_pairs(repeats: int, contributors: int, rng: np.random.Generator) -> Drawn:
    """Sizes by the Shapley kernel."""
    return Drawn(np.array([paired(rng, 2 * contributors, contributors) for _ in range(repeats)]))


def leverage_pairs(repeats: int, contributors: int, rng: np.random.Generator) -> Drawn:
    """All sizes alike, each coalition at most once over all repeats, a small size whole where all of it is due.

    A row's leverage in the regression that Shapley values solve is 1 / binom(C, s) (Musco & Witter 2025, lemma 3.2), so
    that each size has as much in all. Pairs are dealt to repeats in turn by size, so that each holds all sizes.
    """
    pairs = repeats * (contributors - 1)
    due_S = probabilistic.expected(np.full(contributors - 1, 1 / (contributors - 1)), 2 * pairs)
    smaller = np.arange(1, contributors // 2 + 1)
    pairs_S = np.where(2 * smaller == contributors, 0.5, 1.0) * due_S[smaller - 1]
    places = (rng.random() + np.arange(pairs)) * pairs_S.sum() / pairs
    sizes = smaller[np.minimum(np.searchsorted(np.cumsum(pairs_S), places, side="right"), len(smaller) - 1)]
    drawn = np.vstack([_distinct(int(s), int((sizes == s).sum()), contributors, rng) for s in smaller])
    dealt = np.array([np.arange(r, pairs, repeats) for r in range(repeats)])
    return Drawn(np.array([np.vstack([ends(contributors), drawn[own], ~drawn[own]]) for own in dealt]))


def _distinct(size: int, count: int, contributors: int, rng: np.random.Generator) -> Bools:
    """So many different coalitions of one size, of which none is another's complement; no more than there are."""
    halved = 2 * size == contributors
    count = min(count, comb(contributors, size) // (2 if halved else 1))
    found: dict[bytes, Bools] = {}
    while len(found) < count:
        row = np.isin(np.arange(contributors), rng.permutation(contributors)[:size])
        row = ~row if halved and not row[0] else row
        found.setdefault(row.tobytes(), row)
    return np.array(list(found.values()), dtype=np.bool_).reshape(-1, contributors)


def plain_walks(drawn: Drawn, scores_RK: Floats) -> Floats:
    return antithetic.plain(_walks(drawn, scores_RK)).mean(axis=0)


def adjusted_walks(drawn: Drawn, scores_RK: Floats) -> Floats:
    return antithetic.adjusted(_walks(drawn, scores_RK)).mean(axis=0)


def _walks(drawn: Drawn, scores_RK: Floats) -> antithetic.Walks:
    assert drawn.orders_RC is not None
    return antithetic.Walks(drawn.orders_RC, scores_RK)


def gaussian_process(drawn: Drawn, scores_RK: Floats) -> Floats:
    return np.asarray(shapley.estimator(drawn.rows_RKC, scores_RK)(scores_RK).mean(axis=0))


def root_process(drawn: Drawn, scores_RK: Floats) -> Floats:
    with root_sizes():
        return gaussian_process(drawn, scores_RK)


def reuse(drawn: Drawn, scores_RK: Floats) -> Floats:
    """Every score enters every value by inverse chance, without a surrogate."""
    return np.mean([_reused(rows_KC, scores_K) for rows_KC, scores_K in zip(drawn.rows_RKC, scores_RK, strict=True)], 0)


def _reused(rows_KC: Bools, scores_K: Floats) -> Floats:
    """One repeat's unbiased values, C."""
    contributors = rows_KC.shape[1]
    inner_C = shapley.pair_weights(rows_KC[2 : contributors + 1]) @ scores_K[2:]
    return np.asarray(inner_C + (scores_K[1] - scores_K[0]) / contributors)


def trees(drawn: Drawn, scores_RK: Floats) -> Floats:
    """Boosted trees' exact values, and by inverse chance what they leave of the repeats that they have not seen.

    Witter, Liu & Musco (2025), Tree MSR, cross-fitted, so that it is unbiased; their trees are XGBoost's.
    """
    repeats, contributors = len(scores_RK), drawn.rows_RKC.shape[2]
    fold_R = np.arange(repeats) % min(FOLDS, repeats)
    apart_RK = scores_RK - scores_RK[:, 2:].mean(axis=1, keepdims=True)  # each seed's own level
    found = np.empty((repeats, contributors))
    for fold in np.unique(fold_R):
        others = fold_R != fold
        rows = drawn.rows_RKC[others, 1:].reshape(-1, contributors)  # nobody is no mixture
        model = GradientBoostingRegressor(random_state=0).fit(rows, apart_RK[others, 1:].ravel())
        exact_C = boosted_values(model, contributors)
        for r in np.flatnonzero(~others):
            left_K = scores_RK[r] - model.predict(drawn.rows_RKC[r])
            found[r] = exact_C + _reused(drawn.rows_RKC[r], left_K)
    return np.asarray(found.mean(axis=0))


def root_trees(drawn: Drawn, scores_RK: Floats) -> Floats:
    with root_sizes():
        return trees(drawn, scores_RK)


def linear_kernel(drawn: Drawn, scores_RK: Floats) -> Floats:
    """The same with a linear surrogate, which is the method regression-shapley."""
    count, contributors = drawn.rows_RKC.shape[1:]
    return _linear(drawn, scores_RK, paired_sizes(count, contributors))


def linear_even(drawn: Drawn, scores_RK: Floats) -> Floats:
    """The same on the truth's coalitions: what the surrogate and what the design has of the difference."""
    contributors = drawn.rows_RKC.shape[2]
    chance_S = shapley.size_chances(contributors)
    size = np.arange(1, contributors)
    halved = np.where(2 * size == contributors, 2.0, 1.0)
    return _linear(drawn, scores_RK, (contributors - 1) * halved * chance_S[np.minimum(size, contributors - size) - 1])


def _linear(drawn: Drawn, scores_RK: Floats, expected_S: Floats) -> Floats:
    joins_S = probabilistic.shapley_chances(drawn.rows_RKC.shape[2])
    return probabilistic.adjusted(list(drawn.rows_RKC), list(scores_RK), joins_S, expected_S).mean(axis=0)


def unbiased_kernel(drawn: Drawn, scores_RK: Floats) -> Floats:
    pairs = zip(drawn.rows_RKC, scores_RK, strict=True)
    return np.mean([kernel_shap.unbiased(rows_KC, scores_K) for rows_KC, scores_K in pairs], axis=0)


def kernel_regression(drawn: Drawn, scores_RK: Floats) -> Floats:
    """Least squares on coalitions that were drawn by their weight, all repeats together (Lundberg & Lee 2017)."""
    return kernel_shap.regression(list(drawn.rows_RKC), list(scores_RK))


def leverage_regression(drawn: Drawn, scores_RK: Floats) -> Floats:
    """Least squares in which a size counts by the Shapley kernel, however many of it were drawn (Musco & Witter).

    Values add up to the whole; each seed's own ends are taken off its scores.
    """
    contributors = drawn.rows_RKC.shape[2]
    rows = drawn.rows_RKC[:, 2:].reshape(-1, contributors)
    size_K = rows.sum(axis=1)
    gain_R1 = scores_RK[:, 1:2] - scores_RK[:, :1]
    straight_RK = scores_RK[:, :1] + gain_R1 * drawn.rows_RKC[:, 2:].sum(axis=2) / contributors
    root_K = np.sqrt(1.0 / (size_K * (contributors - size_K) * np.bincount(size_K)[size_K]))
    features_KC = root_K[:, None] * (rows - size_K[:, None] / contributors)
    left_C, *_ = np.linalg.lstsq(features_KC, root_K * (scores_RK[:, 2:] - straight_RK).ravel(), rcond=None)
    return np.asarray(left_C + gain_R1.mean() / contributors)


@dataclass(frozen=True, slots=True)
class Estimator:
    """A way to draw and a way to estimate.

    Args:
        design: what is scored.
        values: drawn repeats and their scores R x K -> the mean estimate, C.
    """

    design: Design
    values: Callable[[Drawn, Floats], Floats]


ESTIMATORS: Mapping[str, Estimator] = {
    OURS: Estimator(even_pairs, gaussian_process),
    "complement pairs, boosted trees with sample reuse": Estimator(even_pairs, trees),
    "complement pairs, sample reuse alone": Estimator(even_pairs, reuse),
    "root-size pairs, Gaussian process": Estimator(root_repeats, root_process),
    "root-size pairs, boosted trees with sample reuse": Estimator(root_repeats, root_trees),
    "complement pairs, linear surrogate with sample reuse": Estimator(even_pairs, linear_even),
    "Shapley-kernel pairs, linear surrogate with sample reuse": Estimator(kernel_pairs, linear_kernel),
    "antithetic permutations": Estimator(walks, plain_walks),
    "antithetic permutations, linear surrogate": Estimator(walks, adjusted_walks),
    "KernelSHAP, unbiased": Estimator(kernel_pairs, unbiased_kernel),
    "KernelSHAP, least squares": Estimator(kernel_pairs, kernel_regression),
    "leverage scores, least squares": Estimator(leverage_pairs, leverage_regression),
}
