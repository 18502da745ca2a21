"""Values from sampled coalitions, against plain definitions over all coalitions, closed forms and pyDVL."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations
from math import comb
from pathlib import Path

import numpy as np
import pytest
from scipy.special import betaln

from harness.coalitions import powerset
from harness.errors import UserError
from harness.registry import method
from harness.types import Budget, Floats, Method, Retraining
from methods import METHODS, coalitions
from methods.leave_one_out import LeaveOneOut
from methods.mixmin import MixMin
from methods.proxy import Proxy
from methods.semivalues import kernel_shap, probabilistic
from methods.semivalues.beta_shapley import BetaShapley
from methods.semivalues.class_wise_shapley import ClassWiseShapley, class_shares, class_worths
from methods.semivalues.data_banzhaf import DataBanzhaf, reused
from methods.semivalues.kernel_shap import KernelShap
from methods.semivalues.regression_shapley import RegressionShapley
from tests.game_problems import GameRetrain, drawn_anew, problem_about, semivalue
from tests.games import GAMES, Game, additive
from tests.harness.small_runs import THIRD_PARTY
from tests.tiny import evaluator_of, problem_of, tiny_pool

ALL_GAMES = pytest.mark.parametrize("game", [make() for make in GAMES.values()], ids=list(GAMES))
RNG = np.random.default_rng
pytestmark = THIRD_PARTY
PLAYERS = 8


def banzhaf_chances(players: int) -> Floats:
    """Chance that so many of the others are in a coalition drawn from all alike."""
    return np.array([comb(players - 1, s) for s in range(players)]) / 2 ** (players - 1)


# --- draws ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("players", [2, 3, 7, 24])
def test_balanced_coalitions_are_as_many_of_each_size_and_member_as_expected(players: int) -> None:
    chances = coalitions.kernel_chances(players)
    rows_KC = coalitions.balanced(RNG(players), 40, chances)
    sizes = np.bincount(rows_KC.sum(axis=1), minlength=players + 1)
    assert (np.abs(sizes[1:players] - 40 * chances) < 1 + 1e-9).all()
    assert sizes[0] == sizes[players] == 0
    assert np.ptp(rows_KC.sum(axis=0)) <= 1


def test_a_balanced_coalition_is_by_itself_uniform_among_those_of_its_size() -> None:
    """The fifth of six, whose members come from the ends of two permutations."""
    chances = np.array([0.0, 1.0, 0.0, 0.0])
    rows = [coalitions.balanced(RNG(seed), 6, chances)[4] for seed in range(3_000)]
    found = Counter(tuple(np.flatnonzero(row).tolist()) for row in rows)
    assert set(found) == set(combinations(range(5), 2))
    statistic = sum((count - 300) ** 2 / 300 for count in found.values())
    assert statistic < 27.9  # chi-square of 9 degrees of freedom, 1 in 1,000


def test_pairs_are_complements_and_begin_with_nobody_and_everyone() -> None:
    rows_KC = coalitions.paired(RNG(0), 21, 7)
    assert len(rows_KC) == 20
    assert not rows_KC[0].any()
    assert rows_KC[1].all()
    assert (rows_KC[2:11] == ~rows_KC[11:]).all()


def test_halves_hold_half_and_uniform_coalitions_everybody_half_the_time() -> None:
    assert (coalitions.halves(RNG(0), 50, 7).sum(axis=1) == 3).all()
    for draw in (coalitions.halves, coalitions.uniform):
        rows_KC = draw(RNG(1), 4_000, 8)
        assert (np.abs(rows_KC.mean(axis=0) - 0.5) < 4.5 * 0.5 / np.sqrt(4_000)).all()


@pytest.mark.parametrize("design", ["uniform", "halves"])
def test_a_small_budget_is_the_beginning_of_a_large_one(design: str) -> None:
    draw = coalitions.DESIGNS[design]
    np.testing.assert_array_equal(draw(RNG(3), 5, 6), draw(RNG(3), 50, 6)[:5])


def test_the_budget_is_split_over_the_repeats() -> None:
    assert DataBanzhaf().budget(24, 600).retrainings == 96
    assert DataBanzhaf(retrainings=60, seeds=3).each(24) == 20
    for seeds in (1, 2, 3):
        least = coalitions.LEAST * seeds
        assert DataBanzhaf(retrainings=least, seeds=seeds).budget(24, 600).retrainings == least
    assert LeaveOneOut().budget(24, 600).retrainings == 75
    assert LeaveOneOut(retrainings=25).budget(24, 600).retrainings == 25


@pytest.mark.parametrize("kind", [DataBanzhaf, KernelShap, BetaShapley])
def test_fewer_retrainings_than_a_method_takes_are_refused_and_never_billed_as_more(kind: type[Method]) -> None:
    with pytest.raises(ValueError, match="retrainings must be at least 12, 4 for each of seeds=3, got 11"):
        kind(retrainings=11, seeds=3)  # type: ignore[call-arg]


SAMPLING = [name for name in METHODS if isinstance(method(name), coalitions.Sampling)]


@pytest.mark.parametrize("name", SAMPLING)
def test_the_least_that_one_seed_takes_is_answered(name: str, tmp_path: Path) -> None:
    least = coalitions.LEAST
    found = evaluator_of(tmp_path, tiny_pool(4)).evaluate(
        name, method(f"{name}:retrainings={least},seeds=1"), "shapley"
    )
    assert not isinstance(found, str)
    assert found.cost.retrainings <= least


@pytest.mark.parametrize("name", SAMPLING)
def test_more_seeds_than_the_rule_has_retrainings_for_do_not_suit_and_are_not_billed(name: str, tmp_path: Path) -> None:
    """4 contributors have 16 by rule: 4 seeds of 4."""
    problem = problem_of(tmp_path, tiny_pool(4))
    assert method(f"{name}:seeds=4").unsuitable(problem) is None
    many = method(f"{name}:seeds=5")
    assert many.unsuitable(problem) == (
        "by rule it takes 16 retrainings, 4 a contributor, and seeds=5 take 4 each; give retrainings=20 or more, or "
        "seeds=4 or fewer"
    )
    assert many.budget(4, 30) == Budget()
    assert method(f"{name}:seeds=5,retrainings=20").unsuitable(problem) is None


@pytest.mark.parametrize("one", [LeaveOneOut(retrainings=24), MixMin(retrainings=24), Proxy(retrainings=24)])
def test_less_than_a_whole_seed_does_not_suit(one: Method, tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tiny_pool(24, each=1), question="standalone")
    assert one.unsuitable(problem) == "a seed of 24 contributors takes 25 retrainings; give retrainings=25 or more"
    if not isinstance(one, Proxy):  # which answers Shapley's question still
        assert one.budget(24, 24).retrainings == 0
    assert replace(one, retrainings=25).unsuitable(problem) is None  # type: ignore[type-var, call-arg]


# --- weights and surrogates -------------------------------------------------------------------------

JOINS = {
    "shapley": probabilistic.shapley_chances(PLAYERS),
    "banzhaf": banzhaf_chances(PLAYERS),
    "beta": probabilistic.beta_chances(PLAYERS, 4, 1),
    "almost standalone": probabilistic.beta_chances(PLAYERS, 16, 1),
    "the other end": probabilistic.beta_chances(PLAYERS, 1, 4),
}
EVERY_JOIN = pytest.mark.parametrize("joins_S", JOINS.values(), ids=list(JOINS))


@ALL_GAMES
@EVERY_JOIN
def test_weights_over_all_coalitions_give_the_value_by_definition(game: Game, joins_S: Floats) -> None:
    rows_KC = powerset(PLAYERS)[1:-1]
    all_S = np.array([comb(PLAYERS, t) for t in range(1, PLAYERS)], dtype=np.float64)
    values_C = probabilistic.weights(rows_KC, joins_S, all_S) @ game.score(rows_KC)
    nobody, everyone = game.score(coalitions.ends(PLAYERS))
    values_C += joins_S[-1] * everyone - joins_S[0] * nobody
    np.testing.assert_allclose(values_C, semivalue(game.score, PLAYERS, joins_S), atol=1e-9)


@EVERY_JOIN
def test_a_surrogate_s_values_are_those_by_definition(joins_S: Floats) -> None:
    rng = RNG(5)
    surrogate = probabilistic.Surrogate(rng.standard_normal(PLAYERS), rng.standard_normal(PLAYERS), 0.7, -1.3)

    def score(rows_KC: np.ndarray) -> Floats:
        return np.array([surrogate.score(row[None])[0] if row.any() else 0.0 for row in rows_KC])

    np.testing.assert_allclose(surrogate.values(joins_S), semivalue(score, PLAYERS, joins_S), atol=1e-12)


def test_a_surrogate_finds_a_game_of_its_own_kind() -> None:
    rng = RNG(6)
    truth = probabilistic.Surrogate(rng.standard_normal(PLAYERS), rng.standard_normal(PLAYERS), 0.7, -1.3)
    rows_KC = powerset(PLAYERS)[1:]
    found = probabilistic.fit(rows_KC, truth.score(rows_KC))
    np.testing.assert_allclose(found.score(rows_KC), truth.score(rows_KC), atol=0.02 * np.ptp(truth.score(rows_KC)))


def test_expected_sizes_add_up_and_small_sizes_are_taken_whole() -> None:
    joins_S = probabilistic.beta_chances(24, 16, 1)
    expected_S = probabilistic.expected(probabilistic.best_sizes(joins_S), 46)
    assert expected_S.sum() == pytest.approx(46)
    assert expected_S[0] == 24  # everybody alone
    rows_KC = probabilistic.drawn(RNG(0), expected_S)
    assert len(rows_KC) == 46
    assert {tuple(row) for row in rows_KC if row.sum() == 1} == {tuple(row) for row in np.eye(24, dtype=bool)}
    everything = probabilistic.expected(probabilistic.best_sizes(probabilistic.shapley_chances(4)), 99)
    np.testing.assert_allclose(everything, [4, 6, 4])
    assert len(np.unique(probabilistic.drawn(RNG(0), everything), axis=0)) == 14


@pytest.mark.parametrize("one", [BetaShapley(), RegressionShapley(), KernelShap(variant="unbiased")], ids=repr)
@pytest.mark.parametrize("name", ["airport", "weighted voting"])
def test_estimates_are_unbiased_whatever_the_seeds_levels(tmp_path: Path, one: Retraining, name: str) -> None:
    """Mean of many estimates against the definition, in standard errors of that mean."""
    game = GAMES[name]()
    problem = problem_about(tmp_path, game, level=3.0)
    beta = isinstance(one, BetaShapley)
    joins_S = JOINS["beta" if beta else "shapley"]
    found_RC = np.array([one.contributor_values(drawn_anew(problem, r)).mean(axis=0) for r in range(150)])
    errors_C = found_RC.mean(axis=0) - semivalue(game.score, PLAYERS, joins_S)
    assert (np.abs(errors_C) < 4.5 * found_RC.std(axis=0, ddof=1) / np.sqrt(150) + 1e-9).all()


@pytest.mark.parametrize("name", ["additive", "glove", "airport"])
def test_a_surrogate_takes_out_more_than_half_of_the_variance(tmp_path: Path, name: str) -> None:
    game = GAMES[name]()
    problem = problem_about(tmp_path, game)

    def variance(one: Retraining) -> float:
        found = [one.contributor_values(drawn_anew(problem, r)).mean(axis=0) for r in range(40)]
        return float(np.mean((np.array(found) - game.shapley_C) ** 2))

    assert variance(RegressionShapley()) < 0.5 * variance(KernelShap(variant="unbiased"))


@pytest.mark.parametrize(
    "one", [BetaShapley(), RegressionShapley(), KernelShap(), KernelShap(variant="unbiased"), DataBanzhaf()], ids=repr
)
def test_more_retrainings_come_closer(tmp_path: Path, one: Retraining) -> None:
    game = GAMES["airport"]()
    problem = problem_about(tmp_path, game)
    joins_S = {BetaShapley: JOINS["beta"], DataBanzhaf: JOINS["banzhaf"]}.get(type(one), JOINS["shapley"])
    exact_C = semivalue(game.score, PLAYERS, joins_S)

    def error(retrainings: int) -> float:
        asked = type(one)(retrainings=retrainings)  # type: ignore[call-arg]
        found = [asked.contributor_values(drawn_anew(problem, r)).mean(axis=0) for r in range(12)]
        return float(np.mean((np.array(found) - exact_C) ** 2))

    assert error(640) < error(40) / 4


# --- Data Banzhaf -----------------------------------------------------------------------------------


@ALL_GAMES
def test_reusing_all_coalitions_gives_banzhaf_s_value(game: Game) -> None:
    rows_KC = powerset(PLAYERS)
    expected = semivalue(game.score, PLAYERS, banzhaf_chances(PLAYERS))
    np.testing.assert_allclose(reused(rows_KC, game.score(rows_KC)), expected, atol=1e-9)


def test_who_is_always_in_or_always_out_is_worth_nothing_known() -> None:
    rows_KC = np.array([[1, 0, 1], [1, 0, 0]], dtype=bool)
    np.testing.assert_allclose(reused(rows_KC, np.array([3.0, 1.0])), [0.0, 0.0, 2.0])


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_pydvl_reuses_samples_to_the_same_values() -> None:
    from joblib import parallel_config
    from pydvl.valuation.dataset import Dataset
    from pydvl.valuation.methods.banzhaf import MSRBanzhafValuation
    from pydvl.valuation.stopping import MinUpdates

    from methods.semivalues.pydvl_game import CoalitionUtility

    game, asked = GAMES["glove"](), []

    def worth(coalition_C: np.ndarray) -> float:
        asked.append(coalition_C)
        return float(game.score(coalition_C[None])[0])

    theirs = MSRBanzhafValuation(CoalitionUtility(worth, PLAYERS), MinUpdates(60), seed=3, show_warnings=False)
    with parallel_config(n_jobs=1):
        theirs.fit(Dataset(np.zeros((PLAYERS, 1)), np.zeros(PLAYERS)))
    values_C = np.empty(PLAYERS)
    values_C[theirs.result.indices] = theirs.result.values
    rows_KC = np.array(asked)
    np.testing.assert_allclose(values_C, reused(rows_KC, game.score(rows_KC)), atol=1e-9)


# --- Beta Shapley -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("alpha", "beta"), [(16, 1), (4, 1), (1, 4), (2.5, 3.0)])
def test_beta_chances_are_a_coin_s_whose_bias_is_beta_distributed(alpha: float, beta: float) -> None:
    """By numeric integration over the chance with which everybody is in."""
    from scipy.integrate import quad

    def chance(s: int) -> float:
        def density(p: float) -> float:
            return comb(7, s) * p ** (s + beta - 1) * (1 - p) ** (7 - s + alpha - 1)

        return float(quad(density, 0, 1)[0] / np.exp(betaln(beta, alpha)))

    np.testing.assert_allclose(probabilistic.beta_chances(8, alpha, beta), [chance(s) for s in range(8)], rtol=1e-6)


@pytest.mark.parametrize(("alpha", "nobody", "at_most_two"), [(4, 0.15, 0.39), (16, 0.41, 0.81)])
def test_a_larger_alpha_leans_to_small_coalitions(alpha: float, nobody: float, at_most_two: float) -> None:
    """Of 24, as the method tells; by Kwon & Zou's weights for coalitions of j - 1 others and how many of these are."""
    weight_J = np.array([np.exp(betaln(j, 24 - j + alpha) - betaln(alpha, 1)) for j in range(1, 25)])  # eq. 5, beta = 1
    chance_J = weight_J * [comb(23, j - 1) for j in range(1, 25)]
    found_S = probabilistic.beta_chances(24, alpha, 1)
    np.testing.assert_allclose(found_S, chance_J / chance_J.sum(), rtol=1e-9)
    assert (np.diff(found_S) < 0).all()
    assert (found_S[0], found_S[:3].sum()) == pytest.approx((nobody, at_most_two), abs=0.006)


