"""The NTK term from products with the kernel alone: exact, in memory that grows with neither n^2 nor n x parameters."""

from __future__ import annotations

import numpy as np
import torch
from torch.func import grad, jvp

from harness.types import Batch, Bools, Floats, Ints, Learner, Params
from methods.algebra import MATRIX_FREE_PRODUCTS
from methods.gradients.directional import blocks
from methods.gradients.per_example import Output, gradient_blocks
from methods.gradients.vectors import plus, zeros

TOLERANCE = 1e-5
"""Of the quadratic form: how much may be missing when a solve ends."""


class MatrixFreeComplexity:
    """y' (NTK + ridge)^-1 y on any coalition's examples by conjugate gradients (Hestenes & Stiefel 1952).

    With J the outputs' Jacobian the kernel is J J', and J J' x is one pass in reverse mode (J' x) and one in forward
    mode. From zero y'x grows from step to step, and what it lacks is at most residual^2 / ridge, for no eigenvalue is
    under the ridge: so a solve knows when it is near enough.
    """

    def __init__(
        self,
        learner: Learner,
        params: Params,
        train: Batch,
        residual_N: torch.Tensor,
        owners_N: Ints,
        output: Output,
        ridge: float,
    ) -> None:
        self._learner, self._params, self._train, self._output = learner, params, train, output
        self._residual_N, self._owners_N, self._ridge = residual_N, owners_N, ridge

    def squared(self, coalitions_KC: Bools) -> Floats:
        """The quadratic form of each coalition, K; 0 for nobody."""
        return np.array([self._solved(np.flatnonzero(row[self._owners_N])) for row in coalitions_KC])

    def _solved(self, rows: Ints) -> float:
        index = torch.from_numpy(rows).to(self._residual_N.device)
        batch = {name: column[index] for name, column in self._train.items()}
        residual, found = self._residual_N[index].clone(), 0.0
        direction, square = residual.clone(), float(residual.square().sum())
        for _ in range(MATRIX_FREE_PRODUCTS):
            if square <= TOLERANCE * self._ridge * found or square == 0:
                break
            curved = self._product(batch, direction) + self._ridge * direction
            step = square / float(direction @ curved)
            found += step * square  # what the step adds to y'x: directions are conjugate, and y is the first residual
            residual = residual - step * curved
            before, square = square, float(residual.square().sum())
            direction = residual + square / before * direction
        return found

    def _product(self, batch: Batch, vector_N: torch.Tensor) -> torch.Tensor:
        """J J' x, in double precision from the model's own."""
        cut = list(blocks(batch, self._learner))
        parts = torch.split(vector_N, [len(block["targets"]) for block in cut])
        along = zeros(self._params)
        for block, part in zip(cut, parts, strict=True):
            along = plus(along, grad(self._weighed)(self._params, block, part))
        moved = [jvp(lambda p, b=block: self._output(p, b), (self._params,), (along,))[1] for block in cut]
        return torch.cat(moved).double()

    def _weighed(self, params: Params, block: Batch, weights_N: torch.Tensor) -> torch.Tensor:
        outputs = self._output(params, block)
        return (outputs * weights_N.to(outputs)).sum()


def mean_diagonal(learner: Learner, output: Output, params: Params, train: Batch) -> float:
    """Of the kernel, by one pass with a gradient an example; none are kept."""
    parts = gradient_blocks(learner, output, params, train)
    return sum(float(rows.double().square().sum()) for rows, _ in parts) / len(train["targets"])
