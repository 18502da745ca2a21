"""Likeness of what the model makes of training and of validation examples: one-feature baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.types import Additive, Bools, Budget, Count, Floats, JobSize, Problem, Scorer, SetFunction


@dataclass(frozen=True)
class EmbeddingSimilarity(SetFunction):
    """Cosine between a coalition's mean features and validation's, at the initialisation.

    Args:
        seeds: initialisations averaged over.
    """

    seeds: Count = 3
    source = "baseline"
    passes = "1 forward pass a seed"
    choices = "features: penultimate, without targets; 0 for nobody"
    claims = frozenset({"copies"})

    def algebra(self, size: JobSize) -> float:
        return self.seeds * 2.0 * size.examples * size.features

    def scorers(self, problem: Problem) -> Sequence[Scorer]:
        from methods.features import seen

        found = []
        for seed in range(self.seeds):
            train, validation = (side.features_NF for side in seen(problem, problem.initial(seed)))
            sums_CF = np.zeros((len(problem.contributors), train.shape[1]))
            np.add.at(sums_CF, problem.train.owners_N, train)
            found.append(_cosine_scorer(sums_CF, validation.mean(axis=0)))
        return found


def _cosine_scorer(sums_CF: Floats, target_F: Floats) -> Scorer:
    def score(coalitions_KC: Bools) -> Floats:
        return np.asarray(unit(coalitions_KC @ sums_CF) @ unit(target_F[None])[0])

    return score


@dataclass(frozen=True)
class RepSim(Additive):
    """Mean cosine between the trained model's features of an example and of each validation example.

    Args:
        runs: training runs averaged over.
    """

    runs: Count = 3
    source = "baseline; representation similarity, Hanawa et al. (2021), ICLR"
    passes = "1 retraining and 1 forward pass a run"
    choices = "features: penultimate, those of responses over their tokens; a contributor's value is the sum"
    claims = frozenset({"copies", "additive"})

    def budget(self, contributors: int, examples: int) -> Budget:
        return Budget(fits=self.runs)

    def algebra(self, size: JobSize) -> float:
        return self.runs * 2.0 * size.examples * size.features

    def example_values(self, problem: Problem) -> Floats:
        from methods.features import seen

        found = []
        for run in range(self.runs):
            train, validation = (unit(side.features_NF) for side in seen(problem, problem.fit(run).params))
            found.append(train @ validation.mean(axis=0))
        return np.stack(found)


def unit(rows_NF: Floats) -> Floats:
    """Rows of length 1; those of nothing stay so."""
    lengths_N = np.linalg.norm(rows_NF, axis=1, keepdims=True)
    return np.asarray(rows_NF / np.where(lengths_N > 0, lengths_N, 1.0))
