"""README.md of a suite's folder: agreement and GPU-hours, method x task, and what stands behind them."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tabulate import tabulate

from harness.errors import plain
from harness.report import frontier, glance, measured, numbers, sentences
from harness.report.view import RULE, TRUTH, Cell, Overall, TasksMean, View
from harness.types import Question

OURS = "<!-- Drawn by dataworth from results/: what is changed here by hand is lost when it is drawn again. -->"
"""The first line of every page that may be overwritten."""


def page(view: View) -> str:
    """The whole page as Markdown."""
    parts = [
        f"{OURS}\n\n# Leaderboard: {view.suite.name}",
        view.suite.summary,
        sentences.hidden(view.suite),
        (
            "Rank agreement (Spearman) of every method's values with each contributor's true contribution by "
            "retraining, beside its bill. Drawn from `results/`; the same numbers, and more of the bill, are in "
            "`leaderboard.csv` and `overall.csv`; how to read them is in dataworth's `docs/reading.md`, what the words "
            "mean in `docs/glossary.md`."
        ),
        "## All tasks together",
        overall(view),
        *_frontier(view),
    ]
    for question in view.questions:
        parts += _question(view, question, [cell for cell in view.cells if cell.question == question])
    parts += _discrimination(view)
    parts += _secondary(view)
    parts += _notes(view)
    parts += _measured(view)
    parts += _provenance(view)
    return "\n\n".join(part for part in parts if part) + "\n"


def overall(view: View) -> str:
    """Every method over all tasks and questions, with its cost."""
    return f"{_glance(view)}\n\n{_overall(view, view.overall)}\n\n{_overall_caption(view)}"


def overall_short(view: View) -> str:
    """The truth and the best methods over all tasks, and who was left out: for a page that has no room."""
    lines, left_out = sentences.short(view.overall, len(view.tasks))
    caption = "\n".join(filter(None, [_overall_caption(view), left_out and f"- {left_out}"]))
    told = f"{_glance(view)}\n\n{sentences.compared(view, lines)}"
    return f"{told}\n\n{_overall(view, lines, short=True)}\n\n{caption}"


def _glance(view: View) -> str:
    """Who is best, what is as good for less, and what a budget buys."""
    headers, rows = glance.verdicts(view)
    parts = [_table(rows, headers) if rows else _told(sentences.over_tasks(view))]
    headers, rows = glance.budgets(view)
    if rows:
        parts += [glance.WHAT_A_BUDGET_BUYS, _table(rows, headers)]
    return "\n\n".join(parts)


def _told(lines: Sequence[tuple[str, str]]) -> str:
    return "\n".join(f"- **{what}**: {text}" for what, text in lines)


def _overall(view: View, lines: Sequence[Overall], short: bool = False) -> str:
    """Questions first, then their mean; a short one has intervals of the mean alone."""

    def cells(line: Overall) -> list[str]:
        if line.method == TRUTH:
            return [f"ceiling {numbers.correlation(mean.ceiling)}" for mean in (*line.by_question, line.mean)]
        own = [_mean_score(mean, len(view.tasks), not short) for mean in line.by_question]
        return [*own, _mean_score(line.mean, len(view.tasks), True)]

    def costs(line: Overall) -> list[str]:
        cost = line.cost
        return [sentences.seconds(cost), numbers.hours(cost.reference_gpu_hours), numbers.count(cost.retrainings)]

    drawn = [[line.method + measured.mark(view, line.method), *cells(line), *costs(line)] for line in lines]
    return _table(drawn, ["method", *view.questions, "mean", "seconds", "reference GPU-hours", "retrainings"])


def _mean_score(mean: TasksMean, tasks: int, has_interval: bool) -> str:
    if math.isnan(mean.spearman):
        return sentences.on_tasks(mean, tasks)
    interval = numbers.interval(mean.spearman, mean.low, mean.high) if has_interval else ""
    score = f"{numbers.correlation(mean.spearman)}{interval}{numbers.ranks(mean.rank_low, mean.rank_high)}"
    return (f"**{score}**" if mean.above_zero else score) + sentences.marks(mean)


def _overall_caption(view: View) -> str:
    """What cells and marks mean, a line each."""
    lines = [
        f"A cell: mean Spearman over {sentences.tasks(len(view.tasks))} [95 % interval] #rank range, for each question "
        "and for their mean; a method without a score on every task has no mean. Bold: better than random orders. †: "
        "told apart from the best of its column, and worse.",
        sentences.claim(view),
        f"Cost of one valuation, GPU-hours {sentences.gpu_hours(view.cells, view.suite.projection)}.",
        sentences.load(view.cells),
        measured.in_a_sentence(view).strip(),
    ]
    return "\n".join(f"- {line}" for line in lines if line)


def _frontier(view: View) -> list[str]:
    """What is worth its cost over all tasks."""
    cost = frontier.cost_of(view)
    if cost is None:
        return []
    headers, rows = frontier.matrix(view, cost)
    drawn = [[method, price, *map(_step, lines)] for method, price, lines in rows]
    return ["## Cost against accuracy", frontier.CAPTION, _table(drawn, headers)]


def _step(line: frontier.Line | None) -> str:
    score, share = frontier.score(line)
    return f"**{score}**{share}" if line is not None and line.is_on else f"{score}{share}"


def _question(view: View, question: Question, cells: Sequence[Cell]) -> list[str]:
    return [
        f"## {question.capitalize()}\n\n{sentences.ASKED[question]}",
        _told(sentences.of_tasks(view, question)),
        f"Mean Spearman over pools [95 % interval]. {sentences.MARKS}{sentences.no_intervals(cells)}"
        f"{sentences.no_ceilings(cells)}",
        _agreement(cells),
        "GPU-hours of one valuation, **at reference scale**, which is told below the table of all tasks together; the "
        "truth's own row is what its retrainings took.",
        _by_task(cells, lambda cell: numbers.hours(cell.cost.reference_gpu_hours)),
        f"Wall seconds, retrainings and gradient passes of one valuation. {sentences.load(cells)}".rstrip(),
        _by_task(cells, _work),
    ]


def _agreement(cells: Sequence[Cell]) -> str:
    """Methods down, tasks across; above them the truth's ceiling and reliability, and what retraining scores."""
    truths = {cell.task: cell for cell in cells if cell.is_truth}
    tasks = list(dict.fromkeys(cell.task for cell in cells))
    above = [
        ["reliability of the truth", *(numbers.correlation(truths[task].reliability) for task in tasks)],
        [sentences.PRACTICAL, *(numbers.correlation(truths[task].validation) for task in tasks)],
    ]
    return _by_task(cells, lambda cell: sentences.ceiling(cell) if cell.is_truth else _score(cell), above)


