"""Methods on features of the trained model are the same estimators on features taken by hand, and pay for the training.

By hand: the module of the fit, in double precision, asked for its hidden layer.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness import registry
from harness.types import Additive, Examples, Floats, Params, Problem
from methods.data_oob import DataOob, out_of_bag
from methods.features import Seen
from methods.kairos import Kairos
from methods.knn_shapley import KnnShapley, shapley_of_neighbours
from methods.lava import Lava, calibrated, label_distances, squares
from methods.transport import divergence_gradient
from tests.exact.test_discrepancies import logistic_chances, plain_kernel
from tests.harness.small_runs import THIRD_PARTY
from tests.tiny import CLASSES, evaluator_of, problem_of, tiny_pool

pytestmark = THIRD_PARTY
METHODS: list[Any] = [KnnShapley(seeds=2), Lava(seeds=2), Kairos(seeds=2), DataOob(trees=8, seeds=2)]
EACH = pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)


def features(problem: Problem, params: Params, examples: Examples) -> Floats:
    module = problem.learner.module(params).double()
    return np.asarray(module.inner(torch.tensor(examples.columns["inputs"]).double())[1].detach().numpy())


def by_hand(method: Additive, problem: Problem, params: Params, run: int) -> Floats:
    """The estimator on the features that these parameters give."""
    train, validation = (features(problem, params, examples) for examples in (problem.train, problem.validation))
    labels_N, labels_V = problem.train.targets, problem.validation.targets
    match method:
        case KnnShapley():
            gaps_VN = np.linalg.norm(validation[:, None] - train[None], axis=2)
            agree_VN = (labels_V[:, None] == labels_N[None]).astype(float)
            return shapley_of_neighbours(gaps_VN, agree_VN, method.neighbours)
        case Lava():
            own_NN, wanted_NV = label_distances(train, labels_N, validation, labels_V)
            across_NV, within_NN = squares(train, validation) + wanted_NV, squares(train, train) + own_NN
            return -calibrated(divergence_gradient(across_NV, within_NN, method.entropy * across_NV.mean()))
        case Kairos():
            sides = [Seen(rows, np.eye(CLASSES)[of]) for rows, of in ((train, labels_N), (validation, labels_V))]
            gaps = np.linalg.norm(validation[:, None] - validation[None], axis=2)[np.triu_indices(len(validation), 1)]
            median = np.sort(gaps)[(len(gaps) - 1) // 2]  # the lower one of two, as torch has it
            own, across = (plain_kernel(train, side, median, [1.0]).mean(axis=1) for side in (train, validation))
            missed_N = np.linalg.norm(sides[0].targets_NM - logistic_chances(*sides), axis=1)
            worse_N = 0.97 * (own - across) + 0.03 * missed_N
            return np.asarray(worse_N.mean() - worse_N)
        case DataOob():
            drawn = int(problem.scope_stream("bag", run).integers(2**31))
            return out_of_bag(train.astype(np.float32), labels_N, method.trees, drawn)
    raise AssertionError(f"no estimator of {method} by hand")


@EACH
@pytest.mark.parametrize("of", ["initial", "trained"])
def test_values_are_the_estimator_s_on_that_model_s_features(method: Any, of: str, tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tiny_pool(4), method="data-oob")
    found_SN = replace(method, features=of).example_values(problem)
    for run, found_N in enumerate(found_SN):
        params = problem.fit(run).params if of == "trained" else problem.initial(run)
        np.testing.assert_allclose(found_N, by_hand(method, problem, params, run), rtol=1e-3, atol=1e-5)


@EACH
def test_trained_features_are_others_and_cost_a_training_each(method: Any, tmp_path: Path) -> None:
    """Also where both are asked of one pool, which shares what methods work out."""
    evaluator, answers = evaluator_of(tmp_path, tiny_pool(4, each=12)), []
    for of in ("initial", "trained"):
        found = evaluator.evaluate(of, replace(method, features=of), "shapley")
        assert not isinstance(found, str)
        answers.append(found)
    assert [found.cost.retrainings for found in answers] == [0, 2]
    assert [replace(method, features=of).budget(4, 48).fits for of in ("initial", "trained")] == [0, 2]
    assert not np.allclose(answers[0].values_SC, answers[1].values_SC)


@pytest.mark.parametrize("name", ["knn-shapley", "lava", "kairos", "data-oob"])
def test_each_has_a_row_for_trained_features(name: str) -> None:
    assert registry.method(f"{name}:trained") == replace(registry.method(name), features="trained")  # type: ignore[call-arg]
