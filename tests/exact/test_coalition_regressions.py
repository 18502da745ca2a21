"""Datamodels, AME, RegMix and the Gaussian process, against plain definitions, closed forms and scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.coalitions import powerset
from harness.errors import UserError
from harness.types import Bools, Floats
from methods import ame, coalition_gp, lasso, regmix
from methods.ame import Ame
from methods.coalitions import paired
from methods.datamodels import Datamodels
from tests.game_problems import drawn_anew, problem_about, semivalue
from tests.games import GAMES, Game, additive

RNG = np.random.default_rng
PLAYERS = 8


# --- the lasso --------------------------------------------------------------------------------------


def test_the_lasso_meets_its_optimality_conditions_at_one_strength() -> None:
    """Correlations with the residual are one number, of a coefficient's sign, and less for who has none."""
    rng = RNG(0)
    features = rng.standard_normal((60, 10))
    values = features[:, :3] @ [3.0, -2.0, 1.0] + rng.standard_normal(60)
    found = lasso.coefficients(features, values, np.zeros(60, int))
    residual = (values - values.mean()) - (features - features.mean(axis=0)) @ found
    pull = (features - features.mean(axis=0)).T @ residual
    active = found != 0
    assert active[:3].all()
    assert not active.all()
    strength = np.abs(pull[active]).mean()
    np.testing.assert_allclose(pull[active], strength * np.sign(found[active]), rtol=1e-2)
    assert (np.abs(pull[~active]) <= strength * 1.01).all()


@pytest.mark.parametrize(("scale", "level"), [(1e-4, 0.0), (1e3, -5e4)])
def test_the_lasso_does_not_mind_scale_and_level(scale: float, level: float) -> None:
    rng = RNG(1)
    features = rng.standard_normal((40, 6))
    values = features @ rng.standard_normal(6) + rng.standard_normal(40)
    seeds = np.repeat([0, 1], 20)
    expected = scale * lasso.coefficients(features, values, seeds)
    found = lasso.coefficients(features, level * (1 + seeds) + scale * values, seeds)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-9 * scale)


def test_each_seed_s_level_is_a_column_that_is_not_penalised() -> None:
    """At the strength that was chosen, by proximal gradient steps on the whole problem with both columns."""
    rng = RNG(5)
    features, seeds = rng.standard_normal((60, 6)) + np.repeat([[0.0], [0.7]], 30, axis=0), np.repeat([0, 1], 30)
    values = features[:, :2] @ [2.0, -1.0] + 40.0 * seeds + rng.standard_normal(60)
    found = lasso.coefficients(features, values, seeds)
    columns = np.eye(2)[seeds]
    left = values - features @ found
    left -= columns @ np.linalg.lstsq(columns, left, rcond=None)[0]
    strength = np.abs(features.T @ left).max()
    x, levels = np.zeros(6), np.zeros(2)
    rate = 1 / np.linalg.norm(features, 2) ** 2
    for _ in range(3_000):
        levels = np.linalg.lstsq(columns, values - features @ x, rcond=None)[0]
        x = x + rate * features.T @ (values - features @ x - columns @ levels)
        x = np.sign(x) * np.maximum(np.abs(x) - rate * strength, 0)
    np.testing.assert_allclose(found, x, atol=2e-3)
    assert levels[1] - levels[0] == pytest.approx(40, abs=1)


def test_it_does_not_matter_which_seed_s_rows_come_first() -> None:
    """Every fold has rows of both; folds of what comes one after another would have those of one alone."""
    rng = RNG(8)
    features, seeds = rng.standard_normal((40, 12)), np.repeat([0, 1], 20)
    values = features[:, :2] @ [1.0, -0.7] + rng.standard_normal(40)
    turned = np.r_[20:40, 0:20]
    found = lasso.coefficients(features, values, seeds)
    assert found.any()
    np.testing.assert_allclose(lasso.coefficients(features[turned], values[turned], seeds[turned]), found, atol=1e-6)


