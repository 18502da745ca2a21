"""Jackknife, overdispersion, intervals, rank ranges and ceilings against scipy, brute force and known answers."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg, optimize, special, stats

from harness.statistics.ceilings import Products, agreement, ceiling, products
from harness.statistics.gains import gain
from harness.statistics.interaction import interaction
from harness.statistics.intervals import Estimate, estimate
from harness.statistics.jackknife import PoolScores, from_deletions, mean_of, pairs, pool_scores, unknown
from harness.statistics.overdispersion import (
    AS_SAMPLED,
    CAUTION,
    Moderation,
    Ratios,
    _inverse_trigamma,
    by_cell,
    dispersion,
    moderate,
)
from harness.statistics.ranks import compared, largest_t, rank_ranges, resolution
from harness.types import Floats

properties = settings(max_examples=50, deadline=None, derandomize=True)


def simulated(pools: int, strengths: list[float], rng: np.random.Generator, contributors: int = 24) -> list[PoolScores]:
    """Pools of methods whose values correlate with the truth by their strengths."""
    found = []
    for _ in range(pools):
        truth_C = rng.standard_normal(contributors)
        values = [rho * truth_C + math.sqrt(1 - rho**2) * rng.standard_normal(contributors) for rho in strengths]
        found.append(pool_scores(values, [truth_C] * len(strengths)))
    return found


# --- jackknife ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("tied", [False, True])
def test_deletions_are_spearman_of_what_is_left(tied: bool) -> None:
    rng = np.random.default_rng(0)
    truth_MC, values_MC = rng.standard_normal((2, 3, 12))
    if tied:
        values_MC = np.round(values_MC)
    found = pool_scores(list(values_MC), list(truth_MC))
    for m in range(3):
        assert found.scores_M[m] == pytest.approx(stats.spearmanr(values_MC[m], truth_MC[m])[0])
        left = [stats.spearmanr(np.delete(values_MC[m], c), np.delete(truth_MC[m], c))[0] for c in range(12)]
        np.testing.assert_allclose(found.deviations_MC[m], np.array(left) - np.mean(left), atol=1e-12)
        assert found.variance_M[m] == pytest.approx(11 * np.var(left))
    assert np.diag(found.covariance_MM) == pytest.approx(found.variance_M)


def test_the_jackknife_s_variance_is_that_of_new_contributors() -> None:
    rng = np.random.default_rng(1)
    pools = simulated(600, [0.2, 0.6], rng)
    seen = np.cov([pool.scores_M for pool in pools], rowvar=False)
    np.testing.assert_allclose(np.mean([pool.covariance_MM for pool in pools], axis=0), seen, rtol=0.25, atol=2e-3)


def test_a_column_that_one_contributor_alone_orders_is_not_taken_for_certain() -> None:
    values_C, truth_C = np.zeros(8), np.arange(8.0)
    values_C[7] = 1
    found = pool_scores([values_C], [truth_C])
    assert found.scores_M[0] == pytest.approx(stats.spearmanr(values_C, truth_C)[0])
    assert found.variance_M[0] > 0.05  # without that contributor the score is 0


@pytest.mark.parametrize("contributors", [2, 3, 4, 24])
def test_where_no_contributor_moves_a_score_there_is_no_interval_and_no_test(contributors: int) -> None:
    """With two contributors it is always so; else where the orders agree whole, or are each other's reverse."""
    truth_C = np.arange(float(contributors))
    pool = pool_scores([truth_C**3, -truth_C], [truth_C] * 2)
    found = estimate([[pool] * 3], AS_SAMPLED)
    np.testing.assert_allclose(found.mean_M, [1, -1])
    assert unknown([pool]).all()
    for m in (0, 1):
        assert all(map(math.isnan, found.interval(m)))
        assert not found.above_zero(m) < 0.05


def test_scores_of_four_contributors_that_no_deletion_moves_are_not_certain() -> None:
    """Over all pairs of orders: an interval has a width or there is none, whatever the score."""
    orders = [np.array(order, dtype=float) for order in itertools.permutations(range(4))]
    pools = [pool_scores([order], [orders[0]]) for order in orders]
    still = [pool for pool in pools if unknown([pool])[0]]
    assert {round(float(pool.scores_M[0]), 3) for pool in still} > {
        1.0,
        -1.0,
    }  # also of others: all four agree by chance
    for pool in pools:
        low, high = estimate([[pool]], AS_SAMPLED).interval(0)
        assert math.isnan(low) if unknown([pool])[0] else low < high


