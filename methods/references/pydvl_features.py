"""pyDVL's KNN-Shapley and Data-OOB, on the features that ours see."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from harness.types import Additive, Array, Floats, JobSize, Problem


@dataclass(frozen=True)
class KnnShapleyPydvl(Additive):
    """pyDVL's exact Shapley values of examples for a nearest-neighbour classifier on features.

    Args:
        neighbours: K of the classifier.
        seeds: initialisations whose features are averaged over.
    """

    neighbours: int = 5
    seeds: int = 3
    source: ClassVar[str] = "Jia et al. (2019), VLDB 12(11); pyDVL 0.10 KNNShapleyValuation"
    passes: ClassVar[str] = "1 forward pass a seed; distances of all training to all validation examples"

    def algebra(self, size: JobSize) -> float:
        return self.seeds * 2.0 * size.examples * size.validation * size.features

    def unsuitable(self, problem: Problem) -> str | None:
        return _without_labels(problem)

    def example_values(self, problem: Problem) -> Floats:
        return np.stack([self._one_seed(problem, seed) for seed in range(self.seeds)])

    def _one_seed(self, problem: Problem, seed: int) -> Floats:
        from sklearn.neighbors import KNeighborsClassifier

        from methods.features import seen

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its own deprecations, raised on import
            from pydvl.valuation.dataset import Dataset
            from pydvl.valuation.methods.knn_shapley import KNNShapleyValuation

        train, validation = seen(problem, problem.initial(seed))
        asked = Dataset(validation.features_NF, problem.validation.targets)
        model = KNeighborsClassifier(n_neighbors=self.neighbours)
        return _fitted(KNNShapleyValuation(model, asked, progress=False), train.features_NF, problem.train.targets)


@dataclass(frozen=True)
class DataOobPydvl(Additive):
    """pyDVL's Data-OOB of the bags that ``data-oob`` grows.

    Args:
        trees: in a bag.
        seeds: initialisations whose features are averaged over, each with a bag of its own.
    """

    trees: int = 50
    seeds: int = 3
    seed_scope: ClassVar[str] = "data-oob"
    source: ClassVar[str] = "Kwon & Zou (2023), ICML; pyDVL 0.10 DataOOBValuation"
    passes: ClassVar[str] = "1 forward pass a seed; bags of decision trees on its features"

    def algebra(self, size: JobSize) -> float:
        n = max(size.examples, 2.0)
        return float(self.seeds * self.trees * n * np.log2(n) ** 2 * size.features)

    def unsuitable(self, problem: Problem) -> str | None:
        return _without_labels(problem)

    def example_values(self, problem: Problem) -> Floats:
        return np.stack([self._one_seed(problem, seed) for seed in range(self.seeds)])

    def _one_seed(self, problem: Problem, seed: int) -> Floats:
        from sklearn.ensemble import BaggingClassifier
        from sklearn.tree import DecisionTreeClassifier

        from methods.features import seen

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pydvl.valuation.methods.data_oob import DataOOBValuation

        features_NF = seen(problem, problem.initial(seed))[0].features_NF
        classes_N = np.unique(problem.train.targets, return_inverse=True)[1]
        draws = int(problem.scope_stream("bag", seed).integers(2**31))
        bag = BaggingClassifier(DecisionTreeClassifier(), n_estimators=self.trees, random_state=draws)
        bag.fit(features_NF, classes_N)
        return np.nan_to_num(_fitted(DataOOBValuation(bag), features_NF, classes_N))


def _fitted(valuation: Any, features_NF: Floats, labels_N: Array) -> Floats:
    from joblib import parallel_config
    from pydvl.valuation.dataset import Dataset

    with parallel_config(n_jobs=1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        valuation.fit(Dataset(features_NF, labels_N))
    values_N = np.zeros(len(labels_N))
    values_N[valuation.result.indices] = valuation.result.values
    return values_N


def _without_labels(problem: Problem) -> str | None:
    if not problem.learner.one_label:
        return f"pyDVL asks for one label an example, and those of {problem.task} are answered in words"
    return None
