"""The least core against its own program, pyDVL's solver and games whose core is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from harness.coalitions import powerset
from harness.types import Bools, Floats
from methods.least_core import LeastCore, division, least_norm
from tests.game_problems import problem_about
from tests.games import GAMES, Game, additive, glove, weighted_voting

ALL_GAMES = pytest.mark.parametrize("game", [make() for make in GAMES.values()], ids=list(GAMES))


def gains(game: Game) -> tuple[Bools, Floats, float]:
    """All coalitions but nobody and everyone, what each gains over nobody, and what everyone does."""
    rows_KC = powerset(game.players)
    found_K = game.score(rows_KC) - game.score(rows_KC[:1])
    return rows_KC[1:-1], found_K[1:-1], float(found_K[-1])


def subsidy(rows_KC: Bools, gains_K: Floats, whole: float) -> float:
    """The least subsidy of any division, by the program as the paper writes it, with a subsidy of at least 0."""
    contributors = rows_KC.shape[1]
    found = linprog(
        [*[0.0] * contributors, 1.0],
        A_ub=-np.column_stack([rows_KC, np.ones(len(rows_KC))]),
        b_ub=-gains_K,
        A_eq=[[1.0] * contributors + [0.0]],
        b_eq=[whole],
        bounds=[(None, None)] * contributors + [(0, None)],
        method="highs-ipm",
    )
    return float(found.fun)


@ALL_GAMES
def test_the_division_asks_for_the_least_subsidy_and_hands_out_the_whole(game: Game) -> None:
    rows_KC, gains_K, whole = gains(game)
    values_C = division(rows_KC, gains_K, whole)
    assert values_C.sum() == pytest.approx(whole)
    scale = max(1.0, float(np.abs(gains_K).max()))
    assert (gains_K - rows_KC @ values_C).max() <= subsidy(rows_KC, gains_K, whole) + 1e-6 * scale


def test_an_additive_game_s_core_is_its_worths() -> None:
    game = additive([3.0, -1.0, 0.5, 2.0])
    np.testing.assert_allclose(division(*gains(game)), game.shapley_C, atol=1e-7)


def test_the_scarce_glove_takes_all() -> None:
    """With one left glove and two right ones the core is one point (Shapley & Shubik 1969)."""
    np.testing.assert_allclose(division(*gains(glove(1, 2))), [1, 0, 0], atol=1e-7)


def test_without_a_veto_the_core_of_voting_is_empty_and_all_are_alike() -> None:
    """Three equal votes of which two decide: a third each, and a subsidy of a third."""
    game = weighted_voting([1, 1, 1], quota=2)
    rows_KC, gains_K, whole = gains(game)
    np.testing.assert_allclose(division(rows_KC, gains_K, whole), [1 / 3] * 3, atol=1e-7)
    assert subsidy(rows_KC, gains_K, whole) == pytest.approx(1 / 3)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 6), st.integers(2, 14), st.integers(0, 10_000))
def test_of_all_solutions_it_is_the_one_of_least_norm(contributors: int, rows: int, seed: int) -> None:
    """As pyDVL's solvers (cvxpy) have it, whose quadratic program is given the subsidy with their own precision."""
    import cvxpy as cp

    rng = np.random.default_rng(seed)
    rows_KC, gains_K = rng.random((rows, contributors)) < 0.5, rng.standard_normal(rows).round(2)
    whole = round(float(rng.standard_normal()), 2) + 1.0
    possible = subsidy(rows_KC, gains_K, whole)
    x = cp.Variable(contributors)
    asks = [cp.sum(x) == whole, rows_KC.astype(float) @ x + possible + 1e-9 >= gains_K]
    cp.Problem(cp.Minimize(cp.sum_squares(x)), asks).solve(solver=cp.CLARABEL)
    np.testing.assert_allclose(division(rows_KC, gains_K, whole), x.value, atol=1e-3)


def test_least_norm_by_hand() -> None:
    """x + y = 2 and x >= 1.5: (1.5, 0.5); without what binds, the even split."""
    equal, equals = np.ones((1, 2)), np.array([2.0])
    np.testing.assert_allclose(
        least_norm(equal, equals, np.array([[1.0, 0.0]]), np.array([1.5])), [1.5, 0.5], atol=1e-7
    )
    np.testing.assert_allclose(
        least_norm(equal, equals, np.array([[1.0, 0.0]]), np.array([0.5])), [1.0, 1.0], atol=1e-7
    )


def test_who_gains_nothing_is_given_nothing() -> None:
    np.testing.assert_array_equal(division(np.ones((3, 4), dtype=bool), np.zeros(3), 0.0), np.zeros(4))


def test_all_coalitions_of_a_sample_come_to_the_least_core(tmp_path: Path) -> None:
    """400 a repeat of 32: all are there."""
    game = glove(2, 3)
    found_SC = LeastCore(retrainings=800).contributor_values(problem_about(tmp_path, game, level=5.0))
    np.testing.assert_allclose(found_SC, [division(*gains(game))], atol=1e-6)


def test_what_no_single_seed_s_coalitions_tell_all_of_them_do(tmp_path: Path) -> None:
    """Twelve coalitions a seed leave many a core; those of forty seeds have the least core's subsidy."""
    game = glove(2, 3)
    rows_KC, gains_K, whole = gains(game)
    problem, least = problem_about(tmp_path, game, level=5.0), subsidy(rows_KC, gains_K, whole)

    def asked(seeds: int) -> float:
        values_C = LeastCore(retrainings=12 * seeds, seeds=seeds).contributor_values(problem)[0]
        return float((gains_K - rows_KC @ values_C).max())

    assert asked(40) == pytest.approx(least, abs=1e-6)
    assert asked(1) > least + 0.05
