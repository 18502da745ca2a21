"""Methods that do not answer as they should, as other processes can make them too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from harness.types import Additive, Floats, Problem


def sleeps(problem: Problem) -> None:
    time.sleep(600)


def spins_after_retraining(problem: Problem) -> None:
    problem.retrain(np.eye(len(problem.contributors), dtype=bool), 0)
    while True:
        pass


def ignores_signals(problem: Problem) -> None:
    for name in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    time.sleep(600)


def hoards(problem: Problem) -> None:
    held = []
    while len(held) < 100:
        held.append(np.ones(4_000_000))  # 32 MB
        time.sleep(0.02)


def lets_a_child_hoard(problem: Problem) -> None:
    program = "import time\nheld = [bytes(2**20) + b'1' for _ in range(500)]\ntime.sleep(600)"
    subprocess.run([sys.executable, "-c", program], check=True)


DAEMON = "import os, time\nif os.fork(): os._exit(0)\nos.setsid()\n{}\ntime.sleep(600)"
"""A program that leaves its session and its parent."""


def _starts_a_daemon(does: str = "") -> None:
    subprocess.run([sys.executable, "-c", DAEMON.format(does)], check=True)


def leaves_a_daemon(problem: Problem) -> None:
    _starts_a_daemon()
    os._exit(3)


def sleeps_beside_a_daemon(problem: Problem) -> None:
    _starts_a_daemon()
    time.sleep(600)


def lets_a_daemon_hoard(problem: Problem) -> None:
    _starts_a_daemon("held = [bytes(2**20) + b'1' for _ in range(500)]")
    time.sleep(600)


def stops_its_guard(problem: Problem) -> None:
    os.kill(os.getppid(), signal.SIGSTOP)
    _starts_a_daemon()
    time.sleep(600)


def stops(problem: Problem) -> None:
    raise KeyboardInterrupt


def closes_all(problem: Problem) -> None:
    os.closerange(3, 4096)


def closes_output(problem: Problem) -> None:
    os.close(1)


def ends_at_once(problem: Problem) -> None:
    os._exit(3)


def crashes(problem: Problem) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def raises(problem: Problem) -> None:
    raise RuntimeError("out of luck")


def exits(problem: Problem) -> None:
    sys.exit("bye")


def patches(problem: Problem) -> None:
    Additive.unsuitable = lambda self, problem: "nobody answers any more"  # type: ignore[method-assign, assignment]


@dataclass(frozen=True)
class Misbehaving(Additive):
    """Does something, then answers as if nothing were wrong."""

    does: Callable[[Problem], None]

    def example_values(self, problem: Problem) -> Floats:
        self.does(problem)
        return np.ones((1, len(problem.train)))


@dataclass(frozen=True)
class Answers(Additive):
    """Gives a one for every example, but for some, and nothing defined for the last."""

    short_by: int = 0
    defined: bool = True
    repeats: int = 1

    def example_values(self, problem: Problem) -> Floats:
        values = np.ones((self.repeats, len(problem.train) - self.short_by))
        values[:, -1] = 1.0 if self.defined else np.nan
        return values