def test_one_task_whose_error_is_not_known_leaves_the_mean_over_tasks_without_one() -> None:
    rng = np.random.default_rng(5)
    moved, still = simulated(3, [0.5], rng), [pool_scores([np.arange(6.0)], [np.arange(6.0)])] * 3
    assert estimate([moved], AS_SAMPLED).error_M > 0
    assert np.isnan(estimate([moved, still], AS_SAMPLED).error_M)


def test_a_column_or_a_difference_without_an_error_is_never_told_apart() -> None:
    rng = np.random.default_rng(6)
    truth_C = np.arange(8.0)
    pools = [pool_scores([truth_C, rng.permutation(8), rng.permutation(8)], [truth_C] * 3) for _ in range(6)]
    found = compared([pools], AS_SAMPLED, np.random.default_rng(0))
    assert np.isinf(found.margin_MM[0, 1:]).all()
    assert not found.apart_MM[0].any()
    assert np.isfinite(found.margin_MM[1, 2])
    shifted = [replace(p, scores_M=p.scores_M[[1, 1, 2]] + [0, 0.2, 0]) for p in pools]
    shifted = [replace(p, deviations_MC=p.deviations_MC[[1, 1, 2]]) for p in shifted]
    found = compared([shifted], AS_SAMPLED, np.random.default_rng(0))  # 0.2 more in every pool, moved by nobody
    assert not found.apart_MM[0, 1]
    against_known = [pool.with_exact(1, 0.0) for pool in pools]
    assert compared([against_known], AS_SAMPLED, np.random.default_rng(0)).margin_MM[1, 2] < 1


def test_differences_and_means_are_linear() -> None:
    (pool,) = simulated(1, [0.1, 0.5, 0.9], np.random.default_rng(2))
    first, second = pairs(3)
    assert list(zip(first, second, strict=True)) == [(0, 1), (0, 2), (1, 2)]
    weights = np.zeros((3, 3))
    weights[np.arange(3), first], weights[np.arange(3), second] = 1, -1
    found = pool.differences
    np.testing.assert_allclose(found.scores_M, weights @ pool.scores_M)
    np.testing.assert_allclose(found.variance_M, np.diag(weights @ pool.covariance_MM @ weights.T))
    mean, weight_M = mean_of([pool.take([0, 1]), pool.take([2, 0])]), np.array([[0.5, 0, 0.5], [0.5, 0.5, 0]])
    np.testing.assert_allclose(mean.scores_M, weight_M @ pool.scores_M)
    np.testing.assert_allclose(mean.covariance_MM, weight_M @ pool.covariance_MM @ weight_M.T)


# --- overdispersion -----------------------------------------------------------------------------------


@pytest.mark.parametrize("y", [1e-4, 0.01, 0.5, 3.0, 100.0])
def test_inverse_trigamma_is_a_root_of_trigamma(y: float) -> None:
    root = optimize.brentq(lambda x: special.polygamma(1, x) - y, 1e-3, 1e6)
    assert _inverse_trigamma(y) == pytest.approx(root, rel=1e-6)


@pytest.mark.parametrize(("d0", "phi0", "count"), [(6.0, 2.0, 4), (20.0, 0.7, 9)])
def test_the_prior_is_found_again(d0: float, phi0: float, count: int) -> None:
    """Cells whose overdispersion is drawn from a known prior, their pools' scores normal."""
    rng = np.random.default_rng(3)
    groups = []
    for phi in d0 * phi0 / rng.chisquare(d0, size=1500):
        deviations_MC = np.array([[1.0, -1.0, 0.0, 0.0]])  # a sampling variance of 1.5
        drawn = math.sqrt(1.5 * phi) * rng.standard_normal(count)
        groups.append([PoolScores(np.array([score]), deviations_MC, np.zeros(1, dtype=bool)) for score in drawn])
    found = moderate(groups)
    assert found.d0 == pytest.approx(d0, rel=0.35)
    assert found.phi0 == pytest.approx(phi0, rel=0.1)


def test_pools_that_spread_as_sampled_have_an_overdispersion_of_one() -> None:
    rng = np.random.default_rng(4)
    found = moderate([simulated(6, [0.3, 0.6], rng) for _ in range(60)])
    assert found.phi0 == pytest.approx(1, abs=0.15)
    assert found.d0 > 10


def test_moderation_weighs_the_prior_by_its_degrees_of_freedom() -> None:
    pools = simulated(5, [0.3], np.random.default_rng(5))
    ratio = dispersion(pools)[0]
    phi, df = Moderation(8.0, 1.5).of(pools)
    assert phi[0] == pytest.approx((8 * 1.5 + 4 * ratio) / 12)
    assert df == 12


