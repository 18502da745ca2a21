"""Under which keys a pool, its truths and methods' answers are kept: hashes of everything that can change them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from harness.config import Suite
from harness.knobs import base_of
from harness.running.fingerprint import library_versions, source_digest
from harness.running.task_learner import TaskLearner
from harness.truth.truth import Plan, plan
from harness.types import Method, Precedent, Question, Task


def pool_key(task: Task, index: int, contexts: Sequence[str], seed: int) -> str:
    """Of the pool's data and of how it learns.

    Args:
        contexts: digests of what trains for the truth, and for methods (``Engine.context``).
        seed: the suite's.
    """
    return _hash(task.name, task.version, index, *contexts, seed)


def truth_keys(suite: Suite, task: str, index: int, contributors: int, pool_key: str) -> dict[str, str]:
    """For every question that the suite has seeds for, a hash of all that its truth depends on, but for the code."""
    plans = {question: truth_plan(suite, task, index, contributors, question) for question in suite.seeds}
    return {question: _hash(pool_key, question, suite.seed, found.retrainings) for question, found in plans.items()}


def truth_plan(suite: Suite, task: str, index: int, contributors: int, question: Question) -> Plan:
    """What the suite retrains for a question about a pool."""
    return plan(question, contributors, suite.seed, (task, index), suite.seeds_of(task, question))


def answer_key(
    pool_key: str,
    learner: TaskLearner,
    name: str,
    method: Method,
    question: Question,
    precedents: Sequence[Precedent],
) -> str:
    """Everything that can change an answer: the pool, the method with its settings, the name that its draws are of
    and its code, the precedents.
    """
    seen = precedents if method.calibrates else ()
    read = [(p.task, {k: v.tolist() for k, v in p.values.items()}, p.truth_C.tolist()) for p in seen]
    code = source_digest(type(method).__module__, learner.code, "harness.running.evaluator")
    model = sorted(library_versions(learner.libraries).items())
    return _hash(pool_key, name, base_of(name), repr(method), code, model, question_of(method, question), read)


def question_of(method: Method, question: Question) -> str:
    """The question that an answer is to; "any" where it is to all of them."""
    return question if method.by_question else "any"


def _hash(*parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
