"""Stored results by task and question: the truths, and what each method said beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from harness.config import Suite
from harness.records.results import PoolRecord, Results, TruthRecord, ValuationRecord, mean_values
from harness.statistics.scores import levels
from harness.types import Floats, Question


@dataclass(frozen=True, eq=False)
class Matter:
    """A task and question; what follows from the fields, which nothing changes, is worked out once.

    Args:
        truths, dealt: by pool; valuations: each method's by pool.
        pools: those with a truth that orders the contributors: methods are scored there.
        flat: those with a truth that gives no order.
    """

    task: str
    question: Question
    truths: Mapping[int, TruthRecord]
    valuations: Mapping[str, Mapping[int, ValuationRecord]]
    dealt: Mapping[int, PoolRecord]
    pools: tuple[int, ...]
    flat: tuple[int, ...]

    @property
    def answered(self) -> list[TruthRecord]:
        """The truths that were found, whether they give an order or not."""
        return [self.truths[pool] for pool in sorted((*self.pools, *self.flat))]

    @cached_property
    def truths_C(self) -> dict[int, Floats]:
        """What each truth that was found says of each contributor, by pool."""
        return {pool: mean_values(truth.values) for pool, truth in self.truths.items() if truth.status == "ok"}

    @cached_property
    def answers_RC(self) -> dict[str, dict[int, Floats]]:
        """What each method answered, repeats x contributors, by pool."""
        return {
            name: {pool: np.array(one.values) for pool, one in own.items() if one.status == "ok"}
            for name, own in self.valuations.items()
        }

    @cached_property
    def values_C(self) -> dict[str, dict[int, Floats]]:
        """The same, means over repeats."""
        return {
            name: {pool: mean_values(values_RC) for pool, values_RC in own.items()}
            for name, own in self.answers_RC.items()
        }

    def methods(self) -> list[str]:
        """Those that answered every pool that has a truth, and failed on no other."""
        return [
            name
            for name, found in self.valuations.items()
            if all(valuation.status == "ok" for valuation in found.values()) and set(self.pools) <= set(found)
        ]


def matters(suite: Suite, results: Results) -> list[Matter]:
    """Every task and question with any answer, in the suite's order; answers to a changed pool are left out."""
    found = []
    for task in [*suite.tasks, *(t for t in results.tasks() if t not in suite.tasks)]:
        records = results.of_task(task)
        dealt = {record.pool: record for record in records if isinstance(record, PoolRecord)}
        truths_of: dict[str, dict[int, TruthRecord]] = {}
        answers_to: dict[str, dict[str, dict[int, ValuationRecord]]] = {}
        for record in records:
            if isinstance(record, TruthRecord):
                truths_of.setdefault(record.question, {})[record.pool] = record
            elif isinstance(record, ValuationRecord):
                answers_to.setdefault(record.question, {}).setdefault(record.method, {})[record.pool] = record
        for question in suite.questions:
            truths, answers = truths_of.get(question, {}), answers_to.get(question, {})
            names = [*(m for m in suite.methods if m in answers), *sorted(set(answers) - set(suite.methods))]
            valuations = {name: answers[name] for name in names}
            if truths or valuations:
                ordered = {pool: _orders(r) for pool, r in sorted(truths.items()) if r.status == "ok"}
                pools = tuple(pool for pool, orders in ordered.items() if orders)
                flat = tuple(pool for pool, orders in ordered.items() if not orders)
                found.append(Matter(task, question, truths, valuations, dealt, pools, flat))
    return found


def _orders(truth: TruthRecord) -> bool:
    return bool(levels(mean_values(truth.values)).any())
