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


Output = Callable[[Params, Batch], torch.Tensor]
"""One number an example, N, as a function of parameters."""


def output_gradients(
    learner: Learner,
    params: Params,
    batch: Batch,
    width: int | None,
    generator: torch.Generator,
    output: Output | None = None,
) -> torch.Tensor:
    """Gradient of each example's ``output``, N x P, or projected to N x width where P is larger.

    None: of the true target's probability.

    The projection is a count sketch (Charikar et al. 2002; Weinberger et al. 2009, ICML, lemma 2): inner products keep
    their expectation, with no more variance than under a Gaussian matrix, and it takes one addition a parameter where
    a dense matrix takes ``width``.
    """
    parameters = size(params)
    projected = width is not None and parameters > width
    one = grad(_one_output(output or learner.outputs))
    each = vmap(one, in_dims=(None, 0)) if learner.stacks else _in_turn(one)
    rows = max(1, BLOCK_ENTRIES // parameters)
    project = count_sketch(params, width or 0, generator) if projected else None
    found = []
    for wide in blocks(batch, learner):
        for start in range(0, len(wide["targets"]), rows):
            block = {name: column[start : start + rows] for name, column in wide.items()}
            gradients = torch.cat([g.flatten(1) for g in each(params, block).values()], dim=1).detach()
            found.append(project(gradients) if project else gradients)
    return torch.cat(found)


def _one_output(output: Output) -> Output:
    def of_one(params: Params, row: Batch) -> torch.Tensor:
        return output(params, {name: value[None] for name, value in row.items()})[0]

    return of_one


def _in_turn(one: Callable[[Params, Batch], Params]) -> Callable[[Params, Batch], Params]:
    """The same as ``vmap`` over rows, for modules whose forward pass ``vmap`` cannot follow."""

    def each(params: Params, batch: Batch) -> Params:
        rows = range(len(batch["targets"]))
        found = [one(params, {name: column[row] for name, column in batch.items()}) for row in rows]
        return {name: torch.stack([gradient[name] for gradient in found]) for name in params}

    return each


def count_sketch(params: Params, width: int, generator: torch.Generator) -> Callable[[torch.Tensor], torch.Tensor]:
    """Add each parameter, with a random sign, to one random column of N x width; drawn anew from one seed each time."""
    device = next(iter(params.values())).device
    seed = int(torch.randint(2**62, (1,), generator=generator))

    def project(gradients: torch.Tensor) -> torch.Tensor:
        source = torch.Generator(device=device).manual_seed(seed)
        out = torch.zeros(len(gradients), width, device=device, dtype=gradients.dtype)
        depth = max(1, BLOCK_ENTRIES // len(gradients))
        for part in torch.split(gradients, depth, dim=1):
            draw = torch.randint(2 * width, (part.shape[1],), generator=source, device=device)
            out.index_add_(1, draw // 2, part * (2 * (draw % 2) - 1).to(part))
        return out

    return project
