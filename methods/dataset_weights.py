"""Convex dataset valuation: contributors weighed so that their mean gradients together are validation's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.types import (
    Batch,
    Budget,
    Count,
    Floats,
    JobSize,
    NotNegative,
    Params,
    Positive,
    Problem,
    Scorer,
    SetFunction,
)
from methods.algebra import EXACT_ENTRIES
from methods.scorers import modular

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class ConvexDatasetValuation(SetFunction):
    """Weights of the contributors' mean gradients that together come closest to validation's, under an L1 penalty.

    Args:
        penalty: of the weights, as a share of the least that would make all of them 0.
        damping: ridge of the weights, as a multiple of the gradients' mean square.
        seeds: initialisations averaged over.
    """

    penalty: NotNegative = 0.01
    damping: Positive = 0.001
    seeds: Count = 3
    source = "Zeng et al. (2026), ICML (arXiv 2605.16704), kernel mean matching in gradient space"
    passes = "1 gradient pass a seed; a convex problem of as many unknowns as contributors"
    choices = (
        "gradients at the initialisation, the paper's one-step variant; the code's penalty of 0.01 is a share of the "
        "largest product with validation's gradient, for gradients have no unit; the ridge lets exact copies share "
        "their weight in single precision, where the solution would not be unique; a weight is a contributor's value, "
        "whatever is asked"
    )

    def budget(self, contributors: int, examples: int) -> Budget:
        return Budget(gradient_passes=self.seeds, validation_passes=self.seeds)

    def algebra(self, size: JobSize) -> float:
        """Products of mean gradients; the solve takes a few factorisations of as many rows as contributors."""
        width = min(size.parameters, EXACT_ENTRIES // (size.contributors + 1))
        return self.seeds * (2.0 * (size.contributors + 1) ** 2 * width + 10 * size.contributors**3)

    def scorers(self, problem: Problem) -> Sequence[Scorer]:
        return [modular(self._weights(problem, seed)) for seed in range(self.seeds)]

    def _weights(self, problem: Problem, seed: int) -> Floats:
        gradients = mean_gradients(problem, problem.initial(seed), seed)
        products = (gradients @ gradients.T).cpu().numpy()
        gram_CC, aligned_C = products[:-1, :-1], products[:-1, -1]
        ridge = self.damping * max(float(np.trace(gram_CC)) / len(gram_CC), 1e-300)
        return lasso(gram_CC + ridge * np.eye(len(gram_CC)), aligned_C, self.penalty * float(np.abs(aligned_C).max()))


def mean_gradients(problem: Problem, params: Params, seed: int) -> torch.Tensor:
    """Of each contributor's mean loss, and last of validation's, (C + 1) x P, or sketched where that is too much."""
    import torch

    from methods.gradients.directional import mean_gradient, tensors
    from methods.gradients.per_example import count_sketch
    from methods.gradients.vectors import size

    train, validation = tensors(problem.train, problem.device), tensors(problem.validation, problem.device)
    parts: list[Batch] = []
    for c in range(len(problem.contributors)):
        rows = torch.from_numpy(np.flatnonzero(problem.train.owners_N == c)).to(problem.device)
        parts.append({name: column[rows] for name, column in train.items()})
    width = EXACT_ENTRIES // (len(parts) + 1)
    draws = int(problem.stream("sketch", seed).integers(2**62))
    found = []
    for part in (*parts, validation):
        flat = torch.cat([g.flatten() for g in mean_gradient(problem.learner, params, part).values()])[None]
        if size(params) > width:
            flat = count_sketch(params, width, torch.Generator().manual_seed(draws))(flat)
        found.append(flat.double())
    return torch.cat(found)


def lasso(gram_CC: Floats, aligned_C: Floats, penalty: float) -> Floats:
    """The b that minimises b'Gb / 2 - a'b + penalty |b|_1, for a G that can be inverted.

    By its dual, which has bounds alone and is solved exactly by a method of active sets: what is left of a, a - Gb,
    is the point in the box of +-penalty that is nearest to a as G^-1 measures.
    """
    from scipy.optimize import lsq_linear

    if penalty <= 0:
        return np.asarray(np.linalg.solve(gram_CC, aligned_C))
    scale = np.trace(gram_CC) / len(gram_CC)
    factor = np.linalg.cholesky(gram_CC / scale)
    root = np.linalg.solve(factor, np.eye(len(factor)))
    left_C = lsq_linear(root, root @ (aligned_C / penalty), bounds=(-1.0, 1.0), method="bvls", tol=1e-14).x
    return np.asarray(np.linalg.solve(gram_CC, aligned_C - penalty * left_C))
