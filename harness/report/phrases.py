"""Parts of sentences, the same wherever one is made: how many of something, and the first few of many."""

from __future__ import annotations

from collections.abc import Sequence

NAMED = 3
"""Things that a sentence names; more are counted."""


def counted(count: int, what: str) -> str:
    """A number of things."""
    return f"{count} {what}{'s' if count != 1 else ''}"


def some(names: Sequence[str]) -> str:
    """The first few, and how many more."""
    return "; ".join(names[:NAMED]) + (f"; and {len(names) - NAMED} more" if len(names) > NAMED else "")
