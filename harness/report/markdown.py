"""README.md of a suite's folder: agreement and GPU-hours, method x task, and what stands behind them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tabulate import tabulate

from harness.report import numbers, sentences
from harness.report.view import RULE, TRUTH, Cell, Overall, TasksMean, View
from harness.types import Question

OURS = "<!-- Drawn by dataworth from results/: what is changed here by hand is lost when it is drawn again. -->"
"""The first line of every page that may be overwritten."""


def page(view: View) -> str:
    """The whole page as Markdown."""
    parts = [
        f"{OURS}\n\n# Leaderboard: {view.suite.name}",
        view.suite.summary,
        (
            "Rank agreement (Spearman) of every method's values with each contributor's true contribution by "
            "retraining, beside its bill. Drawn from `results/`; the same numbers, and more of the bill, are in "
            "`leaderboard.csv`."
        ),
        "## All tasks together",
        overall(view),
    ]
    for question in view.questions:
        parts += _question(view, question, [cell for cell in view.cells if cell.question == question])
    parts += _discrimination(view)
    parts += _secondary(view)
    parts += _notes(view)
    parts += _provenance(view)
    return "\n\n".join(part for part in parts if part) + "\n"


def overall(view: View) -> str:
    """Every method over all tasks and questions, with its cost."""
    return f"{_overall(view, view.overall)}\n\n{_overall_caption(view)}"


def overall_short(view: View) -> str:
    """The truth and the best methods over all tasks, and who was left out: for a page that has no room."""
    lines, left_out = sentences.short(view.overall, len(view.tasks))
    return f"{_overall(view, lines)}\n\n{_overall_caption(view)}{f' {left_out}' if left_out else ''}"


def _overall(view: View, lines: Sequence[Overall]) -> str:
    def cells(line: Overall) -> list[str]:
        tell = _mean_ceiling if line.method == TRUTH else lambda mean: _mean_score(mean, len(view.tasks))
        return [tell(mean) for mean in (line.mean, *line.by_question)]

    def costs(line: Overall) -> list[str]:
        cost = line.cost
        return [sentences.seconds(cost), numbers.hours(cost.reference_gpu_hours), numbers.count(cost.retrainings)]

    drawn = [[line.method, *cells(line), *costs(line)] for line in lines]
    return _table(drawn, ["method", "mean", *view.questions, "seconds", "GPU-hours", "retrainings"])


def _mean_ceiling(mean: TasksMean) -> str:
    return f"ceiling {numbers.correlation(mean.ceiling)}"


def _mean_score(mean: TasksMean, tasks: int) -> str:
    if math.isnan(mean.spearman):
        return numbers.NONE
    score = f"{numbers.correlation(mean.spearman)}{numbers.interval(mean.low, mean.high)}"
    return f"{score}{sentences.on_tasks(mean, tasks)}"


def _overall_caption(view: View) -> str:
    return (
        f"Mean Spearman over {sentences.tasks(len(view.tasks))} [95 % bootstrap interval], and the mean of that over "
        f"questions; cost of one valuation, GPU-hours "
        f"{sentences.gpu_hours(view.cells, view.suite.projection)}. {sentences.load(view.cells)}".rstrip()
    )


def _question(view: View, question: Question, cells: Sequence[Cell]) -> list[str]:
    return [
        f"## {question.capitalize()}\n\n{sentences.ASKED[question]}",
        f"Mean Spearman over pools [95 % bootstrap interval] / noise ceiling. {sentences.MARKS}",
        _by_task(cells, lambda cell: sentences.ceiling(cell) if cell.is_truth else _marked(cell, _agreement(cell))),
        f"GPU-hours of one valuation, {sentences.gpu_hours(cells, view.suite.projection, mark='**')}; the truth's own "
        "row is what its retrainings took.",
        _by_task(cells, lambda cell: numbers.hours(cell.cost.reference_gpu_hours)),
        f"Wall seconds, retrainings and gradient passes of one valuation. {sentences.load(cells)}".rstrip(),
        _by_task(cells, _work),
    ]


def _by_task(cells: Sequence[Cell], tell: Callable[[Cell], str]) -> str:
    """Methods down, tasks across."""
    tasks = list(dict.fromkeys(cell.task for cell in cells))
    found = {(cell.method, cell.task): cell for cell in cells}
    lines = [
        [method, *(tell(found[method, task]) if (method, task) in found else "not run" for task in tasks)]
        for method in sentences.by_score(cells)
    ]
    return _table(lines, ["method", *tasks])


def _score(cell: Cell) -> str:
    """A score with its interval, or the cell's state."""
    return sentences.state(cell) or f"{numbers.correlation(cell.spearman)}{numbers.interval(cell.low, cell.high)}"


def _agreement(cell: Cell) -> str:
    """A score beside its ceiling, or the cell's state."""
    return sentences.state(cell) or f"{_score(cell)} / {numbers.correlation(cell.ceiling)}"


def _marked(cell: Cell, text: str) -> str:
    return (f"**{text}**" if cell.established else text) + (sentences.BEHIND if cell.behind else "")


def _work(cell: Cell) -> str:
    cost = cell.cost
    if math.isnan(cost.seconds):
        return numbers.NONE
    return f"{sentences.seconds(cost)} s, {numbers.count(cost.retrainings)}, {cost.gradient_passes:.0f}"


def _discrimination(view: View) -> list[str]:
    lines = [
        [
            found.task,
            found.question,
            numbers.correlation(found.ceiling),
            found.feature,
            numbers.correlation(found.spearman),
            "yes" if found.discriminates else "no",
        ]
        for found in view.discrimination
    ]
    return [
        "## Do the pools discriminate?",
        (
            "Absolute mean Spearman of single features with the truth: what was planted, the initial loss, and the "
            f"MMD to the validation split. Above {RULE} one feature would explain the truth, and agreement would mean "
            "little."
        ),
        _table(lines, ["task", "question", "ceiling", "best single feature", "its Spearman", "discriminates"]),
    ]


def _secondary(view: View) -> list[str]:
    lines = []
    for cell in view.cells:
        if cell.secondary is not None:
            figures = [cell.secondary.kendall, cell.secondary.top_quarter, cell.secondary.repeats]
            lines.append([cell.task, cell.question, cell.method, *map(numbers.correlation, figures)])
    if not lines:
        return []
    return [
        "## Other measures",
        (
            "Kendall's tau-b; share of the truth's best quarter found in the method's best quarter; and mean Spearman "
            "between two of the method's own repeats (initialisations, permutations), its own noise."
        ),
        _table(lines, ["task", "question", "method", "Kendall", "top quarter", "between repeats"]),
    ]


def _notes(view: View) -> list[str]:
    found = sentences.notes(view.cells)
    return ["## Notes on rows", _table(found, ["task", "method", "status", "reason"])] if found else []


def _provenance(view: View) -> list[str]:
    lines = [f"- `{origin.run}`: {_origin(origin.provenance)}" for origin in view.origins]
    return ["## Where this came from", "\n".join(lines)] if lines else []


def _origin(provenance: Mapping[str, Any]) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in sorted(provenance["packages"].items()) if version)
    return (
        f"`{provenance['command']}` on {provenance['started']}, commit {provenance['commit']}, "
        f"{provenance['processor']}, {provenance['threads']} threads, device {provenance['device']}, "
        f"Python {provenance['python']}, {packages}."
    )


def _table(lines: Sequence[Sequence[object]], headers: Sequence[str]) -> str:
    return str(tabulate([list(line) for line in lines], headers=headers, tablefmt="github", disable_numparse=True))
