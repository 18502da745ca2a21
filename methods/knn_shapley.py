"""KNN-Shapley: exact Shapley values of examples when the model is a nearest-neighbour classifier."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.types import Count, Floats, JobSize, Problem
from methods.embedders import Features, OnFeatures


@dataclass(frozen=True)
class KnnShapley(OnFeatures):
    """Exact Shapley values of examples for a nearest-neighbour classifier on features at the initialisation.

    Args:
        neighbours: K of the classifier.
        features: of the ``initial`` model, or of the one that is ``trained`` on everyone.
        seeds: initialisations, or training runs from them, over whose features values are averaged.
    """

    neighbours: Count = 5
    features: Features = "initial"
    seeds: Count = 3
    called = "KNN-Shapley"
    source = "Jia et al. (2019), VLDB 12(11), theorem 1 (the recursion for unweighted nearest neighbours)"
    passes = (
        "1 forward pass a seed, of trained features 1 retraining a seed; distances of all training to all validation "
        "examples"
    )
    choices = (
        "features: penultimate, at the initialisation, which costs least; the paper's networks are trained on other "
        "data, and :trained is nearest to them; K = 5, as in the paper's experiments; a contributor's value is the sum "
        "over its examples, each of which is a player; responses in words agree by the share of tokens that they have "
        "in common, which for labels is the paper's 0 or 1"
    )
    claims = frozenset({"additive"})
    adds_over_target = True

    def algebra(self, size: JobSize) -> float:
        return self.seeds * 2.0 * size.examples * size.validation * size.features

    def example_values(self, problem: Problem) -> Floats:
        from methods.features import agreement, distances, seen

        found = []
        for seed in range(self.seeds):
            pair = seen(problem, self.embedder(problem, seed))
            found.append(shapley_of_neighbours(distances(*pair), agreement(*pair), self.neighbours))
        return np.stack(found)


def shapley_of_neighbours(distances_VN: Floats, agreement_VN: Floats, neighbours: int) -> Floats:
    """Each example's Shapley value, N, of the mean over queries of 1/K times the agreement of the K nearest.

    The paper's recursion from the farthest example to the nearest, as one reversed sum. It is linear in the
    agreement, so that this may be any number.
    """
    rank_N = np.arange(1, distances_VN.shape[1] + 1)
    weight_N = np.minimum(neighbours, rank_N) / (neighbours * rank_N)
    total_N, own_N = np.zeros(len(rank_N)), np.empty(len(rank_N))
    for distances_N, agreement_N in zip(distances_VN, agreement_VN, strict=True):
        # A query at a time, whose numbers stay in a core's cache, as those of all queries would not.
        order_N = np.argsort(distances_N, kind="stable")
        steps_N = agreement_N[order_N]
        steps_N[:-1] -= steps_N[1:].copy()
        steps_N *= weight_N
        own_N[order_N] = np.cumsum(steps_N[::-1])[::-1]
        total_N += own_N
    return total_N / len(distances_VN)