def test_values_all_alike_have_no_coefficients() -> None:
    np.testing.assert_array_equal(
        lasso.coefficients(RNG(0).random((6, 3)), np.full(6, 2.5), np.zeros(6, int)), np.zeros(3)
    )


# --- datamodels -------------------------------------------------------------------------------------


def test_a_linear_game_s_datamodel_is_its_worths(tmp_path: Path) -> None:
    game = additive([3.0, -1.0, 0.5, 2.0, 0.0, 1.5, -2.5, 4.0])
    found_SC = Datamodels(retrainings=400).contributor_values(problem_about(tmp_path, game, level=5.0))
    centred_C = game.shapley_C - game.shapley_C.mean()  # of halves, a number the same for all is not told
    np.testing.assert_allclose(found_SC - found_SC.mean(axis=1, keepdims=True), [centred_C], atol=0.05)


@pytest.mark.parametrize("method", [Datamodels(), Ame()])
def test_all_seeds_coalitions_are_one_fit_whatever_their_levels(method: Datamodels | Ame, tmp_path: Path) -> None:
    game = additive(RNG(3).standard_normal(12).tolist())
    near, far = (method.contributor_values(problem_about(tmp_path, game, level=level)) for level in (0.0, 50.0))
    assert near.shape == (1, 12)
    np.testing.assert_allclose(near, far, atol=1e-6)


def test_a_sparse_game_s_datamodel_is_sparse(tmp_path: Path) -> None:
    worths = np.zeros(24)
    worths[[2, 7]] = 1.0, -2.0
    found_SC = Datamodels().contributor_values(problem_about(tmp_path, additive(worths.tolist())))
    assert (np.argsort(found_SC, axis=1)[:, [0, -1]] == [7, 2]).all()
    assert np.abs(np.delete(found_SC, [2, 7], axis=1)).max() < 0.1


# --- AME --------------------------------------------------------------------------------------------


def marginal_effects(game: Game) -> Floats:
    """By definition: the mean over the chances of the mean gain where everybody else is in with that chance."""
    others = np.arange(game.players)
    ways = np.array(
        [float(len(powerset(game.players - 1)[powerset(game.players - 1).sum(axis=1) == s])) for s in others]
    )
    joins_S = np.mean([ways * p**others * (1 - p) ** (game.players - 1 - others) for p in ame.INCLUSION], axis=0)
    return semivalue(game.score, game.players, joins_S)


