"""What a record answers: its key, and how a sentence names it."""

from __future__ import annotations

from harness.records.results import PoolRecord, Record, RunRecord, TruthRecord

Key = tuple[str, int, str, str]
"""Task, pool, question, method; a truth has no method, and a pool no question either."""


def key_of(record: Record) -> Key:
    """A record's key; a run has nothing but its name."""
    if isinstance(record, RunRecord):
        return "", 0, "", record.run
    if isinstance(record, PoolRecord):
        return record.task, record.pool, "", ""
    return record.task, record.pool, record.question, "" if isinstance(record, TruthRecord) else record.method


def place(task: str, pool: int) -> str:
    """A pool as a sentence names it: people count from 1."""
    return f"{task}, pool {pool + 1}"


def named(key: Key) -> str:
    """A pool, or an answer about it, as a sentence names it."""
    task, pool, question, method = key
    return f"{method or 'the truth'} on {place(task, pool)}, {question}" if question else place(task, pool)
