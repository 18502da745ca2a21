"""Methods of one seed scope draw the same coalitions, share their retrainings and are each charged in full."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from harness.errors import UserError
from harness.running.evaluator import Evaluator
from harness.types import Cost, Floats, Problem, Retraining, Valuation
from tests.tiny import evaluator_of, problem_of, tiny_pool


@dataclass(frozen=True)
class Sampled(Retraining):
    """Mean utility of random coalitions with each contributor."""

    source: ClassVar[str] = "test"
    passes: ClassVar[str] = "5 retrainings"

    def contributor_values(self, problem: Problem) -> Floats:
        drawn_KC = problem.scope_stream("coalitions").random((5, len(problem.contributors))) < 0.5
        utilities_K = problem.retrain(drawn_KC, 0)
        return (drawn_KC.T @ utilities_K)[None]


class Doubled(Sampled):
    """The same, read differently."""

    def contributor_values(self, problem: Problem) -> Floats:
        return 2 * super().contributor_values(problem)


def scoped(method: type[Sampled], scope: str) -> Sampled:
    found: Sampled = type(method.__name__, (method,), {"seed_scope": scope})()
    return found


def asked(evaluator: Evaluator, name: str, method: Sampled) -> tuple[Floats, Cost]:
    found = evaluator.evaluate(name, method, "shapley")
    assert isinstance(found, Valuation), found
    return found.values_C, found.cost


def test_methods_of_one_scope_share_retrainings_and_each_pays_for_them(tmp_path: Path) -> None:
    evaluator = evaluator_of(tmp_path, tiny_pool())
    first, cost = asked(evaluator, "a", scoped(Sampled, "coalitions"))
    known = evaluator.engine.ledger.outcomes(evaluator.engine.context)
    second, same = asked(evaluator, "b", scoped(Doubled, "coalitions"))
    np.testing.assert_allclose(second, 2 * first)
    assert evaluator.engine.ledger.outcomes(evaluator.engine.context) == known
    assert cost.retrainings == same.retrainings == len(known) > 0
    assert same.flops >= sum(outcome.cost.flops for outcome in known.values()) > 0


def test_methods_without_a_scope_share_nothing(tmp_path: Path) -> None:
    evaluator = evaluator_of(tmp_path, tiny_pool())
    first, _ = asked(evaluator, "a", Sampled())
    known = set(evaluator.engine.ledger.outcomes(evaluator.engine.context))
    second, _ = asked(evaluator, "b", Sampled())
    assert set(evaluator.engine.ledger.outcomes(evaluator.engine.context)) > known
    assert not np.allclose(first, second)


def test_a_method_reads_each_validation_example_of_its_retrainings(tmp_path: Path) -> None:
    pool = tiny_pool()
    problem = problem_of(tmp_path, pool)
    rows_KC = np.array([[True, False, True, True], [False, False, False, False]])
    found_KN = problem.retrain.by_example(rows_KC, 4)
    assert found_KN.shape == (2, len(pool.validation))
    np.testing.assert_allclose(found_KN.mean(axis=1), problem.retrain(rows_KC, 4), atol=1e-6)
    halved = replace(pool, validation=pool.validation.take(np.arange(15)))
    other = problem_of(tmp_path / "other", halved).retrain.by_example(rows_KC, 4)
    np.testing.assert_allclose(other, found_KN[:, :15], atol=1e-5)


def test_a_method_traces_a_coalition_of_its_own(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tiny_pool())
    fit = problem.fit(0, np.array([True, False, True, True]))
    assert problem.fit(0, np.array([True, False, True, True])) is fit
    assert [checkpoint.step for checkpoint in fit.checkpoints] == [2, 4, 6]
    initial = problem.fit(0).initial
    assert all(bool((fit.initial[name] == initial[name]).all()) for name in initial)
    with pytest.raises(UserError, match="a mark for each of 4 contributors, got shape"):
        problem.fit(0, np.array([True]))


@pytest.mark.parametrize("shape", [(4,), (2, 3), (2, 5)])
def test_coalitions_of_another_number_of_contributors_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    """Marks beyond the last contributor belong to nobody, and would be trained without a word."""
    problem = problem_of(tmp_path, tiny_pool())
    for retrain in (problem.retrain, problem.retrain.by_example):
        with pytest.raises(UserError, match=r"have the shape K x 4 contributors, got \("):
            retrain(np.ones(shape, dtype=np.bool_), 0)
