"""Kernel ridge regression on the empirical neural tangent kernel at the initialisation, for any coalition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal

import numpy as np
import torch

from harness.types import Batch, Bools, Floats, Ints, Learner, Params, Problem
from methods.algebra import EXACT_ENTRIES, NTK_EXACT_UP_TO, PROJECTED_WIDTH
from methods.gradients.directional import blocks, tensors
from methods.gradients.per_example import output_gradients
from methods.ntk_mmd.terms import growing

Start = Literal["nothing", "probabilities", "logits"]
"""What the regression's model says where it has learnt nothing: 0, or the initial model's outputs."""


@dataclass(frozen=True, slots=True)
class Tangents:
    """Gradients of a model's outputs at its initialisation.

    Args:
        train_NW, validation_VW: the gradients, projected; None where the kernels are whole.
        kernel_NN, across_VN: their inner products; None where gradients are projected.
    """

    kernel_NN: torch.Tensor | None = None
    across_VN: torch.Tensor | None = None
    train_NW: torch.Tensor | None = None
    validation_VW: torch.Tensor | None = None


def tangents(problem: Problem, seed: int, directions: int) -> Tangents:
    """At one initialisation; found once for all methods of a scope that ask for as many directions."""
    return problem.shared(f"tangents/{seed}/{directions}", partial(_tangents, problem, seed, directions))


def residuals(problem: Problem, seed: int, start: Start = "probabilities") -> tuple[torch.Tensor, torch.Tensor]:
    """What the outputs that the regression starts from lack of their targets, N x O and V x O; found once for all."""

    def found() -> tuple[torch.Tensor, torch.Tensor]:
        params = problem.initial(seed)
        own, held_out = (
            _residuals(problem.learner, params, tensors(examples, problem.device), start)
            for examples in (problem.train, problem.validation)
        )
        return own, held_out

    return problem.shared(f"residuals/{seed}/{start}", found)


def _tangents(problem: Problem, seed: int, directions: int) -> Tangents:
    """Labels: one kernel for all classes, the mean over classes of the logits' kernels, in some directions of the
    logits (exact where there are as many as classes). Responses: the kernel of the true target's probability.
    """
    learner, params = problem.learner, problem.initial(seed)
    sides = [tensors(examples, problem.device) for examples in (problem.train, problem.validation)]
    scales = _scales(problem, sides[0], seed, directions)
    exact = len(problem.train) <= NTK_EXACT_UP_TO
    width = EXACT_ENTRIES // len(problem.train) if exact else PROJECTED_WIDTH // len(scales)
    kernels, gradients = [], []
    for k, scale in enumerate(scales):
        output = None if scale is None else partial(_mixed_logits, learner, scale.to(problem.device))
        sketch = int(problem.scope_stream("projection", seed, k).integers(2**62))
        found = [
            output_gradients(learner, params, side, width, torch.Generator().manual_seed(sketch), output)
            for side in sides
        ]
        if exact:
            kernels.append(_kernels(*found))
        else:
            gradients.append([rows.double() for rows in found])
    if exact:
        kernel_NN, across_VN = (torch.stack(parts).sum(0) for parts in zip(*kernels, strict=True))
        return Tangents(kernel_NN=kernel_NN, across_VN=across_VN)
    train_NW, validation_VW = (torch.cat(parts, dim=1) for parts in zip(*gradients, strict=True))
    return Tangents(train_NW=train_NW, validation_VW=validation_VW)


def _kernels(train_NW: torch.Tensor, validation_VW: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """In double precision, in which no more than the training examples' gradients are held."""
    wide = train_NW.double()
    return wide @ wide.T, torch.cat([rows.double() @ wide.T for rows in torch.split(validation_VW, 64)])


def _scales(problem: Problem, train: Batch, seed: int, directions: int) -> list[torch.Tensor | None]:
    """Orthogonal directions of the logits whose squares average to a class's; None for the true target's output."""
    if not problem.learner.one_label:
        return [None]
    outputs = problem.learner.target_features({name: column[:1] for name, column in train.items()}).shape[1]
    draws = problem.scope_stream("directions", seed).standard_normal((outputs, outputs))
    kept = min(directions, outputs)
    return list(torch.from_numpy(np.linalg.qr(draws)[0].T[:kept] / np.sqrt(kept)).float())


def _mixed_logits(learner: Learner, scale: torch.Tensor, params: Params, batch: Batch) -> torch.Tensor:
    return learner.predict(params, batch)[0] @ scale


@torch.no_grad()
def _residuals(learner: Learner, params: Params, batch: Batch, start: Start) -> torch.Tensor:
    """One-hot labels, or for a response 1, less what the model starts from, N x O.

    A response has many logits and one probability, which stands for them.
    """
    found = []
    for block in blocks(batch, learner):
        wanted = learner.target_features(block).double() if learner.one_label else _ones(block["targets"])
        found.append(wanted if start == "nothing" else wanted - _said(learner, params, block, start))
    return torch.cat(found)


def _ones(targets: torch.Tensor) -> torch.Tensor:
    return torch.ones(len(targets), 1, dtype=torch.float64, device=targets.device)


def _said(learner: Learner, params: Params, block: Batch, start: Start) -> torch.Tensor:
    """The initial model's outputs, by one forward pass."""
    if not learner.one_label:
        return learner.outputs(params, block).double()[:, None]
    logits = learner.predict(params, block)[0].double()
    return logits.softmax(-1) if start == "probabilities" else logits


