"""The four tasks on sources (files or a hub): the same axes as the embedded ones, dealt from prepared rows.

``definition`` settles what a task is made of (``defaults``, and what a suite's settings change), ``prepared`` reads,
cleans and splits its rows, ``texts`` and ``images`` deal pools of them and make their learners.
"""

from __future__ import annotations

from pathlib import Path

from harness.config import TaskSettings
from harness.types import Task
from tasks.external.defaults import Data
from tasks.external.definition import define


def task(name: str, settings: TaskSettings, data: Data, folder: Path | None) -> Task:
    """A task whose pools are dealt from sources.

    Args:
        name: as the command line says it.
        settings: what a suite changes; None leaves the task's own defaults for such data.
        data: where the default sources lie.
        folder: the data folder that sources' paths are in; None where all are on the hub.

    Raises:
        UserError: a name is unknown, a source does not fit the task, or settings clash. Rows are read, and mistakes in
            them are found, when the first pool is dealt or the learner is made.
    """
    definition = define(name, settings, data, folder)
    if definition.form == "image-label":
        from tasks.external.images import ImageTask

        return ImageTask(definition).task()
    from tasks.external.texts import TextTask

    return TextTask(definition).task()
