"""Precision and bias of Shapley estimators at equal retrainings, on closed games and on pools of two tasks.

On a game whose values are known, or enumerated from all coalitions of a pool's first twelve contributors, the error
itself is measured; with all contributors, each estimator is held to a long run of the *other* design on other seeds,
so that a bias which an estimator shares with itself cannot hide: agreement with its own repeats stands beside it.
"""

from __future__ import annotations

import argparse
import importlib
import tempfile
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np

from harness.coalitions import powerset, to_text
from harness.retraining.chunks import Job
from harness.retraining.engine import Engine
from harness.retraining.ledger import Ledger
from harness.statistics.scores import spearman
from harness.truth import shapley
from harness.truth import walks as antithetic
from harness.types import Bools, Floats, Ints
from tests.benchmarks.bench import start, table
from tests.games import Game, airport, glove

TWELVE = 12
PLAYERS = 12
SEEDS = 4
REPEATS = (4, 8, 16)

RepeatScorer = Callable[[int, Bools], Floats]
"""A repeat's number and coalitions K x C -> scores K, on a seed of the repeat's own."""


def pairs_and_values(score: RepeatScorer, repeats: list[int], contributors: int, rng: np.random.Generator) -> Floats:
    """The truth's estimate of each repeat, R x C."""
    rows_RKC = np.array([shapley.repeat_coalitions(contributors, rng) for _ in repeats])
    scores_RK = np.array([score(k, rows_KC) for k, rows_KC in zip(repeats, rows_RKC, strict=True)])
    return shapley.estimator(rows_RKC, scores_RK)(scores_RK)


def walked(score: RepeatScorer, repeats: list[int], contributors: int, rng: np.random.Generator) -> antithetic.Walks:
    orders_RC = np.array([rng.permutation(contributors) for _ in repeats])
    pairs = zip(repeats, orders_RC, strict=True)
    return antithetic.Walks(orders_RC, np.array([score(k, antithetic.pair_coalitions(order)) for k, order in pairs]))


def part_of(walks: antithetic.Walks, rows: Ints) -> antithetic.Walks:
    return antithetic.Walks(walks.orders_RC[rows], walks.scores_RK[rows])


def errors(score: RepeatScorer, known_C: Floats, repeats: int, draws: int) -> list[list[object]]:
    """Squared error over the values' variance, agreement, and the largest standardised bias of any contributor."""
    rng, numbers = np.random.default_rng(1), list(range(repeats))
    found: dict[str, list[Floats]] = {}
    for _ in range(draws):
        walks = walked(score, numbers, len(known_C), rng)
        sampled_RC = pairs_and_values(score, numbers, len(known_C), rng)
        for name, rows_RC in (
            ("antithetic pairs", antithetic.plain(walks)),
            ("antithetic pairs, linear surrogate", antithetic.adjusted(walks)),
            ("complement pairs, Gaussian process", sampled_RC),
        ):
            found.setdefault(name, []).append(rows_RC.mean(axis=0))
    rows: list[list[object]] = []
    for name, means in found.items():
        off_DC = np.array(means) - known_C
        z_C = off_DC.mean(axis=0) / (off_DC.std(axis=0, ddof=1) / np.sqrt(draws))
        error = (off_DC**2).mean() / known_C.var() if known_C.std() > 0 else np.nan
        agree = np.mean([spearman(mean_C, known_C) for mean_C in means])
        rows.append([2 * len(known_C) * repeats, name, f"{error:.3f}", f"{agree:.3f}", f"{np.abs(z_C).max():.1f}"])
    return rows


def closed(game: Game, draws: int) -> None:
    rows = [
        row
        for repeats in REPEATS[:2]
        for row in errors(lambda _, rows_KC: game.score(rows_KC), game.shapley_C, repeats, draws)
    ]
    table(f"{game.name}, {game.players} players, {draws} draws", HEADERS, rows)


HEADERS = ["scores", "estimator", "squared error / variance", "Spearman", "largest |z| of the bias"]


def utilities(engine: Engine, rows_KC: Bools, seed: int) -> Floats:
    return np.array([outcome.utility for outcome in engine.outcomes([Job(to_text(row), seed) for row in rows_KC])])


