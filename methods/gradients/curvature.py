"""Products with the Gauss-Newton matrix of one model, many of them at the price of two backward walks each."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.autograd import grad

from harness.types import Batch, Learner, Params
from methods.gradients.directional import blocks
from methods.gradients.vectors import by_entry, dot, plus, signs, size, times, zeros

KEPT_BLOCKS = 4
"""Most blocks of rows whose graphs a small model keeps between products; a large one keeps one at most."""

ROUNDING = 1e-10
"""Of the target: a residual this small means nothing in single precision, and its square may be no number."""


class GaussNewton:
    """G, the mean over examples of J' H J: J the Jacobian of the logits, H the loss's Hessian in them.

    Schraudolph 2002, Neural Computation 14(7), sec. 4. The model stands still while many products are asked for, so
    the graphs of its logits and of J'u are made once, and a product walks them: J v is the derivative of J'u along v
    in u. Rows that take too many blocks have their graphs made anew at every product, which bounds memory.
    """

    def __init__(self, learner: Learner, params: Params, batch: Batch) -> None:
        self._learner, self._params = learner, params
        self._examples = len(batch["targets"])
        self._cut = list(blocks(batch, learner))
        few = len(self._cut) <= (KEPT_BLOCKS if learner.stacks else 1)
        self._kept = [_Block(learner, params, rows) for rows in self._cut] if few else []

    def __matmul__(self, vector: Params) -> Params:
        """G v."""
        total = zeros(vector)
        for block in self._kept or (_Block(self._learner, self._params, rows) for rows in self._cut):
            total = plus(total, block.product(vector))
        return times(total, 1 / self._examples)

    def mean_eigenvalue(self, generator: torch.Generator, probes: int) -> float:
        """Trace over size, by Hutchinson's estimate (1990)."""
        draws = [signs(self._params, generator) for _ in range(probes)]
        return sum(float(dot(draw, self @ draw)) for draw in draws) / probes / size(self._params)


class _Block:
    """The graphs of some rows."""

    def __init__(self, learner: Learner, params: Params, batch: Batch) -> None:
        self._leaves = {name: tensor.detach().requires_grad_() for name, tensor in params.items()}
        self._logits = learner.predict(self._leaves, batch)[0]
        self._u = torch.zeros_like(self._logits, requires_grad=True)
        self._transposed = self._to_params(self._u, create_graph=True)
        self._point = self._logits.detach().requires_grad_()
        (self._slope,) = grad(learner.losses_of(self._point, batch).sum(), self._point, create_graph=True)

    def product(self, vector: Params) -> Params:
        """The sum over the rows of J' H J v."""
        asked = [name for name, tensor in self._transposed.items() if tensor.requires_grad]
        outputs, along = [self._transposed[name] for name in asked], [vector[name] for name in asked]
        (moved,) = grad(outputs, self._u, along, retain_graph=True)
        (curved,) = grad(self._slope, self._point, moved, retain_graph=True)
        return self._to_params(curved, create_graph=False)

    def _to_params(self, u: Tensor, create_graph: bool) -> dict[str, Tensor]:
        """J'u; zero for parameters that no logit depends on."""
        found = grad(
            self._logits,
            [*self._leaves.values()],
            u,
            retain_graph=True,
            create_graph=create_graph,
            allow_unused=True,
            materialize_grads=True,
        )
        return dict(zip(self._leaves, found, strict=True))


class Curvature(Protocol):
    """What gives products with a symmetric matrix."""

    def __matmul__(self, vector: Params) -> Params: ...


class Scaled:
    """R G R for a diagonal R: G for parameters measured in units of R."""

    def __init__(self, curvature: Curvature, scale: Params) -> None:
        self._curvature, self._scale = curvature, scale

    def __matmul__(self, vector: Params) -> Params:
        return by_entry(self._scale, self._curvature @ by_entry(self._scale, vector))


class Step(NamedTuple):
    """A solve so far, and the residual target - (G + damping) found."""

    found: Params
    residual: Params


def conjugate_gradients(curvature: Curvature, damping: float, target: Params) -> Iterator[Step]:
    """Ever better x with (G + damping) x = target, one a product (Hestenes & Stiefel 1952)."""
    found, residual, direction = zeros(target), dict(target), dict(target)
    square = first = dot(residual, residual)
    while square > ROUNDING**2 * first:
        curved = plus(curvature @ direction, direction, damping)
        step = square / dot(direction, curved)
        found, residual = plus(found, direction, step), plus(residual, curved, -step)
        yield Step(found, residual)
        before, square = square, dot(residual, residual)
        direction = plus(residual, direction, square / before)


def damped_solve(
    curvature: Curvature, inverse_damping: Params, target: Params, tolerance: float, iterations: int
) -> Params:
    """x with (G + D) x = target for a diagonal D > 0, given as 1 / D; x is 0 where that is 0."""
    scale = {name: entry.sqrt() for name, entry in inverse_damping.items()}
    solving = conjugate_gradients(Scaled(curvature, scale), 1.0, by_entry(scale, target))
    return by_entry(scale, near_enough(solving, target, tolerance, iterations))


def near_enough(solving: Iterator[Step], target: Params, tolerance: float, iterations: int) -> Params:
    """The first x of a solve of (curvature + 1) x = target that is sure to be near; 0 where there is nothing to solve.

    No eigenvalue of that system is under 1, so the error of x is at most the residual: the solve ends when this is
    ``tolerance`` of the answer, and it is then known how near it is.
    """
    found = zeros(target)
    for found, residual in islice(solving, iterations):
        if dot(residual, residual) <= tolerance**2 * dot(found, found):
            break
    return found
