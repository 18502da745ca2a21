"""Maximum mean discrepancy with several Gaussian kernels, for all coalitions of a pool at once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from harness.types import Bools, Floats, Params, Problem
from methods.algebra import EXACT_UP_TO, FOURIER_FEATURES, MEDIAN_ROWS
from methods.features import features_of, targets_of
from methods.gradients.directional import tensors

BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Of the kernels, as multiples of the median distance within the validation split; the mixture is equal."""


Form = Literal["gaussian", "laplacian"]


@dataclass(frozen=True, slots=True)
class Kernel:
    """What distances mean.

    Args:
        form: exp(-d^2 / 2 s^2), or exp(-d / s).
        bandwidths: s, as multiples of the median distance within the validation split; the mixture is equal.
    """

    form: Form = "gaussian"
    bandwidths: tuple[float, ...] = BANDWIDTHS


MIXED = Kernel()


@dataclass(frozen=True, slots=True)
class Samples:
    """What is compared: rows of the training examples, N x F, and of the validation split, V x F."""

    train: torch.Tensor
    validation: torch.Tensor


def joint_features(problem: Problem, params: Params) -> Samples:
    """Penultimate features beside the targets' own, so that a wrong label is a distance.

    Our choice where the paper leaves it open: each side is divided by its root mean square distance within the
    validation split, so that inputs and targets weigh the same.
    """
    learner = problem.learner
    rows = (tensors(examples, problem.device) for examples in (problem.train, problem.validation))
    sides = [(features_of(learner, params, batch), targets_of(learner, batch)) for batch in rows]
    scales = [(2 * side.var(dim=0, correction=0).sum()).sqrt().clamp(min=1e-12) for side in sides[1]]
    train, validation = (torch.cat([part / s for part, s in zip(side, scales, strict=True)], dim=1) for side in sides)
    return Samples(train, validation)


def features_alone(problem: Problem, params: Params) -> Samples:
    """Penultimate features without the targets."""
    train, validation = (
        features_of(problem.learner, params, tensors(examples, problem.device))
        for examples in (problem.train, problem.validation)
    )
    return Samples(train, validation)


def median_distance(rows: torch.Tensor) -> float:
    """Median distance between distinct rows; of the first 1,000 where there are more.

    Raises:
        ValueError: there is one row, so that nothing tells how far apart two are.
    """
    if len(rows) < 2:
        raise ValueError(
            "A kernel's width is the median distance within the validation split, which has one example here; give it "
            "two or more."
        )
    distances = torch.nn.functional.pdist(rows[:MEDIAN_ROWS])
    return max(float(distances.median()), 1e-12)


def mixed_kernel(a: torch.Tensor, b: torch.Tensor, median: float, kernel: Kernel = MIXED) -> torch.Tensor:
    """Equal mixture of kernels, len(a) x len(b)."""
    distances = torch.cdist(a, b)
    if kernel.form == "laplacian":
        return torch.stack([torch.exp(distances / (-factor * median)) for factor in kernel.bandwidths]).mean(0)
    squares = distances.square()
    return torch.stack([torch.exp(squares / (-2 * (factor * median) ** 2)) for factor in kernel.bandwidths]).mean(0)


class CoalitionMmd:
    """MMD between any coalition's examples and the validation split (Gretton et al. 2012, JMLR 13, eq. 5).

    Args:
        samples: of the pool and the validation split.
        problem: whose owners make coalitions.
        side_N: which training examples count (all, the real ones, the synthetic ones).
        unbiased: leave every example's kernel with itself out (eq. 3): the square may be negative, and its root then
            bears its sign. One example alone keeps its own.
    """

    def __init__(
        self,
        samples: Samples,
        problem: Problem,
        side_N: Bools | None = None,
        kernel: Kernel = MIXED,
        unbiased: bool = False,
    ) -> None:
        side_N = np.ones(len(problem.train), dtype=np.bool_) if side_N is None else side_N
        owners = torch.tensor(problem.train.owners_N[side_N], device=samples.train.device)
        contributors = len(problem.contributors)
        self.sizes_C = np.bincount(problem.train.owners_N[side_N], minlength=contributors).astype(np.float64)
        rows, target = samples.train[torch.tensor(side_N, device=samples.train.device)], samples.validation
        median = median_distance(target)
        if len(rows) <= EXACT_UP_TO:
            within, across, among = _exact_sums(rows, target, owners, contributors, median, kernel)
        else:
            generator = torch.Generator().manual_seed(int(problem.scope_stream("fourier").integers(2**62)))
            within, across, among = _fourier_sums(rows, target, owners, contributors, median, kernel, generator)
        self._within_CC, self._across_C = within.cpu().numpy(), across.cpu().numpy()
        self._among, self._unbiased, self._asked = among, unbiased, len(target)

    def distances(self, coalitions_KC: Bools) -> Floats:
        """MMD of each coalition, K; 0 where it has no example on this side."""
        members = coalitions_KC.astype(np.float64)
        counts = np.maximum(members @ self.sizes_C, 1)
        own, among = np.einsum("kc,cd,kd->k", members, self._within_CC, members) / counts**2, self._among
        if self._unbiased:
            own, among = _without_itself(own, counts), float(_without_itself(among, self._asked))
        squares = own - 2 * (members @ self._across_C) / counts + among
        roots = np.sign(squares) * np.sqrt(np.abs(squares)) if self._unbiased else np.sqrt(np.maximum(squares, 0))
        return np.where(members @ self.sizes_C > 0, roots, 0.0)

    def distances_to_everyone(self, coalitions_KC: Bools) -> Floats:
        """MMD between each coalition and all examples of this side together, K; 0 where it has none."""
        members, everyone = coalitions_KC.astype(np.float64), np.ones(coalitions_KC.shape[1])
        counts, total = np.maximum(members @ self.sizes_C, 1), max(self.sizes_C.sum(), 1)
        own = np.einsum("kc,cd,kd->k", members, self._within_CC, members) / counts**2
        across = members @ self._within_CC @ everyone / (counts * total)
        squares = own - 2 * across + everyone @ self._within_CC @ everyone / total**2
        return np.where(members @ self.sizes_C > 0, np.sqrt(np.maximum(squares, 0)), 0.0)


