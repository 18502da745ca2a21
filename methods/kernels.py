"""Maximum mean discrepancy with several Gaussian kernels, for all coalitions of a pool at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from harness.types import Bools, Floats, Params, Problem
from methods.algebra import EXACT_UP_TO, FOURIER_FEATURES, MEDIAN_ROWS
from methods.gradients.directional import blocks, tensors

BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Of the kernels, as multiples of the median distance within the validation split; the mixture is equal."""


@dataclass(frozen=True, slots=True)
class JointFeatures:
    """Features joined with targets, of the training examples (N x F) and of the validation split (V x F)."""

    train: torch.Tensor
    validation: torch.Tensor


@torch.no_grad()
def joint_features(problem: Problem, params: Params) -> JointFeatures:
    """Penultimate features beside the targets' own, so that a wrong label is a distance.

    Our choice where the paper leaves it open: each side is divided by its root mean square distance within the
    validation split, so that inputs and targets weigh the same.
    """
    learner = problem.learner
    sides = []
    for examples in (problem.train, problem.validation):
        parts = [
            (learner.features(params, block).double(), learner.target_features(block).double())
            for block in blocks(tensors(examples, problem.device), learner)
        ]
        sides.append([torch.cat(part) for part in zip(*parts, strict=True)])
    scales = [(2 * side.var(dim=0, correction=0).sum()).sqrt().clamp(min=1e-12) for side in sides[1]]
    train, validation = (torch.cat([part / s for part, s in zip(side, scales, strict=True)], dim=1) for side in sides)
    return JointFeatures(train, validation)


@torch.no_grad()
def features_alone(problem: Problem, params: Params) -> JointFeatures:
    """Penultimate features without the targets."""
    learner = problem.learner
    train, validation = (
        torch.cat([learner.features(params, block).double() for block in blocks(rows, learner)])
        for rows in (tensors(problem.train, problem.device), tensors(problem.validation, problem.device))
    )
    return JointFeatures(train, validation)


def median_distance(rows: torch.Tensor) -> float:
    """Median distance between distinct rows; of the first 1,000 where there are more."""
    distances = torch.nn.functional.pdist(rows[:MEDIAN_ROWS])
    return max(float(distances.median()), 1e-12)


def mixed_kernel(a: torch.Tensor, b: torch.Tensor, median: float) -> torch.Tensor:
    """Equal mixture of Gaussian kernels exp(-d^2 / 2 s^2), len(a) x len(b)."""
    squares = torch.cdist(a, b).square()
    kernels = [torch.exp(squares / (-2 * (factor * median) ** 2)) for factor in BANDWIDTHS]
    return torch.stack(kernels).mean(0)


class CoalitionMmd:
    """MMD between any coalition's examples and the validation split (Gretton et al. 2012, JMLR 13, eq. 5).

    Args:
        features: of the pool and the validation split.
        problem: whose owners make coalitions.
        side_N: which training examples count (all, the real ones, the synthetic ones).
    """

    def __init__(self, features: JointFeatures, problem: Problem, side_N: Bools | None = None) -> None:
        side_N = np.ones(len(problem.train), dtype=np.bool_) if side_N is None else side_N
        owners = torch.tensor(problem.train.owners_N[side_N], device=features.train.device)
        contributors = len(problem.contributors)
        self.sizes_C = np.bincount(problem.train.owners_N[side_N], minlength=contributors).astype(np.float64)
        rows, target = features.train[torch.tensor(side_N, device=features.train.device)], features.validation
        median = median_distance(target)
        if len(rows) <= EXACT_UP_TO:
            within, across, among = _exact_sums(rows, target, owners, contributors, median)
        else:
            generator = torch.Generator().manual_seed(int(problem.scope_stream("fourier").integers(2**62)))
            within, across, among = _fourier_sums(rows, target, owners, contributors, median, generator)
        self._within_CC, self._across_C = within.cpu().numpy(), across.cpu().numpy()
        self._among = among

    def distances(self, coalitions_KC: Bools) -> Floats:
        """MMD of each coalition, K; 0 where it has no example on this side."""
        members = coalitions_KC.astype(np.float64)
        counts = np.maximum(members @ self.sizes_C, 1)
        own = np.einsum("kc,cd,kd->k", members, self._within_CC, members) / counts**2
        squares = own - 2 * (members @ self._across_C) / counts + self._among
        return np.where(members @ self.sizes_C > 0, np.sqrt(np.maximum(squares, 0)), 0.0)

    def distances_to_everyone(self, coalitions_KC: Bools) -> Floats:
        """MMD between each coalition and all examples of this side together, K; 0 where it has none."""
        members, everyone = coalitions_KC.astype(np.float64), np.ones(coalitions_KC.shape[1])
        counts, total = np.maximum(members @ self.sizes_C, 1), max(self.sizes_C.sum(), 1)
        own = np.einsum("kc,cd,kd->k", members, self._within_CC, members) / counts**2
        across = members @ self._within_CC @ everyone / (counts * total)
        squares = own - 2 * across + everyone @ self._within_CC @ everyone / total**2
        return np.where(members @ self.sizes_C > 0, np.sqrt(np.maximum(squares, 0)), 0.0)


def mean_kernels(features: JointFeatures) -> tuple[torch.Tensor, torch.Tensor]:
    """Each training example's mean kernel with all training examples, and with the validation split, N."""
    median = median_distance(features.validation)
    pairs = [
        (mixed_kernel(rows, features.train, median).mean(1), mixed_kernel(rows, features.validation, median).mean(1))
        for rows in torch.split(features.train, 1_000)
    ]
    own, across = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    return own, across


def _exact_sums(
    rows: torch.Tensor, target: torch.Tensor, owners: torch.Tensor, contributors: int, median: float
) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Kernel sums between contributors (C x C), to the target's mean (C), and the target's own mean kernel."""
    belongs = torch.nn.functional.one_hot(owners, contributors).to(rows)
    within = torch.zeros(contributors, contributors).to(rows)
    across = torch.zeros(contributors).to(rows)
    for start in range(0, len(rows), 1_000):
        block = slice(start, start + 1_000)
        within += belongs[block].T @ (mixed_kernel(rows[block], rows, median) @ belongs)
        across += belongs[block].T @ mixed_kernel(rows[block], target, median).mean(1)
    return within, across, float(mixed_kernel(target, target, median).mean())


def _fourier_sums(
    rows: torch.Tensor,
    target: torch.Tensor,
    owners: torch.Tensor,
    contributors: int,
    median: float,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor, float]:
    """The same sums from random Fourier features (Rahimi & Recht 2007), a fifth of them for each bandwidth."""
    scales = torch.tensor(BANDWIDTHS).repeat(FOURIER_FEATURES // len(BANDWIDTHS) + 1)[:FOURIER_FEATURES] * median
    directions = (torch.randn(rows.shape[1], FOURIER_FEATURES, generator=generator) / scales).to(rows)
    phases = (2 * torch.pi * torch.rand(FOURIER_FEATURES, generator=generator)).to(rows)

    def embedded(block: torch.Tensor) -> torch.Tensor:
        waves: torch.Tensor = torch.cos(block @ directions + phases)
        return waves * math.sqrt(2 / FOURIER_FEATURES)

    sums = torch.zeros(contributors, FOURIER_FEATURES).to(rows)
    for start in range(0, len(rows), 4_096):
        sums.index_add_(0, owners[start : start + 4_096], embedded(rows[start : start + 4_096]))
    mean = torch.cat([embedded(block) for block in torch.split(target, 4_096)]).mean(0)
    return sums @ sums.T, sums @ mean, float(mean @ mean)
