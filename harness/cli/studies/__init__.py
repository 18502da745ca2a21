"""The table of studies: questions about methods that a leaderboard does not answer, ``dataworth study NAME``.

A study is a function of a ``Request`` and a console that gives the exit status. Its module is imported when it is asked
for, so that a list of studies needs no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import cast

from rich.console import Console

from harness.errors import unknown
from harness.types import Entry

STUDIES: Mapping[str, Entry] = {
    "ntk-mmd": Entry(
        "harness.cli.studies.ntk_mmd:study",
        "NTK-MMD's terms one by one, what its paper leaves open, its spread, and what its NTK term rewards.",
    ),
}


@dataclass(frozen=True, slots=True)
class Request:
    """The options of ``dataworth study``; None where the study decides.

    Args:
        suite: whose stored truths it is about.
        data: the folder of the user's files, for suites on files.
        tasks: of the suite's.
        pools: how many a task, at most.
        out: the folder of its page and figures.
    """

    suite: str
    data: str | None
    tasks: tuple[str, ...] | None
    pools: int
    device: str
    out: Path


def find_study(name: str) -> Callable[[Request, Console], int]:
    """The study of that name.

    Raises:
        UserError: there is none.
    """
    if name not in STUDIES:
        raise unknown("study", name, STUDIES)
    module, _, attribute = STUDIES[name].where.partition(":")
    return cast(Callable[[Request, Console], int], getattr(import_module(module), attribute))
