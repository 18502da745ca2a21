"""Whether the repeats of a sampled Shapley truth tell its noise: they share a surrogate, so they are not independent.

Games of 24 contributors whose worth depends on a coalition's mixture, with noise of seeds and of each retraining.
Several whole truths of each game give the noise that there really is; the spread of each one's repeats, what a table
knows of it.
"""

from __future__ import annotations

import numpy as np

from harness.statistics.scores import spearman
from harness.truth import shapley
from harness.types import Floats
from tests.benchmarks.bench import figure, start, table
from tests.benchmarks.mixture_game import MixtureGame

CONTRIBUTORS = 24
TRUTHS = 4
"""Whole truths of each game."""


def truth(game: MixtureGame, repeats: int, rng: np.random.Generator) -> Floats:
    """One sampled truth, repeats x C, around the mean over contributors."""
    rows_RKC = np.array([shapley.repeat_coalitions(CONTRIBUTORS, rng) for _ in range(repeats)])
    scores_RK = np.array([game.worth(rows_KC, rng) for rows_KC in rows_RKC])
    values_RC = shapley.estimator(rows_RKC, scores_RK)(scores_RK)
    return np.asarray(values_RC - values_RC.mean(axis=1, keepdims=True))


def compare(repeats: int, of_seed: float, of_retraining: float, games: int) -> tuple[float, float, float]:
    """Noise told by repeats over the real one; how whole truths agree; the ceiling as told over the real one."""
    rng, told, real, agreed, ceilings = np.random.default_rng(repeats), [], [], [], []
    for _ in range(games):
        game = MixtureGame.drawn(CONTRIBUTORS, rng, of_seed, of_retraining)
        values_TRC = np.array([truth(game, repeats, rng) for _ in range(TRUTHS)])
        means_TC = values_TRC.mean(axis=1)
        told.append(values_TRC.var(axis=1, ddof=1).mean() / repeats)
        real.append(means_TC.var(axis=0, ddof=1).mean())
        spread = means_TC.var(axis=1, ddof=1).mean()
        ceilings.append([np.sqrt(max(0.0, 1 - noise / spread)) for noise in (told[-1], real[-1])])
        agreed += [spearman(means_TC[a], means_TC[b]) for a in range(TRUTHS) for b in range(a)]
    told_ceiling, real_ceiling = np.mean(ceilings, axis=0)
    return float(np.mean(told) / np.mean(real)), float(np.mean(agreed)), float(told_ceiling - real_ceiling)


def main() -> None:
    games = 3 if start(__doc__ or "").quick else 12
    rows = []
    for repeats in (3, 5):
        for of_seed, of_retraining in ((0.0, 0.0), (0.3, 0.02), (0.6, 0.2)):
            found = compare(repeats, of_seed, of_retraining, games)
            rows.append([repeats, f"{of_seed:g}", f"{of_retraining:g}", *map(figure, found)])
    headers = ["repeats", "noise of a seed", "of a retraining", "told / real", "truths agree", "ceiling too high by"]
    table(f"{games} games of {CONTRIBUTORS} contributors, {TRUTHS} truths of each", headers, rows)


if __name__ == "__main__":
    main()
