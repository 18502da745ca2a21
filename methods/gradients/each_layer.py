"""Each example's loss gradient, layer by layer, a block of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.func import grad, vmap

from harness.types import Batch, Learner, Params
from methods.gradients.directional import blocks
from methods.gradients.per_example import BLOCK_ENTRIES
from methods.gradients.vectors import size


def loss_gradients(learner: Learner, params: Params, batch: Batch) -> Iterator[Params]:
    """N x the shape of each parameter, for so many rows at a time that a block stays small."""

    def loss(p: Params, row: Batch) -> torch.Tensor:
        return learner.losses(p, {name: column[None] for name, column in row.items()})[0]

    one = grad(loss)
    rows = max(1, BLOCK_ENTRIES // size(params))
    for wide in blocks(batch, learner):
        for start in range(0, len(wide["targets"]), rows):
            block = {name: column[start : start + rows] for name, column in wide.items()}
            if learner.stacks:
                yield vmap(one, in_dims=(None, 0))(params, block)
            else:
                each = [
                    one(params, {k: column[n] for k, column in block.items()}) for n in range(len(block["targets"]))
                ]
                yield {name: torch.stack([gradient[name] for gradient in each]) for name in params}