def _by_task(cells: Sequence[Cell], tell: Callable[[Cell], str], below_truth: Sequence[Sequence[str]] = ()) -> str:
    """Methods down, tasks across."""
    tasks = list(dict.fromkeys(cell.task for cell in cells))
    found = {(cell.method, cell.task): cell for cell in cells}
    lines = [
        [method, *(tell(found[method, task]) if (method, task) in found else "not run" for task in tasks)]
        for method in sentences.by_score(cells)
    ]
    return _table([lines[0], *below_truth, *lines[1:]], ["method", *tasks])


def _score(cell: Cell) -> str:
    """A score with its interval, rank range and marks, or the cell's state."""
    if state := sentences.state(cell):
        return state
    score = f"{numbers.correlation(cell.spearman)}{numbers.interval(cell.spearman, cell.low, cell.high)}"
    score += numbers.ranks(cell.rank_low, cell.rank_high)
    return (f"**{score}**" if cell.above_zero else score) + sentences.marks(cell)


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
            numbers.correlation(found.reliability),
            numbers.correlation(found.ceiling),
            sentences.feature(found),
            numbers.correlation(found.spearman),
            "yes" if found.discriminates else "no",
            sentences.gain(found),
            sentences.unlearned(found),
        ]
        for found in view.discrimination
    ]
    headers = ["task", "question", "reliability", "ceiling", "best single feature", "its Spearman", "discriminates"]
    return [
        "## Do the pools discriminate?",
        (
            f"Absolute mean Spearman of single features with the truth. {sentences.FEATURES} From {RULE} on one "
            "feature would explain the truth, and agreement would mean little. What there was to learn: "
            f"U(everyone) - U(nobody), {sentences.NATS}; and in how many pools it is not above twice that."
        ),
        _table(lines, [*headers, "to learn (nats)", "pools where nothing is learned"]),
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


def _measured(view: View) -> list[str]:
    """Who measured what, on which machine."""
    told = "\n".join(f"- {line}" for line in measured.lines(view))
    words = "Seconds and core-hours are each machine's own."
    return [f"## Who measured what\n\n{told}", words if len(view.measured) > 1 else ""] if told else []


def _provenance(view: View) -> list[str]:
    lines = [f"- `{origin.run}`: {_origin(origin.provenance)}" for origin in view.origins]
    return ["## Where this came from", "\n".join(lines)] if lines else []


def _origin(provenance: Mapping[str, Any]) -> str:
    """In a line; what somebody else's run does not tell is None."""
    every = (provenance.get("packages") or {}).items()
    packages = plain(", ".join(f"{name} {version}" for name, version in sorted(every) if version))
    names = ("command", "started", "commit", "processor", "threads", "device", "python")
    told = {name: plain(str(provenance.get(name))) for name in names}
    return (
        f"`{told['command']}` on {told['started']}, commit {told['commit']}, {told['processor']}, {told['threads']} "
        f"threads, device {told['device']}, Python {told['python']}, {packages}."
    )


def escaped(text: str) -> str:
    """Text whose signs are no markup."""
    safe = html.escape(plain(text), quote=False)
    return "".join(f"\\{c}" if c in "\\`*_[]|#" else c for c in safe)


def _table(lines: Sequence[Sequence[object]], headers: Sequence[str]) -> str:
    return str(tabulate([list(line) for line in lines], headers=headers, tablefmt="github", disable_numparse=True))