def test_beta_1_1_is_shapley() -> None:
    np.testing.assert_allclose(probabilistic.beta_chances(9, 1, 1), probabilistic.shapley_chances(9))


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", ["glove", "weighted voting"])
def test_pydvl_s_exact_beta_shapley_values_are_the_same(name: str) -> None:
    from joblib import parallel_config
    from pydvl.valuation.dataset import Dataset
    from pydvl.valuation.methods.beta_shapley import BetaShapleyValuation
    from pydvl.valuation.samplers import DeterministicUniformSampler
    from pydvl.valuation.stopping import NoStopping

    from methods.semivalues.pydvl_game import CoalitionUtility

    game = GAMES[name]()
    utility = CoalitionUtility(lambda coalition_C: float(game.score(coalition_C[None])[0]), PLAYERS)
    theirs = BetaShapleyValuation(
        utility, DeterministicUniformSampler(batch_size=1), NoStopping(), alpha=16, beta=1, show_warnings=False
    )
    with parallel_config(n_jobs=1):
        theirs.fit(Dataset(np.zeros((PLAYERS, 1)), np.zeros(PLAYERS)))
    values_C = np.empty(PLAYERS)
    values_C[theirs.result.indices] = theirs.result.values
    expected = semivalue(game.score, PLAYERS, probabilistic.beta_chances(PLAYERS, 16, 1))
    np.testing.assert_allclose(values_C, expected, atol=1e-9)