def first_twelve(engine: Engine, title: str, seeds: int, draws: int) -> None:
    """All coalitions of twelve contributors retrained: the values are exact, and draws cost nothing more."""
    rows = np.zeros((2**TWELVE, engine.contributors), dtype=np.bool_)
    rows[:, :TWELVE] = powerset(TWELVE)
    known_SK = np.array([utilities(engine, rows, 1000 + seed) for seed in range(seeds)])
    place = 1 << np.arange(TWELVE)
    exact_SC = np.array([shapley.exact(lambda asked, k=known_K: k[asked @ place], TWELVE) for known_K in known_SK])  # type: ignore[misc]
    lines: list[list[object]] = []
    for repeats in REPEATS[:2]:
        known_C = exact_SC[np.arange(repeats) % seeds].mean(axis=0)
        lines += errors(lambda k, asked: known_SK[k % seeds][asked @ place], known_C, repeats, draws)
    table(f"{title}, twelve contributors enumerated, {seeds} seeds, {draws} draws", HEADERS, lines)


def all_contributors(engine: Engine, title: str, blocks: int) -> None:
    """Blocks of repeats by either design, each against the mean of the other design's."""
    rng, contributors = np.random.default_rng(5), engine.contributors
    walks = walked(
        lambda k, rows: utilities(engine, rows, 7000 + k), list(range(blocks * REPEATS[-1])), contributors, rng
    )
    rows_RKC = np.array([shapley.repeat_coalitions(contributors, rng) for _ in range(len(walks))])
    scores_RK = np.array([utilities(engine, rows_KC, 5000 + k) for k, rows_KC in enumerate(rows_RKC)])
    lines: list[list[object]] = []
    for repeats in REPEATS:
        parts = np.arange(len(walks)).reshape(-1, repeats)
        found = {
            "antithetic pairs": [antithetic.plain(part_of(walks, part)).mean(axis=0) for part in parts],
            "antithetic pairs, linear surrogate": [
                antithetic.adjusted(part_of(walks, part)).mean(axis=0) for part in parts
            ],
            "complement pairs, Gaussian process": [
                shapley.estimator(rows_RKC[part], scores_RK[part])(scores_RK[part]).mean(axis=0) for part in parts
            ],
        }
        long = {name: np.mean(means, axis=0) for name, means in found.items()}
        *_, linear, process = long
        spread = long[process].var()
        for name, means in found.items():
            reference_C = long[linear] if name == process else long[process]
            with_other = np.mean([spearman(mean_C, reference_C) for mean_C in means])
            again = np.mean([spearman(a, b) for a, b in combinations(means, 2)])
            variance = np.var(means, axis=0, ddof=1).mean() / spread
            lines.append([2 * contributors * repeats, name, f"{variance:.3f}", f"{with_other:.3f}", f"{again:.3f}"])
    headers = ["retrainings", "estimator", "variance / of values", "Spearman with the other design", "with its own"]
    table(f"{title}, {contributors} contributors, reference of {len(walks)} repeats", headers, lines)


def main() -> None:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--blocks", type=int, default=4, help="of 16 repeats, each by two designs")
        parser.add_argument("--pool", type=int, default=101)
        parser.add_argument("--tasks", nargs="*", default=["image_classification", "sentiment"])
        parser.add_argument("--twelve", nargs="*", default=["image_classification"], help="tasks to enumerate")
        parser.add_argument("--ledger", type=Path, help="a folder that keeps the retrainings")

    options = start(__doc__ or "", more=more)
    draws = 5 if options.quick else 80
    for game in (glove(5, 7), airport([float(k) ** 1.5 for k in range(1, PLAYERS + 1)])):
        closed(game, draws)
    with tempfile.TemporaryDirectory() as scratch:
        for name in dict.fromkeys([*options.twelve, *options.tasks]):
            task = importlib.import_module(f"tasks.embedded.{name}").task()
            pool = task.deal(options.pool)
            ledger = Ledger((options.ledger or Path(scratch)) / f"{name}-{options.pool}.sqlite")
            engine = Engine(task.learner(), pool.train, pool.test, ledger)
            if name in options.twelve:
                first_twelve(engine, f"{name} {options.pool}", 1 if options.quick else SEEDS, draws)
            if name in options.tasks:
                all_contributors(engine, f"{name} {options.pool}", 2 if options.quick else options.blocks)
            ledger.close()


if __name__ == "__main__":
    main()
