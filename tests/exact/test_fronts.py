"""The Pareto front against its definition, and the draws of scores against the intervals that are shown."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.statistics.fronts import on_front, score_draws
from harness.statistics.intervals import estimate
from harness.statistics.jackknife import PoolScores, pool_scores
from harness.statistics.overdispersion import AS_SAMPLED, Moderation
from harness.types import Floats

RNG = np.random.default_rng
FEW = st.sampled_from([0.0, 1.0, 2.0, 3.0])
"""So that costs and scores are often tied."""


def by_definition(cost_M: Floats, score_M: Floats) -> list[bool]:
    """No other costs no more and scores no less, one of both strictly."""
    every = list(zip(cost_M, score_M, strict=True))
    return [not any(c <= cost and s >= score and (c < cost or s > score) for c, s in every) for cost, score in every]


@given(st.lists(st.tuples(FEW, FEW), min_size=1, max_size=9))
def test_the_front_is_what_nothing_beats_in_cost_and_score(methods: list[tuple[float, float]]) -> None:
    cost_M, score_M = np.array(methods).T
    assert on_front(cost_M, score_M[None])[0].tolist() == by_definition(cost_M, score_M)


def test_each_draw_has_a_front_of_its_own() -> None:
    rng = RNG(0)
    cost_M, scores_DM = rng.integers(0, 4, 12).astype(float), rng.standard_normal((50, 12))
    expected = [by_definition(cost_M, score_M) for score_M in scores_DM]
    assert on_front(cost_M, scores_DM).tolist() == expected


def pools_of(count: int = 6, methods: int = 3, contributors: int = 24) -> list[PoolScores]:
    """Methods that see the truth through noise of which the first two share most."""
    rng, found = RNG(1), []
    for _ in range(count):
        truth_C, shared_C = rng.standard_normal((2, contributors))
        values = [truth_C + shared_C + 0.2 * rng.standard_normal(contributors) for _ in range(2)]
        values += [truth_C + rng.standard_normal(contributors) for _ in range(methods - 2)]
        found.append(pool_scores(values, [truth_C] * methods))
    return found


@pytest.mark.parametrize("prior", [AS_SAMPLED, Moderation(8.0, 2.0)])
def test_draws_spread_as_the_intervals_say(prior: Moderation) -> None:
    tasks = [pools_of(), pools_of(5)]
    found, drawn_DM = estimate(tasks, prior), score_draws(tasks, prior, RNG(0), draws=40_000)
    # The degrees of freedom of all draws are the fewest of any column, so intervals may be a little narrower.
    for m in range(3):
        low, high = np.quantile(drawn_DM[:, m], [0.025, 0.975])
        assert (low, high) == pytest.approx(found.interval(m), abs=0.012)
    assert np.median(drawn_DM, axis=0) == pytest.approx(found.mean_M, abs=0.005)


def test_what_methods_share_moves_them_together() -> None:
    pools = pools_of(12)
    correlation_MM = np.corrcoef(score_draws([pools], AS_SAMPLED, RNG(0), draws=20_000), rowvar=False)
    covariance_MM = np.mean([pool.covariance_MM for pool in pools], axis=0)
    spread_M = np.sqrt(np.diag(covariance_MM))
    assert correlation_MM == pytest.approx(covariance_MM / np.outer(spread_M, spread_M), abs=0.03)
    assert correlation_MM[0, 1] > 0.8 > correlation_MM[0, 2]


def test_a_score_that_is_known_exactly_is_never_drawn_otherwise() -> None:
    tasks = [[pool.with_exact(2, 0.0) for pool in pools_of()]]
    assert (score_draws(tasks, AS_SAMPLED, RNG(0))[:, 2] == 0).all()


def test_a_score_whose_error_nothing_tells_has_no_draws_and_touches_nobody_else_s() -> None:
    truth_C = RNG(0).standard_normal(24)
    pools = [pool_scores([truth_C, RNG(p).standard_normal(24)], [truth_C] * 2) for p in range(4)]
    draws_DM = score_draws([pools], AS_SAMPLED, RNG(0))
    assert np.isnan(draws_DM[:, 0]).all()
    assert np.isfinite(draws_DM[:, 1]).all()


def test_columns_that_are_one_but_for_rounding_are_drawn_as_one() -> None:
    def rounded(pool: PoolScores) -> PoolScores:
        """The third again, as another order of sums would leave it."""
        order = [0, 1, 2, 2]
        off = np.array([[1.0], [1.0], [1.0], [1 + 1e-15]])
        return PoolScores(pool.scores_M[order] * off[:, 0], pool.deviations_MC[order] * off, pool.exact_M[order])

    draws_DM = score_draws([[rounded(pool) for pool in pools_of()]], AS_SAMPLED, RNG(0))
    assert (draws_DM[:, 3] == draws_DM[:, 2]).all()
    assert (draws_DM[:, 1] != draws_DM[:, 0]).all()
    shares_M = on_front(np.array([9.0, 9.0, 1.0, 1.0]), draws_DM).mean(axis=0)
    assert shares_M.tolist() == [shares_M[0], shares_M[1], 1.0, 1.0]


def test_the_same_stream_draws_the_same_and_another_does_not() -> None:
    one, again, other = (score_draws([pools_of()], AS_SAMPLED, RNG(seed)) for seed in (3, 3, 4))
    assert (one == again).all()
    assert (one != other).any()
