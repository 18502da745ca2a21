"""TrackStar: cosines between projected gradients, in the optimiser's units, whitened by training and validation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np

from harness.types import CHECKPOINTS, Additive, Budget, Claim, Count, Floats, JobSize, Positive, Problem, between
from methods import algebra
from methods.over import Over, claims_over, shared_out, told_over

if TYPE_CHECKING:
    import torch

    from methods.gradients.projected import LossGradients

OUTWEIGHED = 1_000 / 65_536
"""Of R's components, those to which the validation gradients add more than the training gradients do."""


@dataclass(frozen=True)
class TrackStar(Additive):
    """Cosine of an example's and a validation example's projected gradients, in the optimiser's units and whitened.

    Args:
        runs: independent training runs averaged over.
        projection: dimension k of the projected gradients; gradients of fewer parameters stay whole.
        damping: added to R, as a multiple of its mean eigenvalue; at least 1e-6, which stands for none.
        validation_share: R's part that is the validation gradients' second moment, the rest being the training
            gradients'; None for the paper's rule, by which both parts' sorted eigenvalues cross at that component.
        over: a contributor's value is the ``sum`` over its examples, or the ``mean``.
    """

    runs: Count = 3
    projection: Count = 4096
    damping: Positive = 0.1
    validation_share: Annotated[float, between(0, 1)] | None = None
    over: Over = "sum"
    seed_scope = "projected gradients"
    source = "Chang, Rajagopal, Bolukbasi, Dixon & Tenney (2024), arXiv 2410.17413, sec. 3 and A.1.3"
    passes = "1 retraining a run; 1 per-example gradient a run, of validation too; for AdamW 1 to 2 a checkpoint"
    choices = (
        "Second moment: for AdamW the rates by parameter summed over the run (as in influence); SGD has none. R's "
        "parts are mixed by the paper's rule: they cross at its 1,000th of 65,536 components, here at as large a share "
        "of them. One projection of all parameters where the paper has two-sided ones by layer, k as TRAK's least "
        "where it has 65,536. R is damped, for a pool has fewer examples than k: a tenth of the mean eigenvalue, as in "
        "LoGra. The cosines to all validation examples weigh alike. The paper retrieves single examples: over a "
        "contributor's the sum is the harness's rule for such methods, and grows with size; over=mean does not."
    )

    @property
    def summary(self) -> str:
        return told_over(super().summary, "TrackStar", self.over)

    @property
    def claims(self) -> frozenset[Claim]:  # type: ignore[override]
        return claims_over(frozenset({"null", "copies", "additive"}), self.over)

    def budget(self, contributors: int, examples: int) -> Budget:
        return Budget(self.runs, gradient_passes=self.runs * (1 + 2 * CHECKPOINTS), validation_passes=self.runs)

    def algebra(self, size: JobSize) -> float:
        """Half of a second moment again for the whitening of every row; eigenvalues of both parts."""
        rows, width = size.examples + size.validation, min(self.projection, size.parameters)
        crossing = 2 * 4 / 3 * min(rows, width) ** 3 if self.validation_share is None else 0.0
        return self.runs * (algebra.damped_products(size, width, 1.5 * rows) + crossing)

    def example_values(self, problem: Problem) -> Floats:
        from methods.gradients.projected import loss_gradients
        from methods.gradients.summed_rates import summed_rates

        def of(run: int) -> LossGradients:
            adaptive = problem.learner.recipe.optimiser == "adamw"
            return loss_gradients(problem, run, self.projection, summed_rates(problem, run) if adaptive else None)

        found_SN = np.stack([self._one_run(of(run)) for run in range(self.runs)])
        return shared_out(found_SN, problem, self.over)

    def _one_run(self, found: LossGradients) -> Floats:
        import torch
        from torch.nn.functional import normalize

        from methods.gradients.projected import damped, in_their_span

        train_NK, validation_VK = in_their_span(found.train_NK, found.validation_VK)
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
