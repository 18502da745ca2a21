"""The lasso with a strength by cross-validation, on data of any scale."""

from __future__ import annotations

import warnings

import numpy as np

from harness.types import Floats

FOLDS = 5
STRENGTHS = 100


def coefficients(features_KP: Floats, values_K: Floats) -> Floats:
    """Coefficients P beside an intercept; 0 where the values are all alike.

    The strength with the least squared error over 5 folds, as the rows come: they were drawn independently.
    """
    spread = float(values_K.std())
    if not spread > 1e-12 * max(1.0, float(np.abs(values_K).max())):
        return np.zeros(features_KP.shape[1])
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LassoCV

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # at strengths that cross-validation does not choose
        model = LassoCV(alphas=STRENGTHS, cv=min(FOLDS, len(values_K)), max_iter=10_000)
        model.fit(features_KP, (values_K - values_K.mean()) / spread)
    return np.asarray(model.coef_ * spread, dtype=np.float64)


def operations(rows: int, features: int) -> float:
    """Coordinate descent along a path for each fold and once for all, a few sweeps a strength."""
    return 4.0 * 10 * (FOLDS + 1) * STRENGTHS * rows * features
