"""``dataworth show SUITE``: what a suite would run, and what that would take."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.chosen import tasks_of, tasks_without_data
from harness.cli.places import data_folder, read_suite
from harness.cli.widths import expect, print_expected
from harness.config import Suite, TaskSettings, find_suite, suite_folders
from harness.errors import UserError
from harness.registry import Broken, methods_named
from harness.report import numbers
from harness.running.estimate import CONTRIBUTORS, EXAMPLES_EACH, Counts, Pace, count, measure
from harness.types import Budget, Method, Retraining, Task

DATA = {
    "embedded": "embedded: made by the program",
    "files": "files: in the folder that --data names",
    "hub": "hub: downloaded by name",
}
BESIDE = "files: beside their descriptions"
OWN = "its own"
"""What a task takes where the suite says nothing."""


def print_plan(console: Console, name: str, data: str | None, device: str | None, hours: float | None = None) -> None:
    """Print the plan of a suite; retrainings are timed on ``device``, None for no timing.

    Args:
        hours: to be split into pools and seeds; only with timing.

    Raises:
        UserError: whatever a run refuses before it deals a pool: there is no such suite, its data are not where they
            should be, a method or a task is unknown, a source's description or a setting is unfit. Or the hours are
            none that can be split.
    """
    suite = read_suite(find_suite(name, suite_folders()), asked=True)
    given = device is not None or data is not None
    tasks = tasks_of(suite, data_folder(suite, data)) if given else tasks_without_data(suite)
    methods = methods_named(suite.methods)
    paces = {} if device is None else _timed(console, suite, tasks, device)
    sizes = {task: _size(suite, task, paces) for task in suite.tasks}
    budgets = {
        task: {name: _of_suite(one, one.budget(*size), suite) for name, one in methods.items()}
        for task, size in sizes.items()
    }
    counts = {task: count(suite, task, size[0], [*budgets[task].values()]) for task, size in sizes.items()}
    expected = expect(suite, {task: size[0] for task, size in sizes.items()}, budgets, paces, hours)
    beside = suite.data == "files" and _lie_beside(suite)
    named = " --data DIR" if suite.data == "files" and not beside else ""
    console.print(_head(suite, BESIDE if beside else DATA[suite.data]), highlight=False)
    console.print(_tasks(suite, {task: size[0] for task, size in sizes.items()}))
    console.print(_learning(suite))
    of_suite = "" if suite.data == "embedded" else f" --suite {name}{named}"
    shown_by = f"its own: the task's defaults, see dataworth show TASK{of_suite}\n"
    console.print(Text(shown_by, style="dim italic"), soft_wrap=True)
    for pace in paces.values():
        for line in pace.reads:
            console.print(Text(line), soft_wrap=True)
    console.print(_counts(suite, counts))
    timing = f"dataworth show {name}{named} --measure"
    _caption(console, suite, timing, methods, next(iter(budgets.values())), timed=bool(paces))
    if paces:
        console.print(_times(suite, counts, paces))
        _caption_of_times(console, suite, paces)
    print_expected(console, expected)


def _lie_beside(suite: Suite) -> bool:
    """Whether a suite's files are found without a folder that is named."""
    try:
        tasks_of(suite, None)
    except UserError:  # whatever else could be wrong was told by now
        return False
    return True


def _of_suite(method: Method, budget: Budget, suite: Suite) -> Budget:
    """Over all questions: a method that retrains for each has coalitions of its own in each."""
    if not (isinstance(method, Retraining) and method.by_question):
        return budget
    return replace(budget, retrainings=budget.retrainings * len(suite.questions))


def _timed(console: Console, suite: Suite, tasks: Mapping[str, Task], device: str) -> dict[str, Pace]:
    from harness.cli.devices import device_of

    found = {}
    for name, task in tasks.items():
        with console.status(f"timing retrainings of {name}"):
            found[name] = measure(suite, task, device_of(device))
    return found


