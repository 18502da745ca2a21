"""Hand-made results for tests of the page: names that would be markup, and methods of every family and price."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.config import Suite
from harness.records.results import PoolRecord, Results, RunRecord, TruthRecord, ValuationRecord
from harness.types import QUESTIONS, Cost, Question

EVIL = "<script>window.hacked=1</script>"
NAMES = (EVIL, "</script><script>window.hacked=2</script>", "<!-- c", "a\u2028b", '"quoted" & co', "<img src=x>")
"""Of contributors, and more that are plain."""
TASKS = ("sums", "<b>products</b>")
METHODS = {
    "random": ("additive", 0, 9.0),
    "size": ("additive", 0, 2.0),
    "kernel": ("set function", 1, 1.0),
    "gradient": ("additive", 30, 0.4),
    "gradient:runs=1": ("additive", 10, 0.8),
    "retrained": ("retraining", 900, 0.3),
    "<i>poor</i>": ("set function", 400, 3.0),
}
"""Name -> family, passes, and how much noise it sees the truth through."""

CONTRIBUTORS = 24
ORIGIN = {
    "command": "dataworth run",
    "started": "2025-01-01T00:00:00",
    "commit": "abc",
    "processor": "a <b>processor</b>",
    "threads": 2,
    "device": "cpu",
    "python": "3.11",
    "packages": {"torch": "2.0", "absent": None},
}


def suite_of(tasks: Sequence[str] = TASKS, questions: Sequence[Question] = QUESTIONS, pools: int = 4) -> Suite:
    return Suite(
        name="hand-made <b>",
        summary="Made & written </title> by hand.",
        tasks=tuple(tasks),
        methods=tuple(METHODS),
        questions=tuple(questions),
        pools=pools,
        seeds=3,
    )


def results_of(suite: Suite) -> Results:
    """Each method sees the truth through noise of its own; ``size`` answers no product."""
    results = Results()
    results.add(RunRecord("run", ORIGIN))
    names = (*NAMES, *(f"c{c}" for c in range(len(NAMES), CONTRIBUTORS)))
    for (t, task), pool in itertools.product(enumerate(suite.tasks), range(suite.pools)):
        rng = np.random.default_rng([t, pool])
        sizes = rng.integers(10, 40, CONTRIBUTORS)
        planted = tuple({"size": int(size), "style": EVIL, "copy_of": None} for size in sizes)
        features = {"size": tuple(sizes.astype(float).tolist())}
        results.add(PoolRecord(task, pool, "key", names, planted, features, {"coverage": 0.5}, {}))
        for question in suite.questions:
            truth_SC = rng.standard_normal(CONTRIBUTORS) + 0.1 * rng.standard_normal((3, CONTRIBUTORS))
            results.add(_truth(task, pool, question, truth_SC))
            for method, (_, _, noise) in METHODS.items():
                values_C = truth_SC.mean(axis=0) + noise * rng.standard_normal(CONTRIBUTORS)
                results.add(_said(task, pool, question, method, values_C, method == "size" and t == 1))
    return results


def _truth(task: str, pool: int, question: str, values_SC: np.ndarray) -> TruthRecord:
    rows = tuple(map(tuple, values_SC.tolist()))
    return TruthRecord(task, pool, "key", question, "ok", "", rows, 0.9, 0.5, _cost(2_000), "cpu", "run")


def _said(task: str, pool: int, question: str, method: str, values_C: np.ndarray, refuses: bool) -> ValuationRecord:
    family, passes, _ = METHODS[method]
    status, values = ("unsuitable", ()) if refuses else ("ok", (tuple(values_C.tolist()),))
    reason = f"no {EVIL} here" if refuses else ""
    cost = Cost() if refuses else _cost(passes)
    return ValuationRecord(
        task,
        pool,
        "key",
        question,
        method,
        family,
        status,
        reason,
        values,
        cost,
        "cpu",
        "run",
        algebra=0.0,  # type: ignore[arg-type]
    )


def _cost(passes: float) -> Cost:
    return Cost(seconds=0.01 + passes / 100, retrainings=passes // 100, gradient_passes=passes)


def content_of(page: str) -> dict[str, Any]:
    """What a page holds, as its script reads it."""
    found = re.search(r'<script type="application/json" id="content">(.*?)</script>', page, re.DOTALL)
    assert found
    content = json.loads(found[1])
    assert isinstance(content, dict)
    return content
