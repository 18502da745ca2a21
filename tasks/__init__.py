"""The table of tasks: every one that the command line knows, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.types import Task
from tasks import image_classification

TASKS: Mapping[str, Callable[[], Task]] = {"image-classification": image_classification.task}