def test_a_beta_distribution_needs_positive_parameters() -> None:
    with pytest.raises(UserError, match="must be a number above 0"):
        BetaShapley(alpha=0.0)


# --- KernelSHAP -------------------------------------------------------------------------------------


@ALL_GAMES
def test_unbiased_kernel_shap_is_the_pairs_weighted_by_inverse_chance(game: Game) -> None:
    rows_KC = coalitions.paired(RNG(4), 20, PLAYERS)
    utilities_K = game.score(rows_KC)
    expected_S = coalitions.paired_sizes(20, PLAYERS)
    weighted_C = probabilistic.weights(rows_KC[2:], JOINS["shapley"], expected_S) @ utilities_K[2:]
    weighted_C += (utilities_K[1] - utilities_K[0]) / PLAYERS
    np.testing.assert_allclose(kernel_shap.unbiased(rows_KC, utilities_K), weighted_C, atol=1e-9)


@ALL_GAMES
def test_kernel_shap_of_every_coalition_as_often_as_it_weighs_is_shapley_s_value(game: Game) -> None:
    """By its definition over all coalitions; those of 1 .. 7 of 8 weigh as 60 : 10 : 4 : 3 : 4 : 10 : 60."""
    inner = powerset(PLAYERS)[1:-1]
    times_S = np.array([60, 10, 4, 3, 4, 10, 60])
    weight_S = np.array([1 / (comb(PLAYERS, s) * s * (PLAYERS - s)) for s in range(1, PLAYERS)])
    np.testing.assert_allclose(times_S / times_S.sum(), weight_S / weight_S.sum())
    rows_KC = np.vstack([coalitions.ends(PLAYERS), np.repeat(inner, times_S[inner.sum(axis=1) - 1], axis=0)])
    found_C = kernel_shap.regression([rows_KC], [game.score(rows_KC)])
    np.testing.assert_allclose(found_C, semivalue(game.score, PLAYERS, JOINS["shapley"]), atol=1e-9)


