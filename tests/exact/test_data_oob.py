"""Data-OOB against pyDVL's on one bag, and against what is known of labels that nothing foretells."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import BaggingClassifier
from sklearn.tree import DecisionTreeClassifier

from harness.types import Examples
from methods.data_oob import DataOob, out_of_bag
from tests.harness.small_runs import THIRD_PARTY
from tests.tiny import problem_of, tiny_mlp, tiny_pool

pytestmark = THIRD_PARTY


def test_it_is_what_pydvl_finds_on_the_same_bag() -> None:
    rng = np.random.default_rng(0)
    features_NF = rng.standard_normal((60, 4))
    labels_N = (features_NF[:, 0] + 0.5 * rng.standard_normal(60) > 0).astype(int)
    bag = BaggingClassifier(DecisionTreeClassifier(), n_estimators=30, random_state=7).fit(features_NF, labels_N)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pydvl.valuation.dataset import Dataset
        from pydvl.valuation.methods.data_oob import DataOOBValuation

        theirs = DataOOBValuation(bag, score=lambda y_true, y_pred: (y_true == y_pred).astype(float))
        theirs.fit(Dataset(features_NF, labels_N))
    expected_N = np.empty(60)
    expected_N[theirs.result.indices] = theirs.result.values
    np.testing.assert_allclose(out_of_bag(features_NF, labels_N, 30, 7), expected_N, atol=1e-12)
    named = out_of_bag(features_NF, 5 + 3 * labels_N, 30, 7)  # whatever labels are called
    np.testing.assert_allclose(named, expected_N, atol=1e-12)


def test_an_example_that_every_tree_has_seen_takes_the_mean_share() -> None:
    features_NF, labels_N = np.arange(8.0)[:, None], np.array([0, 0, 0, 0, 1, 1, 1, 1])
    values_N = out_of_bag(features_NF, labels_N, 1, 0)
    bag = BaggingClassifier(DecisionTreeClassifier(), n_estimators=1, random_state=0).fit(features_NF, labels_N)
    taken = np.unique(bag.estimators_samples_[0])
    out = np.setdiff1d(np.arange(8), taken)
    right = bag.estimators_[0].predict(features_NF[out]) == labels_N[out]
    np.testing.assert_allclose(values_N[out], right)
    np.testing.assert_allclose(values_N[taken], right.mean())


@pytest.mark.parametrize("labels", [np.zeros(2, int), np.array([0, 1])])
def test_two_examples_have_values(labels: np.ndarray) -> None:
    assert np.isfinite(out_of_bag(np.ones((2, 3)), labels, 5, 0)).all()


def test_a_contributor_of_wrong_labels_is_worth_least(tmp_path: Path) -> None:
    pool = tiny_pool(4, each=20)
    train = pool.train
    wrong = np.where(train.owners_N == 1, (train.targets + 1) % 3, train.targets)
    spoilt = replace(pool, train=Examples({**train.columns, "targets": wrong}, train.owners_N, train.real_N))
    values_N = DataOob(trees=40).example_values(problem_of(tmp_path, spoilt)).mean(axis=0)
    assert np.argmin([values_N[train.owners_N == c].mean() for c in range(4)]) == 1


def test_responses_do_not_suit_it(tmp_path: Path) -> None:
    learner = tiny_mlp()
    learner.one_label = False
    reason = DataOob().unsuitable(problem_of(tmp_path, tiny_pool(4), learner))
    assert reason is not None
    assert "label" in reason
