"""The error that people see, and how unknown names are answered."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """Something a person can mend: it says what came, what was expected and what to do next.

    The command line prints its text alone, without a traceback.
    """


def plain(text: str) -> str:
    """The text with what is no printable character, such as a terminal's commands, as its escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def said(error: BaseException) -> str:
    """What an error says of itself; one that cannot say it is no further error."""
    try:
        return plain(" ".join(str(error).split()))
    except Exception as inner:
        return f"it cannot say what ({type(inner).__name__})"


def reason_of(error: BaseException) -> str:
    """An error as a row says it: our own by their text, others by their kind too."""
    if isinstance(error, SystemExit):
        told = f"SystemExit: {said(error)}"
        return f"asked to end the whole process ({told}); raise an error that says what is wrong instead"
    text = said(error) or "no message"
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that is not in a table; it suggests the near ones."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3)
    hint = f" Did you mean {' or '.join(near)}?" if near else ""
    return UserError(f"No {kind} is called {name!r}.{hint} There are: {', '.join(names)}.")
