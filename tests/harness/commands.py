"""Runs ``dataworth`` in this process."""

from __future__ import annotations

from dataclasses import dataclass

from click.testing import CliRunner

from harness.cli import dataworth
from harness.errors import UserError


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit status, what it printed, and the one line of a mistake."""

    status: int
    out: str
    mistake: str


def call(*arguments: object, answer: str | None = None) -> Ended:
    """One call of the command line; ``answer`` is what is typed."""
    found = CliRunner().invoke(dataworth, [str(argument) for argument in arguments], input=answer)
    if isinstance(found.exception, UserError):  # main() prints it and ends with 2
        return Ended(2, found.output, str(found.exception))
    if found.exception and not isinstance(found.exception, SystemExit):
        raise found.exception
    return Ended(found.exit_code, found.output, "")
