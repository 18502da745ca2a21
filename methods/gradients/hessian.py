"""Products with the Hessian of the mean loss, and functions of a curvature matrix by Lanczos' method."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

import torch
from torch import Tensor
from torch.autograd import grad

from harness.types import Batch, Learner, Params
from methods.gradients.curvature import KEPT_BLOCKS, Curvature, Scaled
from methods.gradients.directional import blocks
from methods.gradients.vectors import by_entry, dot, plus, times, zeros

ALIKE = 2
"""Steps in a row that have to change the answer by less than the tolerance."""


class Hessian:
    """H, the Hessian of the mean loss; graphs of gradients are kept as those of ``GaussNewton`` are."""

    def __init__(self, learner: Learner, params: Params, batch: Batch) -> None:
        self._learner, self._params = learner, params
        self._examples = len(batch["targets"])
        self._cut = list(blocks(batch, learner))
        few = len(self._cut) <= (KEPT_BLOCKS if learner.stacks else 1)
        self._kept = [_Slope(learner, params, rows) for rows in self._cut] if few else []

    def __matmul__(self, vector: Params) -> Params:
        """H v."""
        total = zeros(vector)
        for block in self._kept or (_Slope(self._learner, self._params, rows) for rows in self._cut):
            total = plus(total, block.product(vector))
        return times(total, 1 / self._examples)


class _Slope:
    """The gradient of some rows' summed loss, with its graph."""

    def __init__(self, learner: Learner, params: Params, batch: Batch) -> None:
        self._leaves = {name: tensor.detach().requires_grad_() for name, tensor in params.items()}
        loss = learner.losses(self._leaves, batch).sum()
        found = grad(loss, [*self._leaves.values()], create_graph=True, allow_unused=True, materialize_grads=True)
        self._slope = dict(zip(self._leaves, found, strict=True))

    def product(self, vector: Params) -> Params:
        asked = [name for name, tensor in self._slope.items() if tensor.requires_grad]
        outputs, along = [self._slope[name] for name in asked], [vector[name] for name in asked]
        options = {"retain_graph": True, "allow_unused": True, "materialize_grads": True}
        found = grad(outputs, [*self._leaves.values()], along, **options)
        return dict(zip(self._leaves, found, strict=True))


def lanczos(curvature: Curvature, target: Params) -> Iterator[tuple[list[Params], Tensor]]:
    """An orthonormal basis of ever more products with the curvature, the target first, and the curvature in it.

    Every new vector is made orthogonal to all before it, twice, as single precision needs (Golub & Van Loan 2013,
    sec. 10.3). It ends where products lead nowhere new.
    """
    length = dot(target, target).sqrt()
    if not length > 0:
        return
    basis, entries = [times(target, 1 / length)], torch.zeros(0, 0, dtype=torch.float64)
    while True:
        product = curvature @ basis[-1]
        size = dot(product, product).sqrt()
        along = torch.zeros(len(basis), dtype=torch.float64)
        for _ in range(2):
            for k, earlier in enumerate(basis):
                share = dot(product, earlier)
                along[k] += float(share)
                product = plus(product, earlier, -share)
        wider = torch.zeros(len(basis), len(basis), dtype=torch.float64)
        wider[:-1, :-1] = entries
        wider[-1, -1] = along[-1]
        if len(basis) > 1:
            wider[-1, -2] = wider[-2, -1] = along[-2]
        entries = wider
        yield basis, entries
        rest = dot(product, product).sqrt()
        if not rest > 1e-5 * size:
            return
        basis.append(times(product, 1 / rest))


def damped_response(
    curvature: Curvature,
    inverse_damping: Params,
    target: Params,
    function: Callable[[Tensor], Tensor],
    tolerance: float,
    iterations: int,
) -> Params:
    """R f(R H R) R target, R = D^-1/2: what (H + D)^-1 target is where f(z) = 1 / (z + 1).

    Eigenvalues of R H R in the Lanczos basis stand for its own (Golub & Van Loan 2013, sec. 10.2); it ends when two
    steps in a row change the answer by at most ``tolerance`` of it.
    """
    scale = {name: entry.sqrt() for name, entry in inverse_damping.items()}
    scaled = by_entry(scale, target)
    length = float(dot(scaled, scaled).sqrt())
    coefficients, alike, found = torch.zeros(0, dtype=torch.float64), 0, zeros(target)
    basis: list[Params] = []
    for grown, entries in islice(lanczos(Scaled(curvature, scale), scaled), iterations):
        basis = grown
        values, vectors = torch.linalg.eigh(entries)
        latest = vectors @ (function(values) * vectors[0]) * length
        change = latest - torch.nn.functional.pad(coefficients, (0, 1))
        coefficients = latest
        alike = alike + 1 if change.norm() <= tolerance * latest.norm() else 0
        if alike == ALIKE:
            break
    for vector, share in zip(basis, coefficients.tolist(), strict=False):
        found = plus(found, vector, share)
    return by_entry(scale, found)
