"""What a suite's intervals will be, and how to spend a given time: against closed forms, grids and simulations."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from harness.statistics.jackknife import pool_scores
from harness.statistics.overdispersion import AS_SAMPLED
from harness.statistics.planning import (
    FEWEST_SEEDS,
    Split,
    Spread,
    best_split,
    ideal_seeds,
    mean_variance,
    noise_of_repeat,
    spread,
)


def test_a_width_is_the_interval_of_fishers_z() -> None:
    """By hand for a known variance: 0.4 with a standard error of 0.2 on Fisher's scale."""
    reach = stats.norm.ppf(0.975) * 0.2
    expected = math.tanh(math.atanh(0.4) + reach) - math.tanh(math.atanh(0.4) - reach)
    assert Spread(0.08, 0.24).width(pools=3, seeds=6) == pytest.approx(expected, rel=1e-5)
    few = stats.t.ppf(0.975, 2) * 0.2
    expected = math.tanh(math.atanh(0.4) + few) - math.tanh(math.atanh(0.4) - few)
    assert Spread(0.08, 0.24, df=0).width(pools=3, seeds=6) == pytest.approx(expected, rel=1e-5)


def test_ideal_seeds_are_where_a_fine_grid_has_its_least_variance_at_equal_cost() -> None:
    one, cost, fixed = Spread(0.06, 0.15), 4.0, 80.0
    grid = np.linspace(0.5, 30, 20_000)
    at_equal_cost = (one.pool + one.seed / grid) * (fixed + cost * grid)
    (ideal,) = ideal_seeds([one], [cost], fixed)
    assert ideal == pytest.approx(grid[at_equal_cost.argmin()], abs=0.002)


def test_ideal_seeds_of_several_cells_are_a_minimum_in_every_direction() -> None:
    spreads, costs, fixed = [Spread(0.07, 0.02), Spread(0.05, 0.4)], [1.0, 3.0], 50.0
    ideal_K = ideal_seeds(spreads, costs, fixed)

    def product(seeds_K: np.ndarray) -> float:
        variance = sum(one.variance(1, s) for one, s in zip(spreads, seeds_K, strict=True))
        return float(variance * (fixed + np.array(costs) @ seeds_K))

    for step in itertools.product([0.97, 1.0, 1.03], repeat=2):
        assert product(ideal_K * step) >= product(ideal_K)


@pytest.mark.parametrize("budget", [60.0, 150.0, 400.0, 1000.0])
@pytest.mark.parametrize("fixed", [0.5, 10.0, 45.0])
def test_the_best_split_is_that_of_a_whole_grid(budget: float, fixed: float) -> None:
    spreads, costs = [Spread(0.07, 0.02), Spread(0.05, 0.3)], [1.0, 3.0]
    found = best_split(spreads, costs, fixed, budget)
    grid = [
        Split(pools, (one, other))
        for one, other in itertools.product(range(FEWEST_SEEDS, 25), repeat=2)
        if (pools := int(budget // (fixed + costs[0] * one + costs[1] * other))) >= 1
    ]
    if not grid:
        assert found is None
        return
    assert found is not None
    assert found.pools * (fixed + np.dot(costs, found.seeds)) <= budget * (1 + 1e-9)
    least = min(mean_variance(spreads, split) for split in grid)
    assert mean_variance(spreads, found) <= least * 1.02


def test_more_pools_and_not_more_seeds_where_seeds_agree() -> None:
    found = best_split([Spread(0.07, 1e-9)], [1.0], 2.0, 400.0)
    assert found == Split(100, (FEWEST_SEEDS,))


def test_pools_that_do_not_differ_leave_all_to_seeds() -> None:
    assert best_split([Spread(0.0, 0.1)], [1.0], 10.0, 110.0) == Split(1, (100,))


def test_a_budget_below_one_pool_has_no_split() -> None:
    assert best_split([Spread(0.07, 0.1)], [1.0], 8.0, 9.9) is None
    assert best_split([Spread(0.07, 0.1)], [1.0], 8.0, 10.0) == Split(1, (2,))


def test_components_are_found_again_in_simulated_pools() -> None:
    """A is the sampling of contributors, about 1/(C - 3) on Fisher's scale; B what each repeat's noise adds.

    The known answer of B is the spread of scores when only the noise of S/2 repeats is drawn anew, by brute force.
    """
    rng = np.random.default_rng(7)
    contributors, seeds, noise, repeats = 24, 8, 1.0, 100
    pools, found, known = [], [], []
    for _ in range(repeats):
        worth_C = rng.standard_normal(contributors)
        method_C = worth_C + 1.5 * rng.standard_normal(contributors)
        truth_SC = worth_C + noise * rng.standard_normal((seeds, contributors))
        pools.append(pool_scores([method_C], [truth_SC.mean(axis=0)]))
        found.append(noise_of_repeat(method_C[None], truth_SC, rng))
        again = worth_C + noise / math.sqrt(seeds / 2) * rng.standard_normal((20, contributors))
        scores = [np.corrcoef(stats.rankdata(method_C), stats.rankdata(one))[0, 1] for one in again]
        known.append(np.var(scores, ddof=1) * seeds / 2)
    one = spread(pools, found, [seeds] * repeats, AS_SAMPLED)
    assert one is not None
    score = np.mean([pool.scores_M[0] for pool in pools])
    assert one.seed * (1 - score**2) ** 2 == pytest.approx(np.mean(known), rel=0.2)
    between = np.var([pool.scores_M[0] for pool in pools], ddof=1) / (1 - score**2) ** 2
    assert one.pool + one.seed / seeds == pytest.approx(between, rel=0.3)


def test_scores_of_halves_are_scipys() -> None:
    """With two repeats the halves are the repeats, whatever the split, and tied values share ranks."""
    rng = np.random.default_rng(3)
    values_MC, truth_SC = rng.integers(0, 6, (3, 14)).astype(float), rng.integers(0, 9, (2, 14)).astype(float)
    scores = np.array([[stats.spearmanr(values, truth)[0] for truth in truth_SC] for values in values_MC])
    expected = (scores[:, 0] - scores[:, 1]) ** 2 / 2
    np.testing.assert_allclose(noise_of_repeat(values_MC, truth_SC, rng), expected)


def test_truths_that_repeat_exactly_have_no_noise_and_single_ones_tell_none() -> None:
    rng = np.random.default_rng(0)
    values_MC, truth_C = rng.standard_normal((2, 12)), rng.standard_normal(12)
    np.testing.assert_allclose(noise_of_repeat(values_MC, np.tile(truth_C, (4, 1)), rng), 0, atol=1e-15)
    assert np.isnan(noise_of_repeat(values_MC, truth_C[None], rng)).all()
