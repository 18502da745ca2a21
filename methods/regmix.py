"""RegMix: regress utility on the shares of a mixture, and read off what any mixture would give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from harness.types import Bools, Floats, JobSize, Problem, Scorer, SetFunction
from methods.coalitions import Sampling, pooled, with_ends


@dataclass(frozen=True)
class RegMix(Sampling, SetFunction):
    """Utility on the validation split by a regression on contributors' shares of the training examples.

    Args:
        retrainings: coalitions retrained, all seeds together, which one regression is fitted to; None: 4 x
            contributors.
        seeds: initialisations, each with coalitions of its own and a column of its own in the regression.
        regressor: ``linear``, or ``trees`` (gradient boosting).
    """

    regressor: Literal["linear", "trees"] = "linear"
    design: ClassVar[str] = "uniform"
    has_ends: ClassVar[bool] = True
    source: ClassVar[str] = "Liu et al. (2024), RegMix: Data Mixture as Regression, arXiv 2407.01492"
    passes: ClassVar[str] = "4 retrainings a contributor, over all seeds"
    choices: ClassVar[str] = (
        "retrainings: 4 a contributor, data-shapley's budget; contributors are the domains, and a coalition is the "
        "mixture of its examples, for shares can be trained in no other way here; uniform coalitions, data-banzhaf's, "
        "whose mixtures lie about the pool's own as the paper's do about its corpus's; linear, for the paper's boosted "
        "trees have 512 mixtures and this 4 a contributor; one fit to all seeds' coalitions, with a column for each "
        "seed; nobody is no mixture: its utility is the one that was retrained"
    )

    @property
    def summary(self) -> str:
        return super().summary if self.regressor == "linear" else f"RegMix with regressor '{self.regressor}'."

    def algebra(self, size: JobSize) -> float:
        rows = self.seeds * self.each(size.contributors)
        return 4.0 * rows * (size.contributors + self.seeds) ** 2

    def scorers(self, problem: Problem) -> Sequence[Scorer]:
        sizes_C = np.bincount(problem.train.owners_N, minlength=len(problem.contributors)).astype(np.float64)
        rows = [with_ends(rows_KC) for rows_KC in self.drawn(problem)]
        utilities = [problem.retrain(rows_KC, seed) for seed, rows_KC in enumerate(rows)]
        return [scorer(rows, utilities, sizes_C, self.regressor)]


def shares(rows_KC: Bools, sizes_C: Floats) -> Floats:
    """Each contributor's share of a coalition's examples, K x C; 0 for nobody."""
    counts_KC = rows_KC * sizes_C
    return np.asarray(counts_KC / np.maximum(counts_KC.sum(axis=1, keepdims=True), 1.0))


def scorer(rows: Sequence[Bools], utilities: Sequence[Floats], sizes_C: Floats, regressor: str = "linear") -> Scorer:
    """Utility of any coalition, the mean over seeds, by a regression on all rows but each seed's first, nobody.

    A column for each seed tells its rows.
    """
    seeds, nobody = len(rows), float(np.mean([utilities_K[0] for utilities_K in utilities]))
    utilities_K, seed_K = pooled([utilities_K[1:] for utilities_K in utilities])
    shares_KC = shares(np.vstack([rows_KC[1:] for rows_KC in rows]), sizes_C)
    model = _model(regressor).fit(_beside(shares_KC, np.eye(seeds)[seed_K]), utilities_K)

    def score(coalitions_KC: Bools) -> Floats:
        asked_KC = shares(coalitions_KC, sizes_C)
        by_seed = [model.predict(_beside(asked_KC, np.tile(seed, (len(asked_KC), 1)))) for seed in np.eye(seeds)]
        return np.where(coalitions_KC.any(axis=1), np.mean(by_seed, axis=0), nobody)

    return score


def _beside(shares_KC: Floats, seeds_KS: Floats) -> Floats:
    return np.hstack([shares_KC, seeds_KS])


def _model(regressor: str) -> Any:
    if regressor == "linear":
        from sklearn.linear_model import LinearRegression

        return LinearRegression()
    from sklearn.ensemble import GradientBoostingRegressor

    return GradientBoostingRegressor(random_state=0)