def test_too_little_to_tell_a_prior_from_is_no_overdispersion() -> None:
    (pool,) = simulated(1, [0.3], np.random.default_rng(6))
    assert moderate([]) == AS_SAMPLED
    assert moderate([[pool]]) == AS_SAMPLED
    assert np.isnan(dispersion([pool])).all()


def normal_pools(phi_M: Floats, shape_MM: Floats, count: int, rng: np.random.Generator) -> list[PoolScores]:
    """Pools of normal scores of mean 0 with that correlation and variances phi, where the jackknife has 1."""
    factor_MM = np.linalg.cholesky(shape_MM)
    contributors = 2 * len(phi_M)
    axes_MC = np.linalg.qr(rng.standard_normal((contributors, contributors)))[0][: len(phi_M)]
    deviations_MC = factor_MM @ axes_MC / math.sqrt((contributors - 1) / contributors)
    scores_PM = np.sqrt(phi_M) * (rng.standard_normal((count, len(phi_M))) @ factor_MM.T)
    return [PoolScores(scores_M, deviations_MC, np.zeros(len(phi_M), dtype=bool)) for scores_M in scores_PM]


def alike(columns: int, correlation: float) -> Floats:
    return np.asarray((1 - correlation) * np.eye(columns) + correlation)


def test_columns_count_by_the_eigenvalues_of_their_correlation() -> None:
    rng = np.random.default_rng(20)
    factor_MM = rng.standard_normal((7, 7)) + 1
    covariance_MM = factor_MM @ factor_MM.T
    scale_M = np.sqrt(np.diag(covariance_MM))
    found = Ratios.of_scores(normal_pools(np.ones(7), covariance_MM, 5, rng))
    roots_M = np.linalg.eigvalsh(covariance_MM / np.outer(scale_M, scale_M))
    assert found.columns == pytest.approx(roots_M.sum() ** 2 / (roots_M**2).sum())
    assert Ratios.of_scores(normal_pools(np.ones(7), np.eye(7), 5, rng)).columns == pytest.approx(7)
    assert Ratios.of_scores(normal_pools(np.ones(7), alike(7, 1 - 1e-9), 5, rng)).columns == pytest.approx(1)


def test_a_cell_s_level_is_known_to_as_many_degrees_of_freedom_as_it_scatters() -> None:
    """Over many cells of ten correlated columns: the relative variance of a variance of f degrees of freedom is 2/f."""
    rng = np.random.default_rng(21)
    cells = [Ratios.of_scores(normal_pools(np.full(10, 1.3), alike(10, 0.6), 6, rng)) for _ in range(3000)]
    levels = np.array([cell.level for cell in cells])
    assert levels.mean() == pytest.approx(1.3, rel=0.02)
    assert 2 * levels.mean() ** 2 / levels.var() == pytest.approx(cells[0].df, rel=0.1)


def test_ratios_of_differences_are_those_of_columns_that_are_differences() -> None:
    pools = simulated(5, [0.1, 0.3, 0.5, 0.9], np.random.default_rng(22))
    first, second = pairs(4)
    explicit = [
        from_deletions(p.scores_M[first] - p.scores_M[second], p.deviations_MC[first] - p.deviations_MC[second])
        for p in pools
    ]
    found, expected = Ratios.of_differences(pools), Ratios.of_scores(explicit)
    np.testing.assert_allclose(found.found_M, expected.found_M)
    assert found.columns == pytest.approx(expected.columns)


def test_a_single_cell_has_its_own_level_and_its_degrees_of_freedom() -> None:
    cell = Ratios.of_scores(simulated(6, [0.2, 0.4, 0.6, 0.8], np.random.default_rng(23)))
    (found,) = by_cell([cell])
    assert found.phi0 == pytest.approx(cell.level)
    assert found.known == pytest.approx(cell.df, rel=1e-4)


