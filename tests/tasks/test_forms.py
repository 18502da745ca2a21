"""What a task's examples are is declared once as its form, and nothing goes by a task's name."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import get_args

import pytest

import tasks
from harness.errors import UserError
from harness.types import FORMS
from tasks.embedded import image_classification, instruction_following, reasoning, sentiment
from tasks.external import task as external_task
from tasks.external.defaults import DEFAULTS
from tasks.sources.description import TASK_FORMS, SourceTask
from tests.tasks.test_external import image_source, settings, text_rows, text_source
from tests.tiny import tiny_task

EMBEDDED = {module.NAME: module for module in (image_classification, instruction_following, reasoning, sentiment)}


def test_every_task_has_a_form_and_every_form_a_task() -> None:
    assert set(TASK_FORMS) == set(get_args(SourceTask)) == set(DEFAULTS) == set(EMBEDDED)
    assert set(TASK_FORMS.values()) == set(FORMS)


@pytest.mark.parametrize("name", sorted(EMBEDDED))
def test_a_task_has_one_form_whatever_its_data(name: str, tmp_path: Path) -> None:
    own = EMBEDDED[name].task()
    sources: dict[str, tuple[str, ...]]
    if own.form == "image-label":
        sources = {"real": (image_source(tmp_path, "real", 4, 0),)}
    else:
        sources = {side: (text_source(tmp_path, name, side, text_rows(name, 2, 0)),) for side in ("real", "synthetic")}
    assert external_task(name, settings(**sources), "files", tmp_path).form == own.form == TASK_FORMS[name]


def test_a_form_that_is_none_is_refused_with_those_there_are() -> None:
    with pytest.raises(UserError, match=r"No form of a task is called 'text-labels'\. Did you mean text-label"):
        type(tiny_task())("x", 1, "", "text-labels", lambda index: None, lambda: None)  # type: ignore


def test_no_code_of_the_tasks_compares_a_task_s_name() -> None:
    compared = {
        f"{file.name}:{node.lineno}"
        for file in Path(tasks.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Compare)
        for side in (node.left, *node.comparators)
        if any(isinstance(part, ast.Constant) and part.value in DEFAULTS for part in ast.walk(side))
    }
    assert compared == set()
