"""Deviation: how far the model moves in the kernel's space when a contributor's data are left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from harness.types import Bools, Budget, Count, Floats, JobSize, Positive, Problem, Scorer, SetFunction
from methods import algebra, scopes

if TYPE_CHECKING:
    from methods.kernel_regression import ProjectedKernel, WholeKernel


@dataclass(frozen=True)
class Deviation(SetFunction):
    """Minus the distance between a coalition's kernel regression and everyone's, in the tangent kernel's space.

    Args:
        damping: ridge of the regression, as a multiple of the kernel's mean diagonal.
        directions: of the logits, whose kernels are averaged; as many as classes are enough.
        seeds: initialisations averaged over.
    """

    damping: Positive = 0.1
    directions: Count = 3
    seeds: Count = 3
    seed_scope = scopes.TANGENTS
    source = "Lin et al. (2024), ICML, Distributionally Robust Data Valuation: model deviation as proxy of robust error"
    passes = (
        "1 forward pass and 3 backward passes a seed (1 for responses), n x n Cholesky (n <= 4,000) or 512 sketches"
    )
    choices = (
        "the paper's value of z is |f(D) - f(D without z)|, which is this set function's leave-one-out; the other "
        "questions ask that too; kernel as freeshap's; targets and ridge are NTK-MMD's, what labels lack of "
        "initial probabilities and 0.1 of the mean diagonal; it sees no validation example, for "
        "its aim is the worst distribution, and a contributor of harmful data moves the model too"
    )
    claims = frozenset({"copies"})

    def budget(self, contributors: int, examples: int) -> Budget:
        passes = self.seeds * self.directions
        return Budget(gradient_passes=passes, validation_passes=passes)

    def algebra(self, size: JobSize) -> float:
        return self.seeds * algebra.kernel_regression(size, self.directions, asks_everyone=True)

    def scorers(self, problem: Problem) -> Sequence[Scorer]:
        from methods.kernel_regression import regression, residuals, tangents

        found = []
        for seed in range(self.seeds):
            own, _ = residuals(problem, seed)
            there = tangents(problem, seed, self.directions)
            model = regression(there, own, problem.train.owners_N, len(problem.contributors), self.damping)
            found.append(partial(_minus_distances, model))
        return found


def _minus_distances(model: WholeKernel | ProjectedKernel, coalitions_KC: Bools) -> Floats:
    return -model.distances(coalitions_KC)
