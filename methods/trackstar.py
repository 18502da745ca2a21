"""TrackStar: cosines between projected gradients, whitened by the second moments of training and validation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np

from harness.types import Budget, Count, Floats, JobSize, Positive, Problem, between
from methods import algebra, scopes
from methods.influence import passes_of_damping
from methods.over import Over, SumOrMean

if TYPE_CHECKING:
    import torch

    from methods.gradients.projected import MarginGradients

OUTWEIGHED = 1_000 / 65_536
"""Of R's components, those to which the validation gradients add more than the training gradients do."""


@dataclass(frozen=True)
class TrackStar(SumOrMean):
    """Cosine of an example's and a validation example's projected gradients, whitened by second moments of both.

    Args:
        runs: independent training runs averaged over.
        projection: dimension k of the projected gradients; gradients of fewer parameters stay whole.
        damping: None for the rule of ``influence``: to R, a curvature, one over each parameter's summed learning rate
            is added. A number: that multiple of R's mean eigenvalue, in the optimiser's units; at least 1e-6, which
            stands for none.
        validation_share: R's part that is the validation gradients' second moment, the rest being the training
            gradients'; None for the paper's rule, by which both parts' sorted eigenvalues cross at that component.
        over: a contributor's value is the ``sum`` over its examples, or the ``mean``.
    """

    runs: Count = 3
    projection: Count = 4096
    damping: Positive | None = None
    validation_share: Annotated[float, between(0, 1)] | None = None
    over: Over = "sum"
    called = "TrackStar"
    claims_of_sums = frozenset({"null", "copies", "additive"})
    seed_scope = scopes.PROJECTED
    source = "Chang, Rajagopal, Bolukbasi, Dixon & Tenney (2024), arXiv 2410.17413, sec. 3 and A.1.3"
    passes = "1 retraining a run; 1 per-example gradient a run, of validation too; for AdamW 1 to 2 a checkpoint"
    choices = (
        "damping: influence's D, added to R, for the paper has none and more examples than k, while a pool has fewer; "
        "validation_share: by the paper's rule, R's parts cross at its 1,000th of 65,536 components, here at as large "
        "a share of them; whitening undoes units, so with D they matter to the projection and to where R's parts cross "
        "alone: D^-1/2, in which D is 1; with damping=0.1, a tenth of R's mean eigenvalue, they are the paper's: for "
        "AdamW the rates by parameter summed over the run, for SGD none; one projection of all parameters where the "
        "paper has two-sided ones by layer, k as TRAK's least where it has 65,536; the cosines to all validation "
        "examples weigh alike; over: the paper retrieves single examples, of a contributor's the sum is the harness's "
        "rule for such methods, and grows with size; over=mean does not"
    )

    def budget(self, contributors: int, examples: int) -> Budget:
        passes = 1 + passes_of_damping(None)
        return Budget(self.runs, gradient_passes=self.runs * passes, validation_passes=self.runs)

    def algebra(self, size: JobSize) -> float:
        """Half of a second moment again for the whitening of every row; eigenvalues of both parts."""
        rows, width = size.examples + size.validation, min(self.projection, size.parameters)
        crossing = 2 * 4 / 3 * min(rows, width) ** 3 if self.validation_share is None else 0.0
        return self.runs * (algebra.damped_products(size, width, 1.5 * rows) + crossing)

    def example_values(self, problem: Problem) -> Floats:
        from methods.gradients.projected import Units, margin_gradients

        paper: Units = "steps" if problem.learner.recipe.optimiser == "adamw" else "own"
        units: Units = "damping" if self.damping is None else paper
        runs = [margin_gradients(problem, run, self.projection, units) for run in range(self.runs)]
        return self.by_contributor(np.stack([self._one_run(found) for found in runs]), problem)

    def _one_run(self, found: MarginGradients) -> Floats:
        import torch
        from torch.nn.functional import normalize

        from methods.gradients.projected import damped, in_their_span

        train_NK, validation_VK = in_their_span(*found.of_losses())
        own_KK, asked_KK = (rows.T @ rows / len(rows) for rows in (train_NK, validation_VK))
        share = _crossing(own_KK, asked_KK) if self.validation_share is None else self.validation_share
        factor = damped(share * asked_KK + (1 - share) * own_KK, self.damping, found.rank)

        def whitened(rows: torch.Tensor) -> torch.Tensor:
            """Unit rows; L^-1 g has the inner products of R^-1/2 g."""
            return normalize(torch.linalg.solve_triangular(factor, rows.T, upper=False).T, eps=1e-150)

        return np.asarray((whitened(train_NK) @ whitened(validation_VK).mean(0)).cpu().numpy())


def _crossing(own_KK: torch.Tensor, asked_KK: torch.Tensor) -> float:
    """The share of validation at which both parts' eigenvalues of that rank are alike; a half where both are none."""
    rank = max(1, round(OUTWEIGHED * len(own_KK)))
    own, asked = (max(0.0, np.linalg.eigvalsh(moment.cpu().numpy())[-rank]) for moment in (own_KK, asked_KK))
    return float(own / (own + asked)) if own + asked > 0 else 0.5
