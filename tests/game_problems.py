"""Problems whose retraining is a game: what a method that only retrains makes of worths that are known exactly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from harness.coalitions import powerset
from harness.seeds import stream
from harness.types import Bools, Floats, Problem, Scorer
from tests.games import Game
from tests.tiny import problem_of, tiny_pool


class GameRetrain:
    """Worths in place of utilities, with a level of each seed; counts what it is asked."""

    def __init__(self, score: Scorer, level: float = 0.0) -> None:
        self._score, self._level, self.asked = score, level, 0

    def __call__(self, coalitions_KC: Bools, seed: int) -> Floats:
        self.asked += len(coalitions_KC)
        return np.asarray(self._score(coalitions_KC), dtype=np.float64) + self._level * seed

    def by_example(self, coalitions_KC: Bools, seed: int) -> Floats:
        return np.repeat(self(coalitions_KC, seed)[:, None], 3, axis=1)


def problem_about(folder: Path, game: Game, level: float = 0.0) -> Problem:
    """A problem of the game's players, each with as many examples."""
    pool = tiny_pool(game.players)
    return replace(problem_of(folder, pool), retrain=GameRetrain(game.score, level))


def drawn_anew(problem: Problem, root: int) -> Problem:
    """The same, where all random draws are others."""
    return replace(problem, scope_stream=lambda *path: stream(root, *path))


def semivalue(score: Scorer, players: int, joins_S: Floats) -> Floats:
    """By definition: the mean gain over all coalitions of the others, of s members with chance q_s, C."""
    rows_KC = powerset(players)
    worths_K = np.asarray(score(rows_KC), dtype=np.float64)
    values_C = np.empty(players)
    for i in range(players):
        without = np.flatnonzero(~rows_KC[:, i])
        size = rows_KC[without].sum(axis=1)
        number_S = np.bincount(size, minlength=players)
        gains = worths_K[without | 1 << i] - worths_K[without]
        values_C[i] = (joins_S[size] / number_S[size]) @ gains
    return values_C
