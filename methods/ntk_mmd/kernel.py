"""The initialisation's tangent kernel of all training examples, N x N, in double precision."""

from __future__ import annotations

import torch

from harness.types import Batch, Learner, Params
from methods.algebra import GRAM_ROWS, LOOKED_AT
from methods.gradients.directional import blocks
from methods.gradients.layered import explained

COLUMNS = 8_192
"""Of gradients that are made double at once."""


def gram(rows: torch.Tensor) -> torch.Tensor:
    """Inner products of rows, N x N: half of them, a few columns at a time, so that no row is held twice over."""
    count = len(rows)
    found = torch.zeros(count, count, dtype=torch.float64, device=rows.device)
    for part in torch.split(rows, COLUMNS, dim=1):
        wide = part.double()
        for start in range(0, count, GRAM_ROWS):
            stop = min(start + GRAM_ROWS, count)
            found[start:stop, :stop] += wide[start:stop] @ wide[:stop].T
    return found.tril() + found.tril(-1).T


def of_linear_layers(learner: Learner, params: Params, batch: Batch) -> torch.Tensor | None:
    """The kernel of loss gradients of a model that is made of linear layers alone; None for every other one.

    An example's gradient of such a layer is its signal times its input, so that inner products of gradients are
    products of inner products: no gradient is ever made, and n^2 (I + O) operations do where gradients take n^2 I O.
    """
    layers = {name.rpartition(".")[0] for name in params}
    shapes = {"weight": 2, "bias": 1}
    if any(p.ndim != shapes.get(name.rpartition(".")[2]) for name, p in params.items()):
        return None
    few = {name: column[:LOOKED_AT] for name, column in batch.items()}
    if set(explained(learner, params, few)) != layers:
        return None
    count, kept = len(batch["targets"]), [learner.layer_signals(params, block) for block in blocks(batch, learner)]
    total = torch.zeros(count, count, dtype=torch.float64, device=batch["targets"].device)
    for name in layers:
        signals = torch.cat([block[name].signals_NO for block in kept])
        inputs = torch.cat([block[name].inputs_NI for block in kept])
        if signals.ndim > 2:  # several positions an example
            return None
        total += gram(signals) * (gram(inputs) + (f"{name}.bias" in params))
    return total
