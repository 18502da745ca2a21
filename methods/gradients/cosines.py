"""Cosines of each example's gradient, or of what an optimiser makes of it, with one direction.

A cosine needs each example's own norm, so that one gradient an example is held after all, a few rows at a time; no
projection is needed, for neither norms nor products with one direction outlive their block.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from harness.types import Batch, Learner, Params
from methods.gradients.per_example import parameter_blocks
from methods.gradients.vectors import dot

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

    length, found = dot(direction, direction).sqrt(), []
    for gradients, _ in parameter_blocks(learner, learner.losses, params, batch, held=HELD_ENTRIES):
        moves = made(gradients)
        products = sum((move * direction[name]).flatten(1).sum(1) for name, move in moves.items())
        squares = sum(move.square().flatten(1).sum(1) for move in moves.values())
        norms = torch.as_tensor(squares).sqrt() * length
        found.append(torch.where(norms > 0, products / torch.where(norms > 0, norms, 1.0), 0.0))
    return torch.cat(found)
