"""Output that nobody can take: a full disk is told in a sentence, a reader that has read enough needs no word."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from contextlib import suppress

from rich.console import Console

UNWRITABLE = (errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG)
"""How writing to a terminal, pipe or file fails that this program has not opened, and which has no name here."""


def written(command: Callable[[], None]) -> None:
    """Run a command, and write what it printed before it is over: when the process ends it can no longer be said why
    that failed.

    Raises:
        SystemExit: the output cannot be written.
    """
    try:
        try:
            command()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except OSError as error:
        if error.filename is not None or error.errno not in UNWRITABLE:
            raise
        with suppress(OSError, ValueError):  # what is left of the output shall not be tried once more
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno != errno.EPIPE:
            Console(stderr=True).print(f"[red]error:[/red] The output cannot be written: {error.strerror}.")
        sys.exit(1)
