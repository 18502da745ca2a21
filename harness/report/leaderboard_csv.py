"""leaderboard.csv: one line a cell. Undefined is an empty field, never zero."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable

from harness.report import sentences
from harness.report.view import Cell

TABLE = "leaderboard.csv"

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
    "ceiling",
    "fraction_of_ceiling",
    "rank",
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


def to_csv(cells: Iterable[Cell]) -> str:
    """The whole file; floats to six digits."""
    text = io.StringIO()
    text.write(HEADER + "\n")
    writer = csv.writer(text, lineterminator="\n")
    for cell in cells:
        fields = [sentences.reason(cell) if name == "reason" else getattr(cell, name) for name in COLUMNS]
        writer.writerow([_field(value) for value in (*fields, *(getattr(cell.cost, name) for name in COSTS))])
    return text.getvalue()


def _field(value: object) -> object:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value
