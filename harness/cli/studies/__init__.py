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

from harness.errors import UserError, unknown
from harness.types import Entry

STUDIED = "embedded"
"""The suite that is meant where none is named."""

STUDIES: Mapping[str, Entry] = {
    "ntk-mmd": Entry(
        "harness.cli.studies.ntk_mmd:study",
        "NTK-MMD's terms one by one, what its paper leaves open, its spread, and what its NTK term rewards.",
    ),
    "agreement": Entry(
        "harness.cli.studies.agreement:study",
        "Same name, other estimator: how alike the values are of every two that estimate one thing.",
    ),
    "gaming": Entry(
        "harness.cli.studies.gaming:study",
        "What a contributor gains by splitting, by copies, by noise, and by looking like validation.",
    ),
    "lds": Entry(
        "harness.cli.studies.lds:study",
        "Linear datamodeling score: how well summed values foretell what random halves of the contributors are worth.",
    ),
    "costs": Entry(
        "harness.cli.studies.costs:study",
        "What every method costs against the leave-one-out truth that it predicts, by a suite's stored results.",
    ),
}


@dataclass(frozen=True, slots=True)
class Request:
    """The options of ``dataworth study``; None where the study decides.

    Args:
        suite: whose pools it is about.
        data: the folder of the user's files, for suites on files.
        tasks: of the suite's.
        methods: which it asks.
        pools: how many a task, at most.
        seeds: of every truth that it retrains.
        out: the folder of its page, figure and tables.
    """

    suite: str | None
    data: str | None
    tasks: tuple[str, ...] | None
    methods: tuple[str, ...] | None
    pools: int | None
    seeds: int | None
    device: str
    out: Path

    def refuse(self, *options: str) -> None:
        """Options that this study has no use for.

        Raises:
            UserError: one of them was given.
        """
        for option in options:
            if getattr(self, option) is not None:
                raise UserError(f"This study has no use for --{option}; leave it out.")


def find_study(name: str) -> Callable[[Request, Console], int]:
    """The study of that name.

    Raises:
        UserError: there is none.
    """
    if name not in STUDIES:
        raise unknown("study", name, STUDIES)
    module, _, attribute = STUDIES[name].where.partition(":")
    return cast(Callable[[Request, Console], int], getattr(import_module(module), attribute))