def _size(suite: Suite, task: str, paces: Mapping[str, Pace]) -> tuple[int, int]:
    """Contributors of a pool, and their training examples together: as dealt, as set, or as is usual."""
    if task in paces:
        return paces[task].contributors, paces[task].examples
    own = suite.settings_of(task)
    contributors = own.contributors or CONTRIBUTORS
    return contributors, round(contributors * (sum(own.size) / 2 if own.size else EXAMPLES_EACH))


def _head(suite: Suite, data: str) -> Table:
    table = Table(title=suite.name, title_justify="left", title_style="bold", show_header=False, box=None)
    table.add_column(no_wrap=True, style="cyan")
    table.add_column()
    if suite.summary:
        table.add_row("what", Text(suite.summary))
    table.add_row("data", data)
    table.add_row("questions", ", ".join(suite.questions))
    table.add_row("methods", Text(", ".join(suite.methods)))
    return table


def _tasks(suite: Suite, contributors: Mapping[str, int]) -> Table:
    table = _table("task", "contributors", "examples each", "pools", *(f"seeds, {q}" for q in suite.questions))
    for task in suite.tasks:
        size = suite.settings_of(task).size
        counts = (suite.pools, *(suite.seeds_of(task, question) for question in suite.questions))
        each = f"{size[0]}-{size[1]}" if size else OWN
        table.add_row(Text(task), str(contributors[task]), each, *map(numbers.count, counts))
    return table


def _learning(suite: Suite) -> Table:
    table = _table("task", "data", "real", "synthetic", "learner", "recipe")
    for task in suite.tasks:
        own = suite.settings_of(task)
        sides = [OWN if side is None else ", ".join(side) or "none" for side in (own.real, own.synthetic)]
        texts = [_in_words(own, LEARNER) or OWN, _in_words(own, RECIPE) or OWN]
        table.add_row(Text(task), suite.data, *map(Text, [*sides, *texts]))
    return table


LEARNER = {"model": "{}", "revision": "at {}", "lora": "LoRA of rank {}", "length": "{} tokens"}
RECIPE = {
    "steps": "{} steps",
    "batch_size": "batches of {}",
    "micro_batch": "in parts of {}",
    "rate": "rate {:g}",
    "precision": "{}",
}


def _in_words(settings: TaskSettings, words: Mapping[str, str]) -> str:
    """Those of some settings that are given, in words."""
    return ", ".join(text.format(settings.given[key]) for key, text in words.items() if key in settings.given)


def _counts(suite: Suite, counts: Mapping[str, Counts]) -> Table:
    table = _table("retrainings", *suite.questions, "all truths", "methods", "together", "billed")
    for task, found in counts.items():
        alone = [numbers.count(found.questions[question]) for question in suite.questions]
        both = found.truth + found.methods
        table.add_row(Text(task), *alone, *map(numbers.count, (found.truth, found.methods, both, found.billed)))
    sides = zip(*((c.truth, c.methods, c.billed) for c in counts.values()), strict=True)
    truth, methods, billed = map(sum, sides)
    blanks = [""] * len(suite.questions)
    table.add_row("all", *blanks, *map(numbers.count, (truth, methods, truth + methods, billed)), style="bold")
    return table


