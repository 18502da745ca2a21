"""Who measured which rows, on which machine: told where a board has rows of more than one, or somebody is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.config import Suite
from harness.errors import plain
from harness.records.results import Results
from harness.report.view import TRUTH, Measured, View

NOBODY = "nobody named"


def measured(suite: Suite, results: Results) -> tuple[Measured, ...]:
    """Everyone who measured something, those of the truths first; nothing where there is one, and nobody is named."""
    groups: dict[str, list[str]] = {}
    for name, run in sorted(results.runs.items(), key=lambda item: (str(item[1].provenance.get("started")), item[0])):
        groups.setdefault(measured_by(run.provenance), []).append(name)
    found: list[tuple[str, Sequence[str], list[str], bool]] = []
    for by, runs in groups.items():
        own = {record.method for record in results.valuations.values() if record.run in runs}
        methods = [name for name in suite.methods if name in own] + sorted(own - set(suite.methods))
        truths = any(truth.run in runs for truth in results.truths.values())
        if methods or truths:
            found.append((by, runs, methods, truths))
    found.sort(key=lambda one: not one[-1])
    if not found or (len(found) == 1 and found[0][0].startswith(NOBODY)):
        return ()
    marks = [f"{chr(ord('a') + k % 26)}{k // 26 or ''}" for k in range(len(found))] if len(found) > 1 else [""]
    return tuple(
        Measured(mark, by, tuple(runs), tuple(methods), truths)
        for mark, (by, runs, methods, truths) in zip(marks, found, strict=True)
    )


def measured_by(provenance: Mapping[str, Any]) -> str:
    """Who measured and on which machine, in words."""
    who = plain(str(provenance.get("by") or NOBODY))
    machine = plain(str(provenance.get("processor") or "a machine that is not told"))
    device = str(provenance.get("device") or "")
    return f"{who} on {machine} ({provenance.get('cores')} cores{f', {plain(device)}' if device != 'cpu' else ''})"


def mark(view: View, method: str) -> str:
    """The mark of who measured a method's values, with a space before it; empty where all are of one."""
    marks = "".join(one.mark for one in view.measured if method in one.methods or (method == TRUTH and one.truths))
    return f" ({marks})" if marks else ""


def lines(view: View) -> list[str]:
    """What these marks mean, a line for each who measured; nothing where nobody is named and all are of one machine."""
    found = []
    for one in view.measured:
        own, what = f"({one.mark}) " if one.mark else "", [*(["truths"] if one.truths else []), *one.methods]
        found.append(f"{own}{one.by}: {', '.join(what)}; run{'s' if len(one.runs) > 1 else ''} {', '.join(one.runs)}")
    return found


def in_a_sentence(view: View) -> str:
    """The marks in a sentence, with a space before it; empty where there are none."""
    found = "; ".join(f"({one.mark}) {one.by}" for one in view.measured if one.mark)
    return f" Measured by {found}." if found else ""
