"""How states are told, the same on every page: the words for a view's fields."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from harness.projection import Projection
from harness.report import numbers
from harness.report.view import TRUTH, WEAK, Cell, MeanCost, Overall, TasksMean, Weakness
from harness.types import LOADED, Question

ASKED: Mapping[Question, str] = {
    "standalone": "What is each contributor's data worth alone? U({i}) - U(nobody)",
    "leave-one-out": "What would be lost without it? U(everyone) - U(everyone but i)",
    "shapley": "What does it add on average over all coalitions? The Shapley value of U",
}
MARKS = "Bold: the interval lies above zero. †: worse than the best of its column (paired bootstrap, Holm)."
BEHIND = " †"
CONSTANT = "its values are constant, so no order can be compared"
LOADED_MARK = " ‡"
SHORT = 10
"""Lines of the overall table where there is no room for all."""

Note = tuple[str, str, str, str]
"""Task, method, status, reason."""


def weakness(weak: Weakness) -> str:
    """Why a truth is weak and what would mend it."""
    if math.isnan(weak.ceiling):
        return f"weak truth: no ceiling from {weak.repeats} of its {weak.unit}"
    if weak.needed is None:
        return f"weak truth: ceiling {weak.ceiling:.2f}; more {weak.unit} than {weak.repeats} needed"
    mend = f"{WEAK} would take about {weak.needed} {weak.unit}, not {weak.repeats}"
    return f"weak truth: ceiling {weak.ceiling:.2f}; {mend}"


def reason(cell: Cell) -> str:
    """Why a cell has no score, or what its score rests on; empty where there is nothing to tell."""
    if cell.reason:
        return cell.reason
    if cell.constant:
        return CONSTANT
    return weakness(cell.weakness) if cell.weakness else ""


def notes(cells: Sequence[Cell]) -> list[Note]:
    """Everything that is to be told about cells, once each; a weak truth is told by its own cell alone."""
    found = [
        (
            cell.task,
            f"{cell.method}, {cell.question}" if cell.is_truth else cell.method,
            "weak" if cell.weakness and cell.status == "ok" else cell.status,
            reason(cell),
        )
        for cell in cells
        if reason(cell) and (cell.is_truth or cell.weakness is None)
    ]
    return list(dict.fromkeys(found))


def state(cell: Cell) -> str:
    """One word for a cell without a score, empty for one that has it."""
    if cell.status != "ok":
        return cell.status
    return "constant" if cell.constant else ""


def ceiling(cell: Cell) -> str:
    return f"ceiling {numbers.correlation(cell.ceiling)}{' (weak)' if cell.weakness else ''}"


def gpu_hours(cells: Sequence[Cell], projection: Projection, mark: str = "") -> str:
    """For which jobs and GPU hours are worked out; ``mark`` stands around the words that warn."""
    tasks_of: dict[str, list[str]] = {}
    for task in dict.fromkeys(cell.task for cell in cells):
        tasks_of.setdefault(projection.job(task).words, []).append(task)
    jobs = "; ".join(
        words if len(tasks_of) == 1 else f"{words} ({', '.join(tasks)})" for words, tasks in tasks_of.items()
    )
    return (
        f"{mark}at reference scale{mark}: the passes and retrainings counted here, on {jobs}; bf16 on "
        f"{projection.gpu} at {projection.utilisation:.0%} use"
    )


def seconds(cost: MeanCost) -> str:
    """Wall seconds, marked where the machine was not the run's own."""
    return f"{numbers.seconds(cost.seconds)}{LOADED_MARK if cost.loaded else ''}"


def load(cells: Sequence[Cell]) -> str:
    """What that mark means, and how many rows bear it; empty where none does."""
    marked = [cell.cost.load for cell in cells if cell.cost.loaded]
    if not marked:
        return ""
    return (
        f"{LOADED_MARK.strip()}: measured while others kept more than {LOADED:.0%} of the machine busy (up to "
        f"{max(marked):.0%}); seconds and core-hours are too high."
    )


def tasks(count: int) -> str:
    return f"{count} task{'s' if count != 1 else ''}"


def on_tasks(mean: TasksMean, count: int) -> str:
    """What is to be said beside a mean that rests on fewer tasks than there are."""
    return "" if mean.tasks == count else f" ({mean.tasks} of {tasks(count)})"


def short(lines: Sequence[Overall], count: int) -> tuple[list[Overall], str]:
    """The truth and the best methods that suit every task, with a sentence about those left out."""
    kept: list[Overall] = []
    left: dict[str, list[str]] = {}
    for line in lines:
        if line.ablation:
            left.setdefault("ablations", []).append(line.method)
        elif not line.complete:
            left.setdefault(f"without a score on all {tasks(count)}", []).append(line.method)
        elif len(kept) == SHORT:
            left.setdefault("lower means", []).append(line.method)
        else:
            kept.append(line)
    reasons = "; ".join(f"{why}: {', '.join(names)}" for why, names in left.items())
    return kept, f"Left out: {reasons}." if reasons else ""


def by_score(cells: Sequence[Cell]) -> list[str]:
    """The truth, then methods from the best mean score down, then those without one."""

    def key(method: str) -> tuple[bool, float]:
        scores = [cell.spearman for cell in cells if cell.method == method and math.isfinite(cell.spearman)]
        # Rounded, so that means that only rounding separates stand in the suite's order on every machine.
        return method != TRUTH, -round(sum(scores) / len(scores), 9) if scores else math.inf

    return sorted(dict.fromkeys(cell.method for cell in cells), key=key)