def _caption(
    console: Console,
    suite: Suite,
    timing: str,
    methods: Mapping[str, Method],
    budgets: Mapping[str, Budget],
    timed: bool,
) -> None:
    retraining = [f"{name} {numbers.count(b.retrainings)}" for name, b in budgets.items() if b.retrainings]
    billed = ", ".join(retraining)
    fitting = [name for name, budget in budgets.items() if budget.fits]
    broken = [one.reason for one in methods.values() if isinstance(one, Broken)]
    sentences = ["Over all pools; what the ledger keeps is not trained again."]
    sure = "" if timed else f", with {CONTRIBUTORS} contributors a pool where the settings name no other number"
    sentences.append(f"Truths are counted exactly{sure}; together they take fewer than their sum, for they share some.")
    if retraining:
        sentences.append(
            "Methods by their own budgets, at most. Coalitions that several methods of one scope ask for are trained "
            f"once and billed to each; of one pool, on seeds of their own: {billed}."
        )
    if fitting:
        sentences.append(f"Training on the whole pool is shared: {', '.join(fitting)}.")
    if not timed:
        if suite.data != "embedded":
            sentences.append("Descriptions and settings are checked; rows are read when the first pool is dealt.")
        sentences.append(f"How long it takes: {timing}.")
    console.print(Text(f"{' '.join(sentences)}\n", style="dim italic"))
    for reason in broken:
        console.print(Text(f"Not counted, and failed when it is run: {reason}\n", style="red"))


def _times(suite: Suite, counts: Mapping[str, Counts], paces: Mapping[str, Pace]) -> Table:
    table = _table(
        "time", "timed", "one retraining", "operations", "truths", "truths and methods", "GPU-hours", "memory"
    )
    lows, highs, hours = 0.0, 0.0, 0.0
    for task, pace in paces.items():
        truth, both = counts[task].truth, counts[task].truth + counts[task].methods
        (low, high), projected = pace.seconds(both), pace.gpu_hours(both, suite.projection)
        lows, highs, hours = lows + low, highs + high, hours + projected
        each = numbers.count(pace.retrainings), _between(*pace.seconds(1)), f"{pace.cost.flops / pace.retrainings:.2g}"
        times = _between(*pace.seconds(truth)), _between(low, high), numbers.hours(projected)
        table.add_row(Text(task), *each, *times, _memory(pace.memory_mb))
    most = _memory(max(pace.memory_mb for pace in paces.values()))
    table.add_row("all", "", "", "", "", _between(lows, highs), numbers.hours(hours), most, style="bold")
    return table


def _caption_of_times(console: Console, suite: Suite, paces: Mapping[str, Pace]) -> None:
    single = [task for task, pace in paces.items() if len(pace.rounds) == 1]
    gpu = suite.projection
    caption = (
        "From the fastest to the slowest round of retrainings timed just now, spread over all that the truths take; "
        "another load on this machine changes them. Dealing pools, and what methods do beside retraining, come on top. "
        f"GPU-hours are projected for {gpu.gpu} at {gpu.utilisation:.0%} use: operations, bytes or launches, whichever "
        "takes longest."
    )
    at_once = ", ".join(f"{pace.side_by_side} of {task}" for task, pace in paces.items())
    caption += (
        " Memory is the most that was held, data and models included, while so many models trained at once: "
        f"{at_once}; each further core trains as many again, and takes as much for them."
    )
    if single:
        caption += f" Only one round of {', '.join(single)} was timed, so its spread is not known."
    console.print(Text(f"{caption}\n", style="dim italic"))


def _memory(megabytes: float) -> str:
    return "not known" if math.isnan(megabytes) else f"{megabytes / 1e3:.1f} GB"


UNITS = (("ms", 1e-3), ("s", 1.0), ("min", 60.0), ("h", 3600.0))


def _between(low: float, high: float) -> str:
    """A stretch of time as people say it, both ends in the unit that suits the longer one."""
    unit, size = next((unit for unit in UNITS if high < 120 * unit[1]), UNITS[-1])
    ends = [_two_digits(end / size) for end in (low, high)]
    return f"{ends[0]} {unit}" if ends[0] == ends[1] else f"{ends[0]}-{ends[1]} {unit}"


def _two_digits(value: float) -> str:
    digits = max(0, 1 - math.floor(math.log10(value))) if value > 0 else 0
    return f"{value:.{digits}f}"


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for k, name in enumerate(columns):
        table.add_column(name, no_wrap=k == 0, overflow="fold")
    return table