def test_cells_of_one_column_are_squeezed_as_limma_does() -> None:
    """squeezeVar's closed form, with the spread of logarithms at its upper bound and the mean as the middle."""
    rng, cells, pools = np.random.default_rng(24), 40, 5
    ratio_K = 1.2 * 6 / rng.chisquare(6, cells) * rng.chisquare(pools - 1, cells) / (pools - 1)
    found = by_cell([Ratios(np.array([ratio]), pools - 1, 1.0) for ratio in ratio_K])
    spread = np.log(ratio_K).var(ddof=1) * (cells - 1) / stats.chi2.ppf(1 - CAUTION, cells - 1)
    excess = spread - special.polygamma(1, (pools - 1) / 2)
    d1 = 2 * optimize.brentq(lambda x: special.polygamma(1, x) - excess, 1e-3, 1e6)
    expected = (d1 * ratio_K.mean() + (pools - 1) * ratio_K) / (d1 + pools - 1)
    np.testing.assert_allclose([cell.phi0 for cell in found], expected, rtol=1e-6)
    assert found[0].known < d1 + pools - 1  # squeezeVar's, which takes the middle for known
    assert found[0].known == pytest.approx(d1 + pools - 1, rel=0.1)


def test_the_cost_of_a_level_is_the_variance_that_it_adds() -> None:
    """Logarithms of variances drawn to a level that is itself estimated, by simulation."""
    rng, d0, own, known = np.random.default_rng(25), 30.0, 10, 25.0
    middle = rng.chisquare(known, 400_000) / known
    known_middle = (d0 + own) / rng.chisquare(d0 + own, 400_000)  # posterior around a level of 1
    shifted = np.log(known_middle) + d0 / (d0 + own) * np.log(middle)
    _, df = Moderation(d0, 1.0, known).of(simulated(own + 1, [0.3], rng))
    assert shifted.var() == pytest.approx(special.polygamma(1, df / 2), rel=0.05)


def test_intervals_cover_in_every_cell_though_their_levels_differ() -> None:
    """Twelve cells of known levels from 0.85 to 1.8, twenty correlated methods: one prior for all does not."""
    rng, levels_K = np.random.default_rng(26), np.geomspace(0.85, 1.8, 12)
    covered: list[float] = []
    common_covered: list[float] = []
    for _ in range(200):
        cells = [normal_pools(np.full(20, level), alike(20, 0.3), 8, rng) for level in levels_K]
        common = moderate(cells)
        for pools, prior in zip(cells, by_cell([Ratios.of_scores(pools) for pools in cells]), strict=True):
            for own, told in ((prior, covered), (common, common_covered)):
                found = estimate([pools], own)
                told.append((np.abs(found.mean_M) < special.stdtrit(found.df_M, 0.975) * found.error_M).mean())
    by_cell_K, common_K = (np.reshape(told, (-1, 12)).mean(axis=0) for told in (covered, common_covered))
    assert common_K.min() < 0.925
    assert common_K.max() > 0.975
    np.testing.assert_allclose(by_cell_K, 0.95, atol=0.02)


def test_a_cell_of_a_single_pool_has_the_level_of_the_others() -> None:
    rng = np.random.default_rng(27)
    several = [Ratios.of_scores(simulated(8, [0.2, 0.5, 0.7], rng)) for _ in range(6)]
    single = Ratios.of_scores(simulated(1, [0.2, 0.5, 0.7], rng))
    found = by_cell([*several, single, Ratios.of_scores([]), Ratios.of_differences([])])
    assert found[6].phi0 == pytest.approx(np.mean([cell.level for cell in several]))
    assert found[6].known < min(one.known for one in found[:6])
    assert found[6] == found[7] == found[8]
    assert by_cell([single, single]) == [AS_SAMPLED] * 2
    for few in (several[:1], several[:2]):  # too few to tell how alike cells are: wide, and still a number
        phi_M, df = by_cell([*few, single])[-1].of(simulated(1, [0.2, 0.5, 0.7], rng))
        assert np.isfinite(phi_M).all()
        assert df > 0.1


# --- intervals ----------------------------------------------------------------------------------------


@properties
@given(st.floats(-0.95, 0.95), st.floats(1e-3, 0.3), st.floats(2, 200))
def test_an_interval_is_student_s_on_fisher_s_scale(mean: float, error: float, df: float) -> None:
    found = Estimate(np.array([mean]), np.array([error]), np.array([df]))
    low, high = found.interval(0)
    middle, scale = np.arctanh(mean), error / (1 - mean**2)
    expected = np.tanh(stats.t.interval(0.95, df, loc=middle, scale=scale))
    assert (low, high) == pytest.approx(tuple(expected))
    assert found.above_zero(0) == pytest.approx(stats.t.sf(middle / scale, df))
    one_sided, _ = found.interval(0, level=0.9)
    assert (one_sided > 0) == (found.above_zero(0) < 0.05)


