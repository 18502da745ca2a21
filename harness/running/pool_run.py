"""One pool of a run: its key, its truths, what methods say about it; each answer is kept the moment it is there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from harness.config import Suite
from harness.errors import UserError
from harness.records.results import PoolRecord, TruthRecord, ValuationRecord
from harness.retraining.engine import Engine
from harness.retraining.ledger import Ledger, LedgerError
from harness.running.evaluator import Evaluator
from harness.running.fingerprint import source_digest
from harness.seeds import stream
from harness.truth.truth import Plan, find, plan
from harness.types import Advance, Cost, Floats, Method, Pool, Precedent, Question, SetFunction, Task


@dataclass(frozen=True, slots=True)
class Ledgers:
    """Retrainings scored on the test split, which no method can reach, and everything of the methods' own."""

    truth: Ledger
    methods: Ledger


class PoolRun:
    """Deals one pool and answers for it.

    Args:
        suite: how many seeds and pairs the truth takes, and the root of all streams.
        task, index: which pool.
        ledgers: what is known already, and where new answers go.
        device: torch device.
        run: name of the run whose provenance new answers bear.
    """

    def __init__(self, suite: Suite, task: Task, index: int, ledgers: Ledgers, device: str, run: str) -> None:
        self.suite, self.task, self.index, self.device, self.run = suite, task, index, device, run
        self.pool: Pool = task.deal(index)
        learner = task.learner()
        self._truth = Engine(learner, self.pool.train, self.pool.test, ledgers.truth, device)
        engine = Engine(learner, self.pool.train, self.pool.validation, ledgers.methods, device)
        self._answers = ledgers.methods
        self._evaluator = Evaluator(
            suite.seed, task.name, index, self.pool.names, self.pool.train, self.pool.validation, engine
        )
        self.key = _hash(task.name, index, self._truth.context, engine.context, suite.seed)
        self._learner = {**learner.identity, **asdict(learner.recipe)}

    def pool_record(self, features: Sequence[tuple[str, SetFunction]]) -> PoolRecord:
        """What was dealt, with the one-feature baselines: what was planted, and the given set functions alone."""
        planted = [contributor.planted for contributor in self.pool.contributors]
        numbers = {
            name: tuple(float(found[name]) for found in planted)  # type: ignore[arg-type]
            for name in planted[0]
            if all(isinstance(found[name], int | float) for found in planted)
        }
        for name, method in features:
            record = self.valuation(name, method, "standalone")
            if record.status == "ok":
                numbers[name] = tuple(mean(record.values).tolist())
        return PoolRecord(
            task=self.task.name,
            pool=self.index,
            pool_key=self.key,
            contributors=self.pool.names,
            planted=tuple(dict(found) for found in planted),
            features=numbers,
            facts=dict(self.pool.facts),
            learner=self._learner,
        )

    def retrainings_missing(self, question: Question) -> int:
        """How many retrainings the truth still takes."""
        return self._truth.missing(self._plan(question).jobs)

    def truth(self, question: Question, advance: Advance = lambda done: None) -> TruthRecord:
        """The question's truth; a failed one is a record with its reason."""
        answer = self._no_truth(question)
        try:
            found = find(self._plan(question), self._truth, stream(self.suite.seed, "ceiling"), advance)
        except LedgerError:
            raise
        except Exception as error:  # one truth that fails is a row, not the end of the run
            return replace(answer, status="failed", reason=_reason(error))
        return replace(
            answer,
            values=_rows(found.values_SC),
            ceiling=found.ceiling,
            accuracy=found.accuracy,
            cost=found.cost,
        )

    def valuation(
        self,
        name: str,
        method: Method,
        question: Question,
        precedents: Sequence[Precedent] = (),
        advance: Advance = lambda done: None,
    ) -> ValuationRecord:
        """What a method says; a failed or unsuitable one is a record with its reason."""
        answer = ValuationRecord(
            task=self.task.name,
            pool=self.index,
            pool_key=self.key,
            question=question,
            method=name,
            family=method.family,
            status="ok",
            reason="",
            values=(),
            cost=Cost(),
            device=self.device,
            run=self.run,
        )
        key = self._answer_key(name, method, question, precedents)
        if (kept := self._answers.answer(key)) is not None:
            return replace(answer, values=_rows(kept["values"]), cost=Cost(**kept["cost"]), run=kept["run"])
        try:
            found = self._evaluator.evaluate(name, method, question, precedents, advance)
        except LedgerError:
            raise
        except Exception as error:  # one method that fails is a row, not the end of the run
            return replace(answer, status="failed", reason=_reason(error))
        if isinstance(found, str):
            return replace(answer, status="unsuitable", reason=found)
        answer = replace(answer, values=_rows(found.values_SC), cost=found.cost)
        self._answers.keep_answer(key, {"values": answer.values, "cost": asdict(found.cost), "run": self.run})
        return answer

    def _plan(self, question: Question) -> Plan:
        return plan(
            question,
            len(self.pool.contributors),
            self.suite.seed,
            (self.task.name, self.index),
            self.suite.seeds_of(self.task.name),
            self.suite.pairs_of(self.task.name),
        )

    def _no_truth(self, question: Question) -> TruthRecord:
        return TruthRecord(
            task=self.task.name,
            pool=self.index,
            pool_key=self.key,
            question=question,
            status="ok",
            reason="",
            values=(),
            ceiling=float("nan"),
            accuracy=float("nan"),
            cost=Cost(),
            device=self.device,
            run=self.run,
        )

    def _answer_key(self, name: str, method: Method, question: Question, precedents: Sequence[Precedent]) -> str:
        """Everything that can change an answer: the pool, the method with its settings and code, what it was told."""
        told = [(p.task, {k: v.tolist() for k, v in p.values.items()}, p.truth_C.tolist()) for p in precedents]
        asked = question if isinstance(method, SetFunction) else "any"  # the other families answer every question alike
        code = source_digest(type(method).__module__, "harness.running.evaluator")
        return _hash(self.key, name, repr(method), code, asked, told if method.calibrates else [])


def mean(values: Sequence[Sequence[float]]) -> Floats:
    """The mean over repeats of a record's values, C."""
    return np.asarray(np.mean(values, axis=0))


def _rows(values: Floats | Sequence[Sequence[float]]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(value) for value in row) for row in values)


def _reason(error: Exception) -> str:
    """An error as a row says it: our own by their text, others by their kind too."""
    text = " ".join(str(error).split()) or "no message"
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"


def _hash(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
