"""Retraining something cheaper: what a value is worth that a small training gives for a whole one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal

import numpy as np

from harness.types import MOST, Budget, Floats, JobSize, Problem, Retrain, Retraining, between
from methods.coalitions import LEAST, SCOPE, no_whole_seed
from methods.leave_one_out import LeaveOneOut
from methods.semivalues.regression_shapley import RegressionShapley

Cheaper = Literal["steps", "model", "examples"]

SUMMARIES = {
    "model": "The question's own coalitions, retrained with a model of a share of the parameters.",
    "examples": "The question's own coalitions, retrained on a share of each contributor's examples.",
}
"""Of the other two; the docstring is of the default."""


@dataclass(frozen=True)
class Proxy(Retraining):
    """The question's own coalitions, retrained in a share of the steps.

    Args:
        cheaper: what there is less of.
        share: how much is left.
        retrainings: coalitions retrained, all seeds together; None: 4 x contributors.
    """

    cheaper: Cheaper = "steps"
    share: Annotated[float, between(0, 1)] = 0.25
    retrainings: Annotated[int, between(LEAST * RegressionShapley.seeds, MOST)] | None = None
    seed_scope: ClassVar[str] = SCOPE
    by_question: ClassVar[bool] = True
    source: ClassVar[str] = (
        "Coleman et al. (2020), ICLR (selection via proxy: smaller models, fewer epochs), of contributors' values; "
        "the proxy of fewer examples is ours"
    )
    passes: ClassVar[str] = (
        "leave-one-out's or regression-shapley's retrainings at a share each; a smaller model's base"
    )
    choices: ClassVar[str] = (
        "retrainings: 4 a contributor, as the others have; share: a quarter, so that all of it costs at most a quarter "
        "of theirs; shares are of operations, and of steps, parameters and batch rounded down; with a share of the "
        "batch goes one of each contributor's examples, rounded down too, so that each is drawn as often; "
        "coalitions and seeds are leave-one-out's and regression-shapley's"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.share == 0:
            raise ValueError("A share is above 0, for nothing is left of 0.")

    @property
    def summary(self) -> str:
        return SUMMARIES.get(self.cheaper, super().summary)

    def budget(self, contributors: int, examples: int) -> Budget:
        """Of one question: Shapley's coalitions, or whole seeds of C + 1, whichever are more."""
        designs = LeaveOneOut(self.retrainings), RegressionShapley(self.retrainings)
        return Budget(retrainings=self.share * max(one.budget(contributors, examples).retrainings for one in designs))

    def algebra(self, size: JobSize) -> float:
        return RegressionShapley(self.retrainings).algebra(size) if size.question == "shapley" else 0.0

    def unsuitable(self, problem: Problem) -> str | None:
        if problem.question != "shapley" and (few := no_whole_seed(self.retrainings, len(problem.contributors))):
            return few
        learner, recipe = problem.learner, problem.learner.recipe
        if self.cheaper == "model":
            if self.share == 1 or learner.narrower(self.share) is not None:
                return None
            return f"its learner, {learner.name}, has no narrower model with {self.share:g} of its parameters"
        steps, batch = (self.share, 1.0) if self.cheaper == "steps" else (1.0, self.share)
        if recipe.cut(steps, batch) is not None:
            return None
        whole = f"{recipe.steps} steps" if self.cheaper == "steps" else f"batches of {recipe.batch_size}"
        return f"its recipe has {whole}, of which {self.share:g} is none"

    def contributor_values(self, problem: Problem) -> Floats:
        cheap = replace(problem, retrain=self._retrain(problem))
        if problem.question == "shapley":
            return RegressionShapley(self.retrainings).contributor_values(cheap)
        one_each = LeaveOneOut(self.retrainings)
        if problem.question == "leave-one-out":
            return one_each.contributor_values(cheap)
        contributors = len(problem.contributors)
        rows_KC = np.vstack([np.zeros((1, contributors), dtype=np.bool_), np.eye(contributors, dtype=np.bool_)])
        found = [cheap.retrain(rows_KC, seed) for seed in range(one_each.seeds(contributors))]
        return np.array([utilities_K[1:] - utilities_K[0] for utilities_K in found])

    def _retrain(self, problem: Problem) -> Retrain:
        if self.cheaper == "steps":
            return problem.proxy(steps=self.share)
        return problem.proxy(parameters=self.share) if self.cheaper == "model" else problem.proxy(examples=self.share)
