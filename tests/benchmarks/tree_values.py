"""Exact Shapley values of regression trees whose features say who is in a coalition."""

from __future__ import annotations

from collections.abc import Iterator
from math import factorial

import numpy as np
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.tree import DecisionTreeRegressor

from harness.types import Floats

Leaf = tuple[float, frozenset[int], frozenset[int]]
"""A leaf's value, and who must be in and who must be out to come to it."""


def boosted_values(model: GradientBoostingRegressor, contributors: int) -> Floats:
    """Shapley values of a sum of trees, C: those of its trees, summed."""
    values_C = np.zeros(contributors)
    for tree in model.estimators_.ravel():
        values_C += model.learning_rate * tree_values(tree, contributors)
    return values_C


def tree_values(tree: DecisionTreeRegressor, contributors: int) -> Floats:
    """Shapley values of one tree, C.

    A leaf is a game that is worth its value where all of ``inside`` and none of ``outside`` are there. Such a game's
    gains are of the last of ``inside`` to join before any of ``outside``, and lost to the first of ``outside`` to join
    after all of ``inside`` (Lundberg et al. 2020, Nature Machine Intelligence 2, with one background example).
    """
    values_C = np.zeros(contributors)
    for value, inside, outside in _leaves(tree):
        joined, kept_out = len(inside), len(outside)
        orders = factorial(joined + kept_out)
        for i in inside:
            values_C[i] += value * factorial(joined - 1) * factorial(kept_out) / orders
        for i in outside:
            values_C[i] -= value * factorial(joined) * factorial(kept_out - 1) / orders
    return values_C


def _leaves(tree: DecisionTreeRegressor) -> Iterator[Leaf]:
    """All leaves that some coalition comes to."""
    nodes = tree.tree_
    waiting: list[tuple[int, frozenset[int], frozenset[int]]] = [(0, frozenset(), frozenset())]
    while waiting:
        node, inside, outside = waiting.pop()
        if nodes.children_left[node] == nodes.children_right[node]:
            yield float(nodes.value[node].item()), inside, outside
            continue
        asked = int(nodes.feature[node])
        if asked not in inside:
            waiting.append((nodes.children_left[node], inside, outside | {asked}))
        if asked not in outside:
            waiting.append((nodes.children_right[node], inside | {asked}, outside))
