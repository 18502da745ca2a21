"""Stored results: JSON lines, one file a task, replaced whole and atomically. No torch here.

Records are of four kinds: a *run* (provenance), a *pool* (what was dealt), a *truth*, a *valuation*. A leaderboard is a
pure function of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from pydantic_core import from_json

from harness.errors import UserError
from harness.files import write_atomically
from harness.records import checked
from harness.types import Cost, Family, Floats, Plain

FORMAT = 4
READ = (1, 2, 3, 4)
"""Formats that are read. Format 1 had no truth keys and no version of the task; until 2 a truth's reliability was its
"ceiling", and neither its residuals nor its values on the validation split were kept. Until 3 a
valuation told neither how its gradient passes grow nor which retrainings were of other tasks' truths."""

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
        task_version: of the task that dealt it; 0 where it was not recorded.
        test_rows: of the split that truths are measured on; row n is of fold n mod 16. 0 where it was not recorded.
        truth_keys: question -> key of the truth that the suite asks for; answers that belong to another are stale.
    """

    task: str
    pool: int
    pool_key: str
    contributors: tuple[str, ...]
    planted: tuple[Mapping[str, Plain], ...]
    features: Mapping[str, tuple[float | None, ...]]
    facts: Mapping[str, Plain]
    learner: Mapping[str, Any]
    task_version: int = 0
    test_rows: int = 0
    truth_keys: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TruthRecord:
    """A question's answer by retraining.

    Args:
        values: repeats x contributors; empty where it failed.
        truth_key: hash of all that the truth depends on: the pool, the question, coalitions and seeds. Empty where it
            was not recorded.
        reliability: what another run with new seeds would score against it, on the same held-out split.
        by_fold: the values that each held-out fold alone gives, folds x contributors; weighed by the folds' rows they
            add up to ``values``. Empty where it was not recorded, as all below.
        residual: each contributor's sum of squares of what neither seed nor fold alone explains.
        validation: as ``values``, on the validation split.
        everyone, nobody: utility of everyone together and of nobody, repeats x folds; empty where it trains none.
    """

    task: str
    pool: int
    pool_key: str
    question: str
    status: Status
    reason: str
    values: tuple[tuple[float, ...], ...]
    reliability: float
    accuracy: float
    cost: Cost
    device: str
    run: str
    truth_key: str = ""
    by_fold: tuple[tuple[float, ...], ...] = ()
    residual: tuple[float, ...] = ()
    validation: tuple[tuple[float, ...], ...] = ()
    everyone: tuple[tuple[float, ...], ...] = ()
    nobody: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class ValuationRecord:
    """A method's answer, or why there is none.

    Args:
        truth_key: of the truth that it was evaluated beside, and is scored against.
        algebra: operations that the method says its own algebra takes on the suite's reference job, beside passes and
            retrainings; nan where it was not recorded.
        pass_scale: gradient passes that its budget comes to on that job, over those that it comes to here: a pass over
            validation examples, or over what a training run draws, is another share of the training examples there.
        borrowed: retrainings in its cost that are of other tasks' truths, by task.
    """

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
    truth_key: str = ""
    algebra: float = math.nan
    pass_scale: float = 1.0
    borrowed: Mapping[str, float] = field(default_factory=dict)


Record = RunRecord | PoolRecord | TruthRecord | ValuationRecord
Answer = TruthRecord | ValuationRecord
KINDS: Mapping[str, type[Record]] = {
    "run": RunRecord,
    "pool": PoolRecord,
    "truth": TruthRecord,
    "valuation": ValuationRecord,
}
NAMES = {kind: frozenset(field.name for field in fields(kind)) for kind in KINDS.values()}


def mean_values(values: Sequence[Sequence[float]] | Floats) -> Floats:
    """What an answer's values, repeats x contributors, say of each contributor: their mean over repeats, C."""
    values_RC = np.asarray(values, dtype=np.float64)
    return np.asarray(np.add.reduce(values_RC, axis=0) / len(values_RC))  # as ``mean``, which asks more of itself


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

    def held(self, answer: Answer) -> Answer | None:
        """What is held at an answer's place."""
        place = answer.task, answer.pool, answer.question
        if isinstance(answer, TruthRecord):
            return self.truths.get(place)
        return self.valuations.get((*place, answer.method))

    def of_task(self, task: str) -> list[Record]:
        """The task's records and the runs that they name, in a fixed order.

        Answers to another pool, or beside another truth, than the present ones are left out.
        """
        pools = {key: record for key, record in self.pools.items() if key[0] == task}
        truths = [r for _, r in sorted(item for item in self.truths.items() if _current(item[1], pools))]
        valuations = [r for _, r in sorted(item for item in self.valuations.items() if _current(item[1], pools))]
        answers: list[Answer] = [*truths, *valuations]
        named = {record.run for record in answers}
        runs = [record for name, record in sorted(self.runs.items()) if name in named]
        return [*runs, *(record for _, record in sorted(pools.items())), *truths, *valuations]

    def tasks(self) -> list[str]:
        return sorted({task for task, _ in self.pools})


