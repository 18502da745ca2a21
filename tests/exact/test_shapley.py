"""Every route to a Shapley value, held against games in closed form and against plain definitions."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from math import comb
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.coalitions import powerset, to_text
from harness.errors import UserError
from harness.retraining.chunks import Job
from harness.truth import exact, questions, shapley, surrogate
from harness.truth import walks as antithetic
from harness.truth.truth import Truth, plan
from harness.types import Bools, Cost, Floats, Outcome, Scorer
from methods import coalitions as drawing
from tests.games import GAMES, Game, additive, glove, sampled
from tests.tiny import engine_of, tiny_pool, truth_by

ALL_GAMES = pytest.mark.parametrize("game", [make() for make in GAMES.values()], ids=list(GAMES))
RNG = np.random.default_rng


def ends(game: Game) -> float:
    """v(everyone) - v(nobody): what the values of all players must add up to."""
    everyone, nobody = np.ones((1, game.players), bool), np.zeros((1, game.players), bool)
    return float(game.score(everyone)[0] - game.score(nobody)[0])


def mean_gain(score: Scorer, orders: list[np.ndarray]) -> Floats:
    """Mean marginal gain of each player over the orders, one coalition at a time."""
    total = np.zeros(len(orders[0]))
    for order in orders:
        coalition = np.zeros((1, len(order)), dtype=bool)
        before = score(coalition)[0]
        for player in order:
            coalition[0, player] = True
            after = score(coalition)[0]
            total[player] += after - before
            before = after
    return total / len(orders)


def table_game(worths_K: Floats) -> Scorer:
    """A game given by the worth of every coalition, in the order of ``powerset``."""
    players = int(np.log2(len(worths_K)))
    return lambda coalitions_KC: np.asarray(worths_K)[coalitions_KC @ (1 << np.arange(players))]


# --- exact ------------------------------------------------------------------------------------------


@ALL_GAMES
def test_exact_values_equal_the_closed_forms(game: Game) -> None:
    np.testing.assert_allclose(exact.shapley(game.score, game.players), game.shapley_C, atol=1e-12)


def test_exact_values_equal_the_mean_gain_over_all_orders() -> None:
    score = table_game(RNG(0).standard_normal(32))
    orders = [np.array(order) for order in permutations(range(5))]
    np.testing.assert_allclose(exact.shapley(score, 5), mean_gain(score, orders), atol=1e-12)


def test_a_lone_player_is_worth_its_gain() -> None:
    assert exact.shapley(table_game(np.array([2.0, 5.0])), 1) == pytest.approx([3.0])


games = st.integers(1, 5).flatmap(
    lambda players: st.lists(st.floats(-100, 100, width=32), min_size=2**players, max_size=2**players).map(np.array)
)
properties = settings(max_examples=30, deadline=None, derandomize=True)


@properties
@given(games)
def test_efficiency(worths_K: Floats) -> None:
    values_C = exact.shapley(table_game(worths_K), int(np.log2(len(worths_K))))
    assert values_C.sum() == pytest.approx(worths_K[-1] - worths_K[0], abs=1e-9)


@properties
@given(games, st.data())
def test_symmetric_players_are_worth_the_same(worths_K: Floats, data: st.DataObject) -> None:
    players = int(np.log2(len(worths_K)))
    a, b = (data.draw(st.integers(0, players - 1)) for _ in range(2))
    score = table_game(worths_K)
    swap = np.arange(players)
    swap[[a, b]] = b, a
    values_C = exact.shapley(lambda rows_KC: score(rows_KC) + score(rows_KC[:, swap]), players)
    assert values_C[a] == pytest.approx(values_C[b], abs=1e-9)


@properties
@given(games, st.data())
def test_a_player_who_always_adds_the_same_is_worth_that(worths_K: Floats, data: st.DataObject) -> None:
    players = int(np.log2(len(worths_K)))
    dummy, adds = data.draw(st.integers(0, players - 1)), data.draw(st.floats(-10, 10))
    without = np.where(np.arange(players) == dummy, 0, 1 << np.arange(players))
    values_C = exact.shapley(lambda rows_KC: worths_K[rows_KC @ without] + adds * rows_KC[:, dummy], players)
    assert values_C[dummy] == pytest.approx(adds, abs=1e-9)


@properties
@given(games, st.floats(-10, 10), st.randoms(use_true_random=False))
def test_linearity(worths_K: Floats, factor: float, random: object) -> None:
    players = int(np.log2(len(worths_K)))
    others_K = np.array([random.uniform(-100, 100) for _ in worths_K])
    one, other, both = (
        exact.shapley(table_game(game_K), players) for game_K in (worths_K, others_K, worths_K + factor * others_K)
    )
    np.testing.assert_allclose(both, one + factor * other, atol=1e-8)


# --- sampled ----------------------------------------------------------------------------------------


def test_a_repeat_is_nobody_everyone_and_complement_pairs() -> None:
    rows = shapley.repeat_coalitions(11, RNG(0))
    assert rows.shape == (22, 11)
    assert not rows[0].any()
    assert rows[1].all()
    np.testing.assert_array_equal(rows[2:12], ~rows[12:])


@pytest.mark.parametrize("players", [6, 7])
def test_coalitions_are_uniform_among_those_of_their_size_and_sizes_as_told(players: int) -> None:
    """Members follow one another through permutations; that must not make some coalitions likelier than others."""
    rng, draws = RNG(1), 6000
    drawn = np.vstack([shapley.repeat_coalitions(players, rng)[2 : 1 + players] for _ in range(draws)])
    size_K = drawn.sum(axis=1)
    chances = shapley.size_chances(players)
    np.testing.assert_allclose(np.bincount(size_K)[1:] / len(drawn), chances, atol=0.006)
    for size in range(1, players // 2 + 1):
        counts = np.unique(drawn[size_K == size] @ (1 << np.arange(players)), return_counts=True)[1]
        assert len(counts) == comb(players, size)
        assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 2 * len(counts) + 20  # about chi-squared


class InOrder:
    """A generator that leaves lists as they are."""

    def __init__(self, seed: int) -> None:
        self._rng = RNG(seed)
        self.random = self._rng.random

    def permutation(self, what: int | np.ndarray) -> np.ndarray:
        return what if isinstance(what, np.ndarray) else self._rng.permutation(what)


@pytest.mark.parametrize("players", [3, 6, 7, 24])
def test_the_truth_s_pairs_are_drawn_as_methods_draw_theirs(players: int) -> None:
    """Neither may know the other's code, so this holds them to one rule: the same sizes, the same members in turn."""
    size, chances_S = np.arange(1, players), drawing.kernel_chances(players)
    smaller = np.bincount(np.minimum(size, players - size), weights=chances_S)[1:]
    np.testing.assert_allclose(shapley.size_chances(players), smaller, rtol=1e-12)
    padded_S = np.pad(shapley.size_chances(players), (0, players - 1 - players // 2))
    for seed in range(5):
        of_truth = shapley._draw_half(players, 9, InOrder(seed))  # type: ignore[arg-type]
        np.testing.assert_array_equal(of_truth, drawing.balanced(RNG(seed), 9, padded_S))


@pytest.mark.parametrize("players", [4, 5])
def test_weights_of_all_pairs_by_their_chances_are_exact(players: int) -> None:
    """Weighted by how often each pair is drawn, a half of one pair gives the values of sizes 1 to C - 1 exactly."""
    worths_K = RNG(2).standard_normal(2**players)
    worths_K[0] = worths_K[-1]  # the gain of everyone over nobody is not the pairs'
    score, chances = table_game(worths_K), shapley.size_chances(players)
    expected_C = np.zeros(players)
    for row in powerset(players):
        size = int(row.sum())
        if 1 <= size <= players // 2:
            pair = np.array([row, ~row])
            expected_C += chances[size - 1] / comb(players, size) * (shapley.pair_weights(row[None]) @ score(pair))
    np.testing.assert_allclose(expected_C, exact.shapley(score, players), atol=1e-12)


@pytest.mark.parametrize("players", [3, 6, 7])
def test_surrogate_values_are_the_exact_shapley_values_of_its_covariance(players: int) -> None:
    rows = powerset(players)[1:]
    scales = surrogate.Scales(np.array([-1.0, 0.3, -0.2, 0.5, -4.0, 0.7]), 0.0)
    found_CK = scales.shapley(rows)
    for column, found_C in zip(rows, found_CK.T, strict=True):
        sizes = rows.sum(axis=1)
        covariance_K = scales.covariance(sizes, np.full_like(sizes, column.sum()), rows @ column.astype(int), players)
        worths_K = np.concatenate([covariance_K[-1:], covariance_K])  # nobody like everyone: no gain between them
        np.testing.assert_allclose(found_C, exact.shapley(table_game(worths_K), players), atol=1e-12)


def test_the_surrogate_s_gradient_is_its_slope() -> None:
    rows = np.vstack([shapley.repeat_coalitions(11, RNG(k))[1:] for k in range(2)])
    seed_K, worths_K = np.repeat([0, 1], 21), RNG(3).standard_normal(42)
    density = surrogate.negative_log_density(rows, seed_K, worths_K)
    at, step = surrogate.START + 0.3, 1e-5
    slopes = [(density(at + step * e)[0] - density(at - step * e)[0]) / (2 * step) for e in np.eye(len(at))]
    np.testing.assert_allclose(density(at)[1], slopes, rtol=1e-5, atol=2e-5)


def test_leaving_a_half_out_is_fitting_without_it() -> None:
    """Against the plain route: fit anew without the half, value the fit by enumeration, add the held-out residuals."""
    rows_RKC = np.array([shapley.repeat_coalitions(6, RNG(k)) for k in range(3)])
    scores_RK = RNG(4).standard_normal((3, 12))
    found_RC = shapley.estimator(rows_RKC, scores_RK)(scores_RK)
    half_K, seed_N = shapley._half_of_each(6), np.repeat(np.arange(3), 11)
    rows, data_N, half_N = rows_RKC[:, 1:].reshape(-1, 6), scores_RK[:, 1:].ravel(), np.tile(half_K, 3)
    expected_RC = np.repeat((scores_RK[:, 1] - scores_RK[:, 0])[:, None] / 6, 6, axis=1)
    for half in (0, 1):
        seen = half_N != half
        scales = surrogate.fit(rows[seen], seed_N[seen], data_N[seen])
        gram_NN = scales.gram(rows, seed_N)
        for r in range(3):
            own = (seed_N == r) & (half_N == half)
            weight_N = np.linalg.solve(gram_NN[np.ix_(~own, ~own)], data_N[~own] - scales.centre)
            residual_K = data_N[own] - scales.centre - gram_NN[np.ix_(own, ~own)] @ weight_N
            weights_CK = shapley.pair_weights(rows[own][: own.sum() // 2])
            value_C = scales.shapley(rows[~own]) @ weight_N + weights_CK @ residual_K
            expected_RC[r] += own.sum() / 10 * value_C
    np.testing.assert_allclose(found_RC, expected_RC, atol=1e-9)


@ALL_GAMES
@pytest.mark.parametrize("repeats", [1, 3])
def test_sampled_values_are_unbiased_from_few_repeats(game: Game, repeats: int) -> None:
    """A surrogate fitted on so little is poor; what it has not seen must correct it without leaning on it."""
    rng, draws = RNG(6), 24
    means = np.array([sampled(game.score, game.players, repeats, rng).mean(axis=0) for _ in range(draws)])
    z_C = (means.mean(axis=0) - game.shapley_C) / (means.std(axis=0, ddof=1) / np.sqrt(draws) + 1e-6)
    assert np.abs(z_C).max() < 4.5


@ALL_GAMES
def test_every_repeat_shares_out_the_whole_gain(game: Game) -> None:
    rows_RC = sampled(game.score, game.players, 3, RNG(2))
    np.testing.assert_allclose(rows_RC.sum(axis=1), ends(game), atol=1e-7)


def test_a_surrogate_takes_out_most_of_a_mixture_s_variance() -> None:
    worth_C = RNG(7).standard_normal(11)

    def mixture(rows_KC: Bools) -> Floats:  # a mean over its members, bent
        return np.tanh((rows_KC @ worth_C) / np.maximum(rows_KC.sum(axis=1), 1) + rows_KC @ worth_C[::-1] / 9)

    exact_C = exact.shapley(mixture, 11)
    found = [sampled(mixture, 11, 4, RNG(k)).mean(axis=0) for k in range(5)]
    walked = [antithetic.plain(antithetic.walk(mixture, 11, 4, RNG(k))).mean(axis=0) for k in range(5)]
    assert np.mean((found - exact_C) ** 2) < np.mean((walked - exact_C) ** 2) / 10


def test_kinds_of_scores_are_read_together_as_alone() -> None:
    rows_RKC = np.array([shapley.repeat_coalitions(7, RNG(k)) for k in range(4)])
    scores_URK = RNG(9).standard_normal((3, 4, 14))
    read = shapley.estimator(rows_RKC, scores_URK[0])
    for alone, together in zip(scores_URK, read(scores_URK), strict=True):
        np.testing.assert_allclose(read(alone), together, atol=1e-10)


def test_a_constant_game_is_worth_nothing_to_anyone() -> None:
    found_RC = sampled(lambda rows_KC: np.full(len(rows_KC), 2.5), 11, 2, RNG(0))
    np.testing.assert_allclose(found_RC, 0, atol=1e-9)


# --- antithetic walks -------------------------------------------------------------------------------


@ALL_GAMES
@pytest.mark.parametrize("estimate", [antithetic.plain, antithetic.adjusted])
def test_walks_come_to_the_closed_form(estimate: Callable[[antithetic.Walks], Floats], game: Game) -> None:
    rows_RC = estimate(antithetic.walk(game.score, game.players, 600, RNG(1)))
    error_C = np.abs(rows_RC.mean(axis=0) - game.shapley_C)
    assert (error_C <= 5 * rows_RC.std(axis=0, ddof=1) / np.sqrt(600) + 1e-9).all()


@ALL_GAMES
@pytest.mark.parametrize("estimate", [antithetic.plain, antithetic.adjusted])
def test_every_walk_shares_out_the_whole_gain(estimate: Callable[[antithetic.Walks], Floats], game: Game) -> None:
    rows_RC = estimate(antithetic.walk(game.score, game.players, 9, RNG(2)))
    np.testing.assert_allclose(rows_RC.sum(axis=1), ends(game), atol=1e-9)


def test_one_pair_is_exact_for_an_additive_game() -> None:
    game = GAMES["additive"]()
    np.testing.assert_allclose(
        antithetic.plain(antithetic.walk(game.score, game.players, 1, RNG(3)))[0], game.shapley_C, atol=1e-12
    )


def test_from_walks_an_additive_game_s_values_are_its_worths_to_the_last_digit() -> None:
    """Also of who adds nothing, so that those are tied."""
    worth_C = RNG(13).standard_normal(24)
    worth_C[[3, 11]] = 0.0
    found_C = questions.answer("shapley", lambda rows_KC: 5.0 + rows_KC @ worth_C, 24, RNG(14), 16)
    np.testing.assert_allclose(found_C, worth_C, rtol=0, atol=1e-12)


def test_a_pair_is_the_mean_gain_over_an_order_and_its_reverse() -> None:
    game = GAMES["weighted voting"]()
    walks = antithetic.walk(game.score, game.players, 5, RNG(4))
    expected = [mean_gain(game.score, [order, order[::-1]]) for order in walks.orders_RC]
    np.testing.assert_allclose(antithetic.plain(walks), expected, atol=1e-12)


def test_plain_pairs_over_all_orders_are_exact() -> None:
    score = table_game(RNG(5).standard_normal(16))
    orders = np.array(list(permutations(range(4))))
    scores = np.array([score(antithetic.pair_coalitions(order)) for order in orders])
    rows_RC = antithetic.plain(antithetic.Walks(orders, scores))
    np.testing.assert_allclose(rows_RC.mean(axis=0), exact.shapley(score, 4), atol=1e-12)


@ALL_GAMES
@pytest.mark.parametrize("pairs", [2, 3])
def test_adjusted_estimates_are_unbiased_from_few_pairs(game: Game, pairs: int) -> None:
    """A surrogate fitted on so few pairs is poor; cross-fitting must keep it from leaning on its own pair."""
    rng, repeats = RNG(6), 150
    means = np.array(
        [
            antithetic.adjusted(antithetic.walk(game.score, game.players, pairs, rng)).mean(axis=0)
            for _ in range(repeats)
        ]
    )
    z_C = (means.mean(axis=0) - game.shapley_C) / (means.std(axis=0, ddof=1) / np.sqrt(repeats) + 1e-12)
    assert np.abs(z_C).max() < 4


def test_adjusting_takes_out_what_the_surrogate_explains() -> None:
    worth_C = RNG(7).standard_normal(9)

    def mixture(rows_KC: Bools) -> Floats:  # a weighted mean of its members: constant and 1/size effects
        return np.asarray((rows_KC @ worth_C) / np.maximum(rows_KC.sum(axis=1), 1) + rows_KC @ worth_C[::-1])

    walks, exact_C = antithetic.walk(mixture, 9, 12, RNG(8)), exact.shapley(mixture, 9)
    plain, adjusted = (((f(walks).mean(axis=0) - exact_C) ** 2).mean() for f in (antithetic.plain, antithetic.adjusted))
    assert adjusted < plain / 20


def test_one_pair_alone_is_left_unadjusted() -> None:
    game = GAMES["airport"]()
    walks = antithetic.walk(game.score, game.players, 1, RNG(10))
    np.testing.assert_array_equal(antithetic.adjusted(walks), antithetic.plain(walks))


@pytest.mark.parametrize("players", [2, 3, 7])
def test_linear_surrogate_values_are_its_exact_shapley_values(players: int) -> None:
    constant, share, size = effects = RNG(players).standard_normal((3, players))

    def surrogate(rows_KC: Bools) -> Floats:
        sizes = rows_KC.sum(axis=1)
        by_size = np.concatenate([[0.0], np.cumsum(size)])[sizes]
        return np.asarray(rows_KC @ constant + (rows_KC @ share) / np.maximum(sizes, 1) + by_size)

    found = antithetic._surrogate_values(effects.ravel(), players)
    np.testing.assert_allclose(found, exact.shapley(surrogate, players), atol=1e-12)


def test_surrogate_steps_are_the_surrogate_s_gains() -> None:
    order, effects = np.array([2, 0, 3, 1]), RNG(11).standard_normal(12)
    constant, share, size = np.split(effects, 3)
    gains = []
    for way in (order, order[::-1]):
        members: list[int] = []
        worth = 0.0
        for player in way:
            members.append(int(player))
            now = constant[members].sum() + share[members].mean() + size[: len(members)].sum()
            gains.append(now - worth)
            worth = now
    np.testing.assert_allclose(antithetic._surrogate_steps(order) @ effects, gains, atol=1e-12)


# --- pyDVL ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pydvl_game():
    from methods.semivalues import pydvl_game

    return pydvl_game


@ALL_GAMES
def test_pydvl_values_are_the_mean_gain_over_its_permutations(
    pydvl_game, game: Game, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[list[int]] = []

    class Recording(pydvl_game.AntitheticPermutationSampler):
        def generate(self, indices):
            for sample in super().generate(indices):
                drawn.append(sample.subset.tolist())
                yield sample

    calls: list[Bools] = []

    def score(rows_KC: Bools) -> Floats:
        calls.append(rows_KC)
        return game.score(rows_KC)

    monkeypatch.setattr(pydvl_game, "AntitheticPermutationSampler", Recording)
    values_C = pydvl_game.shapley_values(score, game.players, pairs=3, seed=5)

    (asked,) = calls  # all coalitions in one call
    assert len(np.unique(asked, axis=0)) == len(asked)
    walked = drawn[:6]
    assert all(there == back[::-1] for there, back in zip(walked[::2], walked[1::2], strict=True))
    needed = {tuple(sorted(order[:k])) for order in walked for k in range(game.players + 1)}
    assert {tuple(np.flatnonzero(row).tolist()) for row in asked} == needed
    np.testing.assert_allclose(values_C, mean_gain(game.score, [np.array(o) for o in walked]), atol=1e-9)


def test_pydvl_is_exact_for_an_additive_game(pydvl_game) -> None:
    game = GAMES["additive"]()
    np.testing.assert_allclose(pydvl_game.shapley_values(game.score, game.players, 1, 0), game.shapley_C, atol=1e-9)


@pytest.mark.parametrize("name", ["glove", "airport", "weighted voting"])
def test_pydvl_comes_to_the_closed_form(pydvl_game, name: str) -> None:
    game = GAMES[name]()
    pairs = 60
    spread_C = antithetic.plain(antithetic.walk(game.score, game.players, 400, RNG(12))).std(axis=0, ddof=1)
    values_C = pydvl_game.shapley_values(game.score, game.players, pairs, seed=1)
    assert (np.abs(values_C - game.shapley_C) < 4.5 * spread_C / np.sqrt(pairs) + 1e-9).all()


# --- questions --------------------------------------------------------------------------------------


@ALL_GAMES
def test_standalone_and_leave_one_out_answers_are_plain_differences(game: Game) -> None:
    everyone, nobody = np.ones((1, game.players), bool), np.zeros((1, game.players), bool)
    alone, left = [], []
    for i in range(game.players):
        only, without = nobody.copy(), everyone.copy()
        only[0, i], without[0, i] = True, False
        alone.append(game.score(only)[0] - game.score(nobody)[0])
        left.append(game.score(everyone)[0] - game.score(without)[0])
    for question, expected in (("standalone", alone), ("leave-one-out", left)):
        found = questions.answer(question, game.score, game.players, RNG(0), 1)
        np.testing.assert_allclose(found, expected, atol=1e-12)


@ALL_GAMES
def test_the_shapley_answer_of_a_small_game_is_exact(game: Game) -> None:
    np.testing.assert_allclose(
        questions.answer("shapley", game.score, game.players, RNG(0), 1), game.shapley_C, atol=1e-12
    )


def test_the_shapley_answer_of_a_large_game_is_sampled_and_close() -> None:
    game = glove(5, 7)
    asked: list[int] = []

    def score(rows_KC: Bools) -> Floats:
        asked.append(len(rows_KC))
        return game.score(rows_KC)

    found = questions.answer("shapley", score, 12, RNG(0), 200)
    assert asked == [200 * 24]
    spread_C = antithetic.adjusted(antithetic.walk(game.score, 12, 200, RNG(1))).std(axis=0, ddof=1)
    assert (np.abs(found - game.shapley_C) < 4.5 * spread_C / np.sqrt(200)).all()


# --- truth ------------------------------------------------------------------------------------------


class GameEngine:
    """Answers jobs with a game's worth plus a shift that the seed decides, as an engine would."""

    def __init__(self, score: Scorer, noise: float = 0.0) -> None:
        self.score, self.noise = score, noise
        self.asked: list[Job] = []

    def outcomes(self, jobs, advance=lambda done: None):
        self.asked = list(jobs)
        rows = np.array([[mark == "1" for mark in job.coalition] for job in jobs])
        worths = self.score(rows)
        found = []
        for job, row, worth in zip(jobs, rows, worths, strict=True):
            shift_C = self.noise * RNG(job.seed).standard_normal(rows.shape[1])
            share = Cost(seconds=1.0, retrainings=1)
            found.append(Outcome(float(worth + row @ shift_C), row.mean(), share))
        return found


def truth_of(question: str, engine: object, players: int, seeds: int = 3) -> Truth:
    found = plan(question, players, 0, ("games", 0), seeds)
    return truth_by(found, engine, RNG(0))


@pytest.mark.parametrize("question", ["standalone", "leave-one-out"])
def test_truth_is_the_difference_of_retrained_utilities(question: str, tmp_path: Path) -> None:
    engine = engine_of(tmp_path, tiny_pool(3))
    found = truth_of(question, engine, 3, seeds=2)
    seeds = list(dict.fromkeys(job.seed for job in plan(question, 3, 0, ("games", 0), 2).jobs))
    again = engine_of(tmp_path, tiny_pool(3))

    def utility(members: str, seed: int) -> float:
        return again.outcomes([Job(members, seed)])[0].utility

    if question == "standalone":
        expected = [[utility(k, s) - utility("000", s) for k in ("100", "010", "001")] for s in seeds]
    else:
        expected = [[utility("111", s) - utility(k, s) for k in ("011", "101", "110")] for s in seeds]
    assert len(set(seeds)) == 2
    assert np.abs(expected).min() > 1e-3
    np.testing.assert_allclose(found.values_SC, expected, atol=1e-5)


def test_truth_of_a_small_pool_is_exact_for_every_seed() -> None:
    game = GAMES["weighted voting"]()
    engine = GameEngine(game.score, noise=0.5)
    found = truth_of("shapley", engine, game.players, seeds=3)
    assert len(engine.asked) == 3 * 2**game.players
    seeds = list(dict.fromkeys(job.seed for job in engine.asked))
    shifts_SC = [0.5 * RNG(seed).standard_normal(game.players) for seed in seeds]
    np.testing.assert_allclose(found.values_SC, game.shapley_C + np.array(shifts_SC), atol=1e-12)
    np.testing.assert_allclose(found.values_C, found.values_SC.mean(axis=0))


def test_truth_of_ten_is_exact_and_of_eleven_is_sampled() -> None:
    def size(rows_KC: Bools) -> Floats:
        return rows_KC.sum(axis=1).astype(float)

    ten, eleven = GameEngine(size), GameEngine(size)
    assert truth_of("shapley", ten, 10, seeds=1).values_SC.shape == (1, 10)
    assert len(ten.asked) == 2**10
    assert truth_of("shapley", eleven, 11, seeds=4).values_SC.shape == (4, 11)
    assert len(eleven.asked) == 4 * 2 * 11
    assert len({job.seed for job in eleven.asked}) == 4  # each repeat on a seed of its own


def test_sampled_truth_comes_to_the_closed_form() -> None:
    game = glove(5, 7)
    found = truth_of("shapley", GameEngine(game.score), 12, seeds=16)
    error_C = found.values_SC.std(axis=0, ddof=1) / np.sqrt(16)
    assert (np.abs(found.values_C - game.shapley_C) < 4.5 * error_C + 1e-9).all()
    assert error_C.max() < 0.06


def test_sampled_truth_comes_close_to_an_additive_game_from_four_repeats() -> None:
    game = additive(RNG(1).standard_normal(11).tolist())
    engine = GameEngine(game.score)
    np.testing.assert_allclose(truth_of("shapley", engine, 11, seeds=4).values_C, game.shapley_C, atol=0.01)


def test_a_noiseless_truth_has_a_ceiling_of_one_and_a_noisy_one_less() -> None:
    game = glove(5, 7)
    spread = additive(np.linspace(-1, 1, 12).tolist())
    assert truth_of("standalone", GameEngine(spread.score), 12, seeds=4).reliability == pytest.approx(1)
    assert truth_of("standalone", GameEngine(spread.score, noise=1.0), 12, seeds=4).reliability < 0.98
    assert np.isnan(truth_of("standalone", GameEngine(game.score), 12, seeds=4).reliability)  # all alike: no order
    assert np.isnan(truth_of("standalone", GameEngine(spread.score), 12, seeds=1).reliability)  # nothing to split


def test_truth_s_bill_counts_each_retraining_once_and_its_accuracy_is_everyone_s() -> None:
    engine = GameEngine(GAMES["additive"]().score)
    found = truth_of("leave-one-out", engine, 8, seeds=2)
    assert (found.cost.retrainings, found.cost.seconds) == (2 * 9, 2 * 9.0)
    assert found.accuracy == 1.0
    assert np.isnan(truth_of("standalone", engine, 8).accuracy)  # trains no one on everybody


def test_a_truth_of_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="at least 1 seed"):
        plan("shapley", 4, 0, ("games", 0), 0)


def test_truth_seeds_differ_between_pools_and_are_shared_between_coalitions() -> None:
    here = plan("leave-one-out", 4, 0, ("games", 0), 3).jobs
    there = plan("leave-one-out", 4, 0, ("games", 1), 3).jobs
    assert not {job.seed for job in here} & {job.seed for job in there}
    by_seed = {seed: {job.coalition for job in here if job.seed == seed} for seed in {job.seed for job in here}}
    assert len(by_seed) == 3
    assert all(rows == {"1111", "0111", "1011", "1101", "1110"} for rows in by_seed.values())


def test_powerset_holds_every_coalition_once() -> None:
    rows = powerset(6)
    assert len({to_text(row) for row in rows}) == len(rows) == 64
