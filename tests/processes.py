"""Processes of their own for what only they can show: being killed, and knowing nothing of this one.

A server imports what is slow to import once and is forked for each of them. It is itself a fresh interpreter, so that
nothing of the process that runs the tests is in them.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
IMPORTED = [
    "harness.cli.running",
    "methods.semivalues.pydvl_game",
    "pytest",
    "sklearn.cluster",
    "sklearn.datasets",
    "tests.processes",
    "torch._decomp.decompositions_for_jvp",
    "torch._dynamo",
    "transformers.models.llama.modeling_llama",
]
"""What a run imports sooner or later; importing starts no threads, so that forking after it is safe."""


def start(log: Path, function: Callable[..., object], *arguments: object) -> ForkServerProcess:
    """``function(*arguments)`` in a process of its own, in the repository's folder, all output in a file."""
    log.touch()
    process = _context().Process(target=_run, args=(log, function, *arguments))
    process.start()
    return process


def printed_by(tmp_path: Path, function: Callable[..., object], *arguments: object) -> str:
    """What the function prints in a process of its own; it must end well."""
    log = tmp_path / "printed"
    process = start(log, function, *arguments)
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


def _context() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    return context


def _run(log: Path, function: Callable[..., object], *arguments: Any) -> None:
    """The folder first: whatever is relative is meant from there."""
    with log.open("wb") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    os.chdir(ROOT)
    function(*arguments)
