"""Hand-made results of two pools, whose scores scipy tells."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.config import Projection, Suite
from harness.records.results import PoolRecord, Results, RunRecord, TruthRecord, ValuationRecord
from harness.report.leaderboard import leaderboard
from harness.report.markdown import page
from harness.report.view import Cell
from harness.types import Cost

HEADER = (
    "task,question,method,family,status,reason,spearman,low,high,reliability,ceiling,ceiling_low,ceiling_high,"
    "fraction_of_ceiling,rank_low,rank_high,pools,contributors,seconds,core_hours,gpu_hours,projected_gpu_hours,"
    "reference_gpu_hours,flops,bytes_moved,launches,peak_memory_mb,retrainings,gradient_passes,forward_passes,load"
)
C, TASK, QUESTION = 24, "digits", "standalone"
TRUTHS = [np.arange(C, dtype=float) ** 2, np.random.default_rng(1).standard_normal(C)]
"""Of two pools."""

SUITE = Suite(
    name="hand-made",
    tasks=(TASK,),
    methods=("right", "partly", "wrong", "constant"),
    pools=2,
    seeds=3,
    pairs=3,
    projection=Projection(gpu="Some GPU", peak_tflops=100, utilisation=0.5),
)


def noisy(truth: np.ndarray, amount: float, seed: int) -> np.ndarray:
    return truth + amount * truth.std() * np.random.default_rng(seed).standard_normal(len(truth))


PARTLY = [noisy(truth, 1.0, 10 + pool) for pool, truth in enumerate(TRUTHS)]
ANSWERS = {
    "right": TRUTHS,
    "partly": PARTLY,
    "wrong": [-truth for truth in TRUTHS],
    "constant": [np.ones(C), np.ones(C)],
}


def bill(seconds: float) -> Cost:
    return Cost(seconds, 2 * seconds, seconds / 2, 180e15 * seconds, 10.0, 3, 4.5)


def truth_of(pool: int, values: Sequence[np.ndarray], reliability: float = 0.9, **changes: Any) -> TruthRecord:
    rows = tuple(tuple(row.tolist()) for row in values)
    made = {"question": QUESTION, "status": "ok", "reason": "", "device": "cpu", "cost": bill(100.0), **changes}
    return TruthRecord(TASK, pool, "key", values=rows, reliability=reliability, accuracy=0.5, run="run", **made)


def said(method: str, pool: int, values: np.ndarray | None, **changes: Any) -> ValuationRecord:
    rows = () if values is None else tuple(tuple(row) for row in np.atleast_2d(values).tolist())
    made = {"question": QUESTION, "status": "ok", "reason": "", "device": "cpu", "cost": bill(1.0 + pool), **changes}
    return ValuationRecord(TASK, pool, "key", method=method, family="additive", values=rows, run="run", **made)


def results_of(
    answers: Mapping[str, Sequence[np.ndarray]] = ANSWERS,
    reliability: float = 0.9,
    truth: Mapping[str, Any] | None = None,
) -> Results:
    results = Results()
    results.add(RunRecord("run", ORIGIN))
    for pool, values in enumerate(TRUTHS):
        features = {"size": tuple(PARTLY[pool].tolist()), "flat": (1.0,) * C}
        names = tuple(f"c{i}" for i in range(C))
        results.add(PoolRecord(TASK, pool, "key", names, ({},) * C, features, {}, {}))
        results.add(truth_of(pool, [values - 0.1, values, values + 0.1], reliability, **(truth or {})))
        for method, rows in answers.items():
            results.add(said(method, pool, rows[pool]))
    return results


ORIGIN = {
    "command": "dataworth run",
    "started": "2025-01-01T00:00:00",
    "commit": "abc",
    "processor": "a processor",
    "threads": 2,
    "device": "cpu",
    "python": "3.11",
    "packages": {"torch": "2.0", "absent": None},
}


def rows_of(results: Results, suite: Suite = SUITE) -> dict[str, Cell]:
    return {cell.method: cell for cell in leaderboard(suite, results).cells}


def parsed(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def page_of(results: Results) -> str:
    return page(leaderboard(SUITE, results))


def table_after(text: str, heading: str) -> dict[str, list[str]]:
    """The first table after a line that contains ``heading``: first cell -> the others."""
    lines = iter(text[text.index(heading) :].splitlines()[1:])
    table = list(itertools.takewhile(lambda line: line.startswith("|"), itertools.dropwhile(_no_table, lines)))
    found = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return {cells[0]: cells[1:] for cells in found if not set(cells[0]) <= {"-"}}


def _no_table(line: str) -> bool:
    return not line.startswith("|")