@pytest.mark.parametrize("name", list(GAMES))
def test_the_features_covariance_with_worth_is_the_effect(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over all coalitions at each chance, with their own probabilities: least squares in place of the lasso."""
    game = GAMES[name]()
    rows_KC, weight = np.tile(powerset(PLAYERS), (4, 1)), []
    chance_K = np.repeat(ame.INCLUSION, 2**PLAYERS)
    size_K = rows_KC.sum(axis=1)
    weight_K = chance_K**size_K * (1 - chance_K) ** (PLAYERS - size_K) / 4

    def expectation(features_KC: Floats, values_K: Floats, seed_K: object) -> Floats:
        weight.append((weight_K[:, None] * features_KC).T @ features_KC)
        return np.linalg.solve(weight[-1], (weight_K[:, None] * features_KC).T @ values_K)

    monkeypatch.setattr(lasso, "coefficients", expectation)
    found_C = ame.effects(rows_KC, chance_K, game.score(rows_KC), np.zeros(len(rows_KC), int))
    np.testing.assert_allclose(weight[0], np.eye(PLAYERS), atol=1e-9)
    np.testing.assert_allclose(found_C, marginal_effects(game), atol=1e-9)


def test_chances_of_inclusion_are_those_drawn() -> None:
    rows_KC, chance_K = ame.drawn(RNG(0), 8_000, 10)
    for chance in ame.INCLUSION:
        own = rows_KC[chance_K == chance]
        assert abs(len(own) / 8_000 - 0.25) < 0.03
        assert abs(own.mean() - chance) < 0.02


def test_more_retrainings_bring_effects_closer(tmp_path: Path) -> None:
    game = GAMES["airport"]()
    problem, exact_C = problem_about(tmp_path, game), marginal_effects(game)

    def error(retrainings: int) -> float:
        found = [Ame(retrainings=retrainings).contributor_values(drawn_anew(problem, r)) for r in range(4)]
        return float(np.mean((np.array(found) - exact_C) ** 2))

    assert error(4_000) < error(100) / 4


# --- RegMix -----------------------------------------------------------------------------------------

SIZES = np.array([5.0, 10.0, 20.0, 8.0, 9.0, 30.0, 12.0, 6.0])


def of_shares(worth_C: Floats, nobody: float = -9.0):  # type: ignore[no-untyped-def]
    """A game whose worth is a mean over the coalition's examples."""

    def score(rows_KC: Bools) -> Floats:
        counts = rows_KC * SIZES
        means_K = counts @ worth_C / np.maximum(counts.sum(axis=1), 1)
        return np.where(rows_KC.any(axis=1), means_K, nobody)

    return score


def test_regmix_finds_a_game_that_is_linear_in_shares() -> None:
    game, rows_KC = of_shares(RNG(2).standard_normal(8)), paired(RNG(0), 30, 8)
    score = regmix.scorer([rows_KC], [game(rows_KC)], SIZES)
    np.testing.assert_allclose(score(powerset(8)), game(powerset(8)), atol=1e-9)


def test_regmix_fits_all_seeds_together_with_a_level_for_each() -> None:
    """Three pairs a seed and everyone tell four of eight shares; those of three seeds tell all, at their mean level."""
    game, rows = of_shares(RNG(2).standard_normal(8)), [paired(RNG(r), 8, 8) for r in range(3)]
    score = regmix.scorer(rows, [game(rows_KC) + 10.0 * r for r, rows_KC in enumerate(rows)], SIZES)
    np.testing.assert_allclose(score(powerset(8)), game(powerset(8)) + 10.0, atol=1e-8)


def test_regmix_is_least_squares_on_shares() -> None:
    """Shares add up to 1, so that an intercept is among them already."""
    rows_KC = paired(RNG(0), 40, 8)
    utilities_K = RNG(1).standard_normal(40)
    weights_C = np.linalg.lstsq(regmix.shares(rows_KC[1:], SIZES), utilities_K[1:], rcond=None)[0]
    asked_KC = powerset(8)[1:]
    found_K = regmix.scorer([rows_KC], [utilities_K], SIZES)(asked_KC)
    np.testing.assert_allclose(found_K, regmix.shares(asked_KC, SIZES) @ weights_C, atol=1e-9)


def test_regmix_s_trees_follow_what_no_line_can() -> None:
    """Worth 1 with the large contributor, 0 without."""
    rows_KC = paired(RNG(0), 200, 8)
    utilities_K = rows_KC[:, 5].astype(float)
    asked_KC = powerset(8)[1:]
    errors = [
        np.mean((regmix.scorer([rows_KC], [utilities_K], SIZES, kind)(asked_KC) - asked_KC[:, 5]) ** 2)
        for kind in ("linear", "trees")
    ]
    assert errors[1] < 0.1 * errors[0]


def test_an_unknown_regressor_is_refused_by_name() -> None:
    with pytest.raises(UserError, match="regressor must be linear or trees, got 'forest'"):
        regmix.RegMix(regressor="forest")  # type: ignore[arg-type]


# --- the Gaussian process ---------------------------------------------------------------------------


def test_the_process_on_shares_is_scikit_learn_s() -> None:
    """With members and size switched off: a line, a Gaussian and a level on shares, and noise."""
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, DotProduct

    logs = np.array([-60.0, -1.0, -60.0, 0.3, -2.0, 1.2])
    rows_KC = paired(RNG(0), 24, 8)[1:]
    values_K = RNG(1).standard_normal(len(rows_KC))
    kernel = (
        np.exp(-1.0) * DotProduct(sigma_0=0.0, sigma_0_bounds="fixed")
        + ConstantKernel(np.exp(0.3), "fixed") * RBF(np.sqrt(0.5 * np.exp(-1.2)), "fixed")
        + ConstantKernel(coalition_gp.LEVEL, "fixed")
    )
    theirs = GaussianProcessRegressor(kernel, alpha=np.exp(-2.0) + coalition_gp.JITTER, optimizer=None)
    theirs.fit(regmix.shares(rows_KC, SIZES), values_K)
    own, asked = (coalition_gp.Coalitions.of(rows, SIZES) for rows in (rows_KC, powerset(8)[1:]))
    weight_K = np.linalg.solve(coalition_gp.noisy(own, logs), values_K)
    found_K = (coalition_gp.covariance(asked, own, logs) + coalition_gp.LEVEL) @ weight_K
    np.testing.assert_allclose(found_K, theirs.predict(regmix.shares(powerset(8)[1:], SIZES)), atol=1e-8)


def test_the_kernel_s_members_are_a_bayesian_line_on_membership() -> None:
    """Of weights with variance 4 / C on membership less a half."""
    logs = np.array([0.7, -60.0, -60.0, -60.0, -2.0, 0.0])
    rows_KC = paired(RNG(3), 24, 8)[1:]
    own = coalition_gp.Coalitions.of(rows_KC, SIZES)
    weights = RNG(4).standard_normal((8, 400_000)) * np.sqrt(np.exp(0.7) * 4 / 8)
    drawn = (rows_KC[:6] - 0.5) @ weights
    np.testing.assert_allclose(coalition_gp.covariance(own, own, logs)[:6, :6], np.cov(drawn), atol=0.03)


def test_scales_are_found_where_the_density_is_high() -> None:
    """Data drawn from the prior itself at known scales: these are not far less likely than what is found."""
    logs = np.array([-4.0, 1.0, -4.0, 0.5, -3.0, 1.0])
    rows = [paired(RNG(r), 60, 8)[1:] for r in range(2)]
    own = [coalition_gp.Coalitions.of(rows_KC, SIZES) for rows_KC in rows]
    values = [
        RNG(r).multivariate_normal(np.zeros(len(one.size_K)), coalition_gp.noisy(one, logs))
        for r, one in enumerate(own)
    ]
    found = coalition_gp.scales(own, values)

    def log_density(at: Floats) -> float:
        from scipy.stats import multivariate_normal

        return sum(
            float(multivariate_normal(np.zeros(len(v)), coalition_gp.noisy(one, at)).logpdf(v))
            for one, v in zip(own, values, strict=True)
        )

    assert log_density(found) > log_density(coalition_gp.START)
    assert log_density(found) > log_density(logs) - 6


@pytest.mark.parametrize("name", list(GAMES))
def test_a_surrogate_of_more_coalitions_is_closer_to_the_game(name: str) -> None:
    game, asked_KC = GAMES[name](), powerset(PLAYERS)[1:]

    def error(count: int) -> float:
        rows = [paired(RNG(r), count, PLAYERS) for r in range(2)]
        scorers = coalition_gp.surrogates(rows, [game.score(rows_KC) for rows_KC in rows], np.ones(PLAYERS))
        return float(np.mean([(score(asked_KC) - game.score(asked_KC)) ** 2 for score in scorers]))

    spread = float(game.score(asked_KC).var())
    assert error(96) < (0.6 if name == "weighted voting" else 0.2) * spread  # which is no smooth game
    assert error(96) < error(12)


def test_nobody_is_what_was_retrained_and_a_flat_game_is_flat() -> None:
    rows = [paired(RNG(r), 12, PLAYERS) for r in range(2)]
    utilities = [np.where(rows_KC.any(axis=1), 4.0, -3.0) for rows_KC in rows]
    for score in coalition_gp.surrogates(rows, utilities, np.ones(PLAYERS)):
        worths_K = score(powerset(PLAYERS))
        assert worths_K[0] == -3.0
        np.testing.assert_allclose(worths_K[1:], 4.0)
