"""Conjugate gradients that are shown an approximate inverse (Golub & Van Loan 2013, sec. 11.5.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harness.types import Params
from methods.gradients.curvature import ROUNDING, Curvature, Scaled, Step, near_enough
from methods.gradients.vectors import by_entry, dot, plus, zeros


def preconditioned_gradients(
    curvature: Curvature, precondition: Callable[[Params], Params], target: Params
) -> Iterator[Step]:
    """Ever better x with (curvature + 1) x = target, one a product; the first is the preconditioner's own, scaled."""
    found, residual = zeros(target), dict(target)
    shown = precondition(residual)
    direction, square, first = dict(shown), dot(residual, shown), dot(target, target)
    while dot(residual, residual) > ROUNDING**2 * first:
        curved = plus(curvature @ direction, direction)
        step = square / dot(direction, curved)
        found, residual = plus(found, direction, step), plus(residual, curved, -step)
        yield Step(found, residual)
        shown = precondition(residual)
        before, square = square, dot(residual, shown)
        direction = plus(shown, direction, square / before)


def preconditioned_solve(
    curvature: Curvature,
    inverse_damping: Params,
    precondition: Callable[[Params], Params],
    target: Params,
    tolerance: float,
    iterations: int,
) -> Params:
    """As ``damped_solve``, with its rule of when to end; ``precondition`` is in units in which the damping is 1."""
    scale = {name: entry.sqrt() for name, entry in inverse_damping.items()}
    solving = preconditioned_gradients(Scaled(curvature, scale), precondition, by_entry(scale, target))
    return by_entry(scale, near_enough(solving, target, tolerance, iterations))
