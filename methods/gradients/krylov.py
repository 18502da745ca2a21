"""Functions of a curvature matrix times a vector, from products with it alone (Lanczos 1950; Saad 1992)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

import torch
from torch import Tensor

from harness.types import Params
from methods.gradients.curvature import Curvature
from methods.gradients.vectors import dot, plus, times, zeros


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


def function_times(
    curvature: Curvature,
    vector: Params,
    function: Callable[[Tensor], Tensor],
    tolerance: float,
    iterations: int,
    alike: int = 1,
) -> Params:
    """function(curvature) vector, one product a step.

    Eigenvalues in the Lanczos basis stand for the matrix's own (Golub & Van Loan 2013, sec. 10.2); it ends when so many
    steps in a row, ``alike``, change the answer by at most ``tolerance`` of it.

    Args:
        function: of eigenvalues, each for itself.
    """
    length, still, found = float(dot(vector, vector).sqrt()), 0, zeros(vector)
    basis, coefficients = list[Params](), torch.zeros(0, dtype=torch.float64)
    for grown, entries in islice(lanczos(curvature, vector), iterations):
        basis = grown
        values, vectors = torch.linalg.eigh(entries)
        latest = vectors @ (function(values) * vectors[0]) * length
        change = latest - torch.nn.functional.pad(coefficients, (0, 1))
        coefficients = latest
        still = still + 1 if change.norm() <= tolerance * latest.norm() else 0
        if still == alike:
            break
    for direction, share in zip(basis, coefficients.tolist(), strict=False):
        found = plus(found, direction, share)
    return found
