"""Coverage and width of the 95 % intervals, and errors of rank ranges, in worlds where the answer is known.

A suite has twelve cells (tasks x questions) of ten methods or more. A pool has 24 contributors with worths; the truth
is worth and noise, a method's values correlate with the worths and, among methods, with each other. What must be
covered is a method's mean score over endless pools. In the worlds of equals all methods have one such mean, and no pair
may be told apart. Worlds: pools alike, pools that differ (each moves all correlations of a method), values in five
levels (ties), worths with a heavy tail, and seventy methods in cells of unequal overdispersion: as published pools show
it, the jackknife's variance is off by a factor of each cell's own, known here, from 1 / 0.85 to 1 / 1.8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import Pool

import numpy as np
from threadpoolctl import threadpool_limits

from harness.retraining.stacking import cores
from harness.statistics.intervals import estimate
from harness.statistics.jackknife import PoolScores, pool_scores
from harness.statistics.overdispersion import Ratios, by_cell
from harness.statistics.ranks import compared
from harness.types import Floats
from tests.benchmarks.bench import start, table, verdict

CONTRIBUTORS, CELLS = 24, 12
STRENGTHS = np.array([0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9])
"""Correlation of each method's values with the worths."""

EQUAL = 0.5
NOISE = 0.4
"""Standard deviation of the truth around the worths, which have 1."""


@dataclass(frozen=True, slots=True)
class World:
    """How pools and values are made.

    Args:
        spread: standard deviation between pools of a method's correlation.
        levels: that values are cut to, None for none.
        skewed: worths are log-normal.
        unequal: the least and the greatest factor by which a cell's variance exceeds the jackknife's, beside what else
            makes it do so.
        methods: of each cell.
    """

    spread: float = 0.0
    levels: int | None = None
    skewed: bool = False
    unequal: tuple[float, float] = (1.0, 1.0)
    methods: int = 10


WORLDS: Mapping[str, World] = {
    "alike": World(),
    "differ": World(spread=0.15),
    "ties": World(spread=0.1, levels=5),
    "skewed": World(spread=0.1, skewed=True),
    "cells differ": World(unequal=(0.85, 1.8), methods=70),
}


def deal(world: World, strengths_M: Floats, rng: np.random.Generator) -> PoolScores:
    """One pool's scores."""
    plain_C = rng.standard_normal(CONTRIBUTORS)
    shared_C = rng.standard_normal(CONTRIBUTORS)  # what methods have in common beside the worths
    own_MC = np.sqrt(0.5) * (shared_C + rng.standard_normal((len(strengths_M), CONTRIBUTORS)))
    rho_M1 = np.clip(strengths_M + world.spread * rng.standard_normal(len(strengths_M)), -0.98, 0.98)[:, None]
    values_MC = rho_M1 * plain_C + np.sqrt(1 - rho_M1**2) * own_MC
    if world.levels:
        values_MC = np.floor(values_MC * world.levels / 4)
    worth_C = np.exp(1.5 * plain_C) / 4 if world.skewed else plain_C
    truth_C = worth_C + NOISE * rng.standard_normal(CONTRIBUTORS)
    return pool_scores(list(values_MC), [truth_C] * len(strengths_M))


def mean_scores(world: World, strengths_M: Floats, pools: int) -> Floats:
    """The known means: scores over very many pools."""
    rng = np.random.default_rng(1)
    return np.asarray(np.mean([deal(world, strengths_M, rng).scores_M for _ in range(pools)], axis=0))


def off(pools: Sequence[PoolScores], factor: float) -> list[PoolScores]:
    """The same, with jackknife variances too small by a factor."""
    return [replace(pool, deviations_MC=pool.deviations_MC / np.sqrt(factor)) for pool in pools]


def one(trial: int, world: World, count: int, target_M: Floats) -> tuple[Floats, Floats, Floats]:
    """One suite, by cell: shares of intervals that cover, their mean widths, and whether equals are told apart, K."""
    rng, factors = np.random.default_rng((trial, count)), np.geomspace(*world.unequal, CELLS)
    strengths_M = np.resize(STRENGTHS, world.methods)
    cells = [off([deal(world, strengths_M, rng) for _ in range(count)], factor) for factor in factors]
    priors = by_cell([Ratios.of_scores(pools) for pools in cells])
    found = [estimate([pools], prior) for pools, prior in zip(cells, priors, strict=True)]
    bounds = np.array([[cell.interval(m) for m in range(world.methods)] for cell in found])
    covered = (bounds[..., 0] <= target_M) & (target_M <= bounds[..., 1])
    equals_M = np.full(world.methods, EQUAL)
    equals = [off([deal(world, equals_M, rng) for _ in range(count)], factor) for factor in factors]
    priors = by_cell([Ratios.of_differences(pools) for pools in equals])
    wrong = [
        bool(compared([pools], prior, rng, draws=4_000).apart_MM.any())
        for pools, prior in zip(equals, priors, strict=True)
    ]
    return covered.mean(axis=1), (bounds[..., 1] - bounds[..., 0]).mean(axis=1), np.array(wrong, dtype=np.float64)


def main() -> None:
    options = start(__doc__ or "")
    trials = 10 if options.quick else 40
    rows: list[list[object]] = []
    covers: list[float] = []
    errors: list[float] = []
    with Pool(cores(), initializer=threadpool_limits, initargs=(1,)) as workers:
        for name, world in WORLDS.items():
            target_M = np.resize(mean_scores(world, STRENGTHS, 500 if options.quick else 20_000), world.methods)
            for pools in (2, 4, 8, 16, 32):
                work = partial(one, world=world, count=pools, target_M=target_M)
                covered_K, width_K, wrong_K = np.mean(workers.map(work, range(trials), chunksize=5), axis=0)
                ends = f"{covered_K.min():.1%} to {covered_K.max():.1%}"
                rows.append(
                    [name, pools, f"{covered_K.mean():.1%}", ends, f"{width_K.mean():.2f}", f"{wrong_K.mean():.1%}"]
                )
                covers.append(covered_K.mean())
                errors += [wrong_K.mean()] if pools > 2 else []
    table(
        f"{trials} simulated suites a row, {CELLS} cells each, 95 % nominal",
        ["world", "pools", "covered", "by cell", "mean width", "cells of equals with a pair told apart"],
        rows,
    )
    print()
    verdict("least coverage", 100 * min(covers), 93, " %")
    verdict("most coverage", 100 * max(covers), 97, " %", at_least=False)
    verdict("most errors of rank ranges from 3 pools on", 100 * max(errors), 7, " %", at_least=False)


if __name__ == "__main__":
    main()
