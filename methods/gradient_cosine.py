"""How alike an example's gradient is to the validation gradient, whatever their sizes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.types import Budget, Count, Floats, JobSize, Problem
from methods.over import Over, SumOrMean


@dataclass(frozen=True)
class GradientCosine(SumOrMean):
    """Cosine of an example's gradient with the validation gradient at the final parameters.

    Args:
        runs: independent training runs averaged over.
        over: a contributor's value is the ``sum`` over its examples, or the ``mean``.
    """

    runs: Count = 3
    over: Over = "sum"
    called = "Gradient cosine"
    claims_of_sums = frozenset({"null", "copies", "additive"})
    source = (
        "Charpiat, Girard, Felardos & Tarabalka (2019), NeurIPS, Input Similarity from the Neural Network Perspective; "
        "Pezeshkpour, Jain, Wallace & Singh (2021), NAACL, GC"
    )
    passes = "1 retraining, 1 gradient an example and 1 validation gradient a run"
    choices = (
        "the mean over the validation split stands for the test example; over: the papers value single examples; of a "
        "contributor the sum is the harness's rule for such methods, and grows with size; :mean does not"
    )

    def budget(self, contributors: int, examples: int) -> Budget:
        return Budget(fits=self.runs, gradient_passes=self.runs, validation_passes=self.runs)

    def algebra(self, size: JobSize) -> float:
        return 0.0

    def example_values(self, problem: Problem) -> Floats:
        from methods.gradients.cosines import cosines
        from methods.gradients.directional import mean_gradient, tensors

        learner, found = problem.learner, []
        train, validation = tensors(problem.train, problem.device), tensors(problem.validation, problem.device)
        for run in range(self.runs):
            params = problem.fit(run).params
            target = mean_gradient(learner, params, validation)
            found.append(cosines(learner, params, train, target).double().cpu().numpy())
        return self.by_contributor(np.stack(found), problem)
