"""Class-wise Shapley: what a contributor does for the classes that it brings, little moved by the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from harness.types import Array, Bools, Floats, JobSize, Problem, Retraining
from methods.coalitions import Sampling, paired_sizes
from methods.semivalues import probabilistic


@dataclass(frozen=True)
class ClassWiseShapley(Sampling, Retraining):
    """Shapley values of each class's likelihood on the validation split x exp(the others'), by shares of the class.

    Args:
        retrainings: coalitions retrained, all repeats together; None: 4 x contributors.
        seeds: independent repeats, each with its own initialisation and its own coalitions; one alone has no surrogate.
    """

    design: ClassVar[str] = "paired"
    has_ends: ClassVar[bool] = True
    source: ClassVar[str] = "Schoch, Xu & Ji (2022), NeurIPS (CS-Shapley)"
    passes: ClassVar[str] = "4 retrainings a contributor, over all seeds"
    choices: ClassVar[str] = (
        "retrainings: 4 a contributor, data-shapley's budget; contributors are players of every class's game and their "
        "values are weighed by their share of the class's examples, so that contributors of like examples get what "
        "these would add up to, for a contributor trains as a whole; the expected accuracy, mean probability of the "
        "true label, in place of the counted one; estimated as regression-shapley, on its retrainings"
    )

    def algebra(self, size: JobSize) -> float:
        return self.seeds * probabilistic.operations(self.seeds * self.each(size.contributors), size.contributors)

    def unsuitable(self, problem: Problem) -> str | None:
        if not problem.learner.one_label:
            return f"its examples need a label each, and those of {problem.task} are answered in words"
        return super().unsuitable(problem)

    def contributor_values(self, problem: Problem) -> Floats:
        contributors, labels_N = len(problem.contributors), problem.validation.targets
        rows = self.drawn(problem)
        chances = [np.exp(problem.retrain.by_example(rows_KC, seed)) for seed, rows_KC in enumerate(rows)]
        joins_S = probabilistic.shapley_chances(contributors)
        expected_S = paired_sizes(self.each(contributors), contributors)
        values_SC = np.zeros((self.seeds, contributors))
        for label in np.unique(labels_N):
            worths = [class_worths(chances_KN, labels_N == label) for chances_KN in chances]
            held_C = class_shares(problem.train.owners_N[problem.train.targets == label], contributors)
            values_SC += contributors * held_C * probabilistic.adjusted(rows, worths, joins_S, expected_S)
        return values_SC


def class_worths(chances_KN: Floats, inside_N: Bools) -> Floats:
    """In-class accuracy x exp(out-of-class accuracy), both over all validation examples, K."""
    examples = chances_KN.shape[1]
    within_K, outside_K = (chances_KN[:, side_N].sum(axis=1) / examples for side_N in (inside_N, ~inside_N))
    return np.asarray(within_K * np.exp(outside_K))


def class_shares(owners_N: Array, contributors: int) -> Floats:
    """Each contributor's share of a class, from the owners of its examples, C; 0 where nobody has one."""
    return np.asarray(np.bincount(owners_N, minlength=contributors) / max(1, len(owners_N)))