@ALL_GAMES
def test_kernel_shap_is_covert_and_lee_s_closed_form_with_second_moments_as_drawn(game: Game) -> None:
    """By a multiplier for the sum, of two repeats whose levels differ."""
    rows = [coalitions.paired(RNG(seed), 40, PLAYERS) for seed in (5, 6)]
    utilities = [game.score(rows_KC) + level for rows_KC, level in zip(rows, (0.0, 7.0), strict=True)]
    drawn_KC = np.vstack([rows_KC[2:] for rows_KC in rows]).astype(float)
    above_K = np.concatenate([own_K[2:] - own_K[0] for own_K in utilities])
    moments_CC, products_C = drawn_KC.T @ drawn_KC / len(drawn_KC), drawn_KC.T @ above_K / len(drawn_KC)
    free_C, ones_C = np.linalg.solve(moments_CC, products_C), np.linalg.solve(moments_CC, np.ones(PLAYERS))
    whole = utilities[0][1] - utilities[0][0]
    expected_C = free_C - ones_C * (free_C.sum() - whole) / ones_C.sum()
    np.testing.assert_allclose(kernel_shap.regression(rows, utilities), expected_C, atol=1e-8)


def test_kernel_shap_of_too_few_coalitions_still_adds_up() -> None:
    rows_KC = coalitions.paired(RNG(0), 6, PLAYERS)
    utilities_K = GAMES["airport"]().score(rows_KC)
    found_C = kernel_shap.regression([rows_KC], [utilities_K])
    assert found_C.sum() == pytest.approx(utilities_K[1] - utilities_K[0])
    assert np.isfinite(found_C).all()


