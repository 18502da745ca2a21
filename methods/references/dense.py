"""The Gauss-Newton influence of a small model with its curvature written out, for what solves it otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from harness.types import Additive, Batch, Budget, Floats, JobSize, Learner, Params, Problem
from methods.influence import inverse_damping, passes_of_damping

if TYPE_CHECKING:
    from torch import Tensor

MOST = 5_000
"""Parameters beyond which nothing is asked: the matrix holds their square, and its factorisation takes their cube."""

ROWS_AT_ONCE = 2_048
"""Of the matrix's square root that are held together."""

LEAST_CURVATURE = 1e-7
"""Of an example's largest: what is below it is single precision's rounding."""


@dataclass(frozen=True)
class DenseInfluence(Additive):
    """Example's gradient . (G + D)^-1 validation gradient, G the Gauss-Newton matrix whole, by one dense solve.

    Args:
        runs: independent training runs averaged over, the same as those of ``influence``.
        damping: as in ``influence``.
    """

    runs: int = 3
    damping: float | None = None
    source: ClassVar[str] = "Koh & Liang (2017), ICML, eq. 2; Schraudolph (2002), Neural Computation 14(7), sec. 4"
    passes: ClassVar[str] = "1 retraining a run; a backward pass for every direction in which a loss curves"

    def budget(self, contributors: int, examples: int) -> Budget:
        """Directions are not counted: how many there are depends on the loss."""
        passes = self.runs * (passes_of_damping(self.damping) + 1)
        return Budget(self.runs, gradient_passes=passes, validation_passes=self.runs)

    def algebra(self, size: JobSize) -> float:
        return self.runs * (2.0 * size.examples * size.parameters**2 + size.parameters**3 / 3)

    def unsuitable(self, problem: Problem) -> str | None:
        from methods.gradients.vectors import size

        count = size(problem.initial(0))
        if count > MOST:
            return f"its matrix is written out for at most {MOST:,} parameters; {problem.learner.name} has {count:,}"
        return None

    def example_values(self, problem: Problem) -> Floats:
        return np.stack([self._one_run(problem, run) for run in range(self.runs)])

    def _one_run(self, problem: Problem, run: int) -> Floats:
        from methods.gradients.directional import directional_losses, mean_gradient, tensors

        learner, params = problem.learner, problem.fit(run).params
        train, validation = tensors(problem.train, problem.device), tensors(problem.validation, problem.device)
        target = mean_gradient(learner, params, validation)
        solved = solve(gauss_newton(learner, params, train), inverse_damping(problem, run, self.damping), target)
        values_N = directional_losses(learner, params, train, solved)
        return (values_N / len(problem.train)).double().cpu().numpy()


def gauss_newton(learner: Learner, params: Params, batch: Batch) -> Tensor:
    """The mean over examples of J' H J, P x P in double precision."""
    import torch

    examples, held = len(batch["targets"]), list[torch.Tensor]()
    parameters = sum(p.numel() for p in params.values())
    total = torch.zeros(parameters, parameters, dtype=torch.float64)
    for n in range(examples):
        held.append(_root(learner, params, {name: column[n : n + 1] for name, column in batch.items()}))
        if sum(map(len, held)) >= ROWS_AT_ONCE or n == examples - 1:
            rows = torch.cat(held)
            total += (rows.T @ rows).double().cpu()
            held.clear()
    return total / examples


def _root(learner: Learner, params: Params, row: Batch) -> Tensor:
    """R with R'R = J' H J of one example: a row for each direction of its logits in which its loss curves."""
    import torch
    from torch.func import grad, jacrev

    leaves = {name: p.detach().requires_grad_() for name, p in params.items()}
    logits = learner.predict(leaves, row)[0]
    point = logits.detach()

    def loss(flat: torch.Tensor) -> torch.Tensor:
        return learner.losses_of(flat.reshape(point.shape), row).sum()

    matters = grad(loss)(point.flatten()).nonzero()[:, 0]  # not the logits of a prompt's tokens

    def of_these(some: torch.Tensor) -> torch.Tensor:
        return loss(point.flatten().index_put((matters,), some))

    curvature = jacrev(grad(of_these))(point.flatten()[matters]).double()
    strengths, directions = torch.linalg.eigh(curvature)
    kept = strengths > LEAST_CURVATURE * strengths.max() if len(strengths) else strengths > 0
    along = torch.zeros(int(kept.sum()), point.numel()).to(point)
    along[:, matters] = (directions[:, kept] * strengths[kept].sqrt()).T.to(point)
    found = torch.autograd.grad(
        logits,
        [*leaves.values()],
        along.reshape(-1, *logits.shape),
        is_grads_batched=True,
        allow_unused=True,
        materialize_grads=True,
    )
    return torch.cat([g.flatten(1) for g in found], dim=1)


def solve(curvature_PP: Tensor, inverse_damping: Params, target: Params) -> Params:
    """x with (G + D) x = target for a diagonal D > 0, given as 1 / D; x is 0 where that is 0."""
    import torch

    scale_P, target_P = (
        torch.cat([part.flatten() for part in parts.values()]).double().cpu() for parts in (inverse_damping, target)
    )
    scale_P = scale_P.sqrt()
    system = scale_P[:, None] * curvature_PP * scale_P + torch.eye(len(scale_P), dtype=torch.float64)
    solved_P = scale_P * torch.cholesky_solve((scale_P * target_P)[:, None], torch.linalg.cholesky(system))[:, 0]
    parts = torch.split(solved_P, [p.numel() for p in target.values()])
    return {name: part.reshape(p.shape).to(p) for (name, p), part in zip(target.items(), parts, strict=True)}
