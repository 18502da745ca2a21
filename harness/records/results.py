"""Stored results: JSON lines, one file a task, replaced whole and atomically. No torch here.

Records are of four kinds: a *run* (provenance), a *pool* (what was dealt), a *truth*, a *valuation*. A leaderboard is a
pure function of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness.errors import UserError
from harness.files import write_atomically
from harness.types import Cost, Plain

FORMAT = 1
Status = Literal["ok", "failed", "unsuitable"]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Provenance of the answers that name this run."""

    run: str
    provenance: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PoolRecord:
    """What was dealt.

    Args:
        pool_key: hash of the pool's data and of how it learns; answers to another pool than this one are stale.
        contributors: names, in the order of every values' last axis.
        features: one-feature baselines, name -> C numbers (None where it does not apply).
        facts: what was measured, such as the truncation that the generator caused.
    """

    task: str
    pool: int
    pool_key: str
    contributors: tuple[str, ...]
    planted: tuple[Mapping[str, Plain], ...]
    features: Mapping[str, tuple[float, ...]]
    facts: Mapping[str, Plain]
    learner: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TruthRecord:
    """A question's answer by retraining.

    Args:
        truth_key: hash of everything that the truth depends on; valuations are scored against the current one.
        values: repeats x contributors; empty where it failed.
    """

    task: str
    pool: int
    pool_key: str
    question: str
    status: Status
    reason: str
    values: tuple[tuple[float, ...], ...]
    ceiling: float
    accuracy: float
    cost: Cost
    device: str
    run: str


@dataclass(frozen=True, slots=True)
class ValuationRecord:
    """A method's answer, or why there is none."""

    task: str
    pool: int
    pool_key: str
    question: str
    method: str
    family: str
    status: Status
    reason: str
    values: tuple[tuple[float, ...], ...]
    cost: Cost
    device: str
    run: str


Record = RunRecord | PoolRecord | TruthRecord | ValuationRecord
Answer = TruthRecord | ValuationRecord
KINDS: Mapping[str, type[Record]] = {
    "run": RunRecord,
    "pool": PoolRecord,
    "truth": TruthRecord,
    "valuation": ValuationRecord,
}


@dataclass(slots=True)
class Results:
    """Everything that is known of a suite, by what it answers; a newer answer takes an older one's place."""

    runs: dict[str, RunRecord] = field(default_factory=dict)
    pools: dict[tuple[str, int], PoolRecord] = field(default_factory=dict)
    truths: dict[tuple[str, int, str], TruthRecord] = field(default_factory=dict)
    valuations: dict[tuple[str, int, str, str], ValuationRecord] = field(default_factory=dict)

    def add(self, record: Record) -> None:
        match record:
            case RunRecord():
                self.runs[record.run] = record
            case PoolRecord():
                self.pools[record.task, record.pool] = record
            case TruthRecord():
                self.truths[record.task, record.pool, record.question] = record
            case ValuationRecord():
                self.valuations[record.task, record.pool, record.question, record.method] = record

    def of_task(self, task: str) -> list[Record]:
        """The task's records and the runs that they name, in a fixed order; answers to a stale pool are left out."""
        pools = {key: record for key, record in self.pools.items() if key[0] == task}
        truths = [r for key, r in sorted(self.truths.items()) if _current(r, pools)]
        valuations = [r for key, r in sorted(self.valuations.items()) if _current(r, pools)]
        answers: list[Answer] = [*truths, *valuations]
        named = {record.run for record in answers}
        runs = [record for name, record in sorted(self.runs.items()) if name in named]
        return [*runs, *(record for _, record in sorted(pools.items())), *truths, *valuations]

    def tasks(self) -> list[str]:
        return sorted({task for task, _ in self.pools})


def _current(record: TruthRecord | ValuationRecord, pools: Mapping[tuple[str, int], PoolRecord]) -> bool:
    pool = pools.get((record.task, record.pool))
    return pool is not None and pool.pool_key == record.pool_key


def load(folder: Path) -> Results:
    """Every record under a suite's ``results`` folder.

    Raises:
        UserError: a line is no record of ours, or of a newer format; it names file and line.
    """
    results = Results()
    for file in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(file.read_bytes().splitlines(), start=1):
            try:
                results.add(_from_json(json.loads(line)))
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise UserError(
                    f"{file}, line {number}: not a result that this dataworth (format {FORMAT}) reads: {error}. "
                    "Move the file away, or restore it from version control."
                ) from error
    return results


def save(folder: Path, results: Results) -> None:
    """Write one file a task, each replaced whole; a killed run leaves the old or the new one, never half."""
    folder.mkdir(parents=True, exist_ok=True)
    for task in results.tasks():
        lines = [_to_json(record) for record in results.of_task(task)]
        write_atomically(folder / f"{task}.jsonl", "".join(line + "\n" for line in lines))


def _to_json(record: Record) -> str:
    kind = next(name for name, cls in KINDS.items() if isinstance(record, cls))
    return json.dumps(_without_nan({"format": FORMAT, "kind": kind, **asdict(record)}), sort_keys=True)


def _without_nan(value: Any) -> Any:
    """JSON knows no nan: undefined is null."""
    if isinstance(value, Mapping):
        return {str(key): _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _from_json(content: dict[str, Any]) -> Record:
    if content.pop("format") != FORMAT:
        raise ValueError("another format")
    cls = KINDS[content.pop("kind")]
    if "cost" in content:
        content["cost"] = Cost(**content["cost"])
    if "values" in content:
        content["values"] = tuple(tuple(row) for row in content["values"])
    for name in ("ceiling", "accuracy"):
        if name in content and content[name] is None:
            content[name] = math.nan
    if "contributors" in content:
        content["contributors"] = tuple(content["contributors"])
        content["planted"] = tuple(content["planted"])
        content["features"] = {name: tuple(row) for name, row in content["features"].items()}
    return cls(**content)