def test_means_over_tasks_add_their_variances() -> None:
    rng = np.random.default_rng(7)
    tasks = [simulated(pools, [0.2, 0.7], rng) for pools in (3, 5)]
    prior = Moderation(10.0, 1.2)
    one, other = (estimate([pools], prior) for pools in tasks)
    both = estimate(tasks, prior)
    np.testing.assert_allclose(both.mean_M, (one.mean_M + other.mean_M) / 2)
    np.testing.assert_allclose(both.error_M**2, (one.error_M**2 + other.error_M**2) / 4)
    a, b = one.error_M**2, other.error_M**2
    np.testing.assert_allclose(both.df_M, (a + b) ** 2 / (a**2 / one.df_M + b**2 / other.df_M))


def test_what_is_known_exactly_has_no_interval() -> None:
    pools = [pool.with_exact(0, 0.0) for pool in simulated(4, [0.3, 0.6], np.random.default_rng(8))]
    found = estimate([pools], AS_SAMPLED)
    assert found.interval(0) == (0.0, 0.0)
    assert found.interval(1)[0] < found.mean_M[1] < found.interval(1)[1]


# --- rank ranges --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("columns", "df"), [(3, 8.0), (10, 20.0)])
def test_the_largest_t_of_independent_columns_is_tukey_s_studentised_range(columns: int, df: float) -> None:
    first, second = pairs(columns)
    drawn_D = largest_t(
        np.eye(columns), first, second, np.full(len(first), math.sqrt(2)), df, np.random.default_rng(0), 60_000
    )
    assert np.quantile(drawn_D, 0.95) == pytest.approx(
        stats.studentized_range.ppf(0.95, columns, df) / math.sqrt(2), rel=0.02
    )


def test_the_largest_t_is_the_largest_of_the_pairs_that_are_asked() -> None:
    """The same draws, all pairs of them at once."""
    rng = np.random.default_rng(13)
    factor_MM, (first, second) = rng.standard_normal((5, 5)), np.array([[3, 0, 1], [4, 2, 4]])
    covariance_MM, spread_K = factor_MM @ factor_MM.T, rng.uniform(1, 2, 3)
    found_D = largest_t(covariance_MM, first, second, spread_K, 7.0, np.random.default_rng(0), 2_500)
    again = np.random.default_rng(0)
    drawn_DM = again.standard_normal((2_500, 5)) @ linalg.sqrtm(covariance_MM)
    t_DK = np.abs(drawn_DM[:, first] - drawn_DM[:, second]) / spread_K
    scale_D = np.sqrt(again.chisquare(7.0, size=2_500) / 7.0)
    np.testing.assert_allclose(found_D, t_DK.max(axis=1) / scale_D, rtol=1e-9)


def test_differences_that_only_rounding_moves_are_still() -> None:
    pool = from_deletions(
        np.array([0.5, 0.2, 0.1]), np.random.default_rng(14).standard_normal((1, 8)).repeat(3, axis=0)
    )
    pool.deviations_MC[1] += 1e-13
    pool.deviations_MC[2, 0] += 1e-9
    assert pool.differences.still_M.tolist() == [True, False, False]
    assert pool.differences.variance_M[0] == 0
    assert (pool.differences.variance_M[1:] > 0).all()


def test_far_columns_are_told_apart_and_equal_ones_are_not() -> None:
    pools = simulated(8, [0.0, 0.0, 0.9], np.random.default_rng(9))
    apart = compared([pools], AS_SAMPLED, np.random.default_rng(0)).apart_MM
    assert apart.tolist() == [[False, False, True], [False, False, True], [True, True, False]]
    twice = [from_deletions(p.scores_M[[0, 0, 2]], p.deviations_MC[[0, 0, 2]]) for p in pools]
    assert not compared([twice], AS_SAMPLED, np.random.default_rng(0)).apart_MM[0, 1]  # the same column twice


def test_a_column_that_is_there_twice_widens_nobody_s_margin() -> None:
    """The difference of equal columns is rounding: divided by its own size it would be the largest T of all."""
    rng = np.random.default_rng(12)
    for _ in range(20):
        pools = simulated(6, [0.2, 0.4, 0.6], rng)
        twice = [pool.take([0, 1, 2, 2]) for pool in pools]
        for pool in twice:
            pool.deviations_MC[3] += 1e-16 * rng.standard_normal(24)
        once_MM, twice_MM = (
            compared([seen], AS_SAMPLED, np.random.default_rng(0), draws=20_000).margin_MM for seen in (pools, twice)
        )
        np.testing.assert_allclose(twice_MM[:3, :3], once_MM, rtol=0.03)
        assert twice_MM[2, 3] == pytest.approx(0, abs=1e-8)


