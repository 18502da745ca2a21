"""Data-OOB: whether models that were trained without an example get it right."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import log2

import numpy as np

from harness.types import Array, Count, Floats, JobSize, Params, Problem
from methods.embedders import Features, OnFeatures


@dataclass(frozen=True)
class DataOob(OnFeatures):
    """Share of bagged trees, of those that did not see an example, that foretell its label from its features.

    Args:
        trees: in a bag.
        features: of the ``initial`` model, or of the one that is ``trained`` on everyone.
        seeds: initialisations, or training runs from them, each with a bag of its own; values are averaged over them.
    """

    trees: Count = 50
    features: Features = "initial"
    seeds: Count = 3
    called = "Data-OOB"
    seed_scope = "data-oob"
    source = "Kwon & Zou (2023), ICML: the out-of-bag estimate"
    passes = "1 forward pass a seed, of trained features 1 retraining a seed; bags of decision trees"
    choices = (
        "features: penultimate, at the initialisation, which costs least; the paper's networks are trained on other "
        "data; :trained is the pool's own, which has learnt the very labels that trees are to foretell; trees: "
        "scikit-learn's, unpruned; three bags of 50 in place of the authors' one of 800: each example is out of about "
        "55 trees, which tells its share to 0.07 at worst; a contributor's value is the sum over its examples"
    )
    claims = frozenset({"additive"})

    def algebra(self, size: JobSize) -> float:
        """To sort every feature once on each level of a tree."""
        n = max(size.examples, 2.0)
        return self.seeds * self.trees * n * log2(n) ** 2 * size.features

    def unsuitable(self, problem: Problem) -> str | None:
        if not problem.learner.one_label:
            return f"its trees foretell a label, and examples of {problem.task} are answered in words"
        return None

    def example_values(self, problem: Problem) -> Floats:
        bags = [
            problem.shared(
                f"data-oob/{self.features}/{seed}/{self.trees}",
                partial(self._one_bag, problem, self.embedder(problem, seed), seed),
            )
            for seed in range(self.seeds)
        ]
        return np.stack(bags)

    def _one_bag(self, problem: Problem, params: Params, seed: int) -> Floats:
        from methods.features import seen

        features_NF = seen(problem, params)[0].features_NF
        draws = int(problem.scope_stream("bag", seed).integers(2**31))
        return out_of_bag(features_NF, problem.train.targets, self.trees, draws)


def out_of_bag(features_NF: Floats, labels_N: Array, trees: int, seed: int) -> Floats:
    """Each example's share of right answers by trees whose bag lacked it, N; the mean share where none did."""
    from sklearn.ensemble import BaggingClassifier
    from sklearn.tree import DecisionTreeClassifier

    classes_N = np.unique(labels_N, return_inverse=True)[1]
    bag = BaggingClassifier(DecisionTreeClassifier(), n_estimators=trees, random_state=seed)
    bag.fit(features_NF, classes_N)
    right_N, asked_N = np.zeros(len(classes_N)), np.zeros(len(classes_N))
    for tree, taken in zip(bag.estimators_, bag.estimators_samples_, strict=True):
        out = np.setdiff1d(np.arange(len(classes_N)), taken)
        if len(out):
            right_N[out] += tree.predict(features_NF[out]) == classes_N[out]
            asked_N[out] += 1
    share = right_N.sum() / max(asked_N.sum(), 1)
    return np.where(asked_N > 0, right_N / np.maximum(asked_N, 1), share)
