"""Coverage of 95 % intervals of the mean Spearman over pools, in a simulation where the mean is known.

A pool has 24 contributors with normal worths; the truth is their mean over 12 noisy seeds, a method's values correlate
with the worths, by more in some pools than in others. What must be covered is the mean score over endless pools. Two
bootstraps: over pools and, within each, its contributors (``harness.statistics.intervals``); and over pools and
truth seeds.
"""

from __future__ import annotations

from functools import partial
from itertools import product
from multiprocessing import Pool

import numpy as np
from scipy.stats import rankdata
from threadpoolctl import threadpool_limits

from harness.retraining.stacking import cores
from harness.statistics.intervals import bootstrap_means, interval, resamples
from harness.statistics.scores import spearman
from harness.types import Array, Floats
from tests.benchmarks.bench import start, table

CONTRIBUTORS, SEEDS, DRAWS = 24, 12, 500
STRENGTHS = (0.3, 0.6, 0.9)
SPREADS = {"alike": 0.0, "unlike": 0.15}
"""Standard deviation between pools of the correlation that a method has with the worths."""

NOISES = {"quiet": 0.5, "noisy": 3.0}
"""Standard deviation of one seed's truth around the worths: ceilings of about 0.98 and 0.57."""


def deal(strength: float, spread: float, noise: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """One pool: a method's values C and the truth's S x C."""
    worth_C, other_C = rng.standard_normal((2, CONTRIBUTORS))
    rho = np.clip(strength + spread * rng.standard_normal(), -0.98, 0.98)
    values_C = rho * worth_C + np.sqrt(1 - rho**2) * other_C
    return values_C, worth_C + noise * rng.standard_normal((SEEDS, CONTRIBUTORS))


def seeds_bootstrap(dealt: list[tuple[Floats, Floats]], rng: np.random.Generator) -> Floats:
    """Mean Spearman in each draw of pools and, within them, of truth seeds, D."""
    scores_DP = np.empty((DRAWS, len(dealt)))
    for p, (values_C, truth_SC) in enumerate(dealt):
        counts_DS = rng.multinomial(SEEDS, np.full(SEEDS, 1 / SEEDS), size=DRAWS)
        ranks_DC = rankdata(counts_DS @ truth_SC, axis=1)
        ranks_DC -= ranks_DC.mean(axis=1, keepdims=True)
        own_C = rankdata(values_C) - (CONTRIBUTORS + 1) / 2
        scores_DP[:, p] = ranks_DC @ own_C / np.sqrt((ranks_DC**2).sum(axis=1) * (own_C**2).sum())
    counts_DP = rng.multinomial(len(dealt), np.full(len(dealt), 1 / len(dealt)), size=DRAWS)
    return np.asarray((counts_DP * scores_DP).sum(axis=1) / len(dealt))


def one(
    trial: int, pools: int, setting: tuple[float, float, float], target: float
) -> tuple[tuple[bool, float], tuple[bool, float]]:
    """Whether each interval covers the target, and its width."""
    rng = np.random.default_rng((trial, pools, *(int(100 * x) for x in setting)))
    dealt = [deal(*setting, rng) for _ in range(pools)]
    counts_DP, within = resamples([CONTRIBUTORS] * pools, rng, DRAWS)
    values, truths = [values_C for values_C, _ in dealt], [truth_SC.mean(axis=0) for _, truth_SC in dealt]
    found = []
    for means_D in (bootstrap_means(values, truths, counts_DP, within), seeds_bootstrap(dealt, rng)):
        low, high = interval(means_D)
        found.append((low <= target <= high, high - low))
    return found[0], found[1]


def mean_score(strength: float, spread: float, noise: float, pools: int) -> float:
    """The known mean: the score over very many pools."""
    rng = np.random.default_rng(1)
    drawn = (deal(strength, spread, noise, rng) for _ in range(pools))
    return float(np.mean([spearman(values_C, truth_SC.mean(axis=0)) for values_C, truth_SC in drawn]))


def main() -> None:
    options = start(__doc__ or "", ["scipy"])
    trials = 20 if options.quick else 200
    rows: list[list[object]] = []
    covered: dict[int, Array] = {}
    worlds = list(product(STRENGTHS, SPREADS, NOISES))
    with Pool(cores(), initializer=threadpool_limits, initargs=(1,)) as workers:
        settings = [(strength, SPREADS[similar], NOISES[loud]) for strength, similar, loud in worlds]
        targets = workers.starmap(mean_score, [(*setting, 500 if options.quick else 10_000) for setting in settings])
        for pools in (2, 4, 8):
            of_pools = []
            for world, setting, target in zip(worlds, settings, targets, strict=True):
                trial = partial(one, pools=pools, setting=setting, target=target)
                found = np.array(workers.map(trial, range(trials), chunksize=10))
                (ours, width), (theirs, narrow) = found.mean(axis=0)
                of_pools.append((ours, theirs))
                rows.append([pools, *world, f"{target:.3f}"])
                rows[-1] += [f"{ours:.1%}", f"{width:.2f}", f"{theirs:.1%}", f"{narrow:.2f}"]
            covered[pools] = np.array(of_pools)
    table(
        f"{trials} simulated suites a row, {DRAWS:,} draws, 95 % nominal",
        [
            "pools",
            "strength",
            "pools are",
            "truth is",
            "mean score",
            "pools + contributors",
            "width",
            "pools + truth seeds",
            "width",
        ],
        rows,
    )
    print()
    for pools, both in covered.items():
        (low, low_seeds), (high, high_seeds) = both.min(axis=0), both.max(axis=0)
        mean, mean_seeds = both.mean(axis=0)
        print(
            f"{pools} pools: pools and contributors {mean:.1%} ({low:.0%} to {high:.0%}), "
            f"pools and truth seeds {mean_seeds:.1%} ({low_seeds:.0%} to {high_seeds:.0%})"
        )


if __name__ == "__main__":
    main()
