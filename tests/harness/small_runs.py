"""Whole runs of a second or two, in this process, over tiny tasks."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast

import pytest
from rich.console import Console

from harness.config import Suite, to_toml
from harness.files import write_atomically
from harness.registry import method
from harness.report.files import write_report
from harness.running.progress import ProgressDisplay
from harness.running.runner import Chosen, Runner
from harness.types import QUESTIONS, Method, Question, SetFunction, Task
from tests.tiny import tiny_task

_WARNINGS = (
    "ignore:`torch.jit.script` is deprecated:DeprecationWarning",  # by torch itself, at the first forward-mode pass
    "ignore:.* is deprecated since .*:FutureWarning",  # by pyDVL, when it is imported
)
THIRD_PARTY = [pytest.mark.filterwarnings(text) for text in _WARNINGS]
"""Marks for tests that run methods: warnings of libraries about themselves."""


def tiny_suite(tasks: Iterable[str] = ("tiny",), methods: Iterable[str] = ("size", "mmd"), **changes: object) -> Suite:
    content: dict[str, object] = {"name": "tiny", "tasks": tuple(tasks), "methods": tuple(methods)}
    return Suite.model_validate({**content, "pools": 1, "seeds": 2, **changes})


def runner(
    folder: Path,
    methods: Mapping[str, Method] | Sequence[str] = ("size", "mmd"),
    tasks: Sequence[Task] | None = None,
    questions: Sequence[Question] = QUESTIONS,
    features: Sequence[str] = (),
    **changes: object,
) -> Runner:
    """A run of a tiny suite into ``folder``; ``changes`` are the suite's. The command line asks for ``FEATURES``."""
    named = methods if isinstance(methods, Mapping) else {name: method(name) for name in methods}
    own = {task.name: task for task in tasks or [tiny_task()]}
    compared = {name: cast(SetFunction, method(name)) for name in features}
    suite = tiny_suite(own, named, questions=tuple(questions), **changes)
    return Runner(
        suite, Chosen(own, named, compared, questions), folder, "cpu", ProgressDisplay(Console(file=io.StringIO()))
    )


def finished(folder: Path, **asked: object) -> Runner:
    """The run, done and reported, with its suite beside it as the command line leaves it."""
    run = runner(folder, **asked)  # type: ignore[arg-type]
    results = run.run()
    write_atomically(folder / "suite.toml", to_toml(run.suite))
    write_report(folder, run.suite, results)
    return run