@pytest.mark.parametrize("players", [2, 3, 6])
def test_the_second_moment_is_that_of_all_coalitions_under_the_kernel(players: int) -> None:
    rows_KC = powerset(players)[1:-1]
    size_K = rows_KC.sum(axis=1)
    kernel_K = np.array([1 / (comb(players, s) * s * (players - s)) for s in size_K])
    moments_CC = (rows_KC * (kernel_K / kernel_K.sum())[:, None]).T @ rows_KC.astype(float)
    np.testing.assert_allclose(np.diag(moments_CC), 0.5)
    assert moments_CC[0, 1] == pytest.approx(kernel_shap.second_moment(players))


# --- leave-one-out ----------------------------------------------------------------------------------


def test_leave_one_out_is_what_is_lost_with_each_seed(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tiny_pool())
    found_SC = LeaveOneOut().contributor_values(problem)
    assert found_SC.shape == (3, 4)
    for seed, values_C in enumerate(found_SC):
        everyone = problem.retrain(np.ones((1, 4), dtype=bool), seed)[0]
        for i in range(4):
            others = np.ones((1, 4), dtype=bool)
            others[0, i] = False
            assert values_C[i] == pytest.approx(everyone - problem.retrain(others, seed)[0])


# --- class-wise Shapley -----------------------------------------------------------------------------


