"""The lasso with a strength by cross-validation, on data of any scale."""

from __future__ import annotations

import warnings

import numpy as np

from harness.types import Floats, Ints

FOLDS = 5
STRENGTHS = 100


def coefficients(features_KP: Floats, values_K: Floats, seed_K: Ints) -> Floats:
    """Coefficients P beside an intercept of each seed, not penalised; 0 where each seed's values are all alike.

    Features and values less their seed's means have the same solution as with a column a seed (Frisch & Waugh 1933).
    The strength with the least squared error over 5 folds, each of every seed's rows alike, in turn as they come: they
    were drawn independently.
    """
    largest = float(np.abs(values_K).max())
    features_KP, values_K = _within(features_KP, seed_K), _within(values_K[:, None], seed_K)[:, 0]
    spread = float(values_K.std())
    if not spread > 1e-12 * max(1.0, largest):
        return np.zeros(features_KP.shape[1])
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LassoCV
    from sklearn.model_selection import PredefinedSplit

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # at strengths that cross-validation does not choose
        model = LassoCV(alphas=STRENGTHS, cv=PredefinedSplit(_places(seed_K) % FOLDS), max_iter=10_000)
        model.fit(features_KP, values_K / spread)
    return np.asarray(model.coef_ * spread, dtype=np.float64)


def _within(rows_KP: Floats, seed_K: Ints) -> Floats:
    """Rows less the mean of their seed's."""
    counts_S = np.bincount(seed_K)
    sums_SP = np.zeros((len(counts_S), rows_KP.shape[1]))
    np.add.at(sums_SP, seed_K, rows_KP)
    return np.asarray(rows_KP - (sums_SP / counts_S[:, None])[seed_K])


def _places(seed_K: Ints) -> Ints:
    """Of each row among its seed's."""
    places_K = np.zeros(len(seed_K), dtype=np.int64)
    for seed in np.unique(seed_K):
        places_K[seed_K == seed] = np.arange((seed_K == seed).sum())
    return places_K


def operations(rows: int, features: int) -> float:
    """Coordinate descent along a path for each fold and once for all, a few sweeps a strength."""
    return 4.0 * 10 * (FOLDS + 1) * STRENGTHS * rows * features
