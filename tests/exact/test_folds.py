"""A truth by held-out folds: every truth is linear in utilities, so the folds' truths must add up to the whole one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.retraining.engine import Engine
from harness.retraining.ledger import Ledger
from harness.seeds import stream
from harness.truth.truth import plan
from harness.types import FOLDS, QUESTIONS, Question
from tests.tiny import engine_of, held_out, tiny_mlp, tiny_pool, truth_by


@pytest.mark.parametrize("contributors", [4, 12], ids=["exact", "sampled"])
@pytest.mark.parametrize("question", QUESTIONS)
def test_folds_add_up_to_the_truth(tmp_path: Path, question: Question, contributors: int) -> None:
    pool = tiny_pool(contributors, each=3)  # 30 validation rows: 14 folds of two and 2 of one
    engine = engine_of(tmp_path, pool)
    truth = truth_by(plan(question, contributors, 0, ("tiny", 0), 2), engine, stream(0, "test"))
    assert truth.by_fold_FC.shape == (FOLDS, contributors)
    shares_F = np.bincount(np.arange(30) % FOLDS) / 30
    np.testing.assert_allclose(shares_F @ truth.by_fold_FC, truth.values_C, atol=1e-6)
    assert truth.by_fold_FC.std(axis=0).min() > 1e-4  # they are not the whole truth, said sixteen times


def test_folds_without_rows_are_left_out(tmp_path: Path) -> None:
    pool = replace(tiny_pool(), validation=held_out(5, 3))
    truth = truth_by(plan("standalone", 4, 0, ("tiny", 0), 2), engine_of(tmp_path, pool), stream(0, "test"))
    assert truth.by_fold_FC.shape == (5, 4)
    np.testing.assert_allclose(truth.by_fold_FC.mean(axis=0), truth.values_C, atol=1e-6)


def test_a_truth_with_outcomes_of_an_older_ledger_has_no_folds(tmp_path: Path) -> None:
    asked, engine = plan("standalone", 4, 0, ("tiny", 0), 2), engine_of(tmp_path, tiny_pool())
    found = truth_by(asked, engine, stream(0, "test"))
    engine._known[asked.jobs[0]] = replace(engine._known[asked.jobs[0]], folds=b"")
    older = truth_by(asked, engine, stream(0, "test"))
    assert older.by_fold_FC.size == older.residual_C.size == older.everyone_SF.size == 0
    np.testing.assert_array_equal(older.values_C, found.values_C)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_truth_on_the_validation_split_is_the_one_that_is_found_there_alone(
    tmp_path: Path, question: Question
) -> None:
    """The same trainings scored on both splits: what another engine, which scores on validation alone, finds too."""
    pool, asked = tiny_pool(), plan(question, 4, 0, ("tiny", 0), 2)
    ledgers = [Ledger(tmp_path / f"{name}.sqlite") for name in ("both", "alone")]
    both = Engine(tiny_mlp(), pool.train, pool.test, ledgers[0], validation=pool.validation)
    alone = Engine(tiny_mlp(), pool.train, pool.validation, ledgers[1])
    found, expected = (truth_by(asked, engine, stream(0, "test")) for engine in (both, alone))
    np.testing.assert_array_equal(found.validation_SC, expected.values_SC)
    assert (found.values_SC != expected.values_SC).any()
    assert expected.validation_SC.size == 0
    again = Engine(tiny_mlp(), pool.train, pool.test, ledgers[0], validation=pool.validation)
    np.testing.assert_array_equal(truth_by(asked, again, stream(0, "test")).validation_SC, found.validation_SC)


def test_everyone_and_nobody_are_told_by_seed_and_fold(tmp_path: Path) -> None:
    engine = engine_of(tmp_path, tiny_pool())
    truths = {q: truth_by(plan(q, 4, 0, ("tiny", 0), 3), engine, stream(0, "test")) for q in QUESTIONS}
    shares_F = np.bincount(np.arange(len(engine.workspace.held_out["targets"])) % FOLDS, minlength=FOLDS)
    shares_F = shares_F[shares_F > 0] / shares_F.sum()
    for question, sides in (("standalone", (0, 3)), ("leave-one-out", (3, 0)), ("shapley", (3, 3))):
        truth = truths[question]  # type: ignore[index]
        assert (len(truth.everyone_SF), len(truth.nobody_SF)) == sides
    whole_S = [engine.outcomes([job])[0].utility for job in plan("leave-one-out", 4, 0, ("tiny", 0), 3).jobs[::5]]
    np.testing.assert_allclose(truths["leave-one-out"].everyone_SF @ shares_F, whole_S, atol=1e-6)


def test_the_residuals_are_what_a_two_way_table_leaves(tmp_path: Path) -> None:
    """Against the values of each seed and fold, recomputed from the ledger's outcomes."""
    engine, asked = engine_of(tmp_path, tiny_pool()), plan("leave-one-out", 4, 0, ("tiny", 0), 3)
    truth = truth_by(asked, engine, stream(0, "test"))
    folds_JF = np.array([outcome.by_fold[0] for outcome in engine.outcomes(asked.jobs)], dtype=np.float64)  # type: ignore[index]
    folds_SKF = folds_JF[:, np.isfinite(folds_JF).all(axis=0)].reshape(3, 5, -1)
    values_SCF = folds_SKF[:, :1] - folds_SKF[:, 1:]
    values_SCF = values_SCF - values_SCF.mean(axis=1, keepdims=True)
    table = values_SCF - values_SCF.mean(axis=0) - values_SCF.mean(axis=2, keepdims=True)
    np.testing.assert_allclose(
        truth.residual_C, ((table + values_SCF.mean(axis=(0, 2))[:, None]) ** 2).sum(axis=(0, 2)), rtol=1e-9
    )
