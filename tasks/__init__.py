"""The table of tasks: every one that the command line knows, by name."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from harness.config import RECIPE_KEYS, DataKind, TaskSettings
from harness.errors import unknown
from harness.types import Learner, Task
from tasks.embedded import image_classification, instruction_following, reasoning, sentiment

TASKS: Mapping[str, Callable[[], Task]] = {
    image_classification.NAME: image_classification.task,
    sentiment.NAME: sentiment.task,
    instruction_following.NAME: instruction_following.task,
    reasoning.NAME: reasoning.task,
}


def make(name: str, data: DataKind, settings: TaskSettings, folder: Path | None) -> Task:
    """A task on the data that a suite asks for, with its settings.

    Args:
        folder: of the user's files; None for embedded data.

    Raises:
        UserError: there is no such task, or its data or settings are unfit.
    """
    if name not in TASKS:
        raise unknown("task", name, TASKS)
    if data != "embedded":
        from tasks.external import task as on_sources  # brings the libraries that read files

        return on_sources(name, settings, data, folder)
    own = TASKS[name]()
    changes = {key: value for key, value in settings.given.items() if key in RECIPE_KEYS}
    if not changes:
        return own
    told = f"{own.about.get('recipe', 'its own')}; changed here: {', '.join(f'{k} {v}' for k, v in changes.items())}"
    return replace(own, learner=lambda: _retuned(own.learner(), settings), about={**own.about, "recipe": told})


def _retuned(learner: Learner, settings: TaskSettings) -> Learner:
    changed = copy.copy(learner)
    changed.recipe = settings.recipe(learner.recipe)
    return changed
