"""The embedded tasks in another process: what is fitted there from nothing, and the pools that are dealt there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.embedded import image_classification, reasoning, sentiment, text_generator
from tests.processes import printed_by
from tests.tasks.published_pools import digest_and_size, digests, parameters_of

TEXTS = (sentiment, reasoning)
"""Instruction following is left out, for time: its generator is fitted as that of sentiment is."""


def found_from_nothing(folder: Path) -> list[str]:
    """All that there is of a generator, a learner and a pool of each task, fitted for a few steps, nothing kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATAWORTH_CACHE", str(folder))
        patch.setattr(text_generator, "STEPS", 100)  # with fewer, too little of what is written is well-formed
        found = digests(image_classification.deal_pool(1))
        for task in TEXTS:
            patch.setattr(task, "BASE_STEPS", 10)
            task.prepared.cache_clear()
            generator = digest_and_size(parameters_of(task.prepared().generator)).digest
            found += [generator, str(dict(task.learner().identity)), *digests(task.deal_pool(1))]
            task.prepared.cache_clear()
    assert len(list(folder.rglob("*.safetensors"))) == 3  # reasoning's generator is none of torch's
    return found


def print_what_is_found(folder: Path) -> None:
    print(*found_from_nothing(folder), sep="\n")


def test_models_and_pools_are_the_same_in_another_process_that_starts_from_nothing(tmp_path: Path) -> None:
    there = printed_by(tmp_path, print_what_is_found, tmp_path / "there").splitlines()
    assert there == found_from_nothing(tmp_path / "here")
