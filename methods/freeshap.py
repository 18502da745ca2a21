"""FreeShap: utility of a coalition as kernel regression on the tangent kernel would have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from harness.types import Bools, Budget, Count, Floats, JobSize, Positive, Problem, Scorer, SetFunction
from methods import algebra, scopes

if TYPE_CHECKING:
    import torch

    from methods.kernel_regression import ProjectedKernel, WholeKernel


@dataclass(frozen=True)
class FreeShap(SetFunction):
    """Minus the squared error on validation of a coalition's kernel regression, on the tangent kernel at the start.

    Args:
        damping: ridge of the regression, as a multiple of the kernel's mean diagonal.
        start: what the regression starts from, and nobody's model says: ``nothing``, 0 for every class, or the initial
            model's ``logits`` or ``probabilities``; what is regressed is the labels less that.
        directions: of the logits, whose kernels are averaged; as many as classes are enough.
        seeds: initialisations averaged over.
    """

    damping: Positive = 1e-6
    start: Literal["nothing", "logits", "probabilities"] = "nothing"
    directions: Count = 3
    seeds: Count = 3
    seed_scope = scopes.TANGENTS
    source = "Wang et al. (2024), ICML (arXiv 2406.04606): kernel regression on the empirical tangent kernel as utility"
    passes = (
        "0 forward passes (1 from logits or probabilities) and 3 backward passes a seed (1 for responses), n x n "
        "Cholesky (n <= 4,000) or 512 sketches"
    )
    choices = (
        "ridge and start are those of the authors' code: 1e-6, there added as it is to kernels that it brings to one "
        "scale, and labels as they are; its correction, off by default there too, is start=logits, while "
        "damping=0.1,start=probabilities is NTK-MMD's regression; one kernel for all classes, as there, but of all "
        "logits, not the first; responses have one output, the true target's probability, in place of logits; utility "
        "is minus the squared error (there accuracy, or cross-entropy with what is regressed as logits); the harness "
        "asks a set function for its values in place of the paper's permutations of single examples"
    )
    claims = frozenset({"copies"})

    def budget(self, contributors: int, examples: int) -> Budget:
        passes = self.seeds * self.directions
        return Budget(gradient_passes=passes, validation_passes=passes)

    def algebra(self, size: JobSize) -> float:
        return self.seeds * algebra.kernel_regression(size, self.directions)

    def scorers(self, problem: Problem) -> Sequence[Scorer]:
        return [self._scorer(problem, seed) for seed in range(self.seeds)]

    def _scorer(self, problem: Problem, seed: int) -> Scorer:
        from methods.kernel_regression import regression, residuals, tangents

        own, held_out = residuals(problem, seed, self.start)
        found = tangents(problem, seed, self.directions)
        model = regression(found, own, problem.train.owners_N, len(problem.contributors), self.damping)
        return partial(_minus_squared_errors, model, held_out)


def _minus_squared_errors(
    model: WholeKernel | ProjectedKernel, residual_VO: torch.Tensor, coalitions_KC: Bools
) -> Floats:
    """Of each coalition: minus the mean over validation examples of the squared distance to their targets."""
    found = np.zeros(len(coalitions_KC))
    for k, change_VO in model.changes(coalitions_KC):
        found[k] = -float((residual_VO - change_VO).square().sum(1).mean())
    return found
