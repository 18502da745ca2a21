"""The ledger: the durable record of every retraining. Nothing is retrained twice, nothing is lost.

SQLite in write-ahead mode with one writer. A batch of retrainings is one transaction, so that a killed run
loses at most the batches in flight and trains them again in the same batches.
"""

from __future__ import annotations

import gc
import json
import math
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import UserError
from harness.types import FOLDS, Array, Cost, Outcome

_COSTS = tuple(f.name for f in fields(Cost))
_cost_columns = attrgetter(*_COSTS)
"""A cost as the columns hold it."""

IN_MEMORY = Path(":memory:")
"""In place of a file: a ledger that is gone with its process."""

APPLICATION = 0x44574C47  # "DWLG": tells our files from other people's
SCHEMA = 3
"""1: outcomes without folds. 2: with their means by fold, and each example's log-likelihood where it was wanted.
3: with what truths score on the validation split, and with passes, bytes, launches and load in costs."""

_LARGEST = float(np.finfo(np.float32).max)
"""Losses are single-precision numbers: a utility beyond is none that training gave."""

_COLUMNS = ("context", "coalition", "seed", "utility", "accuracy", *_COSTS)
_COLUMNS += ("finished_at", "folds", "validation")

_TABLES = """
create table contexts (context text primary key, identity text not null) without rowid;
create table outcomes (
    context text not null, coalition text not null, seed integer not null,
    utility real not null, accuracy real not null,
    seconds real not null, core_seconds real not null, gpu_seconds real not null, flops real not null,
    peak_memory_mb real not null, retrainings integer not null, gradient_passes real not null,
    finished_at real not null, folds blob not null default x'', validation real,
    forward_passes real not null default 0, bytes_moved real not null default 0, launches real not null default 0,
    load real not null default 0,
    primary key (context, coalition, seed)
) without rowid;
create table log_likelihoods (
    context text not null, coalition text not null, seed integer not null, examples blob not null,
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
        note: takes what a person should know of the file, a sentence each.

    Raises:
        LedgerError: the file is no ledger, is of a newer version, is damaged, is in use or cannot be written.
    """

    def __init__(self, path: Path, note: Callable[[str], None] = lambda text: None) -> None:
        self.path, self._note = path, note
        try:
            if path != IN_MEMORY:
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
            if version < SCHEMA and not new:
                self._migrate(db, version)
            db.execute("begin immediate")  # takes the lock of the one writer at once, not at the first result
            db.execute("commit")
        except BaseException:
            db.close()
            raise
        return db

    def _migrate(self, db: sqlite3.Connection, version: int) -> None:
        """To this schema in one transaction: what was remembered stays as it is, without what it did not know.

        Raises:
            LedgerError: its tables are not those of its version; the file is left as it was.
        """
        db.execute("begin immediate")
        try:
            if version == 1:
                db.execute("alter table outcomes add column folds blob not null default x''")
                likelihoods = slice(
                    _TABLES.index("create table log_likelihoods"), _TABLES.index("create table answers")
                )
                db.execute(_TABLES[likelihoods])
            db.execute("alter table outcomes add column validation real")
            for name in ("forward_passes", "bytes_moved", "launches", "load"):
                db.execute(f"alter table outcomes add column {name} real not null default 0")
            db.execute(f"pragma user_version = {SCHEMA}")
            db.execute("commit")
        except sqlite3.Error as error:
            db.execute("rollback")
            raise LedgerError(
                f"{self.path} says that it is a ledger of version {version}, but its tables are others ({error}). "
                "Nothing was changed in it. Run with --fresh, which leaves it aside under another name, or choose "
                "another folder with --out."
            ) from error
        kept = db.execute("select count(*) from outcomes").fetchone()[0]
        self._note(f"{self.path} was brought from version {version} to {SCHEMA}; its {kept} outcomes are kept.")

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
        """Everything remembered of one context, by coalition and seed.

        Rows that no training can have written are left out, so that their jobs are trained again and take their place.
        """
        rows = self._rows(
            f"select coalition, seed, utility, accuracy, folds, validation, {', '.join(_COSTS)} from outcomes "
            "where context = ?",
            (context,),
        )
        with _no_collection():  # hundreds of thousands of objects that all stay: looking for garbage takes a third
            found = {(row[0], row[1]): row[2:] for row in rows}
            sound = {key: row for key, row in found.items() if _is_sound(row)}
            kept = {
                key: Outcome(row[0], row[1], Cost(*row[4:]), row[2], math.nan if row[3] is None else row[3])
                for key, row in sound.items()
            }
        if len(kept) < len(found):
            unfit = [(context, *key) for key in found.keys() - kept.keys()]
            self._write("delete from outcomes where context = ? and coalition = ? and seed = ?", unfit)
            self._note(
                f"{self.path}: {len(unfit)} outcomes of context {context} were no numbers that training gives (the "
                f"first: coalition {unfit[0][1]}, seed {unfit[0][2]}); they are trained again."
            )
        return kept

    def log_likelihoods(self, context: str, jobs: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Array]:
        """The log-likelihood of each held-out example, float32 N, for those of the jobs that have it."""
        found = {}
        for coalition, seed in jobs:
            rows = self._rows(
                "select examples from log_likelihoods where context = ? and coalition = ? and seed = ?",
                (context, coalition, seed),
            )
            for (blob,) in rows:
                if type(blob) is bytes and len(blob) % 4 == 0:  # else it is damaged, as good as none
                    found[coalition, seed] = np.frombuffer(blob, dtype=np.float32)
        return found

    def describe(self, context: str, identity: Mapping[str, Any]) -> None:
        """Spell out what a context stands for, for people who open the file."""
        text = json.dumps(identity, sort_keys=True)
        self._write("insert or ignore into contexts values (?, ?)", [(context, text)])

    def record(
        self,
        context: str,
        found: Iterable[tuple[str, int, Outcome]],
        log_likelihoods: Mapping[tuple[str, int], Array] | None = None,
    ) -> None:
        """Keep a batch of outcomes in one transaction; outcomes that are there already stay as they were first.

        Args:
            log_likelihoods: of each held-out example, N a job, for jobs that were asked for it.
        """
        now = time.time()
        rows = [
            (context, coalition, seed, o.utility, o.accuracy, *_cost_columns(o.cost), now, o.folds, o.validation)
            for coalition, seed, o in found
        ]
        examples = [
            (context, *job, np.ascontiguousarray(row_N, dtype=np.float32).tobytes())
            for job, row_N in (log_likelihoods or {}).items()
        ]
        with self._transaction():
            marks = ", ".join("?" * len(_COLUMNS))
            self._db.executemany(f"insert or ignore into outcomes ({', '.join(_COLUMNS)}) values ({marks})", rows)
            self._db.executemany("insert or replace into log_likelihoods values (?, ?, ?, ?)", examples)

    def answer(self, key: str) -> dict[str, Any] | None:
        """A finished answer, None if there is none under this key.

        Raises:
            ValueError, TypeError: what stands there is none.
        """
        rows = self._rows("select record from answers where key = ?", (key,))
        try:
            return dict(json.loads(rows[0][0])) if rows else None
        except RecursionError as error:
            raise ValueError("it is nested too deeply") from error

    def keep_answer(self, key: str, record: Mapping[str, Any]) -> None:
        self._write("insert or replace into answers values (?, ?, ?)", [(key, json.dumps(record), time.time())])

    def _rows(self, question: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(question, values).fetchall()
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def _write(self, statement: str, rows: list[tuple[Any, ...]]) -> None:
        with self._transaction():
            self._db.executemany(statement, rows)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All of what is written inside, or nothing."""
        try:
            self._db.execute("begin immediate")
            yield
            self._db.execute("commit")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise self._explained(error) from error


def _is_sound(row: tuple[Any, ...]) -> bool:
    """Whether a row's numbers can have come from training: utility, accuracy, folds, validation, costs."""
    utility, accuracy, folds, validation, *costs = row
    numbers = (utility, accuracy, 0.0 if validation is None else validation)
    return (
        all(type(number) in (float, int) for number in (*numbers, *costs))
        and max(abs(utility), abs(numbers[2])) <= _LARGEST
        and 0 <= accuracy <= 1
        and all(0 <= number < math.inf for number in costs)
        and type(folds) is bytes
        and len(folds) in (0, 2 * FOLDS * 4)
    )


@contextmanager
def _no_collection() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
