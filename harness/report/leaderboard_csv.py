"""leaderboard.csv and overall.csv: a line a cell, and a line a method and question. Undefined is an empty field."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator

from harness.report import sentences
from harness.report.view import TRUTH, Cell, View

TABLE = "leaderboard.csv"
OVERALL = "overall.csv"
ALL = "all"
"""What the mean over questions is called in the column of questions."""

COLUMNS = (
    "task",
    "question",
    "method",
    "family",
    "status",
    "reason",
    "spearman",
    "low",
    "high",
    "reliability",
    "ceiling",
    "ceiling_low",
    "ceiling_high",
    "fraction_of_ceiling",
    "rank_low",
    "rank_high",
    "pools",
    "contributors",
)
COSTS = (
    "seconds",
    "core_hours",
    "gpu_hours",
    "projected_gpu_hours",
    "reference_gpu_hours",
    "flops",
    "bytes_moved",
    "launches",
    "peak_memory_mb",
    "retrainings",
    "gradient_passes",
    "forward_passes",
    "load",
)
HEADER = ",".join((*COLUMNS, *COSTS))
MEANS = ("spearman", "low", "high", "rank_low", "rank_high", "tasks", "pools")
OVERALL_COSTS = ("seconds", "reference_gpu_hours")
OVERALL_HEADER = ",".join(("question", "method", "family", *MEANS, *OVERALL_COSTS))


def to_csv(cells: Iterable[Cell]) -> str:
    """The whole file; floats to six digits."""
    return _written(HEADER, (row.values() for row in rows(cells)))


def rows(cells: Iterable[Cell]) -> Iterator[dict[str, object]]:
    """Each cell by column."""
    for cell in cells:
        own = {name: sentences.reason(cell) if name == "reason" else getattr(cell, name) for name in COLUMNS}
        yield own | {name: getattr(cell.cost, name) for name in COSTS}


def overall_to_csv(view: View) -> str:
    """The whole file: each question's means over tasks, then the means of these over questions."""
    return _written(OVERALL_HEADER, (row.values() for row in overall_rows(view)))


def overall_rows(view: View) -> Iterator[dict[str, object]]:
    """Each method's means by column, question after question."""
    for q, question in enumerate((*view.questions, ALL)):
        for line in view.overall:
            if line.method != TRUTH:
                mean = line.mean if question == ALL else line.by_question[q]
                own = {"question": question, "method": line.method, "family": line.family}
                own |= {name: getattr(mean, name) for name in MEANS}
                yield own | {name: getattr(mean.cost, name) for name in OVERALL_COSTS}


def read(text: str) -> list[dict[str, str]]:
    """The rows of either file by column, as they are written."""
    return list(csv.DictReader(io.StringIO(text)))


def number(field: str) -> float:
    """The number that a field holds, nan where it is empty.

    Raises:
        ValueError: it holds none.
    """
    return float(field or "nan")


def _written(header: str, rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    text.write(header + "\n")
    csv.writer(text, lineterminator="\n").writerows(map(_field, row) for row in rows)
    return text.getvalue()


def _field(value: object) -> object:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value
