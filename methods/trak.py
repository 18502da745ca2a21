"""TRAK: attribution to the margin, through projected gradients and a linearised logistic regression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.types import Additive, Budget, Count, Floats, JobSize, Positive, Problem
from methods import algebra, scopes
from methods.influence import passes_of_damping

if TYPE_CHECKING:
    import torch

    from methods.gradients.projected import MarginGradients

LEAST_MISS = 1e-30
"""What is nearer to sure has no gradient in single precision."""


@dataclass(frozen=True)
class Trak(Additive):
    """Validation margin's gradient . (Z'Z + ridge)^-1 example's margin gradient x (1 - its probability), projected.

    Args:
        runs: independent training runs averaged over, the weights apart from the rest.
        projection: dimension k of the projected gradients; gradients of fewer parameters stay whole.
        damping: None for the rule of ``influence``: the linearised regression's curvature is damped by one over each
            parameter's summed learning rate. A number: the ridge is that multiple of the mean eigenvalue of Z'Z; at
            least 1e-6, which stands for none.
    """

    runs: Count = 3
    projection: Count = 4096
    damping: Positive | None = None
    seed_scope = scopes.PROJECTED
    source = (
        "Park, Georgiev, Ilyas, Leclerc & Madry (2023), ICML, sec. 3; scores and weights averaged over runs apart, as "
        "its code does"
    )
    passes = "1 retraining a run; 1 per-example gradient a run, of validation too; for AdamW 1 to 2 a checkpoint"
    choices = (
        "damping: influence's D, added to the regression's curvature, for the paper has no ridge and several times k "
        "examples, while a pool has fewer, and Z'Z then no inverse; this curvature is Z'Z x the mean of p (1 - p) over "
        "N, for the paper takes these weights for all alike; gradients are multiplied by D^-1/2 before they are "
        "projected, and the ridge is 1; k is the least of the paper's own (4,000 to 20,000); 3 models, each trained on "
        "all data, where the paper trains more, each on a random half: influence's runs, at its price; no "
        "soft-thresholding: it serves single examples, and sums of many lose by it; a sequence's probability is the "
        "geometric mean over its target tokens, as for the NTK here; the validation examples' margins weigh alike"
    )
    claims = frozenset({"null", "copies", "additive"})

    def budget(self, contributors: int, examples: int) -> Budget:
        passes = 1 + (passes_of_damping(None) if self.damping is None else 0)
        return Budget(fits=self.runs, gradient_passes=self.runs * passes, validation_passes=self.runs)

    def algebra(self, size: JobSize) -> float:
        return self.runs * algebra.damped_products(size, min(self.projection, size.parameters), size.examples)

    def example_values(self, problem: Problem) -> Floats:
        import torch

        from methods.gradients.projected import Units, margin_gradients

        units: Units = "damping" if self.damping is None else "own"
        runs = [margin_gradients(problem, run, self.projection, units) for run in range(self.runs)]
        miss_N = torch.stack([_missed(found.margins_N) for found in runs]).mean(0)
        return np.stack([self._one_run(found, miss_N) for found in runs])

    def _one_run(self, found: MarginGradients, miss_N: torch.Tensor) -> Floats:
        """The loss's curvature in the margin is p (1 - p).

        Curvature is the mean's over examples, to which D belongs; what it is multiplied by is taken back.
        """
        import torch

        from methods.gradients.projected import damped, in_their_span

        margins_NK, asked_VK = in_their_span(found.train_NK, found.validation_VK)
        weight = (_missed(found.margins_N) * _missed(-found.margins_N)).mean() / len(margins_NK)
        factor = damped(weight * (margins_NK.T @ margins_NK), self.damping, found.rank)
        solved_K = weight * torch.cholesky_solve(asked_VK.mean(0)[:, None], factor)[:, 0]
        return np.asarray((margins_NK @ solved_K * miss_N).cpu().numpy())


def _missed(margins: torch.Tensor) -> torch.Tensor:
    """1 - p, of each example, to all its digits."""
    return (-margins.double()).sigmoid().clamp(min=LEAST_MISS)
