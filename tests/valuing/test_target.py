"""Other rows of the target at no retraining: what is read off kept likelihoods is what training anew gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.metering.meter import NO_OVERHEAD
from harness.retraining.chunks import Job
from harness.retraining.engine import Engine
from harness.retraining.ledger import Ledger
from harness.running.evaluator import Evaluator
from harness.types import Method
from harness.valuing.target import TargetEngine, parts_of
from methods.influence import Influence
from methods.leave_one_out import LeaveOneOut
from methods.proxy import Proxy
from methods.semivalues.data_shapley import DataShapley
from methods.similarity import EmbeddingSimilarity
from tests.tiny import tiny_mlp, tiny_pool

JOBS = [Job("1111", 1), Job("0110", 1), Job("0001", 2), Job("0000", 1)]


def engine(folder: Path, name: str = "a") -> TargetEngine:
    pool = tiny_pool()
    return TargetEngine(tiny_mlp(), pool.train, pool.validation, Ledger(folder / f"{name}.sqlite"))


def test_parts_are_disjoint_and_hold_every_row() -> None:
    parts = parts_of(43, 10, 0)
    assert sorted(np.concatenate(parts).tolist()) == list(range(43))
    assert {len(part) for part in parts} == {4, 5}
    assert [part.tolist() for part in parts_of(43, 10, 0)] == [part.tolist() for part in parts]
    assert [part.tolist() for part in parts_of(43, 10, 1)] != [part.tolist() for part in parts]


def test_fewer_rows_are_scored_as_an_engine_of_these_rows_scores_them(tmp_path: Path) -> None:
    pool, rows = tiny_pool(), np.array([0, 3, 4, 11, 20])
    whole = engine(tmp_path)
    before = whole.outcomes(JOBS)
    assert whole.on(rows).missing(JOBS) == 0
    other = Engine(tiny_mlp(), pool.train, pool.validation.take(rows), Ledger(tmp_path / "b.sqlite"))
    for mine, theirs in zip(whole.on(rows).outcomes(JOBS), other.outcomes(JOBS), strict=True):
        assert mine.utility == pytest.approx(theirs.utility, rel=1e-5)
    assert [one.utility for one in whole.outcomes(JOBS)] == [one.utility for one in before]
    assert before[0].utility == pytest.approx(
        Engine(tiny_mlp(), pool.train, pool.validation, Ledger(tmp_path / "c.sqlite")).outcomes(JOBS[:1])[0].utility
    )


@pytest.mark.parametrize(
    "method",
    [LeaveOneOut(), DataShapley(seeds=1), Influence(runs=1), EmbeddingSimilarity(), Proxy(share=0.5)],
    ids=lambda method: type(method).__name__,
)
def test_a_method_asked_on_other_rows_says_what_it_says_where_there_are_no_others(
    method: Method, tmp_path: Path
) -> None:
    """Without one retraining more than on the whole target."""
    pool, rows = tiny_pool(), np.arange(0, 30, 2)
    whole = engine(tmp_path)
    place = (0, pool.task, pool.index, pool.names, pool.train)
    evaluator = Evaluator(*place, pool.validation, whole, NO_OVERHEAD)
    evaluator.evaluate("one", method, "shapley")
    count = len(whole.ledger.outcomes(whole.context))
    part = pool.validation.take(rows)
    found = evaluator.on(part, whole.on(rows)).evaluate("one", method, "shapley")
    assert len(whole.ledger.outcomes(whole.context)) == count
    alone = Engine(tiny_mlp(), pool.train, part, Ledger(tmp_path / "alone.sqlite"))
    expected = Evaluator(*place, part, alone, NO_OVERHEAD).evaluate("one", method, "shapley")
    assert not isinstance(found, str)
    assert not isinstance(expected, str)
    np.testing.assert_allclose(found.values_SC, expected.values_SC, rtol=1e-3, atol=1e-6)
