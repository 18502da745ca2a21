"""Ctrl-C, and a batch system's signal, end a command in one way: what is kept, and how to go on."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from rich.console import Console

STOPPED = 130
"""The exit status of a command that was stopped."""


@contextmanager
def stoppable(console: Console, kept: str) -> Iterator[None]:
    """What is done inside may be stopped, and started again with the same command.

    Args:
        kept: a sentence about what is kept.

    Raises:
        SystemExit: it was stopped.
    """
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except KeyboardInterrupt:
        again = shlex.join(["dataworth", *[argument for argument in sys.argv[1:] if argument != "--fresh"]])
        console.print(f"\nStopped. {kept} To go on: {again}", markup=False, soft_wrap=True)
        raise SystemExit(STOPPED) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def heard(console: Console) -> Console:
    """The console, or standard error where it is quiet: what went wrong is told all the same."""
    from harness.report.terminal import make_console

    return make_console(stderr=True) if console.quiet else console


def _interrupt(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt
