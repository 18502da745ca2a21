"""Ledgers that this process does not write: what they keep, and holding them so that no run takes them meanwhile."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from harness.errors import UserError


def kept_answers(file: Path) -> list[dict[str, Any]]:
    """The finished answers of a ledger, as they were written; the file stays as it is.

    Raises:
        UserError: it cannot be read, or an answer is none.
    """
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)) as db:
            rows = db.execute("select record from answers").fetchall()
        return [dict(json.loads(text)) for (text,) in rows]
    except (sqlite3.Error, ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{file} cannot be read ({error})") from error


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the lock of every ledger in a folder, so that none is taken from a run that writes it.

    Raises:
        UserError: one is in use.
    """
    with ExitStack() as stack:
        for file in sorted(folder.glob("*.sqlite")):
            db = stack.enter_context(closing(sqlite3.connect(file, timeout=0.2, isolation_level=None)))
            try:
                db.execute("pragma locking_mode = exclusive")
                db.execute("begin immediate")
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    raise UserError(
                        f"{file} is in use by another run. Wait for it or stop it, or choose another folder with --out."
                    ) from error
                # Otherwise it is damaged or none of ours: no run is at work with it, and --fresh moves it away.
        yield
