"""Loss gradients projected layer by layer: on both sides of each linear layer, the rest of a model together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch.func import grad

from harness.types import Batch, LayerSignals, Learner, Params, Problem
from methods.algebra import LOOKED_AT
from methods.gradients.directional import blocks, tensors
from methods.gradients.per_example import BLOCK_ENTRIES, count_sketch, gradients
from methods.gradients.projected import Units, in_units, units_of
from methods.gradients.vectors import size

Sides = tuple[torch.Tensor | None, torch.Tensor | None]
"""Random matrices for a layer's signals and for its inputs; None for what is narrow enough as it is."""


@dataclass(frozen=True, slots=True, eq=False)
class LayerGradients:
    """Of one layer: every example's projected loss gradient, in single precision.

    Args:
        parameters: how many the gradients were of before they were projected.
    """

    train_NK: torch.Tensor
    validation_VK: torch.Tensor
    parameters: int


def layer_gradients(problem: Problem, run: int, projection: int, units: Units = "own") -> list[LayerGradients]:
    """Of the model that a run ends with, made once a run for all methods.

    A weight's gradient is the sum over positions of signal x input. Both are multiplied by a random matrix of at most
    root of ``projection`` columns, so that neither gradients nor projections of a layer's whole size are ever made
    (Choe et al. 2024, sec. 3.1), unless each of its entries has units of its own. Parameters that signals say nothing
    of, or not all (a weight that is used twice), are one layer together, by a count sketch.
    """
    learner, params = problem.learner, problem.fit(run).params
    scale = units_of(problem, run, units) or {}

    def build() -> list[LayerGradients]:
        train, validation = tensors(problem.train, problem.device), tensors(problem.validation, problem.device)
        layers = explained(learner, params, {name: column[:LOOKED_AT] for name, column in train.items()})
        width = math.isqrt(projection)
        sides = {name: _sides(params[f"{name}.weight"], width, problem, run, name) for name in layers}
        found = []
        if sides:
            of_train, of_validation = (_through(sides, scale, learner, params, batch) for batch in (train, validation))
            found = [
                LayerGradients(of_train[name], of_validation[name], params[f"{name}.weight"].numel()) for name in sides
            ]
        others = {name: p for name, p in params.items() if name.removesuffix(".weight") not in sides}
        if others:
            known = {name: p for name, p in params.items() if name not in others}
            drawn = torch.Generator().manual_seed(int(problem.scope_stream("others", run).integers(2**62)))
            sketch = count_sketch(others, projection, drawn) if size(others) > projection else None
            sketch = in_units(sketch, {name: scale[name] for name in others} if scale else None)
            rest = [
                gradients(learner, learner.losses, others, batch, sketch, known)[0] for batch in (train, validation)
            ]
            found.append(LayerGradients(rest[0], rest[1], size(others)))
        return found

    return problem.shared(f"layer gradients/{run}/{projection}/{units}", build)


def explained(learner: Learner, params: Params, batch: Batch) -> list[str]:
    """Layers whose signals make up the gradient of their weight, and of their bias where they have one."""
    signals, whole = learner.layer_signals(params, batch), grad(lambda p: learner.losses(p, batch).sum())(params)

    def made_up(name: str, of_layer: LayerSignals) -> bool:
        expected = whole.get(f"{name}.weight")
        if expected is None or expected.shape != (of_layer.signals_NO.shape[-1], of_layer.inputs_NI.shape[-1]):
            return False
        signals, inputs = of_layer.signals_NO.flatten(0, -2), of_layer.inputs_NI.flatten(0, -2)
        bias = whole.get(f"{name}.bias", signals.sum(0))
        pairs = (signals.T @ inputs, expected), (signals.sum(0), bias)
        return all(bool((found - asked).norm() <= 1e-3 * asked.norm()) for found, asked in pairs)

    return sorted(name for name, of_layer in signals.items() if made_up(name, of_layer))


def _sides(weight: torch.Tensor, width: int, problem: Problem, run: int, name: str) -> Sides:
    rng = problem.scope_stream("layer", run, name)

    def drawn(side: int) -> torch.Tensor | None:
        if side <= width:
            return None
        return torch.from_numpy(rng.standard_normal((side, width)) / np.sqrt(width)).to(weight)

    signals, inputs = (drawn(side) for side in weight.shape)
    return signals, inputs


def _through(
    sides: Mapping[str, Sides], scale: Params, learner: Learner, params: Params, batch: Batch
) -> dict[str, torch.Tensor]:
    """Each layer's projected gradients, N x k, of gradients multiplied by ``scale``, where it is there."""
    found: dict[str, list[torch.Tensor]] = {name: [] for name in sides}
    for block in blocks(batch, learner):
        signals = learner.layer_signals(params, block)
        for name, of_layer in sides.items():
            out_NTO, in_NTI = _positions(signals[name].signals_NO), _positions(signals[name].inputs_NI)
            own = scale.get(f"{name}.weight")
            if own is None or bool((own == own.flatten()[0]).all()):
                number = 1.0 if own is None else own.flatten()[0]
                found[name].append(number * _by_factors(out_NTO, in_NTI, of_layer).flatten(1))
            else:
                rows = max(1, BLOCK_ENTRIES // own.numel())
                parts = zip(torch.split(out_NTO, rows), torch.split(in_NTI, rows), strict=True)
                found[name] += [_by_entries(out, given, own, of_layer).flatten(1) for out, given in parts]
    return {name: torch.cat(parts) for name, parts in found.items()}


def _by_factors(out_NTO: torch.Tensor, in_NTI: torch.Tensor, sides: Sides) -> torch.Tensor:
    """A layer's projected gradients, from projected signals and inputs."""
    of_signals, of_inputs = sides
    out_NTO = out_NTO if of_signals is None else out_NTO @ of_signals
    in_NTI = in_NTI if of_inputs is None else in_NTI @ of_inputs
    return out_NTO.transpose(1, 2) @ in_NTI


def _by_entries(out_NTO: torch.Tensor, in_NTI: torch.Tensor, scale_OI: torch.Tensor, sides: Sides) -> torch.Tensor:
    """The same of gradients whose every entry is multiplied by a number of its own, which no factors do."""
    of_signals, of_inputs = sides
    whole_NOI = out_NTO.transpose(1, 2) @ in_NTI * scale_OI
    whole_NOI = whole_NOI if of_inputs is None else whole_NOI @ of_inputs
    return whole_NOI if of_signals is None else of_signals.T @ whole_NOI


def _positions(rows: torch.Tensor) -> torch.Tensor:
    """N x ... x F as N x T x F."""
    return rows.reshape(len(rows), -1, rows.shape[-1])
