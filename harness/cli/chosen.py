"""A suite's tasks, made as a run makes them: whatever is wrong about a description or a setting is found here, and no
row is read yet.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.config import Suite
from harness.registry import task
from harness.types import Task


def tasks_of(suite: Suite, folder: Path | None, names: Iterable[str] | None = None) -> dict[str, Task]:
    """The suite's tasks, or the named ones, on the suite's data and with its settings.

    Raises:
        UserError: there is no such task, it does not load, or its descriptions or settings are unfit.
    """
    chosen = dict.fromkeys(names or suite.tasks)
    return {name: task(name, suite.data, suite.settings_of(name), folder) for name in chosen}


def tasks_without_data(suite: Suite, names: Iterable[str] | None = None) -> dict[str, Task]:
    """The same where no folder was named: files are not looked for before a pool is dealt."""
    return tasks_of(suite, None if suite.data == "embedded" else Path(), names)
