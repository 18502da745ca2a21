"""Ctrl-C, and a batch system's signal, end a command in one way: what is kept, and how to go on."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from rich.console import Console

from harness.running.interrupts import answered

STOPPED = 130
"""The exit status of a command that was stopped."""


@contextmanager
def stoppable(console: Console, kept: str) -> Iterator[None]:
    """What is done inside may be stopped, and started again with the same command.

    A signal is answered at once, by a line; what is at hand then ends at its next step. A second one ends the process
    there and then: everything that is kept is written whole or not at all.

    Args:
        kept: a sentence about what is kept.

    Raises:
        SystemExit: it was stopped.
    """
    again = shlex.join(["dataworth", *[argument for argument in sys.argv[1:] if argument != "--fresh"]])
    ended = f"\nStopped. {kept} To go on: {again}"
    asked = False

    def stop(_before: object) -> NoReturn:
        nonlocal asked
        if asked:
            console.show_cursor()
            console.print(ended, markup=False, soft_wrap=True)
            os._exit(STOPPED)
        asked = True
        console.print("\nStopping, at the next step of what is at hand. Once more stops at once.", soft_wrap=True)
        raise KeyboardInterrupt

    try:
        with answered(stop):
            yield
    except KeyboardInterrupt:
        console.print(ended, markup=False, soft_wrap=True)
        raise SystemExit(STOPPED) from None


def heard(console: Console) -> Console:
    """The console, or standard error where it is quiet: what went wrong is told all the same."""
    from harness.report.terminal import make_console

    return make_console(stderr=True) if console.quiet else console