def test_the_margin_of_a_single_pair_is_student_s() -> None:
    pools = simulated(8, [0.2, 0.6], np.random.default_rng(11))
    found = estimate([[pool.differences for pool in pools]], AS_SAMPLED)
    margin_MM = compared([pools], AS_SAMPLED, np.random.default_rng(0), draws=200_000).margin_MM
    assert margin_MM[0, 1] == margin_MM[1, 0]
    assert margin_MM[0, 1] == pytest.approx(stats.t.ppf(0.975, found.df_M[0]) * found.error_M[0], rel=0.01)


def test_margins_of_all_pairs_have_one_chance_each_by_its_own_degrees_of_freedom() -> None:
    """Of normal columns without correlation the largest of all is Tukey's; Student's t then has its chance."""
    rng = np.random.default_rng(15)
    tasks = [normal_pools(np.full(6, phi), np.eye(6), pools, rng) for phi, pools in ((1.0, 4), (3.0, 9))]
    priors = [Moderation(5.0, 1.0, 7.0), Moderation(12.0, 3.0)]
    found = estimate([[pool.differences for pool in pools] for pools in tasks], priors)
    assert np.ptp(found.df_M) > 0.5
    margin_MM = compared(tasks, priors, np.random.default_rng(0), draws=100_000).margin_MM
    chance_K = stats.t.sf(margin_MM[pairs(6)] / found.error_M, found.df_M)
    np.testing.assert_allclose(chance_K, chance_K[0])
    tukey = stats.studentized_range.ppf(0.95, 6, np.inf) / math.sqrt(2)
    assert stats.norm.isf(chance_K[0]) == pytest.approx(tukey, rel=0.01)


def test_equal_methods_are_told_apart_in_one_family_of_twenty() -> None:
    """Whole families of six methods of one strength, correlated by their truth, in four pools: 5 % within 3 errors."""
    rng, families = np.random.default_rng(10), 300
    cells = [simulated(4, [0.5] * 6, rng) for _ in range(families)]
    priors = by_cell([Ratios.of_differences(pools) for pools in cells])
    wrong = sum(
        compared([pools], prior, rng, draws=2_000).apart_MM.any() for pools, prior in zip(cells, priors, strict=True)
    )
    assert 0.05 * families - 3 * math.sqrt(0.05 * 0.95 * families) <= wrong
    assert wrong <= 0.05 * families + 3 * math.sqrt(0.05 * 0.95 * families)


def test_rank_ranges_and_resolution_on_a_worked_example() -> None:
    """Best to worst a, b, c, d; only a and c, a and d, b and d differ."""
    mean_M = np.array([0.9, 0.8, 0.6, 0.5])
    apart = np.zeros((4, 4), dtype=bool)
    for i, j in ((0, 2), (0, 3), (1, 3)):
        apart[i, j] = apart[j, i] = True
    assert [tuple(found) for found in rank_ranges(mean_M, apart)] == [(1, 2), (1, 3), (2, 4), (3, 4)]
    assert resolution(mean_M, apart) == (0.0, 0.5)
    assert all(math.isnan(share) for share in resolution(mean_M[:1], apart[:1, :1]))


# --- components and ceilings ---------------------------------------------------------------------------


Sd = tuple[float, float, float, float]
"""Of worths, of what a seed adds on every held-out sample, of what a sample adds for every seed, of what both add."""


def seen(rng: np.random.Generator, contributors: int, seeds: int, sd: Sd) -> tuple[Floats, Floats, Floats]:
    """Noiseless values C, and what is seen on the test and on the validation split, S x C; both shift with the seed."""
    worth_C, by_seed_SC = sd[0] * rng.standard_normal(contributors), rng.standard_normal((seeds, contributors))
    both_SC = worth_C + sd[1] * by_seed_SC + 3 * rng.standard_normal((seeds, 1))
    truth_SC, validation_SC = (
        both_SC
        + times * (sd[2] * rng.standard_normal(contributors) + sd[3] * rng.standard_normal((seeds, contributors)))
        for times in (1.0, 1.6)  # a validation split has fewer rows
    )
    return worth_C, truth_SC, validation_SC


def of(truth_SC: Floats, validation_SC: Floats) -> Products:
    found = products(truth_SC, validation_SC)
    assert found is not None
    return found


