"""TRAK: attribution to the margin, through projected gradients and a linearised logistic regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.types import Additive, Budget, Count, Floats, JobSize, Positive, Problem
from methods import algebra

if TYPE_CHECKING:
    import torch

    from methods.gradients.projected import LossGradients

LEAST_MISS = 1e-6
"""A probability nearer to 1 is not told from it in single precision; its margin's gradient is rounding."""


@dataclass(frozen=True)
class Trak(Additive):
    """Validation margin's gradient . (Z'Z + ridge)^-1 example's margin gradient x (1 - its probability), projected.

    Args:
        runs: independent training runs averaged over, the weights apart from the rest.
        projection: dimension k of the projected gradients; gradients of fewer parameters stay whole.
        damping: the ridge, as a multiple of the mean eigenvalue of Z'Z; at least 1e-6, which stands for none.
    """

    runs: Count = 3
    projection: Count = 4096
    damping: Positive = 0.1
    seed_scope = "projected gradients"
    source = (
        "Park, Georgiev, Ilyas, Leclerc & Madry (2023), ICML, sec. 3; scores and weights averaged over runs apart, as "
        "its code does"
    )
    passes = "1 retraining a run; 1 per-example gradient a run, of validation too"
    choices = (
        "k is the least of the paper's own (4,000 to 20,000). The paper has no ridge and several times k examples; a "
        "pool has fewer, where Z'Z has no inverse, so a tenth of the mean eigenvalue is added, the rule of Grosse et "
        "al. (2023), the mean taken over min(examples, parameters) eigenvalues so that k does not move it. No "
        "soft-thresholding: it serves single examples, and sums of many lose by it. A sequence's probability is the "
        "geometric mean over its target tokens, as for the NTK here. The validation examples' margins weigh alike."
    )
    claims = frozenset({"null", "copies", "additive"})

    def budget(self, contributors: int, examples: int) -> Budget:
        return Budget(fits=self.runs, gradient_passes=self.runs, validation_passes=self.runs)

    def algebra(self, size: JobSize) -> float:
        return self.runs * algebra.damped_products(size, min(self.projection, size.parameters), size.examples)

    def example_values(self, problem: Problem) -> Floats:
        import torch

        from methods.gradients.projected import loss_gradients

        runs = [loss_gradients(problem, run, self.projection) for run in range(self.runs)]
        miss_N = torch.stack([_missed(found.losses_N) for found in runs]).mean(0)
        return np.stack([self._one_run(found, miss_N) for found in runs])

    def _one_run(self, found: LossGradients, miss_N: torch.Tensor) -> Floats:
        """f = log p - log(1 - p), so its gradient is minus the loss's over 1 - p."""
        import torch

        from methods.gradients.projected import damped, in_their_span

        train_NK, validation_VK = in_their_span(found.train_NK, found.validation_VK)
        margins_NK = -train_NK / _missed(found.losses_N)[:, None]
        target_K = -(validation_VK / _missed(found.losses_V)[:, None]).mean(0)
        factor = damped(margins_NK.T @ margins_NK, self.damping, found.rank)
        solved_K = torch.cholesky_solve(target_K[:, None], factor)[:, 0]
        return np.asarray((margins_NK @ solved_K * miss_N).cpu().numpy())


def _missed(losses: torch.Tensor) -> torch.Tensor:
    """1 - p, of each example."""
    return (-(-losses.double()).expm1()).clamp(min=LEAST_MISS)