def _without_itself(mean: Floats | float, count: Floats | float) -> Floats:
    """The mean kernel of distinct rows, from that of all pairs: a row's kernel with itself is 1."""
    return np.asarray(np.where(count > 1, (mean * count - 1) / np.maximum(count - 1, 1), mean))


def mean_kernels(samples: Samples, kernel: Kernel = MIXED) -> tuple[torch.Tensor, torch.Tensor]:
    """Each training example's mean kernel with all training examples, and with the validation split, N."""
    median = median_distance(samples.validation)
    pairs = [
        tuple(mixed_kernel(rows, side, median, kernel).mean(1) for side in (samples.train, samples.validation))
        for rows in torch.split(samples.train, 1_000)
    ]
    own, across = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    return own, across


def _exact_sums(
    rows: torch.Tensor,
    target: torch.Tensor,
    owners: torch.Tensor,
    contributors: int,
    median: float,
    kernel: Kernel,
) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Kernel sums between contributors (C x C), to the target's mean (C), and the target's own mean kernel."""
    belongs = torch.nn.functional.one_hot(owners, contributors).to(rows)
    within = torch.zeros(contributors, contributors).to(rows)
    across = torch.zeros(contributors).to(rows)
    for start in range(0, len(rows), 1_000):
        block = slice(start, start + 1_000)
        within += belongs[block].T @ (mixed_kernel(rows[block], rows, median, kernel) @ belongs)
        across += belongs[block].T @ mixed_kernel(rows[block], target, median, kernel).mean(1)
    return within, across, float(mixed_kernel(target, target, median, kernel).mean())


def _fourier_sums(
    rows: torch.Tensor,
    target: torch.Tensor,
    owners: torch.Tensor,
    contributors: int,
    median: float,
    kernel: Kernel,
    generator: torch.Generator,
) -> tuple[torch.Tensor, torch.Tensor, float]:
    """The same sums from random Fourier features (Rahimi & Recht 2007), as many of them for each bandwidth.

    A Laplacian kernel of distances is a Gaussian one whose scale is drawn anew for each feature: its spectrum is a
    multivariate Cauchy distribution.
    """
    widths = torch.tensor(kernel.bandwidths)
    scales = widths.repeat(FOURIER_FEATURES // len(widths) + 1)[:FOURIER_FEATURES] * median
    directions = (torch.randn(rows.shape[1], FOURIER_FEATURES, generator=generator) / scales).to(rows)
    if kernel.form == "laplacian":
        directions = directions / torch.randn(FOURIER_FEATURES, generator=generator).abs().to(rows)
    phases = (2 * torch.pi * torch.rand(FOURIER_FEATURES, generator=generator)).to(rows)

    def embedded(block: torch.Tensor) -> torch.Tensor:
        waves: torch.Tensor = torch.cos(block @ directions + phases)
        return waves * math.sqrt(2 / FOURIER_FEATURES)

    sums = torch.zeros(contributors, FOURIER_FEATURES).to(rows)
    for start in range(0, len(rows), 4_096):
        sums.index_add_(0, owners[start : start + 4_096], embedded(rows[start : start + 4_096]))
    mean = torch.cat([embedded(block) for block in torch.split(target, 4_096)]).mean(0)
    return sums @ sums.T, sums @ mean, float(mean @ mean)