def _current(record: Answer, pools: Mapping[tuple[str, int], PoolRecord]) -> bool:
    pool = pools.get((record.task, record.pool))
    if pool is None or pool.pool_key != record.pool_key:
        return False
    return pool.truth_keys.get(record.question, record.truth_key) == record.truth_key


def load(folder: Path) -> Results:
    """Every record under a suite's ``results`` folder.

    Raises:
        UserError: a line is no record of ours, or of a newer format; it names file, line and what is wrong.
    """
    results = Results()
    for file in sorted(folder.glob("*.jsonl")):
        answers: list[tuple[int, Answer]] = []
        for number, line in enumerate(file.read_bytes().splitlines(), start=1):
            try:
                record = record_of(line)
                if not isinstance(record, RunRecord) and ("/" in record.task or record.task.startswith(".")):
                    raise ValueError(f"task: expected a name that a file can have, got {record.task!r}")
            except (ValueError, RecursionError) as error:
                raise _unreadable(file, number, error) from error
            results.add(record)
            if isinstance(record, Answer):
                answers.append((number, record))
        for number, answer in answers:  # a pool may stand below its answers
            pool = results.pools.get((answer.task, answer.pool))
            if pool is not None and pool.pool_key == answer.pool_key:
                try:
                    checked.check_width(answer.values, len(pool.contributors))
                    if isinstance(answer, TruthRecord):
                        for rows in (answer.by_fold, answer.validation, (answer.residual,) if answer.residual else ()):
                            checked.check_width(rows, len(pool.contributors))
                except ValueError as error:
                    raise _unreadable(file, number, error) from error
    return results


def formats(folder: Path) -> dict[str, set[int]]:
    """The formats of the lines of each file under a suite's ``results`` folder; what is no line of ours has none."""
    found: dict[str, set[int]] = {}
    for file in sorted(folder.glob("*.jsonl")):
        found[file.name] = set()
        for line in file.read_bytes().splitlines():
            try:
                written = json.loads(line)["format"]
            except (ValueError, TypeError, KeyError, RecursionError):
                continue
            if isinstance(written, int):
                found[file.name].add(written)
    return found


def _unreadable(file: Path, number: int, error: Exception) -> UserError:
    return UserError(
        f"{file}, line {number}: not a result that this dataworth (format {FORMAT}) reads: {error}. "
        "Move the file away, or restore it from version control."
    )


def save(folder: Path, results: Results, tasks: Iterable[str] | None = None) -> None:
    """Write one file a task, of all or of the named ones, each replaced whole; a killed run leaves the old or the new
    one, never half.
    """
    for task in results.tasks() if tasks is None else tasks:
        write_atomically(folder / f"{task}.jsonl", "".join(line + "\n" for _, line in lines_of(results, task)))


def lines_of(results: Results, task: str) -> Iterator[tuple[Record, str]]:
    """What the task's file holds: each record with its line."""
    return ((record, _to_json(record)) for record in results.of_task(task))


def _to_json(record: Record) -> str:
    kind = next(name for name, cls in KINDS.items() if isinstance(record, cls))
    return json.dumps(without_nan({"format": FORMAT, "kind": kind, **_fields(record)}), sort_keys=True)


def _fields(record: Record | Cost) -> dict[str, Any]:
    """Its fields as they are: to copy all the numbers in them would take longer than to write them."""
    return {field.name: getattr(record, field.name) for field in fields(record)}


