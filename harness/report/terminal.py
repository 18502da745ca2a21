"""The leaderboard on a terminal."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.report import frontier, glance, measured, numbers, sentences
from harness.report.phrases import counted
from harness.report.view import RULE, TRUTH, Cell, CostName, Overall, TasksMean, Verdict, View
from harness.statistics.means import finite_mean
from harness.types import Question

WIDE = 100
"""Columns that a log gets, where no terminal says how many it has."""


def make_console(stderr: bool = False, quiet: bool = False) -> Console:
    """Standard output, or the other one; as wide as the terminal or as COLUMNS says, else ``WIDE``.

    Colours are left out where NO_COLOR is set, or nobody sees them.

    Args:
        quiet: print nothing.
    """
    console = Console(highlight=False, stderr=stderr, quiet=quiet)
    if console.is_terminal or os.environ.get("COLUMNS", "").isdigit():
        return console
    return Console(highlight=False, stderr=stderr, quiet=quiet, width=WIDE)


def print_leaderboard(console: Console, view: View) -> None:
    """All tasks together, agreement for each question, the bill, whether the pools discriminate, and notes."""
    if told := sentences.hidden(view.suite):
        console.print(Text(f"{told}\n", style="yellow"))
    _show(console, *_overall(console, view))
    _show(console, *_budgets(console, view))
    for question in view.questions:
        _show(console, *_agreement(console, view, question))
    _show(console, *_costs(console, view))
    _show(console, *_discrimination(console, view))
    for task, method, status, reason in sentences.notes(view.cells):
        style = {"failed": "red", "unsuitable": "yellow"}.get(status, "dim")
        console.print(Text.assemble((f"{status:>10}  ", style), f"{method} on {task}: {reason}"))
    for line in measured.lines(view):
        console.print(Text.assemble(("  measured  ", "dim"), line))


def print_frontier(console: Console, view: View, cost: CostName, tasks: Sequence[str] | None = None) -> None:
    """The Pareto front over all tasks and of each, with the cheapest method that the best is not told from.

    Args:
        tasks: of these alone.
    """
    for verdict in view.verdicts:
        if tasks is None or verdict.task in tasks:
            _show(console, *_front(console, view, verdict, cost))


Shown = tuple[str, Sequence[tuple[str, str]], list[Table], str]
"""A title, what the tables say of each question or task, tables, a caption."""


def _show(console: Console, title: str, told: Sequence[tuple[str, str]], tables: Sequence[Table], caption: str) -> None:
    console.print(Text(title, style="bold"))
    for what, text in told:
        console.print(Text.assemble((what, "cyan"), f": {text}"))
    for table in tables:
        console.print(table)
    console.print(Text(f"{caption}\n", style="dim italic"))


def _budgets(console: Console, view: View) -> Shown:
    headers, rows = glance.budgets(view)

    def draw(columns: Sequence[str]) -> Table:
        table = _table(*headers[:1], *columns)
        for limit, *bought in rows:
            cells = dict(zip(headers[1:], bought, strict=True))
            table.add_row(limit, *(cells[name] for name in columns))
        return table

    tables = _fitting(console, headers[1:], draw) if rows else []
    caption = f"{glance.WHAT_A_BUDGET_BUYS} 'dataworth frontier' tells every step."
    return "Worth its cost: the best score that a budget buys", (), tables, caption


def _front(console: Console, view: View, verdict: Verdict, cost: CostName) -> Shown:
    front, place = frontier.front_of(verdict, cost), f"{verdict.task or 'all tasks'}, {frontier.question(verdict)}"
    if front is None:
        return place, [("cost", f"no method has {sentences.UNITS[cost]}")], [], ""
    lines = frontier.lines(view, verdict, cost)
    cells: dict[str, list[Text | str]] = {
        "cost": [sentences.amount(cost, line.cost) for line in lines],
        "Spearman": [_marked(line.found) for line in lines],
        "front": ["on it" if line.is_on else "" for line in lines],
        "in draws": [f"{line.share:.0%}" for line in lines],
    }

    def draw(columns: Sequence[str]) -> Table:
        table = _table("method", *columns)
        for k, line in enumerate(lines):
            table.add_row(line.method, *(cells[name][k] for name in columns))
        return table

    told = [("the best", sentences.verdict(verdict)), ("the steps", sentences.steps(front))]
    caption = (
        f"Cost: {sentences.UNITS[cost]}. In draws: the share of draws of the scores in which a method is on the front."
    )
    return place, told, _fitting(console, list(cells), draw), caption


def _fitting(console: Console, columns: Sequence[str], draw: Callable[[Sequence[str]], Table]) -> list[Table]:
    """One table of all columns, or several of fewer where the terminal would cut it short; where one column is too
    wide beside the names, words are broken.
    """
    table = draw(columns)
    if width_of(console, table) <= console.width:
        return [table]
    if len(columns) == 1:
        for column in table.columns:
            column.no_wrap, column.overflow = False, "fold"
        return [table]
    half = (len(columns) + 1) // 2
    return [*_fitting(console, columns[:half], draw), *_fitting(console, columns[half:], draw)]


def width_of(console: Console, table: Table) -> int:
    """Of one of ``_table``, of which no line is broken: ``console.measure`` asks each cell for its narrowest too, which
    takes as long as to draw it.
    """
    every = [[console.render_str(cell) if isinstance(cell, str) else cell for cell in c.cells] for c in table.columns]
    cells = [[cell for cell in column if isinstance(cell, Text)] for column in every]
    headers = [console.render_str(str(column.header)) for column in table.columns]
    widest = [max(cell.cell_len for cell in (head, *own)) for head, own in zip(headers, cells, strict=True)]
    return sum(widest) + 3 * len(widest) - 1  # a sign at each side of a cell, and a line between two


def _overall(console: Console, view: View) -> Shown:
    tasks = len(view.tasks)

    def draw(columns: Sequence[str]) -> Table:
        table = _table("method", *columns)
        for line in view.overall:
            cells = dict(zip(view.questions, line.by_question, strict=True))
            texts: dict[str, Text | str] = {name: _mean(line, mean, tasks) for name, mean in cells.items()}
            texts["mean"] = _mean(line, line.mean, tasks)
            texts["cost"] = f"{sentences.seconds(line.cost)} / {numbers.hours(line.cost.reference_gpu_hours)}"
            texts["retrainings"] = numbers.count(line.cost.retrainings)
            own = line.method + measured.mark(view, line.method)
            table.add_row(own, *(texts[name] for name in columns), style="dim" if line.method == TRUTH else "")
        return table

    tables = _fitting(console, [*view.questions, "mean", "cost", "retrainings"], draw)
    caption = (
        f"Means over {sentences.tasks(tasks)}; a method without a score on every task has none. "
        f"{sentences.claim(view)} Cost: seconds / reference GPU-hours of one valuation."
    )
    title = "All tasks together: mean Spearman with the truth [95 % interval] #rank range"
    return title, sentences.over_tasks(view), tables, caption


def _mean(line: Overall, mean: TasksMean, tasks: int) -> Text | str:
    if line.method == TRUTH:
        return f"ceiling {numbers.correlation(mean.ceiling)}"
    if math.isnan(mean.spearman):
        return Text(sentences.on_tasks(mean, tasks), style="dim")
    return _marked(mean)


def _marked(one: Cell | TasksMean) -> Text:
    """A score with its interval, rank range and marks."""
    score = f"{numbers.correlation(one.spearman):>5}", "bold" if one.above_zero else ""
    ranks = numbers.ranks(one.rank_low, one.rank_high)
    return Text.assemble(score, numbers.interval(one.spearman, one.low, one.high), ranks, sentences.marks(one))


def _agreement(console: Console, view: View, question: Question) -> Shown:
    cells = [cell for cell in view.cells if cell.question == question]
    found = {(cell.method, cell.task): cell for cell in cells}

    def draw(tasks: Sequence[str]) -> Table:
        table = _table("method", *tasks)
        table.add_row(TRUTH, *(_ceiling(found.get((TRUTH, task))) for task in tasks), style="dim")
        own = [found[TRUTH, task].validation if (TRUTH, task) in found else math.nan for task in tasks]
        table.add_row(sentences.PRACTICAL, *map(numbers.correlation, own), style="dim")
        for method in sentences.by_score(cells)[1:]:
            table.add_row(method, *(_score(found.get((method, task))) for task in tasks))
        return table

    title = f"{question}: Spearman with the truth [95 % interval] #rank range"
    caption = f"{sentences.ASKED[question]}. {_pools(cells)}"
    return title, sentences.of_tasks(view, question), _fitting(console, view.tasks, draw), caption


def _costs(console: Console, view: View) -> Shown:
    counts = ("retrainings", "gradient passes")

    def draw(columns: Sequence[str]) -> Table:
        table = _table("method", *columns)
        for column in table.columns:
            column.justify = "right" if column.header in counts else "left"
        for method in dict.fromkeys(cell.method for cell in view.cells):
            own = [cell for cell in view.cells if cell.method == method and math.isfinite(cell.cost.seconds)]
            if own:
                cells = {task: _cost([cell for cell in own if cell.task == task]) for task in view.tasks}
                cells["retrainings"] = numbers.count(finite_mean(cell.cost.retrainings for cell in own))
                cells["gradient passes"] = numbers.count(finite_mean(cell.cost.gradient_passes for cell in own))
                style = "dim" if method == TRUTH else ""
                table.add_row(method, *(cells[name] for name in columns), style=style)
        return table

    label = sentences.gpu_hours(view.cells, view.suite.projection)
    caption = (
        f"Means over pools and questions, retrainings and passes over tasks too; GPU-hours {label}. "
        f"{sentences.load(view.cells)}"
    )
    return (
        "The bill: seconds / GPU-hours of one valuation",
        (),
        _fitting(console, [*view.tasks, *counts], draw),
        caption,
    )


def _discrimination(console: Console, view: View) -> Shown:
    def draw(columns: Sequence[str]) -> Table:
        table = _table("task", "question", *columns)
        for found in view.discrimination:
            discriminates = ("yes", "green") if found.discriminates else ("no", "red")
            cells: dict[str, Text | str] = {
                "ceiling": numbers.correlation(found.ceiling),
                "best feature": f"{sentences.feature(found)} {numbers.correlation(found.spearman)}".lstrip(),
                f"< {RULE}": Text(*discriminates),
                "to learn (nats)": sentences.gain(found),
                "unlearned": sentences.unlearned(found),
            }
            table.add_row(found.task, found.question, *(cells[name] for name in columns))
        return table

    columns = ["ceiling", "best feature", f"< {RULE}", "to learn (nats)", "unlearned"]
    caption = (
        "Best feature: the single one whose mean Spearman with the truth is the largest, sign left out; pools "
        f"discriminate where it stays under {RULE}. {sentences.FEATURES} To learn: U(everyone) - U(nobody), "
        f"{sentences.NATS}; unlearned: pools where it is not above twice that."
    )
    return "Do the pools discriminate?", (), _fitting(console, columns, draw), caption


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(name, no_wrap=True)
    return table


def _score(cell: Cell | None) -> Text:
    if cell is None:
        return Text("not run", style="dim")
    if state := sentences.state(cell):
        return Text(state, style="red" if cell.status == "failed" else "dim")
    return _marked(cell)


def _ceiling(cell: Cell | None) -> str:
    if cell is None:
        return "not run"
    return sentences.state(cell) or sentences.ceiling(cell)


def _cost(cells: Sequence[Cell]) -> str:
    if not cells:
        return numbers.NONE
    hours = finite_mean(cell.cost.reference_gpu_hours for cell in cells)
    seconds = finite_mean(cell.cost.seconds for cell in cells)
    mark = sentences.LOADED_MARK if any(cell.cost.loaded for cell in cells) else ""
    return f"{numbers.seconds(seconds)}{mark} / {numbers.hours(hours)}"


def _pools(cells: Sequence[Cell]) -> str:
    truth = next((cell for cell in cells if cell.is_truth), cells[0])
    return (
        f"{counted(truth.pools, 'pool')} of {truth.contributors} contributors a task. "
        f"{sentences.MARKS}{sentences.no_intervals(cells)}{sentences.no_ceilings(cells)}"
    )
