"""Tasks on data from files or a hub: the same axes, dealt from rows that source descriptions tell how to read."""

from __future__ import annotations

from pathlib import Path

from harness.config import TaskSettings
from harness.types import Task
from tasks.external.defaults import Data, resolve


def task(name: str, settings: TaskSettings, data: Data, folder: Path | None) -> Task:
    """A task whose pools are dealt from sources.

    Args:
        name: as the command line says it.
        settings: what a suite changes; None leaves the task's own defaults for such data.
        data: where the default sources lie.
        folder: the data folder that sources' paths are in; None where all are on the hub.

    Raises:
        UserError: a name is unknown, a source does not fit the task, or settings clash. Rows are read, and what is
            wrong with them is told, when the first pool is dealt or the learner is made.
    """
    asked = resolve(name, settings, data, folder)
    if name == "image-classification":
        from tasks.external.images import ImageTask

        return ImageTask(asked).task()
    from tasks.external.texts import TextTask

    return TextTask(asked).task()
