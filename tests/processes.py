"""Processes of their own for what only they can show: being killed, and knowing nothing of this one.

A server imports what is slow to import once and is forked for each of them. It is itself a fresh interpreter, so that
nothing of the process that runs the tests is in them.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
IMPORTED = ("harness.cli.running", "pytest", "sklearn.cluster", "sklearn.datasets", "tests.processes")
"""Before the server forks. Of threads that a fork would miss, importing these starts none."""


def import_first(*modules: str) -> None:
    """Let the server import these too, if it has not begun: for many processes that need them."""
    multiprocessing.get_context("forkserver").set_forkserver_preload([*IMPORTED, *modules])


def start(log: Path, function: Callable[..., object], *arguments: object) -> ForkServerProcess:
    """``function(*arguments)`` in a process of its own, in the repository's folder, all output in a file."""
    log.touch()
    process = multiprocessing.get_context("forkserver").Process(target=_run, args=(log, function, *arguments))
    process.start()
    return process


def printed_by(tmp_path: Path, function: Callable[..., object], *arguments: object) -> str:
    """What the function prints in a process of its own; it must end well."""
    log = tmp_path / "printed"
    process = start(log, _measured, function, *arguments)
    process.join(300)
    status = process.exitcode
    process.kill()
    text = log.read_text()
    assert status == 0, text
    return text


def dataworth(*arguments: str) -> None:
    """The command ``dataworth``."""
    from harness.cli import main

    sys.argv = ["dataworth", *arguments]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main()


@contextmanager
def measured() -> Iterator[None]:
    """What this process runs counts as covered as well, where ``.ci/run`` measures it."""
    if "COVERAGE_FILE" not in os.environ:
        yield
        return
    from coverage import Coverage

    coverage = Coverage(data_suffix=True, config_file=str(ROOT / "pyproject.toml"))
    with coverage.collect():
        yield
    coverage.save()


def _measured(function: Callable[..., object], *arguments: object) -> None:
    with measured():
        function(*arguments)


def _run(log: Path, function: Callable[..., object], *arguments: Any) -> None:
    """The folder first: whatever is relative is meant from there."""
    with log.open("wb") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    os.chdir(ROOT)
    function(*arguments)


import_first()
