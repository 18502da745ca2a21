"""The space that contributors' gradients span, and every contributor's curvature in it, as small matrices.

A solve for each contributor, or each coalition, takes as many conjugate-gradient runs over all examples. In the space
that all contributors' gradients span, in units in which the damping is 1, one forward-mode pass a direction gives the
Gauss-Newton matrix of each contributor, and every such solve is one of a few dozen unknowns: Galerkin's solution, the
best that any combination of these gradients can do (the first step of block conjugate gradients, O'Leary 1980). One
direction more is the validation gradient's own solution, as ``influence`` finds it; with it in the space, products of
any solution with the validation gradient are right to the tolerance of that solve, however poor the space is else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from torch.autograd import grad
from torch.func import jvp, vmap

from harness.types import Batch, Floats, Learner, Params, Problem
from methods.gradients.curvature import GaussNewton, Scaled, conjugate_gradients, near_enough
from methods.gradients.directional import blocks, mean_gradient, tensors
from methods.gradients.summed_rates import summed_rates
from methods.gradients.vectors import by_entry, dot, plus, times, zeros

DEPENDENT = 1e-9
"""Share of the largest eigenvalue of the directions' Gram matrix below which a direction is one of the others."""

MOVES_AT_ONCE = 5
"""Directions that one forward-mode pass takes together."""

NUMBERS_AT_ONCE = 2**22
"""Logits times directions that are held at once: what is larger than a cache takes longer to fetch than to make."""


@dataclass(frozen=True, slots=True, eq=False)
class ContributorSpace:
    """In M orthonormal directions, in units in which the damping is 1.

    Args:
        sizes_C: examples of each contributor.
        gradients_CM: sum of its examples' loss gradients.
        curvatures_CMM: sum of its examples' Gauss-Newton matrices.
        target_M: gradient of the mean validation loss.
        validation_MM: Gauss-Newton matrix of the mean validation loss.
    """

    sizes_C: Floats
    gradients_CM: Floats
    curvatures_CMM: Floats
    target_M: Floats
    validation_MM: Floats


def contributor_space(problem: Problem, run: int, tolerance: float, iterations: int) -> ContributorSpace:
    """Of one run's trained model; worked out once, for all methods. Tolerance and iterations: as in ``influence``."""

    def found() -> ContributorSpace:
        learner, params = problem.learner, problem.fit(run).params
        scale = {name: entry.sqrt() for name, entry in summed_rates(problem, run).items()}
        train, validation = tensors(problem.train, problem.device), tensors(problem.validation, problem.device)
        owners_N = torch.tensor(problem.train.owners_N, device=problem.device)
        contributors = len(problem.contributors)
        sums = [
            by_entry(scale, _gradient_sum(learner, params, train, owners_N == owner)) for owner in range(contributors)
        ]
        target = by_entry(scale, mean_gradient(learner, params, validation))
        solving = conjugate_gradients(Scaled(GaussNewton(learner, params, train), scale), 1.0, target)
        solved = near_enough(solving, target, tolerance, iterations)
        directions = _orthonormal([*sums, target, solved])
        moves = [by_entry(scale, direction) for direction in directions]
        everyone = torch.zeros(len(problem.validation), dtype=torch.int64, device=problem.device)
        validation_MM = _curvatures(learner, params, validation, moves, everyone, 1)[0] / len(problem.validation)
        return ContributorSpace(
            torch.bincount(owners_N, minlength=contributors).double().cpu().numpy(),
            _coordinates(sums, directions),
            _curvatures(learner, params, train, moves, owners_N, contributors).cpu().numpy(),
            _coordinates([target], directions)[0],
            validation_MM.cpu().numpy(),
        )

    return problem.shared(f"contributors' space/{run}/{tolerance}/{iterations}", found)


def _gradient_sum(learner: Learner, params: Params, train: Batch, chosen_N: Tensor) -> Params:
    own = {name: column[chosen_N] for name, column in train.items()}
    return times(mean_gradient(learner, params, own), len(own["targets"]))


def _orthonormal(vectors: list[Params]) -> list[Params]:
    """A basis of what vectors span, from the eigenvectors of their cosines; what hangs on others is left out."""
    lengths = [dot(vector, vector).sqrt() for vector in vectors]
    units = [times(vector, 1 / length) for vector, length in zip(vectors, lengths, strict=True) if length > 0]
    if not units:
        return []
    cosines = torch.tensor([[float(dot(a, b)) for b in units] for a in units], dtype=torch.float64)
    values, shares = torch.linalg.eigh(cosines)
    found = []
    for value, share in zip(values.flip(0).tolist(), shares.T.flip(0).tolist(), strict=True):
        if value > DEPENDENT * float(values[-1]):
            total = zeros(units[0])
            for unit, part in zip(units, share, strict=True):
                total = plus(total, unit, part / value**0.5)
            found.append(total)
    return found


def _coordinates(vectors: list[Params], directions: list[Params]) -> Floats:
    found = [[float(dot(vector, direction)) for direction in directions] for vector in vectors]
    return torch.tensor(found, dtype=torch.float64).reshape(len(vectors), len(directions)).numpy()


def _curvatures(
    learner: Learner, params: Params, batch: Batch, moves: list[Params], groups_N: Tensor, groups: int
) -> Tensor:
    """Sum over each group's examples of (J B)' H (J B), B the moves: groups x M x M."""
    total = torch.zeros(groups, len(moves), len(moves), dtype=torch.float64, device=groups_N.device)
    if not moves:
        return total
    start = 0
    for rows in blocks(batch, learner, most=NUMBERS_AT_ONCE // (_width(learner, params, batch) * len(moves))):
        logits, tangents_M = _moved(learner, params, rows, moves)
        point = logits.requires_grad_()
        (slope,) = grad(learner.losses_of(point, rows).sum(), point, create_graph=True)
        curved = [grad(slope, point, tangent, retain_graph=True)[0].flatten(1) for tangent in tangents_M]
        tangents_NMK = torch.stack([tangent.flatten(1) for tangent in tangents_M], 1).double()
        each_NMM = tangents_NMK @ torch.stack(curved, 2).double()
        total.index_add_(0, groups_N[start : start + len(each_NMM)], each_NMM)
        start += len(each_NMM)
    return (total + total.transpose(1, 2)) / 2


@torch.no_grad()
def _width(learner: Learner, params: Params, batch: Batch) -> int:
    """Logits of one example."""
    return learner.predict(params, {name: column[:1] for name, column in batch.items()})[0].numel()


def _moved(learner: Learner, params: Params, rows: Batch, moves: list[Params]) -> tuple[Tensor, list[Tensor]]:
    """Logits, and their derivative along each move."""

    def along(move: Params) -> tuple[Tensor, Tensor]:
        logits, tangent = jvp(lambda p: learner.predict(p, rows)[0], (params,), (move,))[:2]
        return logits, tangent

    if not learner.stacks:
        found = [along(move) for move in moves]
        return found[0][0].detach(), [tangent.detach() for _, tangent in found]
    tangents: list[Tensor] = []
    for start in range(0, len(moves), MOVES_AT_ONCE):
        few = moves[start : start + MOVES_AT_ONCE]
        stacked = {name: torch.stack([move[name] for move in few]) for name in params}
        logits, part = vmap(along, out_dims=cast(tuple[int, int], (None, 0)))(stacked)
        tangents += list(part.detach())
    return logits.detach(), tangents
