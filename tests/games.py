"""Cooperative games with Shapley values in closed form: every route to a Shapley value is held against them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import factorial

import numpy as np

from harness.truth import shapley
from harness.types import Bools, Floats, Scorer


@dataclass(frozen=True, slots=True, eq=False)
class Game:
    """A set function of C players with its Shapley values.

    Args:
        score: coalitions K x C -> worth of each, K.
        shapley_C: the values in closed form.
    """

    name: str
    players: int
    score: Scorer
    shapley_C: Floats


def additive(worths: list[float], nobody: float = 0.0) -> Game:
    """Each player adds its own worth, whoever is there: the worths are the values."""
    worth_C = np.array(worths, dtype=np.float64)
    return Game("additive", len(worths), lambda coalitions_KC: nobody + coalitions_KC @ worth_C, worth_C)


def glove(left: int, right: int) -> Game:
    """A pair of gloves is worth 1; the first ``left`` players hold a left one each, the others a right one.

    A left player gains where more right than left gloves came before it. With C players that is the sum over
    l < r of the chance that exactly l left and r right ones did: ways to choose them, over the orders
    (Shapley & Shubik 1969, Journal of Political Economy 77(4), for the market).
    """
    players = left + right
    is_left = np.arange(players) < left

    def score(coalitions_KC: Bools) -> Floats:
        pairs_K = np.minimum(coalitions_KC[:, is_left].sum(axis=1), coalitions_KC[:, ~is_left].sum(axis=1))
        return np.asarray(pairs_K, dtype=np.float64)

    def chance(own: int, other: int) -> float:
        found = Fraction(0)
        for mine in range(own):
            for theirs in range(mine + 1, other + 1):
                ways = _choose(own - 1, mine) * _choose(other, theirs)
                found += Fraction(ways, _choose(players - 1, mine + theirs) * players)
        return float(found)

    values_C = np.where(is_left, chance(left, right), chance(right, left))
    return Game("glove", players, score, values_C)


def airport(costs: list[float]) -> Game:
    """A runway must serve its largest plane, at that plane's cost; the worth of a coalition is minus the cost.

    Each stretch of runway is shared by the planes that need it (Littlechild & Owen 1973, Management Science 20(3)).
    """
    cost_C = np.array(costs, dtype=np.float64)
    order = np.argsort(cost_C, kind="stable")
    stretches = np.diff(cost_C[order], prepend=0.0)
    values_C = np.empty(len(costs))
    values_C[order] = -np.cumsum(stretches / np.arange(len(costs), 0, -1))
    return Game("airport", len(costs), lambda coalitions_KC: -(coalitions_KC * cost_C).max(axis=1), values_C)


def weighted_voting(weights: list[int], quota: int) -> Game:
    """A coalition is worth 1 if its votes reach the quota; the values are the Shapley-Shubik index.

    Player i decides where the votes before it lie in [quota - w_i, quota). The coalitions of each size and vote are
    counted by generating functions (Shapley & Shubik 1954; Mann & Shapley 1962).
    """
    weight_C = np.array(weights, dtype=np.int64)
    players = len(weights)

    def index(i: int) -> float:
        ways = np.zeros((players, int(weight_C.sum()) + 1), dtype=object)  # [size, votes] without i, exact integers
        ways[0, 0] = 1
        for weight in np.delete(weight_C, i):
            joined = np.zeros_like(ways)
            joined[1:, weight:] = ways[:-1, : ways.shape[1] - weight]
            ways = ways + joined
        swings = ways[:, max(0, quota - weight_C[i]) : quota].sum(axis=1)
        orders = [factorial(size) * factorial(players - size - 1) for size in range(players)]
        return float(Fraction(int(sum(n * way for n, way in zip(swings, orders, strict=True))), factorial(players)))

    def score(coalitions_KC: Bools) -> Floats:
        return (coalitions_KC @ weight_C >= quota).astype(np.float64)

    return Game("weighted voting", players, score, np.array([index(i) for i in range(players)]))


GAMES: dict[str, Callable[[], Game]] = {
    "additive": lambda: additive([3.0, -1.0, 0.5, 2.0, 0.0, 1.5, -2.5, 4.0], nobody=-2.0),
    "glove": lambda: glove(3, 5),
    "airport": lambda: airport([1.0, 2.0, 2.0, 5.0, 7.0, 7.5, 11.0, 12.0]),
    "weighted voting": lambda: weighted_voting([4, 3, 2, 1, 1, 1, 5, 2], quota=10),
}
"""One of each, of eight players: exact values are cheap, and sampled ones have something to do."""


def _choose(n: int, k: int) -> int:
    return factorial(n) // (factorial(k) * factorial(n - k)) if 0 <= k <= n else 0


def sampled(score: Scorer, contributors: int, repeats: int, rng: np.random.Generator) -> Floats:
    """The truth's estimate of each repeat, R x C."""
    rows_RKC = np.array([shapley.repeat_coalitions(contributors, rng) for _ in range(repeats)])
    scores_RK = np.asarray(score(rows_RKC.reshape(-1, contributors)), dtype=np.float64).reshape(repeats, -1)
    return shapley.estimator(rows_RKC, scores_RK)(scores_RK)
