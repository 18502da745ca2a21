"""Functions of a curvature matrix times a vector, from products with it alone (Lanczos 1950; Saad 1992)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harness.types import Floats, Params
from methods.gradients.vectors import dot, plus, times, zeros

EXHAUSTED = 1e-6
"""A direction this much shorter than the product that it is left of is rounding: the space holds the whole answer."""


def function_times(
    product: Callable[[Params], Params],
    vector: Params,
    function: Callable[[Floats], Floats],
    tolerance: float,
    iterations: int,
) -> Params:
    """function(matrix) vector, one product a step, until a step changes it by no more than ``tolerance`` of itself.

    Args:
        product: with the matrix, which is symmetric.
        function: of eigenvalues, each for itself.
    """
    length = float(dot(vector, vector).sqrt())
    if length == 0:
        return zeros(vector)
    basis, diagonal, beside = [times(vector, 1 / length)], list[float](), list[float]()
    weights_K = np.zeros(1)
    for _ in range(iterations):
        image = product(basis[-1])
        size = float(dot(image, image).sqrt())
        diagonal.append(float(dot(image, basis[-1])))
        before_K, weights_K = weights_K, length * _first_column(diagonal, beside, function)
        change = np.linalg.norm(weights_K - np.pad(before_K, (0, len(weights_K) - len(before_K))))
        for _again in range(2):  # in single precision one sweep leaves the basis askew
            for old in basis:
                image = plus(image, old, -dot(image, old))
        left = float(dot(image, image).sqrt())
        if left <= EXHAUSTED * size or (len(diagonal) > 1 and change <= tolerance * np.linalg.norm(weights_K)):
            break
        beside.append(left)
        basis.append(times(image, 1 / left))
    found = zeros(vector)
    for weight, direction in zip(weights_K, basis, strict=False):
        found = plus(found, direction, float(weight))
    return found


def _first_column(diagonal: list[float], beside: list[float], function: Callable[[Floats], Floats]) -> Floats:
    """Of the function of the tridiagonal matrix."""
    values_K, vectors_KK = np.linalg.eigh(np.diag(diagonal) + np.diag(beside, 1) + np.diag(beside, -1))
    return np.asarray(vectors_KK @ (function(values_K) * vectors_KK[0]))