def regression(
    found: Tangents, residual_NO: torch.Tensor, owners_N: Ints, contributors: int, damping: float
) -> WholeKernel | ProjectedKernel:
    """Ridge regression of the residuals on any coalition; the ridge is that multiple of the kernel's mean diagonal."""
    if found.kernel_NN is not None:
        return WholeKernel(found, residual_NO, owners_N, damping)
    return ProjectedKernel(found, residual_NO, owners_N, contributors, damping)


class WholeKernel:
    """(K + ridge)^-1 on any coalition's examples.

    Coalitions that grow one into the next share one Cholesky factorisation: with L z = residuals and L w = kernel to
    the validation split, predictions from the first m rows are sums over the first m rows of w'z.
    """

    def __init__(self, found: Tangents, residual_NO: torch.Tensor, owners_N: Ints, damping: float) -> None:
        assert found.kernel_NN is not None
        assert found.across_VN is not None
        self._kernel_NN, self._across_VN, self._residual_NO = found.kernel_NN, found.across_VN, residual_NO
        self._ridge = _ridge(self._kernel_NN.diagonal().mean(), damping)
        self._owners_N = owners_N

    def changes(self, coalitions_KC: Bools) -> Iterator[tuple[int, torch.Tensor]]:
        """By how much training on each coalition moves the validation split's outputs, V x O, with its row."""
        for chain, ends, rows in self._chains(coalitions_KC):
            factor = self._factor(rows)
            z = torch.linalg.solve_triangular(factor, self._residual_NO[rows], upper=False)
            w = torch.linalg.solve_triangular(factor, self._across_VN[:, rows].T, upper=False)
            change, done = torch.zeros_like(w.T @ z), 0
            for k, end in zip(chain, ends, strict=True):
                change, done = change + w[done:end].T @ z[done:end], end
                yield k, change

    def distances(self, coalitions_KC: Bools) -> Floats:
        """Distance in the kernel's space between what each coalition trains and what everyone does, K."""
        everyone_NO, square = self._everyone
        found = np.zeros(len(coalitions_KC))
        for chain, ends, rows in self._chains(coalitions_KC):
            factor, residual = self._factor(rows), self._residual_NO[rows]
            z = torch.linalg.solve_triangular(factor, residual, upper=False)
            u = torch.linalg.solve_triangular(factor, everyone_NO[rows], upper=False)
            for k, end in zip(chain, ends, strict=True):
                weights = torch.linalg.solve_triangular(factor[:end, :end].T, z[:end], upper=True)
                own = z[:end].square().sum() - self._ridge * weights.square().sum()
                found[k] = max(0.0, float(square + own - 2 * (u[:end] * z[:end]).sum()))
        return np.sqrt(found)

    @cached_property
    def _everyone(self) -> tuple[torch.Tensor, torch.Tensor]:
        """What everyone's model adds at the training examples, N x O, and its squared norm."""
        factor = self._factor(np.arange(len(self._owners_N)))
        weights = torch.cholesky_solve(self._residual_NO, factor)
        fitted = self._kernel_NN @ weights
        return fitted, (fitted * weights).sum()

    def _chains(self, coalitions_KC: Bools) -> Iterator[tuple[list[int], Ints, Ints]]:
        """Rows of coalitions that grow, how many examples each has, and the examples in the order that they join."""
        for chain in growing(coalitions_KC):
            joins = [coalitions_KC[chain[0]]] + [coalitions_KC[k] & ~coalitions_KC[k - 1] for k in chain[1:]]
            steps = [np.flatnonzero(join[self._owners_N]) for join in joins]
            yield chain, np.cumsum([len(step) for step in steps]), np.concatenate(steps)

    def _factor(self, rows: Ints) -> torch.Tensor:
        index = torch.from_numpy(rows).to(self._kernel_NN.device)
        system = self._kernel_NN[index][:, index]
        factor: torch.Tensor = torch.linalg.cholesky(system + self._ridge * torch.eye(len(rows)).to(system))
        return factor


class ProjectedKernel:
    """The same from projected gradients, in time linear in examples: their Gram matrices add up over contributors."""

    def __init__(
        self, found: Tangents, residual_NO: torch.Tensor, owners_N: Ints, contributors: int, damping: float
    ) -> None:
        assert found.train_NW is not None
        assert found.validation_VW is not None
        self._validation_VW = found.validation_VW
        owners = torch.from_numpy(owners_N.copy()).to(found.train_NW.device)
        own = [(found.train_NW[owners == c], residual_NO[owners == c]) for c in range(contributors)]
        self._grams_CWW = torch.stack([rows.T @ rows for rows, _ in own])
        self._moments_CWO = torch.stack([rows.T @ residual for rows, residual in own])
        self._ridge = _ridge(self._grams_CWW.sum(0).trace() / len(owners_N), damping)

    def changes(self, coalitions_KC: Bools) -> Iterator[tuple[int, torch.Tensor]]:
        for k, row in enumerate(coalitions_KC):
            yield k, self._validation_VW @ self._weights(row)

    def distances(self, coalitions_KC: Bools) -> Floats:
        everyone = self._weights(np.ones(coalitions_KC.shape[1], dtype=np.bool_))
        return np.array([float((self._weights(row) - everyone).norm()) for row in coalitions_KC])

    def _weights(self, coalition_C: Bools) -> torch.Tensor:
        member = torch.from_numpy(coalition_C.copy()).to(self._grams_CWW.device)
        system = self._grams_CWW[member].sum(0)
        factor = torch.linalg.cholesky(system + self._ridge * torch.eye(len(system)).to(system))
        return torch.cholesky_solve(self._moments_CWO[member].sum(0), factor)


def _ridge(mean_diagonal: torch.Tensor, damping: float) -> float:
    """More than nothing, also where no output depends on any parameter."""
    return max(damping * float(mean_diagonal), 1e-12)
