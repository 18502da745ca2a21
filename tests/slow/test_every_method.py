"""Every method of the table in one run of two tasks: each answers or says why not, and none disturbs another."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.types import QUESTIONS, Task
from methods import METHODS
from tests.harness.small_runs import THIRD_PARTY, finished
from tests.tiny import tiny_mlp, tiny_pool, tiny_task

pytestmark = THIRD_PARTY


def test_every_method_answers_every_question_about_every_pool(tmp_path: Path) -> None:
    other = Task("other", 1, "", "image-label", lambda index: tiny_pool(4, 50 + index, task="other"), tiny_mlp)
    run = finished(tmp_path, methods=list(METHODS), tasks=[tiny_task(), other])
    assert run.failures == []
    asked = {(task, 0, question, method) for task in ("tiny", "other") for question in QUESTIONS for method in METHODS}
    assert set(run.results.valuations) == asked
    for record in run.results.valuations.values():
        assert record.status == "ok" or record.reason
        if record.status == "ok":
            assert np.isfinite(record.values).all()
            assert np.shape(record.values)[1] == 4
