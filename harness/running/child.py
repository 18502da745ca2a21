"""A method at work in a process of its own: what that process is sent, and what it says.

It is sent the pool's training and validation rows, how to make the learner, and the method. It has neither the test
split nor contributors' planted facts, and no file: its ledger is in memory, and what it retrains is sent at once to
the coordinator, who alone writes. Above it stands a guard, which runs none of the method's code: it adopts whatever the
method starts and leaves behind, and ends all of it when the method's process ends or the coordinator wants no more.
"""

from __future__ import annotations

import os
import pickle
import resource
import signal
import sys
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
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
from harness.running.descendants import adopt_orphans, end_descendants, end_with_parent
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

LOST = 74
"""The status of a process that can say nothing more, for its pipe was closed (EX_IOERR of sysexits.h)."""


class Rows(NamedTuple):
    """Examples as they are sent."""

    columns: dict[str, Array]
    owners_N: Ints
    real_N: Bools

    @classmethod
    def of(cls, examples: Examples) -> Rows:
        return cls(dict(examples.columns), examples.owners_N, examples.real_N)


@dataclass(frozen=True, slots=True)
class Setup:
    """All that the process is sent when it starts.

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
    pid: int


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
    """Answer in a process below this one, and end when it does, as it does, with all that it has started.

    Args:
        alive: closed when the coordinator has ended or wants no more of this process, which then ends too.
    """
    os.setsid()  # out of reach of the terminal's Ctrl-C, which is the coordinator's to answer
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    adopt_orphans()
    works = os.fork()
    if works == 0:
        alive.close()
        _work(pipe)
        return
    pipe.close()
    threading.Thread(target=_end_with, args=(alive, works), daemon=True).start()
    _, status = os.waitpid(works, 0)
    _end_all(works)
    _end_as(os.waitstatus_to_exitcode(status))


def _end_with(alive: Connection, works: int) -> None:
    try:
        alive.recv()
    except (EOFError, OSError):
        _end_all(works)


def _end_all(works: int) -> None:
    """Its group, which is all that can be named without Linux, and whatever has left it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(works, signal.SIGKILL)
    end_descendants(os.getpid())


def _end_as(status: int) -> None:
    """Of the same signal, or with the same status, for the coordinator to tell."""
    if status >= 0:
        sys.exit(status)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if -status != signal.SIGKILL:
        signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)


def _work(pipe: Connection) -> None:
    """Get what is needed, get ready, and answer until there is nothing more to answer."""
    os.setsid()
    end_with_parent()
    try:
        setup = pipe.recv()
        torch.set_num_threads(1)
        evaluator = _evaluator(setup, pipe)
        pipe.send(Ready(evaluator.measured_overhead(), os.getpid()))
        method: Method | None = None
        while True:
            asked = pipe.recv()
            method = method or pickle.loads(setup.method)
            pipe.send(_answer(evaluator, setup.name, method, asked, pipe))
    except EOFError:
        return
    except BaseException as error:
        try:
            pipe.send(Failed(reason_of(error)))
        except OSError:
            os._exit(LOST)
    finally:
        _let_go_of_streams()


def _let_go_of_streams() -> None:
    """What cannot be written any more, since the method closed its file, is no error of the process's end."""
    for name in ("stdout", "stderr"):
        try:
            getattr(sys, name).flush()
        except (OSError, ValueError, AttributeError):
            setattr(sys, name, None)


def _evaluator(setup: Setup, pipe: Connection) -> Evaluator:
    """As the coordinator would make it.

    Raises:
        UserError: this process comes to other rows or another learner.
    """
    train, validation = Examples(*setup.train), Examples(*setup.validation)
    learner = registry.task_again(setup.reference).learner()
    ledger = SentLedger(pipe, setup.context, setup.known)
    engine = Engine(learner, train, validation, ledger, setup.device)
    if engine.context != setup.context:
        raise UserError(
            f"{setup.task}, pool {setup.pool}, is another one in a process of its own: its digest is {engine.context}, "
            f"expected {setup.context}. Run without --isolated, or let the task make the same learner every time."
        )
    training.warm_up(learner, train, setup.device)
    place = setup.root, setup.task, setup.pool
    return Evaluator(*place, setup.contributors, train, validation, engine, setup.overhead, setup.counts)


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
