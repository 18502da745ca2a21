"""What is wrong with a file's keys, in one sentence: pydantic's errors as people read them."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import ValidationError

from harness.errors import UserError

Place = tuple[int | str, ...]
"""Where a key stands: the tables that it is in, then its name."""


def first_mistake(error: ValidationError, unknown_key: Callable[[Place], UserError]) -> str:
    """The first mistake that was found: its key, what was expected and what came.

    Args:
        unknown_key: what is said of a key that the file may not have.
    """
    first = error.errors()[0]
    if first["type"] == "extra_forbidden":
        return str(unknown_key(first["loc"]))
    key = ".".join(str(part) for part in first["loc"])
    place = f"{key}: " if key else ""
    if first["type"] == "value_error":  # one of ours, which says what came
        return f"{place}{str(first['ctx']['error']).rstrip('.')}."
    got = "" if first["type"] == "missing" else f", got {first['input']!r}"
    return f"{place}{first['msg']}{got}."
