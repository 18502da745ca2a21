"""Cosines of each example's gradient, or of what an optimiser makes of it, with one direction.

A cosine needs each example's own norm, so that one gradient an example is held after all, a few rows at a time; no
projection is needed, for neither norms nor products with one direction outlive their block.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.func import grad, vmap

from harness.types import Batch, Learner, Params
from methods.gradients.directional import blocks
from methods.gradients.per_example import in_turn
from methods.gradients.vectors import dot, size

HELD_ENTRIES = 4_000_000
"""Numbers of one block of gradients (16 MB in single precision, and as much for each step of what is made of them)."""


def cosines(
    learner: Learner,
    params: Params,
    batch: Batch,
    direction: Params,
    made: Callable[[Params], Params] = lambda gradients: gradients,
) -> torch.Tensor:
    """Of ``made(gradient)`` of each example's loss with ``direction``, N; 0 where either is nothing.

    Args:
        made: entry by entry; takes the gradients of a block of rows, each stacked along a first axis.
    """

    def loss(p: Params, row: Batch) -> torch.Tensor:
        return learner.losses(p, {name: value[None] for name, value in row.items()})[0]

    each = vmap(grad(loss), in_dims=(None, 0)) if learner.stacks else in_turn(grad(loss))
    rows, length, found = max(1, HELD_ENTRIES // size(params)), dot(direction, direction).sqrt(), []
    for wide in blocks(batch, learner):
        for start in range(0, len(wide["targets"]), rows):
            moves = made(each(params, {name: column[start : start + rows] for name, column in wide.items()}))
            products = sum((move * direction[name]).flatten(1).sum(1) for name, move in moves.items())
            squares = sum(move.square().flatten(1).sum(1) for move in moves.values())
            norms = torch.as_tensor(squares).sqrt() * length
            found.append(torch.where(norms > 0, products / torch.where(norms > 0, norms, 1.0), 0.0).detach())
    return torch.cat(found)
