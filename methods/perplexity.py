"""Perplexity of a coalition's examples to the trained model: a one-feature baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.types import Bools, Budget, Count, Floats, JobSize, Problem, Scorer, SetFunction
from methods.baselines import coalition_mean

MOST = 300.0
"""A mean loss beyond which its exponential is cut off."""


@dataclass(frozen=True)
class Perplexity(SetFunction):
    """Minus the exponential of a coalition's mean loss under the model trained on everyone.

    Args:
        runs: training runs averaged over.
    """

    runs: Count = 3
    source = "baseline; the usual filter of texts, e.g. Wenzek et al. (2020), LREC"
    passes = "1 retraining and 1 forward pass a run"
    choices = (
        "the trained model, for at the initialisation it would order contributors as initial-loss does; nobody is "
        "worth 0, as if at no perplexity"
    )
    claims = frozenset({"copies"})

    def budget(self, contributors: int, examples: int) -> Budget:
        return Budget(fits=self.runs)

    def algebra(self, size: JobSize) -> float:
        return 0.0

    def scorers(self, problem: Problem) -> Sequence[Scorer]:
        return [self._scorer(problem, run) for run in range(self.runs)]

    def _scorer(self, problem: Problem, run: int) -> Scorer:
        from methods.gradients.directional import example_losses, tensors

        params, train = problem.fit(run).params, tensors(problem.train, problem.device)
        mean_loss = coalition_mean(example_losses(problem.learner, params, train), problem)

        def score(coalitions_KC: Bools) -> Floats:
            some_K = coalitions_KC.any(axis=1)
            return np.where(some_K, -np.exp(np.minimum(mean_loss(coalitions_KC), MOST)), 0.0)

        return score
