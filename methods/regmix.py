"""RegMix: regress utility on the shares of a mixture, and read off what any mixture would give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from harness.types import Bools, Floats, JobSize, Problem, Scorer, SetFunction
from methods.coalitions import Sampling, with_ends

REGRESSORS = ("linear", "trees")


@dataclass(frozen=True)
class RegMix(Sampling, SetFunction):
    """Utility on the validation split by a regression on contributors' shares of the training examples.

    Args:
        retrainings: coalitions retrained, all repeats together; None: 4 x contributors.
        seeds: independent repeats, each with its own initialisation and its own coalitions.
        regressor: ``linear``, or ``trees`` (gradient boosting).
    """

    regressor: Literal["linear", "trees"] = "linear"
    design: ClassVar[str] = "uniform"
    has_ends: ClassVar[bool] = True
    source: ClassVar[str] = "Liu et al. (2024), RegMix: Data Mixture as Regression, arXiv 2407.01492"
    passes: ClassVar[str] = "4 retrainings a contributor, over all seeds"
    choices: ClassVar[str] = (
        "contributors are the domains, and a coalition is the mixture of its examples, for shares can be trained in no "
        "other way here; uniform coalitions, data-banzhaf's, whose mixtures lie about the pool's own as the paper's do "
        "about its corpus's; linear, for the paper's boosted trees have 512 mixtures and this 2 a contributor; nobody "
        "is no mixture: its utility is the one that was retrained"
    )

    @property
    def summary(self) -> str:
        return super().summary if self.regressor == "linear" else f"RegMix with regressor '{self.regressor}'."

    def algebra(self, size: JobSize) -> float:
        rows = self.each(size.contributors)
        return self.seeds * 4.0 * rows * size.contributors**2

    def scorers(self, problem: Problem) -> Sequence[Scorer]:
        sizes_C = np.bincount(problem.train.owners_N, minlength=len(problem.contributors)).astype(np.float64)
        drawn = enumerate(with_ends(rows_KC) for rows_KC in self.drawn(problem))
        return [scorer(rows_KC, problem.retrain(rows_KC, seed), sizes_C, self.regressor) for seed, rows_KC in drawn]


def shares(rows_KC: Bools, sizes_C: Floats) -> Floats:
    """Each contributor's share of a coalition's examples, K x C; 0 for nobody."""
    counts_KC = rows_KC * sizes_C
    return np.asarray(counts_KC / np.maximum(counts_KC.sum(axis=1, keepdims=True), 1.0))


def scorer(rows_KC: Bools, utilities_K: Floats, sizes_C: Floats, regressor: str = "linear") -> Scorer:
    """Utility of any coalition as the regression on all but the first row, nobody, has it."""
    model = _model(regressor).fit(shares(rows_KC[1:], sizes_C), utilities_K[1:])

    def score(coalitions_KC: Bools) -> Floats:
        predicted_K = model.predict(shares(coalitions_KC, sizes_C))
        return np.where(coalitions_KC.any(axis=1), predicted_K, utilities_K[0])

    return score


def _model(regressor: str) -> Any:
    if regressor == "linear":
        from sklearn.linear_model import LinearRegression

        return LinearRegression()
    from sklearn.ensemble import GradientBoostingRegressor

    return GradientBoostingRegressor(random_state=0)
