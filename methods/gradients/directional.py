"""Derivatives along one direction, without ever holding a gradient per example.

A contributor's additive value needs each training example's gradient dotted with *one* vector. Forward mode gives
all N products in one pass and constant memory.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch.func import grad, jvp

from harness.types import Batch, Examples, Floats, Learner, Params
from methods.gradients.vectors import plus, times, zeros


def tensors(examples: Examples, device: str) -> dict[str, torch.Tensor]:
    """An example set's columns on the device."""
    return {name: torch.tensor(column, device=device) for name, column in examples.columns.items()}


def blocks(batch: Batch, learner: Learner, most: int | None = None) -> Iterator[dict[str, torch.Tensor]]:
    """The batch in blocks of rows that bound the memory of one pass; of at most so many, where that is told."""
    rows = learner.recipe.micro_batch or 16 * learner.recipe.batch_size
    rows = rows if most is None else max(1, min(rows, most))
    for start in range(0, len(batch["targets"]), rows):
        yield {name: column[start : start + rows] for name, column in batch.items()}


@torch.no_grad()
def example_losses(learner: Learner, params: Params, batch: Batch) -> Floats:
    """Loss of each example, N, by one forward pass."""
    found = torch.cat([learner.losses(params, block) for block in blocks(batch, learner)])
    return np.asarray(found.double().cpu().numpy())


def mean_gradient(learner: Learner, params: Params, batch: Batch) -> Params:
    """Gradient of the mean loss."""
    total = zeros(params)
    for block in blocks(batch, learner):
        total = plus(total, grad(lambda p, block=block: learner.losses(p, block).sum())(params))
    return times(total, 1 / len(batch["targets"]))


def directional_losses(learner: Learner, params: Params, batch: Batch, direction: Params) -> torch.Tensor:
    """Each example's loss gradient dotted with ``direction``, N, by one forward-mode pass."""
    found = [
        jvp(lambda p, block=block: learner.losses(p, block), (params,), (direction,))[1]
        for block in blocks(batch, learner)
    ]
    return torch.cat(found).detach()
