"""A gradient per example, exact or projected, for methods that truly need them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch.func import grad_and_value, vmap

from harness.types import Batch, Learner, Params
from methods.gradients.directional import blocks
from methods.gradients.vectors import size

BLOCK_ENTRIES = 30_000_000
"""Numbers held by one block of unprojected gradients (120 MB in single precision)."""

Output = Callable[[Params, Batch], torch.Tensor]
"""One number an example, N, as a function of parameters: a learner's ``losses`` or ``outputs``, say."""

Projection = Callable[[torch.Tensor], torch.Tensor]
"""Gradients N x P -> N x k."""


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
    """
    wide = width is not None and size(params) > width
    project = count_sketch(params, width or 0, generator) if wide else None
    return gradients(learner, output or learner.outputs, params, batch, project)[0]


def gradients(
    learner: Learner,
    output: Output,
    params: Params,
    batch: Batch,
    project: Projection | None,
    fixed: Params | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Each example's gradient in ``params``, projected as it comes, and its value: N x P or N x k, and N.

    Args:
        fixed: the other parameters of the model, which are not differentiated.
    """
    kept, values = [], []
    for block, values_of_block in gradient_blocks(learner, output, params, batch, fixed):
        kept.append(project(block) if project else block)
        values.append(values_of_block)
    return torch.cat(kept), torch.cat(values)


def gradient_blocks(
    learner: Learner, output: Output, params: Params, batch: Batch, fixed: Params | None = None
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The same without projection, in blocks of rows that bound what is held at once."""
    for found, values in parameter_blocks(learner, output, params, batch, fixed):
        yield torch.cat([g.flatten(1) for g in found.values()], dim=1), values


def parameter_blocks(
    learner: Learner,
    output: Output,
    params: Params,
    batch: Batch,
    fixed: Params | None = None,
    held: int = BLOCK_ENTRIES,
) -> Iterator[tuple[Params, torch.Tensor]]:
    """The same by parameter, N x its shape, of at most ``held`` numbers together."""
    one = grad_and_value(_of_one(output, fixed or {}))
    each = vmap(one, in_dims=(None, 0)) if learner.stacks else _in_turn(one)
    for block in blocks(batch, learner, most=held // size(params)):
        found, values = each(params, block)
        yield {name: g.detach() for name, g in found.items()}, values.detach()


def count_sketch(params: Params, width: int, generator: torch.Generator) -> Projection:
    """Add each parameter, with a random sign, to one random column of N x width; drawn anew from one seed each time.

    Inner products keep their expectation, with no more variance than under a Gaussian matrix, and it takes one addition
    a parameter where a dense matrix takes ``width`` (Charikar et al. 2002; Weinberger et al. 2009, ICML, lemma 2).
    """
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


def _of_one(output: Output, fixed: Params) -> Callable[[Params, Batch], torch.Tensor]:
    def of_one(params: Params, row: Batch) -> torch.Tensor:
        return output({**fixed, **params}, {name: value[None] for name, value in row.items()})[0]

    return of_one


def _in_turn(
    one: Callable[[Params, Batch], tuple[Params, torch.Tensor]],
) -> Callable[[Params, Batch], tuple[Params, torch.Tensor]]:
    """The same as ``vmap`` over rows, for modules whose forward pass ``vmap`` cannot follow."""

    def each(params: Params, batch: Batch) -> tuple[Params, torch.Tensor]:
        rows = range(len(batch["targets"]))
        found = [one(params, {name: column[row] for name, column in batch.items()}) for row in rows]
        stacked = {name: torch.stack([gradient[name] for gradient, _ in found]) for name in params}
        return stacked, torch.stack([value for _, value in found])

    return each
