"""seal.json: what a run's results were when it wrote them, so that a later change by hand is found and named.

Digests are no signature. Who changes results and works the seal out anew is not found by it, only by what else is held
against results (``harness.submitting``): a cell that is run again above all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.config import RESULTS
from harness.errors import UserError
from harness.files import write_atomically
from harness.records import checked
from harness.records.keys import Key, key_of, place
from harness.records.results import PoolRecord, Record, Results, RunRecord, TruthRecord, lines_of, record_of

SEAL = "seal.json"
VERSION = 1

MACHINE = ("processor", "cores", "threads", "system", "device")
"""What provenance tells of a machine."""


@dataclass(frozen=True, slots=True)
class Seal:
    """What was sealed.

    Args:
        lines: digests of the lines of each file of results.
        runs: provenance by run.
    """

    lines: Mapping[str, frozenset[str]] = field(default_factory=dict)
    runs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def seal(folder: Path, results: Results, answered: Collection[Key]) -> None:
    """Seal what a run has answered; of what else its folder holds, what was sealed before and is still the same.

    Args:
        folder: the run's.
        results: as they were saved.
        answered: of pools, truths and valuations, those that the run found itself or in its ledger.
    """
    try:
        before = sealed(folder)
    except UserError:  # none yet, or none of ours: what is not answered now stays without one
        before = Seal()
    lines = {}
    for task in results.tasks():
        name, known = f"{task}.jsonl", before.lines.get(f"{task}.jsonl", frozenset())
        found = [(record, digest(line.encode())) for record, line in lines_of(results, task)]
        lines[name] = [
            own for record, own in found if own in known or isinstance(record, RunRecord) or key_of(record) in answered
        ]
    runs = {name: dict(record.provenance) for name, record in sorted(results.runs.items())}
    write_atomically(folder / SEAL, json.dumps({"version": VERSION, "lines": lines, "runs": runs}, indent=0) + "\n")


def sealed(folder: Path) -> Seal:
    """What was sealed in a run's folder.

    Raises:
        UserError: nothing was, or the file is no seal of ours.
    """
    file = folder / SEAL
    try:
        content = checked.mapping_of(json.loads(file.read_text(encoding="utf-8")), "the file")
        if content.get("version") != VERSION:
            raise ValueError(f"expected version {VERSION}, got {content.get('version')!r}")
        lines = checked.mapping_of(content.get("lines"), "lines")
        runs = checked.mapping_of(content.get("runs"), "runs")
        return Seal(
            {name: frozenset(map(str, checked.sequence_of(own, name))) for name, own in lines.items()},
            {name: checked.mapping_of(own, name) for name, own in runs.items()},
        )
    except FileNotFoundError as error:
        raise UserError(
            f"{file} is not there, which runs write when they end. The same command of 'dataworth run' goes through "
            "what its ledger keeps in seconds a task and seals it."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(
            f"{file} is no seal of ours: {error}. Give the same command of 'dataworth run' again."
        ) from error


def changes(folder: Path, found: Seal) -> Iterator[str]:
    """What of a run's results is not as it was sealed, a sentence each."""
    for file in sorted((folder / RESULTS).glob("*.jsonl")):
        known = found.lines.get(file.name, frozenset())
        lines = {digest(line): line for line in file.read_bytes().splitlines()}
        strange = [record_of(line) for own, line in lines.items() if own not in known]
        for record in strange:
            yield from _changed(record, found)
        if (gone := len(known - set(lines)) - len(strange)) > 0:
            yield f"Of the lines that the run wrote into {file.name}, {gone} {'are' if gone > 1 else 'is'} gone."
    for name in sorted(set(found.lines) - {file.name for file in (folder / RESULTS).glob("*.jsonl")}):
        yield f"{name}, which the run wrote, is gone."


def _changed(record: Record, found: Seal) -> Iterator[str]:
    if not isinstance(record, RunRecord):
        yield f"{_named(record)} is not as the run wrote it."
        return
    before = found.runs.get(record.run)
    if before is None:
        yield f"The run {record.run} is none of those that were sealed."
        return
    names = [name for name in {**before, **record.provenance} if before.get(name) != record.provenance.get(name)]
    for name in names:
        what = "machine" if name in MACHINE else name
        told = f" ({name})" if name in MACHINE else ""
        yield (
            f"The {what}{told} of run {record.run} is not as the run wrote it: {_short(record.provenance.get(name))} "
            f"where {_short(before.get(name))} was sealed."
        )
    if not names:
        yield f"The line of run {record.run} is not as the run wrote it."


def _named(record: Record) -> str:
    """A record as the subject of a sentence."""
    task, pool, question, method = key_of(record)
    where = place(task, pool)
    if isinstance(record, PoolRecord):
        return f"What was dealt as {where},"
    if isinstance(record, TruthRecord):
        return f"The truth of {question} on {where},"
    return f"The answer of {method} on {where}, {question},"


def digest(line: bytes) -> str:
    """Of one line of results, without its end."""
    return hashlib.sha256(line).hexdigest()[:16]


def _short(value: object) -> str:
    text = str(value)
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
