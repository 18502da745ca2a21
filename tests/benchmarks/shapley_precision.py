"""Precision and bias of Shapley estimators at equal retrainings, on closed games and on pools of two tasks.

On a game whose values are known, or enumerated from all coalitions of a pool's first twelve contributors, the error
itself is measured. With all contributors, an estimator is held to a long run of the truth's own, which is unbiased
whatever its surrogate, on seeds that no estimator has; the reference's own noise is taken off the squared error, and
the longest run of antithetic permutations, which no surrogate touches, is held to it too.

Errors are squared, over the variance of the values, and as multiples of the truth's own with a standard error over
draws (jackknife). Estimators of the library shapiq join in where it is installed; the project does not depend on it.
"""

from __future__ import annotations

import argparse
import importlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from harness.coalitions import powerset, to_text
from harness.retraining.chunks import Job
from harness.retraining.engine import Engine
from harness.retraining.ledger import Ledger
from harness.statistics.scores import spearman
from harness.truth import exact, shapley
from harness.types import Bools, Floats
from tests.benchmarks import shapiq_estimators
from tests.benchmarks.bench import figure, missing, start, table
from tests.benchmarks.mixture_game import MixtureGame
from tests.benchmarks.shapley_estimators import ESTIMATORS, OURS, Drawn, truth_pairs
from tests.games import Game, airport, glove, weighted_voting

TWELVE = 12
PLAYERS = 24
SEEDS = 4
REPEATS = (4, 8, 16)
"""Of 2C scores each: 192, 384 and 768 with 24 contributors."""

