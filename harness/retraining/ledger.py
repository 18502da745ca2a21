"""The ledger: the durable record of every retraining. Nothing is retrained twice, nothing is lost.

SQLite in write-ahead mode with one writer. A batch of retrainings is one transaction, so that a killed run
loses at most the batches in flight and trains them again in the same batches.
"""

from __future__ import annotations

import gc
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.types import Cost, Outcome

_told = attrgetter(*(f.name for f in fields(Cost)))
"""A cost as the columns hold it."""

APPLICATION = 0x44574C47  # "DWLG": tells our files from other people's
SCHEMA = 1

_TABLES = """
create table contexts (context text primary key, identity text not null) without rowid;
create table outcomes (
    context text not null, coalition text not null, seed integer not null,
    utility real not null, accuracy real not null,
    seconds real not null, core_seconds real not null, gpu_seconds real not null, flops real not null,
    peak_memory_mb real not null, retrainings integer not null, gradient_passes real not null,
    finished_at real not null,
    primary key (context, coalition, seed)
) without rowid;
create table answers (key text primary key, record text not null, finished_at real not null) without rowid;
"""


class LedgerError(UserError):
    """The ledger cannot be opened or written; a run cannot go on without it."""


class Ledger:
    """Outcomes by (context, coalition, seed), and finished answers by key.

    Args:
        path: the file, made if absent.

    Raises:
        LedgerError: the file is no ledger, is of a newer version, is damaged, is in use or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = self._open()
        except (OSError, sqlite3.Error) as error:
            raise self._explained(error) from error

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, timeout=0.2, isolation_level=None)
        try:
            db.execute("pragma locking_mode = exclusive")
            application = db.execute("pragma application_id").fetchone()[0]
            version = db.execute("pragma user_version").fetchone()[0]
            tables = db.execute("select count(*) from sqlite_master").fetchone()[0]
            new = (application, version, tables) == (0, 0, 0)
            if not new and application != APPLICATION:
                raise LedgerError(
                    f"{self.path} is a database, but not a ledger of dataworth. "
                    "Move it away or choose another folder with --out."
                )
            if version > SCHEMA:
                raise LedgerError(
                    f"{self.path} is a ledger of version {version}; this dataworth reads up to version {SCHEMA}. "
                    "Use a newer dataworth, or choose another folder with --out."
                )
            fault = db.execute("pragma quick_check(1)").fetchone()[0]
            if fault != "ok":
                raise sqlite3.DatabaseError(fault)
            db.execute("pragma journal_mode = wal")  # changes the file: only now that it is known to be ours, and whole
            db.execute("pragma synchronous = normal")
            if new:
                db.executescript(
                    f"begin; {_TABLES} pragma application_id = {APPLICATION}; pragma user_version = {SCHEMA}; commit;"
                )
            db.execute("begin immediate")  # takes the lock of the one writer at once, not at the first result
            db.execute("commit")
        except BaseException:
            db.close()
            raise
        return db

    def _explained(self, error: Exception) -> LedgerError:
        reason = str(error)
        if "locked" in reason:
            return LedgerError(
                f"{self.path} is in use by another run. Wait for it or stop it, or choose another folder with --out."
            )
        if "not a database" in reason:
            return LedgerError(f"{self.path} is not a ledger. Move it away or choose another folder with --out.")
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            return LedgerError(
                f"{self.path} is damaged ({reason}). Nothing was changed in it. To keep what can be read, run "
                f"'sqlite3 {self.path.name} .recover | sqlite3 mended.sqlite' beside it and put the mended file in its "
                "place; or run with --fresh, which keeps the damaged file under another name."
            )
        return LedgerError(
            f"Cannot write the ledger {self.path} ({reason}). Make its folder writable or choose another with --out."
        )

    def close(self) -> None:
        self._db.close()

    def outcomes(self, context: str) -> dict[tuple[str, int], Outcome]:
        """Everything remembered of one context, by coalition and seed."""
        rows = self._db.execute(
            "select coalition, seed, utility, accuracy, seconds, core_seconds, gpu_seconds, flops, peak_memory_mb, "
            "retrainings, gradient_passes from outcomes where context = ?",
            (context,),
        )
        with _no_collection():  # hundreds of thousands of objects that all stay: looking for garbage takes a third
            return {(row[0], row[1]): Outcome(row[2], row[3], Cost(*row[4:])) for row in rows}

    def describe(self, context: str, identity: Mapping[str, Any]) -> None:
        """Spell out what a context stands for, for people who open the file."""
        text = json.dumps(identity, sort_keys=True)
        self._write("insert or ignore into contexts values (?, ?)", [(context, text)])

    def record(self, context: str, found: Iterable[tuple[str, int, Outcome]]) -> None:
        """Keep a batch of outcomes in one transaction; what is there already stays as it was first."""
        now = time.time()
        self._write(
            "insert or ignore into outcomes values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(context, coalition, seed, o.utility, o.accuracy, *_told(o.cost), now) for coalition, seed, o in found],
        )

    def answer(self, key: str) -> dict[str, Any] | None:
        """A finished answer, None if there is none under this key."""
        row = self._db.execute("select record from answers where key = ?", (key,)).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def keep_answer(self, key: str, record: Mapping[str, Any]) -> None:
        self._write("insert or replace into answers values (?, ?, ?)", [(key, json.dumps(record), time.time())])

    def _write(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        try:
            self._db.execute("begin immediate")
            self._db.executemany(statement, rows)
            self._db.execute("commit")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise self._explained(error) from error


@contextmanager
def _no_collection() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
