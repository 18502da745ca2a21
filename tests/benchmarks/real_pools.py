"""Coverage of intervals and errors of rank ranges by task and question, on pools that were published.

What the simulated worlds of ``coverage`` cannot tell: whether real pools spread as intervals have it, in every cell.

- Coverage: an interval from n random pools must hold the mean of the P - n others, which scatters itself: it is widened
  by sqrt(1 + n / (P - n)). Beside it, what one prior for all cells would cover.
- Rank ranges: every method's scores are moved to one mean over the P pools, so that no pair differs, and suites of n of
  them are compared: without replacement, where the mean of n scatters by sqrt(1 - n / P) less, and all P with
  replacement. How many cells have a pair that is told apart?
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.special import stdtrit

from harness.cli.places import Place
from harness.errors import UserError
from harness.records.results import load
from harness.report.matters import matters
from harness.report.standings import scored
from harness.report.view import RANDOM
from harness.statistics.intervals import LEVEL, estimate
from harness.statistics.jackknife import PoolScores
from harness.statistics.overdispersion import Moderation, Ratios, by_cell, moderate
from harness.statistics.ranks import compared
from harness.types import Bools, Floats, Ints
from tests.benchmarks.bench import start, table, verdict

Cells = Mapping[tuple[str, str], Sequence[PoolScores]]
"""The pools of each task and question."""

DRAWS = 2_000


def published(name: str) -> Cells:
    """Scores of every method but random orders."""
    place = Place.published(name)
    if place is None:
        raise UserError(f"No published suite {name!r} was found; leaderboards/ holds them.")
    found: dict[tuple[str, str], Sequence[PoolScores]] = {}
    for matter in matters(place.suite, load(place.results)):
        own, _ = scored(matter)
        found[matter.task, matter.question] = own.take([method for method in own.methods if method != RANDOM]).seen
    return found


def dealt(cells: Cells, deal: Callable[[int], Ints]) -> dict[str, Ints]:
    """The same pools for all questions of a task, which share them."""
    return {task: deal(len(pools)) for (task, _), pools in cells.items()}


def missed(pools: Sequence[PoolScores], chosen: Ints, prior: Moderation) -> Bools:
    """Whether the interval from some pools misses the mean of the others, M."""
    others = np.setdiff1d(np.arange(len(pools)), chosen)
    found = estimate([[pools[p] for p in chosen]], prior)
    mean_M = np.mean([pools[p].scores_M for p in others], axis=0)
    reach_M = stdtrit(found.df_M, (1 + LEVEL) / 2) * found.error_M / (1 - found.mean_M**2)
    return np.asarray(
        np.abs(np.arctanh(found.mean_M) - np.arctanh(mean_M)) > reach_M * math.sqrt(1 + len(chosen) / len(others))
    )


def coverage(cells: Cells, count: int, trial: int) -> tuple[Floats, Floats]:
    """Share of intervals that cover in each cell, K: with a prior for each, and with one for all."""
    rng = np.random.default_rng((count, trial))
    chosen = dealt(cells, lambda pools: rng.permutation(pools)[:count])
    own = [[pools[p] for p in chosen[task]] for (task, _), pools in cells.items()]
    common, each = moderate(own), by_cell([Ratios.of_scores(pools) for pools in own])
    found = [
        [1 - missed(pools, chosen[task], prior).mean() for prior in (of_cell, common)]
        for ((task, _), pools), of_cell in zip(cells.items(), each, strict=True)
    ]
    by_cell_K, common_K = np.array(found).T
    return by_cell_K, common_K


def alike(cells: Cells) -> Cells:
    """All methods moved to one mean."""
    found = {}
    for place, pools in cells.items():
        mean_M = np.mean([pool.scores_M for pool in pools], axis=0)
        found[place] = [replace(pool, scores_M=pool.scores_M - mean_M) for pool in pools]
    return found


def apart(cells: Cells, count: int, trial: int) -> Bools:
    """Whether any pair of methods, all of one mean, is told apart, K."""
    rng = np.random.default_rng((count, trial))
    again = count >= min(map(len, cells.values()))
    chosen = dealt(cells, lambda pools: rng.integers(pools, size=count) if again else rng.permutation(pools)[:count])
    own = [[pools[p] for p in chosen[task]] for (task, _), pools in cells.items()]
    priors = by_cell([Ratios.of_differences(pools) for pools in own])
    found = []
    for pools, prior, every in zip(own, priors, cells.values(), strict=True):
        margin_MM = compared([pools], prior, rng, draws=DRAWS).margin_MM
        mean_M = np.mean([pool.scores_M for pool in pools], axis=0) / math.sqrt(1 if again else 1 - count / len(every))
        found.append(bool((np.abs(mean_M[:, None] - mean_M) > margin_MM).any()))
    return np.array(found)


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--suite", default="embedded", help="a published one (default: embedded)")


def main() -> None:
    options = start(__doc__ or "", more=_options)
    trials = 5 if options.quick else 150
    cells = published(options.suite)
    pools = min(map(len, cells.values()))
    parts = [count for count in (4, 8, 12) if count < pools]
    covers = [np.mean([coverage(cells, count, trial) for trial in range(trials)], axis=0) for count in parts]
    wholes = [*parts[:2], pools]
    same = alike(cells)
    errors = [np.mean([apart(same, count, trial) for trial in range(trials)], axis=0) for count in wholes]
    rows = [
        [
            *place,
            *(f"{by_cell_K[k]:.1%} ({common_K[k]:.1%})" for by_cell_K, common_K in covers),
            *(f"{error_K[k]:.0%}" for error_K in errors),
        ]
        for k, place in enumerate(cells)
    ]
    means = [f"{by_cell_K.mean():.1%} ({common_K.mean():.1%})" for by_cell_K, common_K in covers]
    rows.append(["all", "", *means, *(f"{error_K.mean():.1%}" for error_K in errors)])
    table(
        f"{trials} draws of pools; coverage of 95 % intervals (with one prior for all cells), and how often an equal "
        "pair is told apart",
        ["task", "question", *(f"{count} pools" for count in parts), *(f"{count}: apart" for count in wholes)],
        rows,
    )
    print()
    for count, (by_cell_K, _) in zip(parts, covers, strict=True):
        if count >= 8:
            verdict(f"least coverage of a cell, {count} pools", 100 * by_cell_K.min(), 93, " %")
            verdict(f"most coverage of a cell, {count} pools", 100 * by_cell_K.max(), 97, " %", at_least=False)
    for count, error_K in zip(wholes, errors, strict=True):
        verdict(f"errors of rank ranges over all cells, {count} pools", 100 * error_K.mean(), 7, " %", at_least=False)


if __name__ == "__main__":
    main()
