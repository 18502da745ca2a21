"""The error that people see, and how unknown names are answered."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Something a person can mend: it says what came, what was expected and what to do next.

    The command line prints its text alone, without a traceback.
    """


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that is not in a table; it suggests the near ones."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return UserError(f"No {kind} is called {name!r}.{hint} There are: {', '.join(names)}.")
