"""Who measured, when, by which code, on which machine: whether provenance is whole, and can be so."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from harness.records.provenance import CHANGED, Commit, commit_of, is_plain
from harness.records.results import Answer, Results
from harness.report.phrases import counted
from harness.submitting.findings import Finding, finding

TOLD = ("started", "command", "commit", "packages", "python", "system", "processor", "cores", "threads", "device")
"""What provenance has to tell, beside who measured."""

AHEAD = timedelta(hours=26)
"""How far clocks and time zones may be apart."""

Lookup = Callable[[str], Commit]


def origins(results: Results, lookup: Lookup | None = None, now: datetime | None = None) -> Finding:
    """Every run that answers name.

    Args:
        lookup: what is known of a commit; None: what this checkout knows.
        now: the time; None for this moment.
    """
    answers: list[Answer] = [*results.truths.values(), *results.valuations.values()]
    used = {answer.run for answer in answers}
    devices = {name: {answer.device for answer in answers if answer.run == name} for name in used}
    against = [f"Answers name the run {name}, of which nothing is told." for name in sorted(used - set(results.runs))]
    for name in sorted(used & set(results.runs)):
        reasons = _of_run(results.runs[name].provenance, devices[name], lookup or commit_of, now or datetime.now(UTC))
        against += [f"Run {name} {reason}" for reason in reasons]
    return finding("provenance", f"{counted(len(used), 'run')}: who, when, code, machine.", against)


def _of_run(told: Mapping[str, Any], devices: set[str], lookup: Lookup, now: datetime) -> Iterator[str]:
    missing = [name for name in TOLD if told.get(name) in (None, "", {})]
    if missing:
        yield f"does not tell its {', '.join(missing)}."
    if not isinstance(told.get("by"), str) or not told["by"].strip():
        yield "does not say who measured; the same command of 'dataworth run' with --by NAME does."
    if strange := sorted(name for name, value in told.items() if not _is_plain(value, is_code=name == "command")):
        yield f"has more than plain text in its {', '.join(strange)}."
    yield from _of_machine(told, devices)
    if "commit" not in missing:
        yield from _of_code(str(told["commit"]), _time(told.get("started")), lookup)
    if "started" not in missing:
        started = _time(told["started"])
        if started is None:
            yield f"has a start that is no time: {str(told['started'])[:40]!r}."
        elif started > now + AHEAD:
            yield f"says that it started at {started:%Y-%m-%d %H:%M} UTC, which is still to come."


def _is_plain(value: object, is_code: bool = False) -> bool:
    """Whether pages show it as it is; what they show as code holds anything but the mark that ends code."""
    if isinstance(value, Mapping):
        return all(_is_plain(part) for item in value.items() for part in item)
    text = str(value)
    return text.isprintable() and "`" not in text if is_code else is_plain(text)


def _of_machine(told: Mapping[str, Any], devices: set[str]) -> Iterator[str]:
    cores, threads, device = told.get("cores"), told.get("threads"), str(told.get("device", ""))
    counts = [count for count in (cores, threads) if count is not None]
    if any(not isinstance(count, int) or isinstance(count, bool) or count < 1 for count in counts):
        yield f"has {cores!r} cores and {threads!r} threads, which no machine has."
    elif len(counts) == 2 and threads > cores:  # type: ignore[operator]
        yield f"trained on {threads} threads at once, with {cores} cores; as many at most were expected."
    for other in sorted(found for found in devices if device and not device.startswith(found)):
        yield f"ran on {device}, by its provenance, and its answers say {other}."


def _of_code(commit: str, started: datetime | None, lookup: Lookup) -> Iterator[str]:
    if commit.endswith(CHANGED):
        yield f"was made by code that is not that of its commit {commit.removesuffix(CHANGED)[:12]}; commit it first."
        return
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        yield f"names no commit: {commit[:50]!r}."
        return
    found = lookup(commit)
    if found.state == "no checkout":
        yield f"names the commit {commit[:12]}, which cannot be looked up: this dataworth is no checkout; check in one."
    elif found.state == "unknown":
        yield f"names the commit {commit[:12]}, which this checkout has not; fetch the branch that it is on, if any."
    elif found.made is not None and started is not None and started < found.made:
        yield (
            f"says that it started at {started:%Y-%m-%d %H:%M} UTC, before its commit {commit[:12]} was made "
            f"({found.made:%Y-%m-%d %H:%M})."
        )


def _time(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