def test_class_worths_by_hand() -> None:
    chances_KN = np.array([[0.5, 0.25, 1.0, 0.0], [0.0, 0.0, 0.2, 0.2]])
    found_K = class_worths(chances_KN, np.array([True, True, False, False]))
    np.testing.assert_allclose(found_K, [0.75 / 4 * np.exp(0.25), 0.0])


def test_class_shares_by_hand() -> None:
    np.testing.assert_allclose(class_shares(np.array([0, 0, 0, 2]), 3), [3 / 4, 0, 1 / 4])
    np.testing.assert_allclose(class_shares(np.array([], dtype=np.int64), 3), np.zeros(3))


def test_class_wise_values_are_those_over_all_coalitions_on_average(tmp_path: Path) -> None:
    pool = tiny_pool()
    problem = problem_of(tmp_path, pool)
    rows_KC, labels_N = powerset(4), pool.validation.targets
    exact = []
    for seed in range(2):
        chances_KN = np.exp(problem.retrain.by_example(rows_KC, seed))
        values_C = np.zeros(4)
        for label in range(3):
            inside = labels_N == label
            worths_K = chances_KN[:, inside].sum(axis=1) / 30 * np.exp(chances_KN[:, ~inside].sum(axis=1) / 30)
            of_class = pool.train.owners_N[pool.train.targets == label].tolist()
            held_C = np.array([4 * of_class.count(i) / len(of_class) for i in range(4)])
            table = dict(zip(map(bytes, rows_KC), worths_K, strict=True))
            values_C += held_C * semivalue(
                lambda rows, t=table: np.array([t[bytes(row)] for row in rows]), 4, np.full(4, 0.25)
            )
        exact.append(values_C)
    found = [ClassWiseShapley().contributor_values(drawn_anew(problem, r)).mean(axis=0) for r in range(60)]
    error_C = np.mean(found, axis=0) - np.mean(exact, axis=0)
    assert (np.abs(error_C) < 4.5 * np.std(found, axis=0, ddof=1) / np.sqrt(60)).all()


# --- what they share --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names", [("kernel-shap", "regression-shapley", "coalition-gp"), ("data-banzhaf", "least-core", "regmix")]
)
def test_methods_of_one_design_train_the_same_models_and_each_pays(tmp_path: Path, names: tuple[str, ...]) -> None:
    evaluator = evaluator_of(tmp_path, tiny_pool(6))
    trained, billed = [], []
    for name in names:
        cost = evaluator.evaluate(name, method(name), "shapley").cost  # type: ignore[union-attr]
        trained.append(len(evaluator.engine.ledger.outcomes(evaluator.engine.context)))
        billed.append(cost.retrainings)
    new = np.diff(trained)
    assert (new <= (0 if names[0] == "kernel-shap" else 4)).all()  # nobody and everyone of either seed
    assert min(billed) >= 20


def test_each_repeat_has_coalitions_and_a_seed_of_its_own(tmp_path: Path) -> None:
    asked: list[tuple[int, bytes]] = []
    game = additive([1.0, 2.0, 3.0, 4.0, 5.0])
    problem = problem_about(tmp_path, game)

    class Listening(GameRetrain):
        def __call__(self, coalitions_KC: np.ndarray, seed: int) -> Floats:
            asked.append((seed, coalitions_KC.tobytes()))
            return super().__call__(coalitions_KC, seed)

    DataBanzhaf(seeds=3).contributor_values(replace(problem, retrain=Listening(game.score)))
    assert [seed for seed, _ in asked] == [0, 1, 2]
    assert len({rows for _, rows in asked}) == 3
