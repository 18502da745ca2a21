"""KNN-Shapley against enumeration of all subsets, and against pyDVL."""

from __future__ import annotations

import warnings
from itertools import combinations
from math import comb
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsClassifier

from harness.types import Floats
from methods.features import agreement, distances, seen
from methods.knn_shapley import KnnShapley, shapley_of_neighbours
from tests.harness.small_runs import THIRD_PARTY
from tests.tiny import problem_of, tiny_pool

pytestmark = THIRD_PARTY


def utility(subset: tuple[int, ...], distances_VN: Floats, agreement_VN: Floats, neighbours: int) -> float:
    """The nearest-neighbour utility of Jia et al. 2019, averaged over queries."""
    found = []
    for far_N, agrees_N in zip(distances_VN, agreement_VN, strict=True):
        nearest = sorted(subset, key=lambda i, far_N=far_N: far_N[i])[:neighbours]
        found.append(sum(agrees_N[i] for i in nearest) / neighbours)
    return float(np.mean(found))


def enumerated(distances_VN: Floats, agreement_VN: Floats, neighbours: int) -> Floats:
    """Shapley's definition, over all subsets."""
    count = distances_VN.shape[1]
    values_N = np.zeros(count)
    for i in range(count):
        others = [j for j in range(count) if j != i]
        for size in range(count):
            for subset in combinations(others, size):
                gain = [utility(s, distances_VN, agreement_VN, neighbours) for s in ((*subset, i), subset)]
                values_N[i] += (gain[0] - gain[1]) / (count * comb(count - 1, size))
    return values_N


@pytest.mark.parametrize("neighbours", [1, 3, 6, 9])  # also more neighbours than examples
@pytest.mark.parametrize("graded", [False, True])
def test_the_recursion_is_shapley_s_value_over_all_subsets(neighbours: int, graded: bool) -> None:
    rng = np.random.default_rng(neighbours)
    distances_VN, agreement_VN = rng.random((3, 6)), rng.random((3, 6))
    agreement_VN = agreement_VN if graded else np.round(agreement_VN)
    found = shapley_of_neighbours(distances_VN, agreement_VN, neighbours)
    np.testing.assert_allclose(found, enumerated(distances_VN, agreement_VN, neighbours), atol=1e-12)


@given(st.integers(2, 40), st.integers(1, 12), st.integers(0, 2**32))
def test_values_add_up_to_the_classifier_s_utility(count: int, neighbours: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    distances_VN, agreement_VN = rng.random((4, count)), rng.random((4, count))
    whole = utility(tuple(range(count)), distances_VN, agreement_VN, neighbours)
    assert shapley_of_neighbours(distances_VN, agreement_VN, neighbours).sum() == pytest.approx(whole)


def test_of_labels_it_is_what_pydvl_finds_on_the_same_features(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from joblib import parallel_config
        from pydvl.valuation.dataset import Dataset
        from pydvl.valuation.methods.knn_shapley import KNNShapleyValuation

        problem = problem_of(tmp_path, tiny_pool(4))
        train, validation = seen(problem, problem.initial(0))
        held_out = Dataset(validation.features_NF, problem.validation.targets)
        theirs = KNNShapleyValuation(KNeighborsClassifier(5), held_out, progress=False)
        with parallel_config(n_jobs=1):
            theirs.fit(Dataset(train.features_NF, problem.train.targets))
    ours = KnnShapley(seeds=1).example_values(problem)[0]
    np.testing.assert_allclose(ours[theirs.result.indices], theirs.result.values, atol=1e-9)


def test_labels_agree_or_do_not_and_responses_share_tokens(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tiny_pool(4))
    train, validation = seen(problem, problem.initial(0))
    same_VN = problem.validation.targets[:, None] == problem.train.targets[None, :]
    np.testing.assert_allclose(agreement(train, validation), same_VN, atol=1e-12)
    gaps = np.linalg.norm(validation.features_NF[:, None] - train.features_NF[None], axis=2)
    np.testing.assert_allclose(distances(train, validation), gaps, atol=1e-6)
