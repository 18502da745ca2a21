"""Products with the Hessian of the mean loss, and what it makes of a gradient."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.autograd import grad

from harness.types import Batch, Learner, Params
from methods.gradients.curvature import KEPT_BLOCKS, Curvature, Scaled
from methods.gradients.directional import blocks
from methods.gradients.krylov import function_times
from methods.gradients.vectors import by_entry, plus, times, zeros

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


def damped_response(
    curvature: Curvature,
    inverse_damping: Params,
    target: Params,
    function: Callable[[Tensor], Tensor],
    tolerance: float,
    iterations: int,
) -> Params:
    """R f(R H R) R target, R = D^-1/2: what (H + D)^-1 target is where f(z) = 1 / (z + 1).

    It ends when two steps in a row change the answer by at most ``tolerance`` of it.
    """
    scale = {name: entry.sqrt() for name, entry in inverse_damping.items()}
    asked = Scaled(curvature, scale), by_entry(scale, target)
    return by_entry(scale, function_times(*asked, function, tolerance, iterations, alike=ALIKE))
