"""The coordinator's side of a method in a process of its own: asks it, keeps what it retrains, stops it at its limits.

A process that takes too long or too much is killed with all that it has started, and its row says so. Everything else
goes on as if it had never been asked: what it is given is a copy.
"""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import cast

from harness.errors import UserError, said
from harness.running.child import (
    LOST,
    Advanced,
    Answered,
    Asked,
    Failed,
    Ready,
    Retrained,
    Said,
    Setup,
    Unsuitable,
    serve,
)
from harness.running.descendants import PROC, descendants, end_descendants, resident_mb
from harness.running.fingerprint import source_digest
from harness.types import Advance, Cost, Floats, Method, Precedent, Question

IMPORTED_FIRST = ("transformers.models.", "peft.", "methods.")
"""What is slow to import and holds no state of a run: imported once, by the process that the others are forked from.
Our own methods are there for the libraries that they bring; another package's are imported when their clock runs.
"""

LOOK = 0.02
"""Seconds between two looks at a process's memory."""
LOOKS_AROUND = 25
"""Every so many of these it is looked at those that it has started, which takes longer."""

ENDING = 2.0
"""Seconds that a process has to end by itself, once there is nothing more to answer."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a method may take for one answer; None for no limit.

    Args:
        seconds: on the clock, from when it is asked; what its process takes to start does not count.
        memory_mb: resident memory on top of what its process holds when it is asked, with that of all that it starts.
    """

    seconds: float | None = None
    memory_mb: float | None = None

    def __post_init__(self) -> None:
        if self.memory_mb is not None and not (PROC / "self" / "statm").exists():
            raise UserError("--memory reads how much a process holds from /proc, which this system does not have.")


class Stopped(UserError):
    """A method's process went beyond a limit, or ended by itself."""


class OwnProcess:
    """One method on one pool, in a process of its own.

    Args:
        setup: what it is sent.
        limits: what each of its answers may take.
        keep: takes what it retrains.
    """

    def __init__(self, setup: Setup, limits: Limits, keep: Callable[[Retrained], None]) -> None:
        self._limits, self._keep = limits, keep
        context = multiprocessing.get_context("forkserver")
        self._pipe, theirs = context.Pipe()
        alive, self._alive = context.Pipe(duplex=False)
        self._process = context.Process(target=serve, args=(theirs, alive), daemon=False)
        self._process.start()
        theirs.close()
        alive.close()
        try:
            self._pipe.send(setup)
            ready = cast(Ready, self._heard(lambda done: None, Limits()))
            self.overhead, self._works = ready.overhead, ready.pid
        except BaseException:
            self.close()
            raise

    def ask(self, question: Question, precedents: tuple[Precedent, ...], advance: Advance) -> tuple[Floats, Cost] | str:
        """The method's values with their cost, or why it is unsuitable.

        Raises:
            Stopped: it went beyond a limit, failed, or its process ended. It can be asked no more.
        """
        self._pipe.send(Asked(question, precedents))
        try:
            answer = cast("Answered | Unsuitable", self._heard(advance, self._limits))
        except BaseException:
            self.close()
            raise
        return answer.reason if isinstance(answer, Unsuitable) else (answer.values_SC, answer.cost)

    def close(self, gently: bool = False) -> None:
        """End it, and whatever it started; gently where it waits to be asked, so that it leaves nothing behind."""
        self._pipe.close()
        if gently:
            self._process.join(ENDING)
        self._alive.close()  # at which its guard ends all
        self._process.join(ENDING)
        if self._process.is_alive():  # the guard was stopped
            end_descendants(cast(int, self._process.pid))
            self._process.kill()
            self._process.join(ENDING)

    def _heard(self, advance: Advance, limits: Limits) -> Ready | Answered | Unsuitable:
        """What it answers, after all that it says on the way.

        Raises:
            Stopped: it went beyond a limit, failed, or its process ended.
        """
        seconds, memory_mb = limits.seconds, limits.memory_mb
        end = None if seconds is None else time.monotonic() + seconds
        held = None if memory_mb is None else HeldMemory(self._works, cast(int, self._process.pid))
        while True:
            left = None if end is None else max(0.0, end - time.monotonic())
            if self._pipe.poll(left if held is None else LOOK if left is None else min(left, LOOK)):
                heard = self._received()
                match heard:
                    case Retrained():
                        self._keep(heard)
                    case Advanced():
                        advance(heard.retrainings)
                    case Failed():
                        raise Stopped(heard.reason)
                    case _:
                        return heard
            if held is not None and memory_mb is not None and (now := held.mb()) > memory_mb:
                raise Stopped(
                    f"held {now:.0f} MB more than when it was asked, beyond the {memory_mb:g} MB that --memory allows "
                    "it, and was stopped; allow it more, or leave it out"
                )
            if end is not None and time.monotonic() >= end:
                raise Stopped(
                    f"took longer than the {seconds:g} seconds that --method-timeout gives it, and was "
                    "stopped; give it more, or leave it out"
                )

    def _received(self) -> Said:
        try:
            return cast(Said, self._pipe.recv())
        except (EOFError, OSError):
            raise Stopped(self._how_it_ended()) from None

    def _how_it_ended(self) -> str:
        self._process.join(5)
        status = self._process.exitcode
        if status == LOST:
            return "it closed the pipe by which its process answers; a method leaves open what it did not open"
        if status is not None and status < 0:
            name = signal.Signals(-status).name
            why = ", as where the machine's memory runs out" if name == "SIGKILL" else ""
            return f"its process was ended by {name}{why}, without an answer"
        return f"its process ended with status {status}, without an answer; a method returns its values"


class HeldMemory:
    """What a process holds on top of what it held when this was made, with all that it has started.

    Args:
        pid: of the process.
        guard: the one above it, which adopts what it leaves behind.
    """

    def __init__(self, pid: int, guard: int) -> None:
        self._pid, self._guard, self._looks, self._others = pid, guard, 0, 0.0
        self._start = resident_mb(pid)[0]

    def mb(self) -> float:
        if self._looks % LOOKS_AROUND == 0:
            others = [resident_mb(pid) for pid in descendants(self._guard) if pid != self._pid]
            self._others = sum(resident - shared for resident, shared in others)
        self._looks += 1
        return resident_mb(self._pid)[0] - self._start + self._others


def pickled(method: Method) -> bytes:
    """A method as another process makes it again.

    Raises:
        UserError: it cannot be sent.
    """
    try:
        return pickle.dumps(method)
    except Exception as error:
        raise UserError(
            f"cannot be sent to a process of its own ({type(error).__name__}: {said(error)}); define its class at the "
            "top of a module, or run without --isolated"
        ) from error


def import_first(methods: Iterable[Method]) -> None:
    """Let what tasks and methods have come to need here be imported before any process of a method is made.

    The code of methods is read to know which it is (``source_digest``), as it is for their answers' keys.
    """
    for method in methods:
        source_digest(type(method).__module__)
    names = [name for name in list(sys.modules) if name.startswith(IMPORTED_FIRST)]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*names, "torch._dynamo", "harness.running.child"])