VOTES = [1 + k % 7 for k in range(PLAYERS)]
GAMES: Mapping[str, Callable[[], Game]] = {
    "glove": lambda: glove(10, PLAYERS - 10),
    "airport": lambda: airport([float(k) ** 1.5 for k in range(1, PLAYERS + 1)]),
    "voting": lambda: weighted_voting(VOTES, sum(VOTES) * 3 // 5),
}
"""Without noise, and the mixture's beside them."""

RepeatScorer = Callable[[int, Bools], Floats]
"""A repeat's number and coalitions K x C -> scores K, on a seed of the repeat's own."""

Sampler = Callable[[RepeatScorer, int, int, np.random.Generator], Floats]
"""Scorer, repeats, contributors and a generator -> the estimate, C."""


def drawing(name: str) -> Sampler:
    """The estimator as one that asks for scores itself."""

    def estimate(score: RepeatScorer, repeats: int, contributors: int, rng: np.random.Generator) -> Floats:
        drawn = ESTIMATORS[name].design(repeats, contributors, rng)
        return ESTIMATORS[name].values(drawn, scored(score, drawn))

    return estimate


def scored(score: RepeatScorer, drawn: Drawn) -> Floats:
    return np.array([score(k, rows_KC) for k, rows_KC in enumerate(drawn.rows_RKC)])


def samplers() -> dict[str, Sampler]:
    """Every estimator, the library's among them where it is installed."""
    found = {name: drawing(name) for name in ESTIMATORS}
    return found if missing("shapiq") else {**found, **shapiq_estimators.samplers()}


@dataclass(slots=True)
class Found:
    """Estimates by estimator, and repeats."""

    of: dict[str, dict[int, list[Floats]]] = field(default_factory=dict)

    def add(self, name: str, repeats: int, estimate_C: Floats) -> None:
        self.of.setdefault(name, {}).setdefault(repeats, []).append(estimate_C)

    def show(self, title: str, known_C: Floats, noise: float = 0.0) -> None:
        """Print the table, best first at the most scores; ``noise`` is the known values' own, squared."""
        lines = {
            name: [self._line(name, repeats, known_C, noise) for repeats in by_repeats]
            for name, by_repeats in self.of.items()
        }
        budgets = [2 * len(known_C) * repeats for repeats in self.of[OURS]]
        rows = [
            [name, *(f"{figure(e, 2)} ({figure(r, 2)}× ± {figure(s, 1)})" for e, r, s, *_ in line), *_last(line)]
            for name, line in sorted(lines.items(), key=lambda item: item[1][-1][0])
        ]
        headers = [
            "estimator",
            *(f"error at {scores}" for scores in budgets),
            "Spearman",
            f"bias at {budgets[0]}: z, rms and largest",
        ]
        table(title, headers, rows)

    def _line(
        self, name: str, repeats: int, known_C: Floats, noise: float
    ) -> tuple[float, float, float, float, float, float]:
        """Error over the values' variance, over the truth's own with a standard error, Spearman; bias in z."""
        off_DC = np.array(self.of[name][repeats]) - known_C
        error_D = (off_DC**2).mean(axis=1) - noise
        ours_D = ((np.array(self.of[OURS][repeats]) - known_C) ** 2).mean(axis=1) - noise
        over, deviation = ratio(error_D, ours_D)
        z_C = off_DC.mean(axis=0) / np.sqrt(off_DC.var(axis=0, ddof=1) / len(off_DC) + noise)
        agree = float(np.mean([spearman(estimate_C, known_C) for estimate_C in self.of[name][repeats]]))
        spread = float(known_C.var())
        rms, most = float(np.sqrt((z_C**2).mean())), float(np.abs(z_C).max())
        return float(error_D.mean()) / spread, over, deviation, agree, rms, most


def _last(line: Sequence[tuple[float, ...]]) -> list[str]:
    agrees = " / ".join(f"{agree:.2f}" for *_, agree, _, _ in line)
    return [agrees, f"{line[0][-2]:.1f}, {line[0][-1]:.1f}"]


def ratio(error_D: Floats, ours_D: Floats) -> tuple[float, float]:
    """One mean over the other, and its standard error: jackknife over draws, which need not be paired."""
    draws = len(error_D)
    left_D = (error_D.sum() - error_D) / (ours_D.sum() - ours_D) if draws > 1 else np.full(draws, np.nan)
    return float(error_D.sum() / ours_D.sum()), float(np.sqrt((draws - 1) * left_D.var()))


def errors(title: str, score: RepeatScorer, known_C: Floats, asked: Mapping[str, Sampler], draws: int) -> None:
    """Draws of every estimator on a game that costs nothing to score."""
    found = Found()
    for draw in range(draws):

        def of_draw(k: int, rows_KC: Bools, first: int = draw * REPEATS[-1]) -> Floats:
            return score(first + k, rows_KC)

        for name, estimate in asked.items():
            for repeats in REPEATS:
                rng = np.random.default_rng((draw, repeats))
                found.add(name, repeats, estimate(of_draw, repeats, len(known_C), rng))
    found.show(f"{title}, {len(known_C)} players, {draws} draws", known_C)


def of_game(name: str, asked: Mapping[str, Sampler], draws: int) -> None:
    """A game whose values are known."""
    if name == "mixture":
        mixture = MixtureGame.drawn(PLAYERS, np.random.default_rng(3), of_seed=0.3, of_retraining=0.02)
        errors("mixture with noise of seeds", partial(_on_seed, mixture), mixture.values(), asked, draws)
        return
    game = GAMES[name]()
    errors(game.name, lambda _, rows_KC: game.score(rows_KC), game.shapley_C, asked, draws)


def _on_seed(mixture: MixtureGame, seed: int, rows_KC: Bools) -> Floats:
    return mixture.worth(rows_KC, np.random.default_rng((seed, 17)))


def utilities(engine: Engine, rows_KC: Bools, seed: int) -> Floats:
    return np.array([outcome.utility for outcome in engine.outcomes([Job(to_text(row), seed) for row in rows_KC])])


def first_twelve(engine: Engine, title: str, asked: Mapping[str, Sampler], seeds: int, draws: int) -> None:
    """All coalitions of twelve contributors retrained: the mean over seeds is exact, and draws cost nothing more.

    Every repeat scores on one of the seeds in turn, so that with a multiple of them no noise of seeds is left.
    """
    rows = np.zeros((2**TWELVE, engine.contributors), dtype=np.bool_)
    rows[:, :TWELVE] = powerset(TWELVE)
    known_SK = np.array([utilities(engine, rows, 1000 + seed) for seed in range(seeds)])
    place = 1 << np.arange(TWELVE)
    known_C = exact.shapley(lambda rows_KC: known_SK.mean(axis=0)[rows_KC @ place], TWELVE)
    errors(
        f"{title}, all coalitions of {seeds} seeds",
        lambda k, rows_KC: known_SK[k % seeds][rows_KC @ place],
        known_C,
        asked,
        draws,
    )


def all_contributors(engine: Engine, title: str, blocks: int) -> None:
    """Blocks of the most repeats by each design, and parts of them, against a long run on other seeds."""
    contributors, each = engine.contributors, REPEATS[-1]
    count = blocks * each

    def on(first_seed: int, drawn: Drawn) -> Floats:
        return np.array([utilities(engine, rows_KC, first_seed + k) for k, rows_KC in enumerate(drawn.rows_RKC)])

    reference = truth_pairs(count, contributors, np.random.default_rng(5))
    scores_RK = on(9000, reference)
    reference_RC = shapley.estimator(reference.rows_RKC, scores_RK)(scores_RK)
    known_C = reference_RC.mean(axis=0)
    noise = float(reference_RC.var(axis=0, ddof=1).mean()) / count
    drawn = {
        design: Drawn.joined([design(each, contributors, np.random.default_rng((6, block))) for block in range(blocks)])
        for design in dict.fromkeys(estimator.design for estimator in ESTIMATORS.values())
    }
    told = {design: on(5000, one) for design, one in drawn.items()}
    found = Found()
    for name, estimator in ESTIMATORS.items():
        for repeats in REPEATS:
            for part in np.arange(count).reshape(-1, repeats):
                estimate_C = estimator.values(drawn[estimator.design].part(part), told[estimator.design][part])
                found.add(name, repeats, estimate_C)
    found.show(f"{title}, {contributors} contributors, reference of {2 * contributors * count} others", known_C, noise)


def main() -> None:
    names = [*GAMES, "mixture"]

    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--blocks", type=int, default=4, help="of 16 repeats, each by every design")
        parser.add_argument("--draws", type=int, default=20, help="of each estimator on known games")
        parser.add_argument("--pool", type=int, default=101)
        parser.add_argument("--tasks", nargs="*", default=["image_classification", "sentiment"])
        parser.add_argument("--twelve", nargs="*", default=["image_classification"], help="tasks to enumerate")
        parser.add_argument("--games", nargs="*", choices=names, default=names, help="whose values are known")
        parser.add_argument("--ledger", type=Path, help="a folder that keeps the retrainings")

    options = start(__doc__ or "", ["scikit-learn", "shapiq"], more)
    draws, asked = 2 if options.quick else options.draws, samplers()
    for name in options.games:
        of_game(name, asked, draws)
    with tempfile.TemporaryDirectory() as scratch:
        for name in dict.fromkeys([*options.twelve, *options.tasks]):
            task = importlib.import_module(f"tasks.embedded.{name}").task()
            pool = task.deal(options.pool)
            ledger = Ledger((options.ledger or Path(scratch)) / f"{name}-{options.pool}.sqlite")
            engine = Engine(task.learner(), pool.train, pool.test, ledger)
            if name in options.twelve:
                first_twelve(engine, f"{name} {options.pool}", asked, 1 if options.quick else SEEDS, draws)
            if name in options.tasks:
                all_contributors(engine, f"{name} {options.pool}", 1 if options.quick else options.blocks)
            ledger.close()


if __name__ == "__main__":
    main()
