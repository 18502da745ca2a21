"""A leaderboard as one JSON document, for programs: the rows of both tables, verdicts in words, where it came from."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from harness.records.results import without_nan
from harness.report import sentences
from harness.report.leaderboard_csv import overall_rows, rows
from harness.report.view import View

VERSION = 1
"""Of the document: raised when a name in it changes its meaning or goes."""

NOTE = ("task", "method", "status", "reason")
"""What a note's parts are called."""


def to_json(view: View) -> str:
    """The document; what is undefined is null."""
    return json.dumps(without_nan(document(view)), indent=1, ensure_ascii=False)


def document(view: View) -> dict[str, Any]:
    """The same as Python's own values.

    ``rows`` and ``overall`` have the columns of leaderboard.csv and overall.csv, in full precision.
    """
    return {
        "version": VERSION,
        "suite": view.suite.name,
        "hidden": view.suite.hidden,
        "tasks": list(view.tasks),
        "questions": list(view.questions),
        "rows": list(rows(view.cells)),
        "overall": list(overall_rows(view)),
        "verdicts": [
            {
                "task": one.task,
                "question": one.question,
                "says": sentences.verdict(one),
                "top": list(one.top),
                "fronts": [asdict(front) for front in one.fronts],
            }
            for one in view.verdicts
        ],
        "notes": [dict(zip(NOTE, note, strict=True)) for note in sentences.notes(view.cells)],
        "measured": [
            {"by": one.by, "methods": list(one.methods), "truths": one.truths, "runs": list(one.runs)}
            for one in view.measured
        ],
        "runs": [{"run": origin.run, **origin.provenance} for origin in view.origins],
    }
