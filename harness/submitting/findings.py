"""What a check found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

NAMED = 3
"""Things that a sentence names; more are counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check.

    Args:
        check: what was looked at, in a word or two.
        told: what was held against what, in a sentence.
        against: why the results may not be merged, a sentence each; empty where nothing speaks against it.
    """

    check: str
    told: str
    against: tuple[str, ...] = ()


def finding(check: str, told: str, against: Iterable[str]) -> Finding:
    """With each reason once, in the order found."""
    return Finding(check, told, tuple(dict.fromkeys(against)))


def some(names: Sequence[str]) -> str:
    """The first few, and how many more."""
    return "; ".join(names[:NAMED]) + (f"; and {len(names) - NAMED} more" if len(names) > NAMED else "")


def counted(count: int, what: str) -> str:
    """A number of things."""
    return f"{count} {what}{'s' if count != 1 else ''}"


def place(task: str, pool: int) -> str:
    """A pool as a sentence names it."""
    return f"{task}, pool {pool + 1}"
