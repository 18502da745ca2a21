"""Every method on small transformers and on models from a folder: an answer, or a reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.running.evaluator import Evaluator
from methods import METHODS
from tests.tasks.test_transformers import (
    KINDS,
    OF_LABELS,
    language_model,
    loaded,
    pool_for,
    pool_of,
    quick,
    text_classifier,
)
from tests.tiny import evaluator_of

pytestmark = [
    pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning"),  # torch's own jvp
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
EVERY_METHOD = pytest.mark.parametrize("name", sorted(name for name in METHODS if not name.startswith("ntk-mmd:")))


@pytest.fixture(scope="module", params=[language_model, text_classifier])
def small(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Evaluator:
    learner = request.param()
    return evaluator_of(tmp_path_factory.mktemp("small"), pool_of(learner), learner)


@pytest.fixture(scope="module", params=KINDS)
def from_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Evaluator:
    folder: Path = tmp_path_factory.mktemp("loaded")
    learner = loaded(folder / "model", request.param)
    return evaluator_of(folder, pool_for(learner, request.param), learner)


@EVERY_METHOD
def test_small_transformers(name: str, small: Evaluator) -> None:
    answers_or_says_why(name, small)


@EVERY_METHOD
def test_models_from_a_folder(name: str, from_folder: Evaluator) -> None:
    answers_or_says_why(name, from_folder)


def answers_or_says_why(name: str, evaluator: Evaluator) -> None:
    found = evaluator.evaluate(name, quick(name), "leave-one-out")
    if isinstance(found, str):
        assert name.startswith(("influence-pydvl", "proxy:model", *OF_LABELS))
        assert name.startswith(OF_LABELS) or evaluator.engine.learner.name in found
    else:
        assert found.values_C.shape == (3,)
        assert np.isfinite(found.values_C).all()
