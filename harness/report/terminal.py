"""The leaderboard on a terminal."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.config import Suite
from harness.records.results import Results
from harness.report import numbers
from harness.report.leaderboard import TRUTH, Row
from harness.report.markdown import ASKED, RULE, by_score, discrimination_lines, notes

WIDE = 110
"""Columns that a log gets, where no terminal says how many it has."""


def make_console() -> Console:
    """Standard output; as wide as the terminal, wider in a log."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDE)


def print_leaderboard(console: Console, suite: Suite, results: Results, rows: Sequence[Row]) -> None:
    """Agreement for each question, the bill, whether the pools discriminate, and why rows have no number."""
    tasks = list(dict.fromkeys(row.task for row in rows))
    for question in dict.fromkeys(row.question for row in rows):
        own = [row for row in rows if row.question == question]
        _show(console, *_agreement(console, question, tasks, own))
    _show(console, *_bill(console, suite, tasks, rows))
    _show(console, *_discrimination(suite, results, rows))
    for task, method, status, reason in dict.fromkeys(notes(rows)):
        style = {"failed": "red", "unsuitable": "yellow"}.get(status, "dim")
        console.print(Text.assemble((f"{status:>10}  ", style), f"{method} on {task}: {reason}"))


Shown = tuple[str, list[Table], str]
"""A title, tables, a caption."""


def _show(console: Console, title: str, tables: Sequence[Table], caption: str) -> None:
    console.print(Text(title, style="bold"))
    for table in tables:
        console.print(table)
    console.print(Text(f"{caption}\n", style="dim italic"))


def _fitting(console: Console, tasks: Sequence[str], draw: Callable[[Sequence[str]], Table]) -> list[Table]:
    """One table of all tasks, or several of fewer where the terminal would cut it short."""
    table = draw(tasks)
    needed = console.measure(table, options=console.options.update(width=10_000)).maximum
    if needed <= console.width or len(tasks) == 1:
        return [table]
    half = (len(tasks) + 1) // 2
    return [*_fitting(console, tasks[:half], draw), *_fitting(console, tasks[half:], draw)]


def _agreement(console: Console, question: str, tasks: Sequence[str], rows: Sequence[Row]) -> Shown:
    found = {(row.method, row.task): row for row in rows}

    def draw(tasks: Sequence[str]) -> Table:
        table = _table("method", *tasks)
        table.add_row(TRUTH, *(_ceiling(found.get((TRUTH, task))) for task in tasks), style="dim")
        for method in by_score(rows)[1:]:
            table.add_row(method, *(_score(found.get((method, task))) for task in tasks))
        return table

    title = f"{question}: Spearman with the truth [95 % interval]"
    return title, _fitting(console, tasks, draw), f"{ASKED[question]}. {_pools(rows)}"


def _bill(console: Console, suite: Suite, tasks: Sequence[str], rows: Sequence[Row]) -> Shown:
    measured = any(math.isfinite(row.gpu_hours) for row in rows)
    label = (
        "measured" if measured else f"projected for {suite.projection.gpu} at {suite.projection.utilisation:.0%} use"
    )

    def draw(tasks: Sequence[str]) -> Table:
        table = _table("method", *tasks)
        table.add_column("retrainings", justify="right")
        table.add_column("gradient passes", justify="right")
        for method in dict.fromkeys(row.method for row in rows):
            own = [row for row in rows if row.method == method and math.isfinite(row.seconds)]
            if own:
                cells = [_cost([row for row in own if row.task == task]) for task in tasks]
                retrainings, passes = _mean(own, lambda r: r.retrainings), _mean(own, lambda r: r.gradient_passes)
                style = "dim" if method == TRUTH else ""
                table.add_row(method, *cells, numbers.count(retrainings), numbers.count(passes), style=style)
        return table

    caption = f"Means over pools and questions, retrainings and passes over tasks too; GPU-hours {label}."
    return "The bill: seconds / GPU-hours of one valuation", _fitting(console, tasks, draw), caption


def _discrimination(suite: Suite, results: Results, rows: Sequence[Row]) -> Shown:
    table = _table("task", "question", "ceiling", "best single feature", "its Spearman", "discriminates")
    for task, question, ceiling, best, value, verdict in discrimination_lines(suite, results, rows):
        shown = Text(verdict, style="green" if verdict == "yes" else "red")
        table.add_row(task, question, numbers.correlation(ceiling), best, numbers.correlation(value), shown)
    caption = f"Absolute mean Spearman of the best single feature with the truth; it should stay under {RULE}."
    return "Do the pools discriminate?", [table], caption


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(name, no_wrap=True)
    return table


def _score(row: Row | None) -> Text:
    if row is None:
        return Text("not run", style="dim")
    if row.status != "ok" or math.isnan(row.spearman):
        return Text(row.status if row.status != "ok" else "constant", style="red" if row.status == "failed" else "dim")
    interval = f" [{numbers.correlation(row.low)}, {numbers.correlation(row.high)}]" if math.isfinite(row.low) else ""
    score = f"{row.spearman:5.2f}", "bold" if numbers.established(row) else ""
    return Text.assemble(score, interval, numbers.behind(row))


def _ceiling(row: Row | None) -> str:
    if row is None:
        return "not run"
    if row.status != "ok":
        return row.status
    return f"ceiling {numbers.correlation(row.ceiling)}{' (weak)' if row.reason.startswith('weak') else ''}"


def _cost(rows: Sequence[Row]) -> str:
    if not rows:
        return numbers.NONE
    return f"{numbers.seconds(_mean(rows, lambda r: r.seconds))} / {numbers.hours(_mean(rows, numbers.gpu_hours))}"


def _mean(rows: Sequence[Row], of: Callable[[Row], float]) -> float:
    found = [of(row) for row in rows if math.isfinite(of(row))]
    return sum(found) / len(found) if found else math.nan


def _pools(rows: Sequence[Row]) -> str:
    truth = next((row for row in rows if row.method == TRUTH), rows[0])
    return (
        f"{truth.pools} pool{'s' if truth.pools != 1 else ''} of {truth.contributors} contributors a task. "
        f"{numbers.MARKS}"
    )
