"""Why a run cannot be published: it is another suite's, partial, of an older pool, or something in it failed."""

from __future__ import annotations

from collections.abc import Iterable

from harness.cli.chosen import tasks_without_data
from harness.cli.places import truth_differences
from harness.config import Suite
from harness.records.keys import Key, key_of, named
from harness.records.results import PoolRecord, Results
from harness.report.phrases import some
from harness.report.view import Cell, View


def reasons(published: Suite, run: Suite, results: Results, view: View) -> list[str]:
    """Every reason against publishing.

    Args:
        published, run: the suite as it is published, and as the run has answered it.
        results, view: of the run.
    """
    return [
        *_unlike(published, run),
        *_unfinished(published, results),
        *_failed(view.cells),
        *_older(published, results),
    ]


def _unlike(published: Suite, run: Suite) -> list[str]:
    """Where the run's suite is another than the published one."""
    found = truth_differences(published, run, "the run")
    reasons = [f"its suite is another: {', '.join(found)}"] if found else []
    for what in ("tasks", "methods", "questions"):
        asked, has = getattr(published, what), getattr(run, what)
        lacks, more = [n for n in asked if n not in has], [n for n in has if n not in asked]
        if lacks:
            reasons.append(f"its suite lacks the {what} {', '.join(lacks)}")
        if more:
            reasons.append(f"its suite has more {what}: {', '.join(more)}")
    return reasons


def _unfinished(suite: Suite, results: Results) -> list[str]:
    """Pools, truths and answers that the suite asks and the results lack, or hold of an older pool."""
    current = {key_of(record) for task in suite.tasks for record in results.of_task(task)}
    known = {key_of(record) for table in (results.truths, results.valuations) for record in table.values()}
    asked: list[Key] = []
    for task in suite.tasks:
        for pool in suite.numbers:
            asked.append((task, pool, "", ""))
            for question in suite.questions:
                asked += [(task, pool, question, method) for method in ("", *suite.methods)]
    missing = [named(key) for key in asked if key not in current and key not in known]
    older = [named(key) for key in asked if key not in current and key in known]
    reasons = [f"it is partial: {some(missing)} missing"] if missing else []
    return [*reasons, f"it holds answers about an older pool or truth: {some(older)}"] if older else reasons


def _failed(cells: Iterable[Cell]) -> list[str]:
    failed = [f"{cell.method} on {cell.task}, {cell.question}" for cell in cells if cell.status == "failed"]
    return [f"it failed: {some(failed)}"] if failed else []


def _older(suite: Suite, results: Results) -> list[str]:
    """Pools that the task deals otherwise now."""
    dealt = {task: {_version(r) for r in results.pools.values() if r.task == task} for task in suite.tasks}
    if not any(versions - {None} for versions in dealt.values()):
        return []
    found = []
    for task, versions in dealt.items():
        if older := sorted(v for v in versions if v is not None and v != version_of(suite, task)):
            found.append(f"the pools of {task} are of version {older[0]}, the task's is {version_of(suite, task)} now")
    return found


def version_of(suite: Suite, task: str) -> int:
    """The present version of one of the suite's tasks; its data are not read."""
    return tasks_without_data(suite, [task])[task].version


def _version(record: PoolRecord) -> int | None:
    """The version of the task that dealt a pool; None in results that do not tell it."""
    return record.task_version or None
