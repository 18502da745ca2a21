"""``dataworth list`` and ``dataworth show``."""

from __future__ import annotations

from dataclasses import fields, is_dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.places import existing_folder, known_suites, suite_folders
from harness.config import TaskSettings, suites
from harness.errors import UserError, unknown
from harness.types import Method, Task
from methods import METHODS
from tasks import TASKS, make


def print_list(console: Console) -> None:
    """Tasks, methods and suites with a line each."""
    for title, lines in (
        ("Tasks", {name: one().summary for name, one in TASKS.items()}),
        ("Methods", {name: one().summary for name, one in METHODS.items()}),
        ("Suites", {name: suite.summary for name, suite in known_suites().items()}),
    ):
        table = _pairs(title)
        for name, summary in lines.items():
            table.add_row(name, Text(summary))
        console.print(table, "")


def print_one(console: Console, name: str, data: str | None) -> None:
    """Everything that is to be told about one method or task; a task on the files in ``data``, where it is given."""
    if name in TASKS:
        folder = None if data is None else existing_folder(data)
        _print_task(console, make(name, "embedded" if folder is None else "files", TaskSettings(), folder))
    elif name not in METHODS:
        raise unknown("suite, method or task", name, [*suites(suite_folders()), *METHODS, *TASKS])
    elif data is not None:
        raise UserError(f"--data is for suites and tasks, and {name} is a method.")
    else:
        _print_method(console, name, METHODS[name]())


def _print_method(console: Console, name: str, method: Method) -> None:
    table = _pairs(name)
    table.add_row("what", Text(method.summary))
    table.add_row("family", Text(f"{method.family}: {(type(method).__mro__[1].__doc__ or '').strip().splitlines()[0]}"))
    table.add_row("source", Text(method.source))
    table.add_row("cost", Text(method.passes))
    if is_dataclass(method):
        told = ("source", "passes")
        settings = [f"{f.name} = {getattr(method, f.name)!r}" for f in fields(method) if f.name not in told]
        table.add_row("settings", Text(", ".join(settings) or "none"))
    table.add_row("code", Text(type(method).__module__.replace(".", "/") + ".py"))
    console.print(table, highlight=False)


def _print_task(console: Console, task: Task) -> None:
    table = _pairs(task.name)
    table.add_row("what", Text(task.summary))
    table.add_row("form", Text(task.form))
    for heading, text in task.about.items():
        table.add_row(heading, Text(text))
    console.print(table, highlight=False)


def _pairs(title: str) -> Table:
    """Names and what is to be said of them."""
    table = Table(title=title, title_justify="left", title_style="bold", show_header=False, box=None, padding=(0, 2))
    table.add_column(no_wrap=True, style="cyan")
    table.add_column()
    return table
