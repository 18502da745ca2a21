"""Projected gradients of a trained model's margins, shared by the methods that compare examples through them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

from harness.types import Params, Problem
from methods.gradients.directional import tensors
from methods.gradients.per_example import Projection, count_sketch, gradients
from methods.gradients.summed_rates import summed_rates
from methods.gradients.vectors import size

LEAST_DAMPING = 1e-6
"""Of the mean eigenvalue: gradients of single precision say nothing of directions weaker than that."""

Units = Literal["own", "steps", "damping"]
"""What each parameter's gradient is multiplied by before it is projected: nothing; its summed rate 1 / D, as far as it
moves; or D^-1/2, in which a curvature damped by D is one damped by 1 (``gradients/summed_rates.py``)."""


@dataclass(frozen=True, slots=True, eq=False)
class MarginGradients:
    """Every example's margin, log p - log(1 - p), and its projected gradient, in single precision.

    These keep their digits where a model is sure.

    Args:
        rank: most eigenvalues that the unprojected gradients' second moment has, over which its trace is spread.
    """

    train_NK: torch.Tensor
    validation_VK: torch.Tensor
    margins_N: torch.Tensor
    margins_V: torch.Tensor
    rank: int

    def of_losses(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The losses' gradients, N x K and V x K: -(1 - p) times the margins'."""
        sides = (self.train_NK, self.margins_N), (self.validation_VK, self.margins_V)
        train_NK, validation_VK = (-torch.sigmoid(-margins)[:, None] * rows for rows, margins in sides)
        return train_NK, validation_VK


def margin_gradients(problem: Problem, run: int, projection: int, units: Units = "own") -> MarginGradients:
    """Of the model that a run ends with: a count sketch to ``projection`` numbers, of gradients whole where these are
    fewer; made once a run and for each of the units, for all methods.
    """
    learner, params = problem.learner, problem.fit(run).params
    scale = units_of(problem, run, units)

    def build() -> MarginGradients:
        drawn = torch.Generator().manual_seed(int(problem.scope_stream("projection", run).integers(2**62)))
        project = in_units(count_sketch(params, projection, drawn) if size(params) > projection else None, scale)
        (train_NK, margins_N), (validation_VK, margins_V) = (
            gradients(learner, learner.margins, params, tensors(examples, problem.device), project)
            for examples in (problem.train, problem.validation)
        )
        return MarginGradients(train_NK, validation_VK, margins_N, margins_V, min(len(train_NK), size(params)))

    return problem.shared(f"projected margin gradients/{run}/{projection}/{units}", build)


def units_of(problem: Problem, run: int, units: Units) -> Params | None:
    """What gradients are multiplied by, by parameter; None for nothing."""
    if units == "own":
        return None
    rates = summed_rates(problem, run)
    return {name: rate.sqrt() for name, rate in rates.items()} if units == "damping" else rates


def in_units(project: Projection | None, scale: Params | None) -> Projection | None:
    """The projection of gradients that are multiplied by ``scale`` first."""
    if scale is None:
        return project
    scale_P = torch.cat([part.flatten() for part in scale.values()])
    return lambda gradients: project(gradients * scale_P) if project else gradients * scale_P


def in_their_span(*parts: torch.Tensor) -> list[torch.Tensor]:
    """The rows of all parts in double precision, with the same inner products; in no more coordinates than rows."""
    rows = torch.cat(parts).double()
    if rows.shape[0] < rows.shape[1]:
        rows = torch.linalg.qr(rows.T, mode="r").R.T
    return list(torch.split(rows, [len(part) for part in parts]))


def damped(moment_KK: torch.Tensor, damping: float | None, rank: int) -> torch.Tensor:
    """A second moment with a ridge, as a Cholesky factor: a multiple of its mean eigenvalue, or 1 for None.

    The mean is of ``rank`` eigenvalues: a projection keeps their sum, and so the ridge does not depend on its width.
    """
    if damping is None:
        ridge = torch.ones(()).to(moment_KK)
    else:
        ridge = max(damping, LEAST_DAMPING) * moment_KK.trace() / rank
        ridge = torch.where(ridge > 0, ridge, 1.0)  # no gradient at all: whatever is solved for is nothing
    factor: torch.Tensor = torch.linalg.cholesky(moment_KK + ridge * torch.eye(len(moment_KK)).to(moment_KK))
    return factor
