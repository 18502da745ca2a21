"""A method at work in a process of its own: what that process is told, and what it says.

It is told the pool's training and validation rows, how to make the learner, and the method. It has neither the test
split nor contributors' planted facts, and no file: its ledger is in memory, and what it retrains is sent at once to
the coordinator, who alone writes.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import NamedTuple

import torch

from harness import registry
from harness.errors import UserError, reason_of
from harness.metering.meter import ProfilingOverhead
from harness.retraining import training
from harness.retraining.engine import Engine
from harness.retraining.ledger import IN_MEMORY, Ledger
from harness.running.evaluator import Evaluator
from harness.types import (
    Array,
    Bools,
    Cost,
    Examples,
    Floats,
    Ints,
    Method,
    Outcome,
    Precedent,
    Question,
    TaskReference,
)

Known = Mapping[tuple[str, int], Outcome]
"""Outcomes by coalition and seed."""


class Rows(NamedTuple):
    """Examples as they are sent."""

    columns: dict[str, Array]
    owners_N: Ints
    real_N: Bools

    @classmethod
    def of(cls, examples: Examples) -> Rows:
        return cls(dict(examples.columns), examples.owners_N, examples.real_N)


@dataclass(frozen=True, slots=True)
class Told:
    """All that the process is told when it starts.

    Args:
        root: the suite's seed.
        task, pool, contributors: what is asked about.
        reference: how to make the task's learner.
        context: digest of the pool's rows and of the learner; the process must come to the same.
        device: torch device.
        name, method: the row's name, and the method pickled: its code is imported when the clock runs.
        known: what has been retrained already, at its first price.
        overhead: what counting costs, where it has been measured.
        counts: whether operations are counted.
    """

    root: int
    task: str
    pool: int
    contributors: tuple[str, ...]
    train: Rows
    validation: Rows
    reference: TaskReference
    context: str
    device: str
    name: str
    method: bytes
    known: Known
    overhead: ProfilingOverhead | None
    counts: bool


# --- what is said ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ready:
    """It can be asked; what follows is the method's own time."""

    overhead: ProfilingOverhead | None


@dataclass(frozen=True, slots=True)
class Retrained:
    """What was retrained, to be kept whatever becomes of the answer."""

    outcomes: Known
    log_likelihoods: Mapping[tuple[str, int], Array]


@dataclass(frozen=True, slots=True)
class Advanced:
    """So many retrainings more are done."""

    retrainings: int


@dataclass(frozen=True, slots=True)
class Answered:
    """The method's values at their cost."""

    values_SC: Floats
    cost: Cost


@dataclass(frozen=True, slots=True)
class Unsuitable:
    """Why the method cannot answer."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Why there is no answer; the process ends after saying so."""

    reason: str


Said = Ready | Retrained | Advanced | Answered | Unsuitable | Failed


@dataclass(frozen=True, slots=True)
class Asked:
    """One question."""

    question: Question
    precedents: tuple[Precedent, ...]


# --- the process ----------------------------------------------------------------------------------


def serve(pipe: Connection, alive: Connection) -> None:
    """Be told, get ready, and answer until there is nothing more to answer.

    Args:
        alive: closed when the coordinator has ended or wants no more of this process, which then ends with all that it
            has started.
    """
    os.setsid()  # a group of its own, so that whatever the method starts ends with it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with, args=(alive,), daemon=True).start()
    try:
        told = pipe.recv()
        torch.set_num_threads(1)
        evaluator = _evaluator(told, pipe)
        pipe.send(Ready(evaluator.measured_overhead()))
        method: Method | None = None
        while True:
            asked = pipe.recv()
            method = method or pickle.loads(told.method)
            pipe.send(_answer(evaluator, told.name, method, asked, pipe))
    except EOFError:
        return
    except BaseException as error:
        pipe.send(Failed(reason_of(error)))


def _end_with(alive: Connection) -> None:
    try:
        alive.recv()
    except (EOFError, OSError):
        os.killpg(0, signal.SIGKILL)


def _evaluator(told: Told, pipe: Connection) -> Evaluator:
    """As the coordinator would make it.

    Raises:
        UserError: this process comes to other rows or another learner.
    """
    train, validation = Examples(*told.train), Examples(*told.validation)
    learner = registry.task_again(told.reference).learner()
    ledger = SentLedger(pipe, told.context, told.known)
    engine = Engine(learner, train, validation, ledger, told.device)
    if engine.context != told.context:
        raise UserError(
            f"{told.task}, pool {told.pool}, is another one in a process of its own: its digest is {engine.context}, "
            f"expected {told.context}. Run without --isolated, or let the task make the same learner every time."
        )
    training.warm_up(learner, train, told.device)
    place = told.root, told.task, told.pool
    return Evaluator(*place, told.contributors, train, validation, engine, told.overhead, told.counts)


def _answer(evaluator: Evaluator, name: str, method: Method, asked: Asked, pipe: Connection) -> Said:
    def advance(done: int) -> None:
        pipe.send(Advanced(done))

    found = evaluator.evaluate(name, method, asked.question, asked.precedents, advance)
    return Unsuitable(found) if isinstance(found, str) else Answered(found.values_SC, found.cost)


class SentLedger(Ledger):
    """A ledger in memory that sends what is new."""

    def __init__(self, pipe: Connection, context: str, known: Known) -> None:
        super().__init__(IN_MEMORY)
        self._pipe = pipe
        super().record(context, ((*job, outcome) for job, outcome in known.items()))

    def record(
        self,
        context: str,
        found: Iterable[tuple[str, int, Outcome]],
        log_likelihoods: Mapping[tuple[str, int], Array] | None = None,
    ) -> None:
        rows = list(found)
        super().record(context, rows, log_likelihoods)
        outcomes = {(coalition, seed): outcome for coalition, seed, outcome in rows}
        self._pipe.send(Retrained(outcomes, dict(log_likelihoods or {})))
