"""Sampled Shapley values over many draws: nothing of the surrogate is left in their mean."""

from __future__ import annotations

import numpy as np

from tests.games import airport, sampled


def test_sampled_values_of_twelve_are_unbiased() -> None:
    game, rng, draws = (
        airport([1.0, 2.0, 2.0, 3.0, 5.0, 7.0, 7.5, 8.0, 11.0, 12.0, 12.0, 15.0]),
        np.random.default_rng(7),
        200,
    )
    means = np.array([sampled(game.score, 12, 2, rng).mean(axis=0) for _ in range(draws)])
    z_C = (means.mean(axis=0) - game.shapley_C) / (means.std(axis=0, ddof=1) / np.sqrt(draws))
    assert np.abs(z_C).max() < 4.5
