"""Data value embeddings: what training after a step leaves of an example's push on the parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.types import Additive, Budget, Count, Floats, JobSize, Problem


@dataclass(frozen=True)
class DvEmb(Additive):
    """Sum over steps of an example's push . what later steps leave of it . validation gradient, backward in time.

    Args:
        runs: independent training runs averaged over.
        curvature: of each batch, which later steps shrink a push by: ``outer``, the mean outer product of its examples'
            gradients, or ``gauss-newton``.
    """

    runs: Count = 3
    curvature: Literal["outer", "gauss-newton"] = "outer"
    source = (
        "Wang, Song, Zou, Mittal & Jia (2025), ICLR, Capturing the Temporal Dependence of Training Data Influence "
        "(Data Value Embedding)"
    )
    passes = "1 retraining a run; 1 replay of it forth (2 where not all states can be kept), 2 back (3 by gauss-newton)"
    choices = (
        "embeddings are only needed times one validation gradient, so the recursion carries that vector, exactly and "
        "without projection; the paper's steps are SGD's: momentum is carried as training has it, and AdamW's second "
        "moment taken as it was; clipping, which it has not, is differentiated through; each drawn example has the "
        "weight 1 / batch"
    )
    claims = frozenset({"null", "additive"})

    def budget(self, contributors: int, examples: int) -> Budget:
        back = 2 if self.curvature == "outer" else 4
        return Budget(fits=self.runs, validation_passes=self.runs, replays=(2 + back) * self.runs)

    def algebra(self, size: JobSize) -> float:
        return 0.0

    def example_values(self, problem: Problem) -> Floats:
        from methods.gradients.directional import mean_gradient, tensors
        from methods.gradients.replay import Replay
        from methods.gradients.unrolled import gauss_newton, outer_products, pulls
        from methods.gradients.vectors import times

        train, validation = tensors(problem.train, problem.device), tensors(problem.validation, problem.device)
        curved = outer_products if self.curvature == "outer" else gauss_newton
        values_SN = np.zeros((self.runs, len(problem.train)))
        for run, values_N in enumerate(values_SN):
            fit = problem.fit(run)
            target = times(mean_gradient(problem.learner, fit.params, validation), -1.0)
            replay = Replay(problem.learner, fit, train)
            np.add.at(values_N, fit.batches_TB, pulls(replay, target, curved, fixed_metric=True))
        return values_SN
