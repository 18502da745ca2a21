"""A gradient per example, exact or projected, for methods that truly need them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.func import grad, vmap

from harness.types import Batch, Learner, Params
from methods.gradients.directional import blocks
from methods.gradients.vectors import size

BLOCK_ENTRIES = 30_000_000
"""Numbers held by one block of unprojected gradients (120 MB in single precision)."""


def output_gradients(
    learner: Learner, params: Params, batch: Batch, width: int | None, generator: torch.Generator
) -> torch.Tensor:
    """Gradient of each example's true-target output, N x P, or projected to N x width where P is larger.

    The projection is Gaussian with entries of variance 1/width, so that inner products keep their expectation
    (Johnson & Lindenstrauss 1984); it is drawn in blocks of parameters and never held whole.
    """
    parameters = size(params)
    projected = width is not None and parameters > width
    one = grad(_one_output(learner))
    each = vmap(one, in_dims=(None, 0)) if learner.stacks else _in_turn(one)
    rows = max(1, BLOCK_ENTRIES // parameters)
    project = _projection(params, width or 0, generator) if projected else None
    found = []
    for wide in blocks(batch, learner):
        for start in range(0, len(wide["targets"]), rows):
            block = {name: column[start : start + rows] for name, column in wide.items()}
            gradients = torch.cat([g.flatten(1) for g in each(params, block).values()], dim=1).detach()
            found.append(project(gradients) if project else gradients)
    return torch.cat(found)


def _one_output(learner: Learner) -> Callable[[Params, Batch], torch.Tensor]:
    def output(params: Params, row: Batch) -> torch.Tensor:
        return learner.outputs(params, {name: value[None] for name, value in row.items()})[0]

    return output


def _in_turn(one: Callable[[Params, Batch], Params]) -> Callable[[Params, Batch], Params]:
    """The same as ``vmap`` over rows, for modules whose forward pass ``vmap`` cannot follow."""

    def each(params: Params, batch: Batch) -> Params:
        rows = range(len(batch["targets"]))
        found = [one(params, {name: column[row] for name, column in batch.items()}) for row in rows]
        return {name: torch.stack([gradient[name] for gradient in found]) for name in params}

    return each


def _projection(params: Params, width: int, generator: torch.Generator) -> Callable[[torch.Tensor], torch.Tensor]:
    """Multiply rows x P by a P x width Gaussian matrix, regenerated block by block from one seed."""
    device = next(iter(params.values())).device
    seed = int(torch.randint(2**62, (1,), generator=generator))
    depth = max(1, BLOCK_ENTRIES // width)

    def project(gradients: torch.Tensor) -> torch.Tensor:
        source = torch.Generator(device=device).manual_seed(seed)
        out = torch.zeros(len(gradients), width, device=device, dtype=gradients.dtype)
        for part in torch.split(gradients, depth, dim=1):
            draw = torch.randn(part.shape[1], width, generator=source, device=device, dtype=gradients.dtype)
            out += part @ draw / width**0.5
        return out

    return project
