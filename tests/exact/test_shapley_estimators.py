"""The rivals of the truth's Shapley estimator are what they say, so that losing to it means something."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingRegressor

from harness.coalitions import powerset
from harness.truth import exact
from harness.types import Bools, Floats
from tests.benchmarks.mixture_game import MixtureGame
from tests.benchmarks.shapiq_estimators import Scores, samplers
from tests.benchmarks.shapley_estimators import (
    ESTIMATORS,
    Drawn,
    kernel_regression,
    leverage_pairs,
    leverage_regression,
)
from tests.benchmarks.tree_values import boosted_values
from tests.games import additive, glove, weighted_voting

LEVERAGE = "leverage scores, least squares"
UNBIASED = [name for name in ESTIMATORS if "least squares" not in name]
DRAWS = {
    "complement pairs, boosted trees with sample reuse": 10,
    "root-size pairs, boosted trees with sample reuse": 10,
    "complement pairs, Gaussian process": 200,
}
"""How often an estimator draws, where not 60 times: trees are slow, and kernel sizes seldom ask for half of all, which
then weigh much, so that of few draws the spread tells too little (700 leave a root mean square z of 1.2)."""


def scores_of(drawn: Drawn, game: object) -> Floats:
    return np.array([game.score(rows_KC) for rows_KC in drawn.rows_RKC])  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["antithetic permutations", "KernelSHAP, least squares", LEVERAGE])
def test_an_additive_game_is_valued_exactly_by_what_fits_members(name: str) -> None:
    game = additive([3.0, -1.0, 0.5, 2.0, 0.0, 1.5, -2.5, 4.0], nobody=-2.0)
    drawn = ESTIMATORS[name].design(3, 8, np.random.default_rng(0))
    np.testing.assert_allclose(ESTIMATORS[name].values(drawn, scores_of(drawn, game)), game.shapley_C, atol=1e-9)


@pytest.mark.parametrize("name", UNBIASED)
def test_the_mean_of_many_draws_is_the_value_where_an_estimator_is_unbiased(name: str) -> None:
    game = weighted_voting([4, 3, 2, 1, 1, 1, 5, 2], quota=10)
    estimator, found = ESTIMATORS[name], []
    for draw in range(DRAWS.get(name, 60)):
        drawn = estimator.design(4, 8, np.random.default_rng(draw))
        found.append(estimator.values(drawn, scores_of(drawn, game)))
    z_C = (np.mean(found, axis=0) - game.shapley_C) / (np.std(found, axis=0, ddof=1) / np.sqrt(len(found)))
    assert np.abs(z_C).max() < 5
    assert np.mean(z_C**2) < 3


def test_each_repeat_asks_for_nobody_everyone_and_as_many_coalitions_as_any_other() -> None:
    for estimator in ESTIMATORS.values():
        rows_RKC = estimator.design(3, 9, np.random.default_rng(0)).rows_RKC
        assert rows_RKC.shape == (3, 18, 9)
        assert (~rows_RKC.any(axis=2)).sum(axis=1).tolist() == [1, 1, 1]
        assert rows_RKC.all(axis=2).sum(axis=1).tolist() == [1, 1, 1]


@pytest.mark.parametrize("contributors", [7, 8])
def test_leverage_pairs_are_distinct_complements_of_even_sizes(contributors: int) -> None:
    drawn = leverage_pairs(3, contributors, np.random.default_rng(1)).rows_RKC[:, 2:]
    first, second = drawn[:, : contributors - 1], drawn[:, contributors - 1 :]
    np.testing.assert_array_equal(first, ~second)
    rows = drawn.reshape(-1, contributors)
    assert len(np.unique(rows, axis=0)) == len(rows)
    sizes = np.bincount(rows.sum(axis=1), minlength=contributors)[1:contributors]
    assert sizes.max() - sizes.min() <= 2


def test_a_size_all_of_which_is_due_is_drawn_whole() -> None:
    rows = leverage_pairs(12, 8, np.random.default_rng(1)).rows_RKC[:, 2:].reshape(-1, 8)
    assert (rows.sum(axis=1) == 1).sum() == 8
    assert (rows.sum(axis=1) == 7).sum() == 8


@pytest.mark.parametrize("game", [glove(3, 4), weighted_voting([4, 3, 2, 1, 1, 1, 5], quota=9)])
def test_weighted_least_squares_on_all_coalitions_are_the_shapley_values(game: object) -> None:
    """Charnes et al. 1988: by the Shapley kernel on every coalition, the additive fit is Shapley's."""
    contributors = 7
    inside = powerset(contributors)[1:-1]
    ends = np.array([[False] * contributors, [True] * contributors])
    drawn = Drawn(np.vstack([ends, inside])[None])
    values_C = leverage_regression(drawn, scores_of(drawn, game))
    np.testing.assert_allclose(values_C, game.shapley_C, atol=1e-12)  # type: ignore[attr-defined]
    often = np.repeat(inside, _times(inside), axis=0)  # by the kernel: an integer number of each
    drawn = Drawn(np.vstack([ends, often])[None])
    values_C = kernel_regression(drawn, scores_of(drawn, game))
    np.testing.assert_allclose(values_C, game.shapley_C, atol=1e-12)  # type: ignore[attr-defined]


