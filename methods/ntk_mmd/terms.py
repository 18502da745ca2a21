"""The four terms of NTK-MMD for any coalition; for each, lower is better."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from harness.types import Bools, Floats, Ints, Params, Problem
from methods.gradients.directional import blocks, tensors
from methods.gradients.per_example import output_gradients
from methods.kernels import CoalitionMmd, joint_features

RIDGE = 0.1
"""Added to the NTK's diagonal, as a multiple of the pool's mean diagonal: our choice."""

EXACT_UP_TO = 4_000
"""Training examples up to which the NTK itself is solved; beyond, a k x k system of projected gradients."""

EXACT_ENTRIES = 80_000_000
"""Examples x parameters up to which gradients are kept whole beside an exact NTK (640 MB in double precision)."""

PROJECTED_WIDTH = 512


class Terms:
    """The terms at one initialisation, prepared once, told for any coalitions.

    The true-target output is the probability of the target (for a sequence the geometric mean over its target
    tokens), so 1 is the label to be reached: our choice where the paper leaves it open.
    """

    def __init__(self, problem: Problem, params: Params) -> None:
        owners_N, real_N = problem.train.owners_N, problem.train.real_N
        self._contributors = len(problem.contributors)
        self._sizes_C = np.bincount(owners_N, minlength=self._contributors).astype(np.float64)
        self._reals_C = np.bincount(owners_N, weights=real_N, minlength=self._contributors)
        train = tensors(problem.train, problem.device)
        with torch.no_grad():
            parts = [problem.learner.losses(params, block) for block in blocks(train, problem.learner)]
            losses_N = torch.cat(parts).double().cpu().numpy()
        self._losses_C = np.bincount(owners_N, weights=losses_N, minlength=self._contributors)
        features = joint_features(problem, params)
        self._mmds = [CoalitionMmd(features, problem, side) for side in (real_N, ~real_N)]
        self._complexity = _complexity(problem, params, train, 1 - np.exp(-losses_N))

    def of(self, coalitions_KC: Bools) -> Floats:
        """Terms of each coalition, K x 4 in the order of ``weights.TERMS``; all 0 for nobody."""
        members = coalitions_KC.astype(np.float64)
        sizes = members @ self._sizes_C
        some = np.maximum(sizes, 1)
        real = members @ self._reals_C / some
        discrepancy = sum(
            share * mmd.distances(coalitions_KC) for share, mmd in zip((real, 1 - real), self._mmds, strict=True)
        )
        terms = [
            members @ self._losses_C / some,
            discrepancy,
            np.sqrt(self._complexity.squared(coalitions_KC) / some),
            np.maximum(real, 1 - real) / some,
        ]
        return np.where(sizes[:, None] > 0, np.stack(terms, axis=1), 0.0)


def _complexity(
    problem: Problem, params: Params, train: dict[str, torch.Tensor], residual_N: Floats
) -> KernelComplexity | ProjectedComplexity:
    exact = len(problem.train) <= EXACT_UP_TO
    width = EXACT_ENTRIES // len(problem.train) if exact else PROJECTED_WIDTH
    generator = torch.Generator().manual_seed(int(problem.stream("projection").integers(2**62)))
    gradients = output_gradients(problem.learner, params, train, width, generator)
    residual = torch.from_numpy(residual_N).to(gradients.device)
    if exact:
        wide = gradients.double()
        return KernelComplexity(wide @ wide.T, residual, problem.train.owners_N)
    return ProjectedComplexity(gradients, residual, problem.train.owners_N, len(problem.contributors))


class KernelComplexity:
    """y' (NTK + ridge)^-1 y on any coalition's examples, from the whole kernel.

    Coalitions that grow one into the next (as along a permutation) share one Cholesky factorisation: with L z = y,
    the quadratic form of the first m rows is the sum of the first m squares of z.
    """

    def __init__(self, kernel_NN: torch.Tensor, residual_N: torch.Tensor, owners_N: Ints) -> None:
        ridge = RIDGE * kernel_NN.diagonal().mean()
        self._kernel_NN = kernel_NN + ridge * torch.eye(len(kernel_NN)).to(kernel_NN)
        self._residual_N, self._owners_N = residual_N, owners_N

    def squared(self, coalitions_KC: Bools) -> Floats:
        """The quadratic form of each coalition, K; 0 for nobody."""
        found = np.zeros(len(coalitions_KC))
        for chain in growing(coalitions_KC):
            joins = [coalitions_KC[chain[0]]] + [coalitions_KC[k] & ~coalitions_KC[k - 1] for k in chain[1:]]
            steps = [np.flatnonzero(join[self._owners_N]) for join in joins]
            rows = torch.from_numpy(np.concatenate(steps)).to(self._kernel_NN.device)
            if not len(rows):
                continue
            factor = torch.linalg.cholesky(self._kernel_NN[rows][:, rows])
            z = torch.linalg.solve_triangular(factor, self._residual_N[rows, None], upper=False)[:, 0]
            sums = np.concatenate([[0.0], z.square().cumsum(0).cpu().numpy()])
            found[chain] = sums[np.cumsum([len(step) for step in steps])]
        return found


def growing(coalitions_KC: Bools) -> Iterator[list[int]]:
    """Runs of consecutive rows in which each contains the one before."""
    run: list[int] = []
    for k, row in enumerate(coalitions_KC):
        if run and not (coalitions_KC[k - 1] <= row).all():
            yield run
            run = []
        run.append(k)
    if run:
        yield run


class ProjectedComplexity:
    """The same quadratic form from projected gradients Z, N x k, in time linear in N and memory O(N k + C k^2).

    y' (Z Z' + r)^-1 y = (y'y - y'Z (Z'Z + r)^-1 Z'y) / r (Woodbury), and Z'Z, Z'y, y'y add up over contributors.
    """

    def __init__(self, gradients: torch.Tensor, residual_N: torch.Tensor, owners_N: Ints, contributors: int) -> None:
        grams, moments, squares = [], [], []
        owners = torch.from_numpy(owners_N.copy()).to(gradients.device)
        for c in range(contributors):
            own, residual = gradients[owners == c].double(), residual_N[owners == c]
            grams.append(own.T @ own)
            moments.append(own.T @ residual)
            squares.append(residual.square().sum())
        self._grams_CPP, self._moments_CP = torch.stack(grams), torch.stack(moments)
        self._squares_C = torch.stack(squares)
        self._ridge = RIDGE * self._grams_CPP.sum(0).trace() / len(owners_N)

    def squared(self, coalitions_KC: Bools) -> Floats:
        """The quadratic form of each coalition, K; 0 for nobody."""
        found = np.zeros(len(coalitions_KC))
        eye = torch.eye(self._grams_CPP.shape[1]).to(self._grams_CPP)
        for k, row in enumerate(coalitions_KC):
            member = torch.from_numpy(row.copy()).to(eye.device)
            factor = torch.linalg.cholesky(self._grams_CPP[member].sum(0) + self._ridge * eye)
            moment = self._moments_CP[member].sum(0)[:, None]
            z = torch.linalg.solve_triangular(factor, moment, upper=False)
            found[k] = float((self._squares_C[member].sum() - z.square().sum()) / self._ridge)
        return found
