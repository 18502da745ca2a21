"""What methods that retrain no coalition owe on any pool: numbers, and the same ones whatever people are called."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness import registry
from harness.types import Examples, Floats, Learner, Pool
from methods import METHODS
from methods.data_oob import DataOob
from tests.harness.small_runs import THIRD_PARTY
from tests.tiny import evaluator_of, images, tiny_mlp, tiny_pool, tiny_recipe

pytestmark = THIRD_PARTY
NAMES = (
    *("knn-shapley", "davinz", "deviation", "freeshap", "lava", "kairos", "convex-dataset-valuation", "data-oob"),
    *("data-distribution-valuation", "data-distribution-valuation:pool", "embedding-similarity", "repsim"),
    *("gradient-norm", "perplexity", "for-value", "constant"),
    *("knn-shapley:trained", "lava:trained", "kairos:trained", "data-oob:trained"),
)
TRAINS = ("repsim", "perplexity", *(name for name in NAMES if name.endswith(":trained")))
EVERY = pytest.mark.parametrize("name", NAMES)


def test_they_are_in_the_table() -> None:
    assert set(NAMES) <= set(METHODS)


def values(folder: Path, pool: Pool, name: str, learner: Learner | None = None) -> Floats | str:
    """Shapley values, for which few contributors' every coalition is asked, or why there are none."""
    method = registry.method(name)
    if isinstance(method, DataOob):
        method = replace(method, trees=10)
    answer = evaluator_of(folder, pool, learner).evaluate(name, method, "shapley")
    return answer if isinstance(answer, str) else answer.values_C


def changed(pool: Pool, inputs: np.ndarray | None = None, targets: np.ndarray | None = None) -> Pool:
    columns = dict(pool.train.columns)
    columns |= {} if inputs is None else {"inputs": inputs}
    columns |= {} if targets is None else {"targets": targets}
    return replace(pool, train=Examples(columns, pool.train.owners_N, pool.train.real_N))


def strange(kind: str) -> tuple[Pool, Learner]:
    pool, learner = tiny_pool(4), tiny_mlp()
    match kind:
        case "all inputs the same":
            return changed(pool, inputs=np.ones_like(pool.train.columns["inputs"])), learner
        case "one label alone":
            return changed(pool, targets=np.zeros_like(pool.train.targets)), learner
        case "one example each":
            owners = np.arange(3)
            train = Examples(images(3, np.random.default_rng(0)), owners, np.ones(3, dtype=bool))
            return replace(pool, contributors=pool.contributors[:3], train=train), learner
        case "not labels":
            learner.one_label = False
            return pool, learner
        case _:
            return pool, tiny_mlp(tiny_recipe(micro_batch=3))


@EVERY
@pytest.mark.parametrize(
    "kind", ["all inputs the same", "one label alone", "one example each", "not labels", "rows in parts"]
)
def test_strange_pools_get_numbers_or_a_reason(name: str, kind: str, tmp_path: Path) -> None:
    pool, learner = strange(kind)
    found = values(tmp_path, pool, name, learner)
    if isinstance(found, str):
        assert (name.partition(":")[0], kind) == ("data-oob", "not labels")
    else:
        assert np.isfinite(found).all()


@EVERY
def test_whoever_is_called_what_is_worth_the_same(name: str, tmp_path: Path) -> None:
    pool, renamed = tiny_pool(5), np.array([3, 0, 4, 1, 2])
    train = pool.train
    other = replace(pool, train=Examples(train.columns, renamed[train.owners_N], train.real_N))
    before, after = values(tmp_path, pool, name), values(tmp_path, other, name)
    assert not isinstance(before, str)
    assert not isinstance(after, str)
    np.testing.assert_allclose(after[renamed], before, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in (*TRAINS, "constant")])
def test_rows_in_parts_of_a_module_that_does_not_stack_are_worth_the_same(name: str, tmp_path: Path) -> None:
    """But for methods that train, whose models differ by rounding then."""
    parts = tiny_mlp(tiny_recipe(micro_batch=3))
    parts.stacks = False
    before, after = values(tmp_path, tiny_pool(4), name), values(tmp_path, tiny_pool(4), name, parts)
    assert not isinstance(before, str)
    assert not isinstance(after, str)
    np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-5)
