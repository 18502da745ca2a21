"""``dataworth list`` and ``dataworth show``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness import registry
from harness.cli.chosen import tasks_of, tasks_without_data
from harness.cli.places import data_folder, existing_folder, known_suites, read_suite
from harness.config import DataKind, TaskSettings, find_suite, suite_folders, suites
from harness.errors import UserError, plain, unknown
from harness.knobs import Knob, base_of, knobs_of, spelt
from harness.registry import Broken, Known
from harness.report import numbers
from harness.running.estimate import CONTRIBUTORS, EXAMPLES_EACH
from harness.settings import expected, written
from harness.types import Additive, Budget, Method, Retraining, SetFunction, Task


def print_list(console: Console) -> None:
    """Tasks, methods and suites with a line each."""
    for title, lines in (
        ("Tasks", _lines(registry.tasks())),
        ("Methods", _lines(registry.methods())),
        ("Suites", {name: Text(plain(suite.summary)) for name, suite in known_suites().items()}),
    ):
        table = _pairs(title)
        for name, line in lines.items():
            table.add_row(Text(name), line)
        console.print(table, "")


def _lines(table: Mapping[str, Known]) -> dict[str, Text]:
    """A line for each name, none of them imported: so of what does not load, only what is not there is marked."""
    return {name: Text.assemble(known.summary, *_marks(known)) for name, known in table.items()}


def _marks(known: Known) -> list[tuple[str, str]]:
    """What is wrong about a registration."""
    notes = ["  [does not load: no such module]"] if known.missing else []
    notes += [f"  [{package} registers the same name and is ignored]" for package in known.ignored]
    return [(text, "red") for text in notes]


def print_one(console: Console, name: str, data: str | None, suite: str | None = None) -> None:
    """Everything that is to be told about one method or task.

    Args:
        data: the folder of the files that a task is told on, where it is given.
        suite: whose task it is, with that suite's data sets and settings.
    """
    methods, tasks = registry.methods(), registry.tasks()
    if suite is not None:
        _print_task(console, _task_of(suite, name, data), tasks[name])
    elif name in tasks:
        folder = None if data is None else existing_folder(data)
        kind: DataKind = "embedded" if folder is None else "files"
        _print_task(console, registry.task(name, kind, TaskSettings(), folder), tasks[name])
    elif (base := base_of(name)) not in methods and base.rpartition(":")[0] not in methods:
        raise unknown("suite, method or task", name, [*suites(suite_folders()), *methods, *tasks])
    elif data is not None:
        raise UserError(f"--data is for suites and tasks, and {name} is a method.")
    else:
        spelling, method = registry.named(name)
        _print_method(console, spelling, method, methods[base])


def _task_of(name: str, task: str, data: str | None) -> Task:
    """The task as a suite has it.

    Raises:
        UserError: the suite has no such task, or its descriptions or settings are unfit.
    """
    suite = read_suite(find_suite(name, suite_folders()), asked=True)
    if task not in suite.tasks:
        raise unknown(f"task of {name}", task, suite.tasks)
    found = tasks_without_data(suite, [task]) if data is None else tasks_of(suite, data_folder(suite, data), [task])
    return found[task]


def _print_method(console: Console, name: str, method: Method, known: Known) -> None:
    table, knobs = _pairs(name), () if isinstance(method, Broken) else knobs_of(registry.method(base_of(name)))
    if isinstance(method, Broken):
        table.add_row("what", Text(method.reason, style="red"))
    else:
        table.add_row("what", Text(method.summary))
        table.add_row("family", Text(f"{method.family}: {_family(method)}"))
        table.add_row("source", Text(method.source or "not given"))
        table.add_row("cost", Text(method.passes or "not given"))
        if method.choices:
            table.add_row("choices", Text(method.choices))
        table.add_row("budget", Text(_budget(method.budget(CONTRIBUTORS, CONTRIBUTORS * EXAMPLES_EACH))))
        if not knobs:
            table.add_row("knobs", "none")
    _add_origin(table, known)
    console.print(table, highlight=False)
    if knobs:
        _print_knobs(console, name, knobs)


def _print_knobs(console: Console, name: str, knobs: Sequence[Knob]) -> None:
    """What can be typed behind a method's name."""
    rows = [
        (
            knob.name,
            expected(knob.kinds),
            written(knob.default) + (f": {knob.rule}" if knob.rule else ""),
            (knob.meaning or "not told.").replace("``", ""),
        )
        for knob in knobs
    ]
    table = _pairs("knobs")  # of two columns: in four, meanings would be ladders of words, and long ones broken
    for knob_name, takes, default, meaning in rows:
        table.add_row(Text(knob_name), Text(f"{meaning} Takes {takes}; by default {default}."))
    console.print("", table, highlight=False)
    example = spelt(base_of(name), tuple(sorted((knob.name, knob.example) for knob in knobs[:2])))
    line = Text(f"\nTo turn them: dataworth run --methods {shlex.quote(example)}", style="dim italic")
    console.print(line, soft_wrap=True)


def _family(method: Method) -> str:
    """What the methods of its family do."""
    family = next(one for one in (SetFunction, Additive, Retraining) if isinstance(method, one))
    return (family.__doc__ or "").strip().splitlines()[0]


def _budget(budget: Budget) -> str:
    """What a method may take on one pool of the usual size, in words."""
    parts = [
        (budget.fits, "trainings on the whole pool"),
        (budget.retrainings, "retrainings of its own"),
        (budget.gradient_passes, "gradient passes over the training examples"),
        (budget.validation_passes, "over the validation examples"),
        (budget.replays, "gradient passes over what a training run draws"),
        (budget.validation_replays, "over the validation examples at every step of one"),
    ]
    takes = ", ".join(f"{numbers.count(round(count))} {what}" for count, what in parts if count)
    pool = f"with {CONTRIBUTORS} contributors of {EXAMPLES_EACH} examples"
    return f"at most {takes}, {pool}" if takes else "no training and no gradients"


def _print_task(console: Console, task: Task, known: Known) -> None:
    table = _pairs(task.name)
    table.add_row("what", Text(task.summary))
    table.add_row("form", Text(task.form))
    for heading, text in task.about.items():
        table.add_row(heading, Text(text))
    if known.package:
        _add_origin(table, known)
    console.print(table, highlight=False)


def _add_origin(table: Table, known: Known) -> None:
    """Who registered it, and where its code is."""
    for text, style in _marks(known):
        table.add_row("note", Text(text.strip(), style=style))
    if known.package:
        table.add_row("package", Text(known.package))
        table.add_row("code", Text(known.entry.where))
    else:
        table.add_row("code", Text(known.entry.where.partition(":")[0].replace(".", "/") + ".py"))


def _pairs(title: str) -> Table:
    """Names and what is to be said of them."""
    table = Table(
        title=Text(title), title_justify="left", title_style="bold", show_header=False, box=None, padding=(0, 2)
    )
    table.add_column(no_wrap=True, style="cyan")
    table.add_column(overflow="fold")
    return table