def without_nan(value: Any) -> Any:
    """JSON knows no nan: undefined is null."""
    if isinstance(value, Cost):
        value = _fields(value)
    if isinstance(value, Mapping):
        return {str(key): without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def record_of(line: str | bytes) -> Record:
    """A record from its line, every field checked.

    Raises:
        ValueError, RecursionError: it says what is wrong.
    """
    try:
        read = from_json(line)  # in a quarter of the time
    except ValueError:
        read = json.loads(line)  # half a surrogate pair is JSON to it, and it says what is wrong in known words
    return _from_json(read)


def _from_json(line: object) -> Record:
    content = checked.mapping_of(line, "the line")
    written, kind = content.pop("format", None), KINDS.get(str(content.pop("kind", "")))
    if written not in READ:
        raise ValueError(f"expected format {' or '.join(map(str, READ))}, got {written!r}")
    if kind is None:
        raise ValueError(f"kind: expected one of {', '.join(KINDS)}")
    if written < 3 and kind is TruthRecord and "ceiling" in content:
        content["reliability"] = content.pop("ceiling")
    names = NAMES[kind]
    missing = names - content.keys()
    if missing:
        missing -= frozenset[str]().union(*(new for since, new in SINCE.items() if since > written))
    if missing or content.keys() - names:
        raise ValueError(f"fields missing: {sorted(missing)}, unknown: {sorted(content.keys() - names)}")
    read = {RunRecord: _run, PoolRecord: _pool}.get(kind, _answer)
    return kind(**{**content, **read(content)})


SINCE: Mapping[int, frozenset[str]] = {
    2: frozenset({"truth_key", "truth_keys", "task_version", "test_rows", "by_fold"}),
    3: frozenset({"residual", "validation", "everyone", "nobody", "algebra"}),
    4: frozenset({"pass_scale", "borrowed"}),
}
"""Fields that a format has and those before had not."""


def _provenance(content: object) -> dict[str, Any]:
    told = checked.mapping_of(content, "provenance")
    checked.mapping_of(told.get("packages") or {}, "packages")  # which pages list
    return told


def _run(content: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "run": checked.text_of(content["run"], "run"),
        "provenance": _provenance(content["provenance"]),
    }


def _pool(content: Mapping[str, Any]) -> dict[str, Any]:
    contributors = checked.names_of(content["contributors"])
    return {
        "task": checked.text_of(content["task"], "task"),
        "pool": checked.index_of(content["pool"], "pool"),
        "pool_key": checked.text_of(content["pool_key"], "pool_key"),
        "contributors": contributors,
        "planted": checked.planted_of(content["planted"], len(contributors)),
        "features": checked.features_of(content["features"], len(contributors)),
        "facts": checked.mapping_of(content["facts"], "facts"),
        "learner": checked.mapping_of(content["learner"], "learner"),
        "task_version": checked.index_of(content.get("task_version", 0), "task_version"),
        "test_rows": checked.index_of(content.get("test_rows", 0), "test_rows"),
        "truth_keys": checked.texts_of(content.get("truth_keys", {}), "truth_keys"),
    }


def _answer(content: Mapping[str, Any]) -> dict[str, Any]:
    texts = {"task", "pool_key", "reason", "device", "run", "method"} & set(content)
    numbers = {"reliability", "accuracy", "algebra", "pass_scale"} & set(content)
    if not str(content.get("method", "")).isprintable():
        raise ValueError(f"method: expected a name, got {content['method']!r}")
    status, values = content["status"], checked.values_of(content["values"])
    checked.check_answer(checked.one_of(status, "status", get_args(Status)), values)
    is_truth = "reliability" in content
    if not is_truth:
        checked.one_of(content["family"], "family", get_args(Family))
    return {
        **{name: checked.text_of(content[name], name) for name in texts},
        **{name: checked.undefined_or_number(content[name], name) for name in numbers},
        "pool": checked.index_of(content["pool"], "pool"),
        "question": checked.question_of(content["question"]),
        "values": values,
        "cost": checked.cost_of(content["cost"]),
        "truth_key": checked.text_of(content.get("truth_key", ""), "truth_key"),
        **(
            _of_truth(content) if is_truth else {"borrowed": checked.counts_of(content.get("borrowed", {}), "borrowed")}
        ),
    }


def _of_truth(content: Mapping[str, Any]) -> dict[str, Any]:
    tables = {
        name: checked.values_of(content.get(name, ())) for name in ("by_fold", "validation", "everyone", "nobody")
    }
    residual = content.get("residual", ())
    return {**tables, "residual": checked.values_of([residual])[0] if residual else ()}
