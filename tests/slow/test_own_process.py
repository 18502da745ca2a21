"""Methods of every kind on every tiny task: the same in a process of its own as in this one."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import registry
from harness.config import TaskSettings
from harness.registry import methods_named
from harness.running.own_process import Limits
from harness.types import QUESTIONS
from methods.ntk_mmd.weights import TERMS
from tests.harness.small_runs import THIRD_PARTY
from tests.harness.test_own_process import BAD, TASK, calm, run, same, untouched

__all__ = ["calm"]  # a fixture
pytestmark = THIRD_PARTY


ASKED = (
    "random",
    "size",
    "class-balance",
    "mmd",
    "knn-shapley",
    "freeshap",
    *(f"ntk-mmd:single:{term}" for term in TERMS),
    "ntk-mmd:calibrated",
    "tracin",
    "tracin:adam",
    "influence",
    "influence-pydvl",
    "ekfac",
    "metagradient:swaps",
    "trak",
    "data-shapley",
)
"""Of every kind. Each has a retraining scope of its own or none: of methods that share trainings, the stack that a
model is first trained in, and so the bytes moved, depends on who asked before.
"""


def test_methods_answer_the_same_in_processes_of_their_own(tmp_path: Path) -> None:
    """Calibrated weights read what others said about other tasks, which is sent to them."""
    tasks = [registry.task(f"tiny-{form}", "embedded", TaskSettings(), None) for form in FORMS]
    here = run(tmp_path / "here", methods_named(ASKED), None, QUESTIONS, tasks)
    there = run(tmp_path / "there", methods_named(ASKED), Limits(), QUESTIONS, tasks)
    same(here, there)


FORMS = ("image-label", "text-label", "text-response")


@pytest.mark.parametrize("name", BAD)
def test_one_that_misbehaves_alone_touches_nobody(tmp_path: Path, calm: object, name: str) -> None:
    methods = {name: BAD[name][0], **methods_named(["tracin", "mmd", "data-shapley"])}
    untouched(run(tmp_path, methods, Limits(), tasks=[TASK]), calm)  # type: ignore[arg-type]
