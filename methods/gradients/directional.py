"""Derivatives along one direction, without ever holding a gradient per example.

A contributor's additive value needs each training example's gradient dotted with *one* vector. Forward mode gives
all N products in one pass and constant memory.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.func import grad, jvp, vjp

from harness.types import Batch, Examples, Learner, Params
from methods.gradients.vectors import plus, times, zeros


def tensors(examples: Examples, device: str) -> dict[str, torch.Tensor]:
    """An example set's columns on the device."""
    return {name: torch.tensor(column, device=device) for name, column in examples.columns.items()}


def blocks(batch: Batch, learner: Learner) -> Iterator[dict[str, torch.Tensor]]:
    """The batch in blocks of rows that bound the memory of one pass."""
    rows = 16 * learner.recipe.batch_size
    for start in range(0, len(batch["targets"]), rows):
        yield {name: column[start : start + rows] for name, column in batch.items()}


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


def gauss_newton_product(learner: Learner, params: Params, batch: Batch, vector: Params) -> Params:
    """G v with G the mean over examples of J' H J: J the Jacobian of the logits, H the loss's Hessian in them.

    Schraudolph 2002, Neural Computation 14(7), sec. 4. One forward-mode and one reverse-mode pass.
    """
    total = zeros(params)
    for block in blocks(batch, learner):

        def logits_of(p: Params, block: Batch = block) -> torch.Tensor:
            return learner.predict(p, block)[0]

        def total_loss(logits: torch.Tensor, block: Batch = block) -> torch.Tensor:
            return learner.losses_of(logits, block).sum()

        logits, moved, *_ = jvp(logits_of, (params,), (vector,))
        curved = jvp(grad(total_loss), (logits,), (moved,))[1]
        total = plus(total, vjp(logits_of, params)[1](curved)[0])
    return times(total, 1 / len(batch["targets"]))
