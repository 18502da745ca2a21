"""The class-balance baseline against what is planted, and against a count by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from methods.baselines import ClassBalance
from tasks.pools.dealing import class_balance
from tests.tiny import evaluator_of, tiny_pool


def test_alone_it_is_what_is_planted(tmp_path: Path) -> None:
    pool = tiny_pool(6)
    found = evaluator_of(tmp_path, pool).evaluate("class-balance", ClassBalance(), "standalone")
    assert not isinstance(found, str)
    planted = class_balance(pool.train.targets, pool.train.owners_N, pool.validation.targets)
    np.testing.assert_allclose(found.values_C, planted, atol=1e-12)


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