def _times(rows: Bools) -> list[int]:
    """How often each coalition of 7 comes by the Shapley kernel: 1/42, 1/210 and 1/420 times 420."""
    return [{1: 10, 2: 2, 3: 1}[min(size, 7 - size)] for size in rows.sum(axis=1).tolist()]


def test_trees_values_are_those_of_all_their_coalitions() -> None:
    rng = np.random.default_rng(2)
    rows, target = rng.random((150, 7)) < 0.5, rng.standard_normal(150)
    model = GradientBoostingRegressor(n_estimators=15, max_depth=4, random_state=0).fit(rows, target)
    exact_C = exact.shapley(lambda asked: model.predict(asked), 7)
    np.testing.assert_allclose(boosted_values(model, 7), exact_C, atol=1e-12)


def test_the_mixture_games_values_are_the_mean_over_seeds_of_all_coalitions() -> None:
    silent = MixtureGame.drawn(6, np.random.default_rng(1), of_seed=0.0, of_retraining=0.0)
    exact_C = exact.shapley(lambda rows: silent.worth(rows, np.random.default_rng(0)), 6)
    np.testing.assert_allclose(silent.values(), exact_C, atol=1e-12)
    noisy = MixtureGame.drawn(6, np.random.default_rng(1), of_seed=0.5, of_retraining=0.1)
    worths = np.array([noisy.worth(powerset(6), np.random.default_rng(k)) for k in range(4_000)])
    of_seed_SC = np.array([exact.shapley(lambda rows, w=w: w[rows @ (1 << np.arange(6))], 6) for w in worths])  # type: ignore[misc]
    off_C = of_seed_SC.mean(axis=0) - noisy.values()
    assert (np.abs(off_C) < 4 * of_seed_SC.std(axis=0) / np.sqrt(len(worths))).all()


def test_the_library_is_scored_within_its_budget_on_seeds_that_complements_share() -> None:
    asked: list[tuple[int, Bools]] = []

    def score(seed: int, rows_KC: Bools) -> Floats:
        asked.append((seed, rows_KC))
        return rows_KC.sum(axis=1) + 100.0 * seed  # a seed's level, which no value may notice

    scores = Scores(score, 3, 8, 6, paired=True)
    rows = np.random.default_rng(0).random((3, 8)) < 0.5
    np.testing.assert_allclose(scores(np.vstack([rows, ~rows])), [*(rows.sum(1) + 100), *(8 - rows.sum(1) + 100)])
    seed_of = {row.tobytes(): seed for seed, found in asked for row in found}
    assert all(seed_of[row.tobytes()] == seed_of[(~row).tobytes()] for row in rows)
    assert len({seed_of[row.tobytes()] for row in rows}) == 3
    with pytest.raises(RuntimeError, match="more than 6"):
        scores(np.eye(8, dtype=np.bool_))


def test_the_librarys_estimators_come_near_known_values_from_our_scores() -> None:
    pytest.importorskip("shapiq", reason="shapiq is not installed; it is no dependency")
    game = glove(3, 5)
    for name, sampler in samplers().items():
        rng = np.random.default_rng(0)
        found = [sampler(lambda _, rows: game.score(rows), 8, 8, rng) for _ in range(10)]
        error = np.mean((np.array(found) - game.shapley_C) ** 2) / game.shapley_C.var()
        assert error < 0.5, name