@pytest.mark.parametrize("sd", [(1.0, 0.8, 0.4, 0.7), (1.0, 0.0, 0.5, 0.0), (0.5, 1.0, 0.0, 0.3), (1.0, 0.5, 1.5, 0.0)])
def test_components_are_unbiased_and_the_ceiling_is_what_the_noiseless_values_score(sd: Sd) -> None:
    rng = np.random.default_rng(11)
    found, agreements = [], []
    for _ in range(800):
        worth_C, truth_SC, validation_SC = seen(rng, 24, 4, sd)
        found.append(of(truth_SC, validation_SC).components())
        agreements.append(np.corrcoef(worth_C, truth_SC.mean(axis=0))[0, 1])
    known = sd[0] ** 2, sd[1] ** 2 / 4, (sd[1] ** 2 + sd[3] ** 2) / 4, sd[2] ** 2
    for name, value in zip(("noiseless", "shared", "seeds", "held_out"), known, strict=True):
        drawn = np.array([getattr(one, name) for one in found])
        assert drawn.mean() == pytest.approx(value, abs=4 * drawn.std() / 28 + 1e-9)
    share = known[0] / (known[0] + known[2] + known[3])
    assert np.mean(agreements) == pytest.approx(math.sqrt(share), abs=0.03)
    assert np.mean([one.generalizability for one in found]) == pytest.approx(share, abs=0.03)


def test_the_variance_and_its_parts_are_those_of_numpy() -> None:
    _, truth_SC, validation_SC = seen(np.random.default_rng(10), 12, 2, (1.0, 0.5, 0.5, 0.5))
    found = of(truth_SC, validation_SC).components()
    assert float(found.total) == pytest.approx(truth_SC.mean(axis=0).var(ddof=1))
    # of two seeds the covariance between one's truth and the other's validation, either way
    cov = np.cov(truth_SC, validation_SC)
    assert float(found.noiseless) == pytest.approx((cov[0, 3] + cov[1, 2]) / 2)


def test_samples_that_are_dealt_alike_in_strata_are_as_noisy_as_they_are_and_not_as_their_parts() -> None:
    """Worths differ from stratum to stratum; a split has of each stratum its share, so that this adds no noise."""
    rng, found = np.random.default_rng(17), []
    for _ in range(300):
        worth_C, strata_4C = rng.standard_normal(24), 5 * rng.standard_normal((4, 24))
        rows = [0.5 * rng.standard_normal((4, 50, 24)) * math.sqrt(200) for _ in range(2)]  # 50 of each stratum
        sides = [(worth_C + strata_4C[:, None] + own).mean(axis=(0, 1)) for own in rows]
        found.append(of(*(np.stack([side, side]) for side in sides)).components())
    signal = 1 + 25 / 4
    assert np.mean([one.held_out for one in found]) == pytest.approx(0.25, abs=0.06)
    assert np.mean([one.generalizability for one in found]) == pytest.approx(signal / (signal + 0.25), abs=0.01)


def test_leaving_a_contributor_out_is_exact() -> None:
    _, truth_SC, validation_SC = seen(np.random.default_rng(12), 10, 3, (1.0, 0.5, 1.0, 0.8))
    left = of(truth_SC, validation_SC).deletions()
    for c in (0, 4, 9):
        expected = of(np.delete(truth_SC, c, axis=1), np.delete(validation_SC, c, axis=1)).components()
        for name in ("total", "noiseless", "shared", "seeds", "held_out", "generalizability"):
            assert getattr(left, name)[c] == pytest.approx(float(getattr(expected, name)))


def test_an_interval_of_the_ceiling_covers_the_known_one() -> None:
    rng, covered, found = np.random.default_rng(13), 0, []
    sd = (1.0, 0.6, 0.5, 0.3)
    known = math.sqrt(1 / (1 + 0.6**2 / 3 + 0.5**2 + 0.3**2 / 3))
    truths = [[of(*seen(rng, 24, 3, sd)[1:]) for _ in range(6)] for _ in range(300)]
    prior = moderate([pool.scores() for pool in pools] for pools in truths)
    for pools in truths:
        middle, low, high = ceiling(pools, prior)
        covered += low <= known <= high
        found.append(middle)
    assert np.mean(found) == pytest.approx(known, abs=0.01)
    assert 0.92 <= covered / len(truths) <= 0.98


def test_a_single_seed_tells_no_noise_nor_do_values_of_another_shape() -> None:
    values_SC = np.random.default_rng(14).standard_normal((2, 8))
    assert products(values_SC[:1], values_SC[:1]) is None
    assert products(values_SC, values_SC[:, :7]) is None
    assert products(values_SC, np.empty(0)) is None


