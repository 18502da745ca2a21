"""A truth by held-out folds: every truth is linear in utilities, so the folds' truths must add up to the whole one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.seeds import stream
from harness.truth.truth import find, plan
from harness.types import FOLDS, QUESTIONS, Question
from tests.tiny import engine_of, held_out, tiny_pool


@pytest.mark.parametrize("contributors", [4, 12], ids=["exact", "sampled"])
@pytest.mark.parametrize("question", QUESTIONS)
def test_folds_add_up_to_the_truth(tmp_path: Path, question: Question, contributors: int) -> None:
    pool = tiny_pool(contributors, each=3)  # 30 validation rows: 14 folds of two and 2 of one
    engine = engine_of(tmp_path, pool)
    truth = find(plan(question, contributors, 0, ("tiny", 0), 2, 3), engine, stream(0, "test"))
    assert truth.by_fold_FC is not None
    assert truth.by_fold_FC.shape == (FOLDS, contributors)
    shares_F = np.bincount(np.arange(30) % FOLDS) / 30
    np.testing.assert_allclose(shares_F @ truth.by_fold_FC, truth.values_C, atol=1e-6)
    assert truth.by_fold_FC.std(axis=0).min() > 1e-4  # they are not the whole truth, said sixteen times


def test_folds_without_rows_are_left_out(tmp_path: Path) -> None:
    pool = replace(tiny_pool(), validation=held_out(5, 3))
    truth = find(plan("standalone", 4, 0, ("tiny", 0), 2, 1), engine_of(tmp_path, pool), stream(0, "test"))
    assert truth.by_fold_FC is not None
    assert truth.by_fold_FC.shape == (5, 4)
    np.testing.assert_allclose(truth.by_fold_FC.mean(axis=0), truth.values_C, atol=1e-6)


def test_a_truth_with_outcomes_of_an_older_ledger_has_no_folds(tmp_path: Path) -> None:
    asked, engine = plan("standalone", 4, 0, ("tiny", 0), 2, 1), engine_of(tmp_path, tiny_pool())
    found = find(asked, engine, stream(0, "test"))
    engine._known[asked.jobs[0]] = replace(engine._known[asked.jobs[0]], folds=b"")
    older = find(asked, engine, stream(0, "test"))
    assert older.by_fold_FC is None
    np.testing.assert_array_equal(older.values_C, found.values_C)
