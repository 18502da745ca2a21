"""The class-balance baseline against counts by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.types import HELD_OUT, Contributor, Examples, Pool
from methods.baselines import ClassBalance
from tests.tiny import evaluator_of, tiny_pool


def test_alone_it_is_one_minus_the_total_variation_distance(tmp_path: Path) -> None:
    owners = np.array([0, 0, 0, 0, 1, 1, 2, 2])

    def rows(labels: list[int], owners: np.ndarray) -> Examples:
        columns = {"inputs": np.zeros((len(labels), 1, 4, 4), dtype=np.float32), "targets": np.array(labels)}
        return Examples(columns, owners, np.ones(len(labels), dtype=bool))

    wanted = rows([0, 1, 0, 1, 1, 0], np.full(6, HELD_OUT))
    people = tuple(Contributor(name, {}) for name in "abc")
    pool = Pool("tiny", 0, people, rows([0, 0, 1, 1, 0, 0, 2, 2], owners), wanted, wanted)
    found = evaluator_of(tmp_path, pool).evaluate("class-balance", ClassBalance(), "standalone")
    assert not isinstance(found, str)
    assert found.values_C.tolist() == [1.0, 0.5, 0.0]  # alike; one label of two; none in common


def test_left_out_it_is_the_change_of_everyones_balance(tmp_path: Path) -> None:
    pool = tiny_pool(5)
    found = evaluator_of(tmp_path, pool).evaluate("class-balance", ClassBalance(), "leave-one-out")
    assert not isinstance(found, str)

    def balance(keep: np.ndarray) -> float:
        shares = [np.bincount(labels, minlength=3) / len(labels) for labels in (pool.train.targets[keep], wanted)]
        return float(np.minimum(*shares).sum())  # what two distributions share is one minus their distance

    wanted = pool.validation.targets
    everyone = balance(np.ones(len(pool.train), dtype=bool))
    expected = [everyone - balance(pool.train.owners_N != i) for i in range(5)]
    np.testing.assert_allclose(found.values_C, expected, atol=1e-12)