def test_values_without_spread_have_no_ceiling() -> None:
    flat_SC = np.ones((3, 8))
    assert math.isnan(of(flat_SC, flat_SC).components().generalizability)
    assert all(math.isnan(bound) for bound in ceiling([of(flat_SC, flat_SC)], AS_SAMPLED))


def test_agreement_on_shared_seeds_is_that_on_other_seeds() -> None:
    """Validation and test values share each seed's noise; what is told is their agreement without it."""
    rng = np.random.default_rng(15)
    found, naive, expected = [], [], []
    for _ in range(300):
        worth_C, noise_SC = rng.standard_normal(24), 1.5 * rng.standard_normal((3, 24))
        own = 0.5 * rng.standard_normal((2, 24))  # of each held-out sample
        test_SC, validation_SC = (worth_C + side + noise_SC for side in own)
        other_SC = worth_C + own[0] + 1.5 * rng.standard_normal((3, 24))
        found.append(agreement(validation_SC, test_SC))
        naive.append(stats.spearmanr(validation_SC.mean(axis=0), test_SC.mean(axis=0))[0])
        expected.append(stats.spearmanr(validation_SC.mean(axis=0), other_SC.mean(axis=0))[0])
    assert np.mean(found) == pytest.approx(np.mean(expected), abs=0.04)
    assert np.mean(naive) > np.mean(expected) + 0.2


def test_agreement_needs_two_seeds() -> None:
    assert math.isnan(agreement(np.ones((1, 5)), np.ones((1, 5))))


def test_agreement_stays_a_correlation_where_seeds_share_almost_everything() -> None:
    rng = np.random.default_rng(16)
    for _ in range(200):
        noise_SC = rng.standard_normal((2, 6))
        assert -1 <= agreement(noise_SC + 0.01 * rng.standard_normal((2, 6)), noise_SC) <= 1


# --- method x task ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("sd", [0.0, 0.15])
def test_the_spread_of_method_and_task_is_found_again_whatever_the_noise_of_pools(sd: float) -> None:
    rng, squared = np.random.default_rng(17), []
    for _ in range(300):
        own_M, by_task_T, both_TM = rng.standard_normal(8), rng.standard_normal(4), sd * rng.standard_normal((4, 8))
        means_TM = own_M + by_task_T[:, None] + both_TM
        tasks = [
            [
                from_deletions(mean_M + rng.standard_normal() + 0.2 * rng.standard_normal(8), np.zeros((8, 2)))
                for _ in range(4)
            ]
            for mean_M in means_TM
        ]
        squared.append(interaction(tasks) ** 2)
    assert np.mean(squared) == pytest.approx(sd**2, abs=0.0015)


def test_one_task_or_one_pool_tells_no_spread_over_tasks() -> None:
    pools = [from_deletions(np.array([0.1, 0.4]), np.zeros((2, 2)))] * 2
    assert math.isnan(interaction([]))
    assert math.isnan(interaction([pools]))
    assert math.isnan(interaction([pools, pools[:1]]))


# --- gains -----------------------------------------------------------------------------------------------


def test_the_error_of_a_gain_is_the_spread_of_gains_on_new_seeds_and_folds() -> None:
    rng, found = np.random.default_rng(18), []
    for _ in range(3000):
        common_F = rng.standard_normal(16)  # hard folds are hard for both
        everyone_SF = 1.0 + common_F + 0.3 * rng.standard_normal((4, 1)) + 0.5 * rng.standard_normal(16)
        nobody_SF = common_F + 0.2 * rng.standard_normal((3, 1)) + np.zeros(16)
        found.append(gain(everyone_SF, nobody_SF))
    gains, errors = np.array(found).T
    assert gains.mean() == pytest.approx(1.0, abs=0.02)
    assert np.mean(errors**2) == pytest.approx(gains.var(), rel=0.1)


def test_a_gain_without_folds_has_no_error() -> None:
    value, error = gain(np.ones((2, 1)), np.zeros((2, 1)))
    assert value == 1
    assert math.isnan(error)


def test_agreement_of_values_that_give_no_order_is_undefined() -> None:
    truth_SC = np.random.default_rng(0).standard_normal((3, 6))
    assert math.isnan(agreement(np.ones((3, 6)), truth_SC))
    barely_SC = np.ones((3, 6))
    barely_SC[0, 0] += 1e-12  # tied by the rule of levels, though their covariance is not 0
    assert math.isnan(agreement(barely_SC, truth_SC))
