"""Precision of Shapley estimators at equal retrainings, on pools of the image task.

Every estimator gets the same number of retrainings a repeat, on seeds of its own. Their values over independent repeats
give the variance (mean over contributors) and the reliability: the Spearman correlation of one repeat with another.
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import combinations
from pathlib import Path

import numpy as np

from harness import coalitions
from harness.coalitions import to_text
from harness.retraining.chunks import Job
from harness.retraining.engine import Engine
from harness.retraining.ledger import Ledger
from harness.statistics.scores import spearman
from harness.truth import shapley
from harness.types import Bools, Floats
from tasks.embedded import image_classification
from tests.benchmarks.bench import figure, start, table

PAIRS = 16
"""Pairs of permutations a repeat, each on its own seed, as the truth does it: 2 C coalitions a seed."""

Drawn = tuple[list[Bools], list[np.ndarray]]


def permutations(contributors: int, antithetic: bool, rng: np.random.Generator) -> Drawn:
    """2 C coalitions for each of PAIRS seeds: a walk there, and back or along another permutation."""
    rows, orders = [], []
    for _ in range(PAIRS):
        order = rng.permutation(contributors)
        other = order[::-1] if antithetic else rng.permutation(contributors)
        rows.append(np.vstack([coalitions.prefixes(order), coalitions.prefixes(other)[1:-1]]))
        orders.append(np.stack([order, other]))
    return rows, orders


def mean_gains(scores_RK: Floats, orders: list[np.ndarray]) -> Floats:
    """Mean gain of each contributor over all walks, C."""
    contributors = orders[0].shape[1]
    there = scores_RK[:, : contributors + 1]
    back = np.hstack([there[:, :1], scores_RK[:, contributors + 1 :], there[:, -1:]])
    total_C = np.zeros(contributors)
    for pair, *walks in zip(orders, there, back, strict=True):
        for order, walk in zip(pair, walks, strict=True):
            total_C[order] += np.diff(walk)
    return total_C / (2 * len(orders))


def complements(contributors: int, rng: np.random.Generator) -> list[Bools]:
    """2 C coalitions for each of PAIRS seeds: nobody, everyone, and C - 1 coalitions with their complements.

    Sizes s have KernelSHAP's probability, proportional to (C - 1) / (s (C - s)) (Lundberg & Lee 2017, theorem 2), so
    that plain least squares has its weights; complements are the paired sampling of Covert & Lee (2021), sec. 4.2.
    """
    sizes = np.arange(1, contributors)
    chances = 1 / (sizes * (contributors - sizes))
    rows = []
    for _ in range(PAIRS):
        size = rng.choice(sizes, size=contributors - 1, p=chances / chances.sum())
        half = rng.random((contributors - 1, contributors)).argsort(1).argsort(1) < size[:, None]
        rows.append(np.vstack([coalitions.nobody(contributors), coalitions.everyone(contributors), half, ~half]))
    return rows


def least_squares(scores_RK: Floats, rows: list[Bools]) -> Floats:
    """KernelSHAP's constrained fit on differences of complements, in which a seed's level cancels, C."""
    contributors = rows[0].shape[1]
    pairs = contributors - 1
    total = float((scores_RK[:, 1] - scores_RK[:, 0]).mean())
    signs = np.vstack([np.where(row[2 : 2 + pairs], 0.5, -0.5) for row in rows])
    halves = np.concatenate([(scores[2 : 2 + pairs] - scores[2 + pairs :]) / 2 for scores in scores_RK])
    gram, ones = signs.T @ signs, np.ones(contributors)
    free, shift = np.linalg.solve(gram, signs.T @ halves), np.linalg.solve(gram, ones)
    return free + shift * (total - free.sum()) / shift.sum()


def one_repeat(engine: Engine, repeat: int) -> dict[str, Floats]:
    """One estimate by each estimator, C."""
    contributors, rng = engine.contributors, np.random.default_rng((7, repeat))
    pairs, orders = permutations(contributors, True, rng)
    singles, random_orders = permutations(contributors, False, rng)
    halves = complements(contributors, rng)
    jobs = [
        Job(to_text(row), (3 * repeat + design) * PAIRS + k)
        for design, rows in enumerate((pairs, singles, halves))
        for k, rows_KC in enumerate(rows)
        for row in rows_KC
    ]
    found = np.array([outcome.utility for outcome in engine.outcomes(jobs)]).reshape(3, PAIRS, -1)
    walks = shapley.Walks(np.array([pair[0] for pair in orders]), found[0])
    return {
        "antithetic pairs, regression-adjusted": shapley.adjusted(walks).mean(axis=0),
        "antithetic pairs": shapley.plain(walks).mean(axis=0),
        "weighted least squares, complements": least_squares(found[2], halves),
        "random permutations": mean_gains(found[1], random_orders),
    }


def check() -> None:
    """On an additive game every estimator is exact."""
    rng, worth = np.random.default_rng(0), np.arange(24) / 10
    pairs, orders = permutations(24, False, rng)
    halves = complements(24, rng)
    assert np.allclose(mean_gains(np.array([rows @ worth for rows in pairs]), orders), worth)
    assert np.allclose(least_squares(np.array([rows @ worth for rows in halves]), halves), worth)


def main() -> None:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--repeats", type=int, default=5)
        parser.add_argument("--pools", type=int, nargs="+", default=[0])
        parser.add_argument("--ledger", type=Path, help="a folder that keeps the retrainings")

    options = start(__doc__ or "", more=more)
    check()
    rows: list[list[object]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for index in options.pools:
            pool = image_classification.deal_pool(index)
            ledger = Ledger((options.ledger or Path(scratch)) / "shapley-precision.sqlite")
            engine = Engine(image_classification.small_cnn(), pool.train, pool.test, ledger)
            repeats = [one_repeat(engine, repeat) for repeat in range(2 if options.quick else options.repeats)]
            ledger.close()
            values = {name: np.array([repeat[name] for repeat in repeats]) for name in repeats[0]}
            variance = {name: values_RC.var(axis=0, ddof=1) for name, values_RC in values.items()}
            for name, values_RC in values.items():
                again = [spearman(a, b) for a, b in combinations(values_RC, 2)]
                rows.append(
                    [
                        f"pool {index}",
                        name,
                        figure(1e6 * variance[name].mean()),
                        f"{variance[name].mean() / variance['antithetic pairs'].mean():.2f}",
                        f"{np.mean(again):.3f} ({min(again):.3f} to {max(again):.3f})",
                    ]
                )
    table(
        f"{2 * engine.contributors * PAIRS} outcomes a repeat ({PAIRS} of them of nobody), {len(repeats)} repeats, "
        f"{engine.contributors} contributors",
        ["", "estimator", "variance x 1e6", "over plain pairs", "repeat with repeat, mean (min to max)"],
        rows,
    )


if __name__ == "__main__":
    main()
