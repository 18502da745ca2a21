"""A chunk of retraining in a process that never saw its pool: the same bits, or a refusal."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import torch

from harness import registry
from harness.config import TaskSettings
from harness.retraining.chunks import Chunk, Job, retrain_chunk
from harness.retraining.workspace import OtherPool, PoolReference, Workspace
from tests.processes import printed_by


def retrain_elsewhere(folder: Path) -> None:
    torch.set_num_threads(1)
    chunk, other = pickle.loads((folder / "chunks").read_bytes())
    try:
        retrain_chunk(other)
    except OtherPool as error:
        refused = str(error)
    (folder / "found").write_bytes(pickle.dumps((retrain_chunk(chunk), refused)))


def test_another_process_deals_the_pool_again_and_proves_that_it_is_the_same(tmp_path: Path) -> None:
    """The digits: their pool is dealt from a description alone, in a process that has never seen it."""
    task = registry.task("image-classification", "embedded", TaskSettings(steps=3), None)
    assert task.reference is not None
    pool = task.deal(1)
    held = Workspace(task.learner(), pool.train, pool.validation, "cpu")
    coalition = "1" * 12 + "0" * 12
    chunk = Chunk(held.context, "cpu", (Job(coalition, 7),), pool=PoolReference(task.reference, 1, "validation"))
    other = replace(chunk, pool=PoolReference(task.reference, 0, "validation"))
    (tmp_path / "chunks").write_bytes(pickle.dumps([chunk, other]))
    printed_by(tmp_path, retrain_elsewhere, tmp_path)
    found, refused = pickle.loads((tmp_path / "found").read_bytes())
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        expected = retrain_chunk(chunk).outcomes[chunk.jobs[0]]
    finally:
        torch.set_num_threads(before)
    (there,) = found.outcomes.values()
    assert (there.utility, there.accuracy, there.folds) == (expected.utility, expected.accuracy, expected.folds)
    assert there.cost.flops == expected.cost.flops > 0
    assert "image-classification, pool 0, is another one here" in refused
    assert held.context in refused
