"""A Gaussian process on coalitions: what retraining some of them says of all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from harness.types import Bools, Floats, JobSize, Problem, Scorer, SetFunction
from methods.algebra import WALKS
from methods.coalitions import Sampling
from methods.regmix import shares

START = np.array([-3.0, -1.0, -2.0, 0.0, -4.0, 1.0])
"""Logarithms of the variances of the parts (members, shares, size, mixture) and of the noise, in variances of the data,
and of the mixture's rate, where the search starts and what the prior is centred on."""

PRIOR_SD = 3.0
LEVEL = 30.0
"""Prior variance of each seed's own level: hardly shrunk."""

JITTER = 1e-8
BOUND = (-12.0, 6.0)
STEPS = 30
MOST_ROWS = 200
"""Coalitions from which scales are found, at most."""


@dataclass(frozen=True)
class CoalitionGp(Sampling, SetFunction):
    """Utility on the validation split by a Gaussian process on coalitions' members, mixtures and sizes.

    Args:
        retrainings: coalitions retrained, all repeats together; None: 4 x contributors.
        seeds: independent repeats, each with its own initialisation and its own coalitions; the kernel's scales are
            found from all of them.
    """

    design: ClassVar[str] = "paired"
    has_ends: ClassVar[bool] = True
    source: ClassVar[str] = (
        "Rasmussen & Williams (2006), ch. 2 and 5; on utility: Wang, Yang & Jia (2021), arXiv 2107.06336"
    )
    passes: ClassVar[str] = "4 retrainings a contributor, over all seeds; a Gaussian process on each seed's"
    choices: ClassVar[str] = (
        "retrainings: 4 a contributor, data-shapley's budget; the kernel adds members, shares of examples, size and a "
        "Gaussian on shares, for a fixed number of steps makes utility a function of the mixture; scales by the "
        "largest posterior density; nobody is no mixture: its utility is the one that was retrained; pairs of "
        "complements, kernel-shap's"
    )

    def algebra(self, size: JobSize) -> float:
        rows = self.each(size.contributors)
        asked = {"standalone": 1, "leave-one-out": 1, "shapley": WALKS}[size.question] * size.contributors
        search = STEPS * (len(START) + 1) * min(self.seeds * rows, MOST_ROWS) ** 3 / 3
        return search + self.seeds * (rows**3 / 3 + 4.0 * asked * rows * size.contributors)

    def scorers(self, problem: Problem) -> Sequence[Scorer]:
        sizes_C = np.bincount(problem.train.owners_N, minlength=len(problem.contributors)).astype(np.float64)
        rows = self.drawn(problem)
        utilities = [problem.retrain(rows_KC, seed) for seed, rows_KC in enumerate(rows)]
        return surrogates(rows, utilities, sizes_C)


def surrogates(rows: Sequence[Bools], utilities: Sequence[Floats], sizes_C: Floats) -> list[Scorer]:
    """A scorer from each repeat's rows, the first of which is nobody; they share the kernel's scales alone."""
    inside = [Coalitions.of(rows_KC[1:], sizes_C) for rows_KC in rows]
    centred = [utilities_K[1:] - utilities_K[1:].mean() for utilities_K in utilities]
    spread = float(np.sqrt(np.mean(np.concatenate(centred) ** 2)))
    flat = not spread > 1e-12 * max(1.0, max(float(np.abs(found).max()) for found in utilities))
    logs = START if flat else scales(inside, [values_K / spread for values_K in centred])

    def scorer(own: Coalitions, values_K: Floats, utilities_K: Floats) -> Scorer:
        weight_K = np.zeros(len(values_K)) if flat else np.linalg.solve(noisy(own, logs), values_K)

        def score(coalitions_KC: Bools) -> Floats:
            asked = Coalitions.of(coalitions_KC, sizes_C)
            predicted_K = utilities_K[1:].mean() + (covariance(asked, own, logs) + LEVEL) @ weight_K
            return np.where(coalitions_KC.any(axis=1), predicted_K, utilities_K[0])

        return score

    return [scorer(*parts) for parts in zip(inside, centred, utilities, strict=True)]


@dataclass(frozen=True, slots=True, eq=False)
class Coalitions:
    """Coalitions as the kernel sees them: who is in, whose share is how large, and the logarithm of the size."""

    members_KC: Floats
    shares_KC: Floats
    size_K: Floats

    @classmethod
    def of(cls, rows_KC: Bools, sizes_C: Floats) -> Coalitions:
        size_K = np.log(np.maximum(rows_KC.sum(axis=1), 1)) / np.log(rows_KC.shape[1])
        return cls(rows_KC.astype(np.float64), shares(rows_KC, sizes_C), size_K)


def covariance(first: Coalitions, second: Coalitions, logs: Floats) -> Floats:
    """Prior covariance of the utilities of two lists of coalitions, K x K, but for noise and level.

    Squared distances between mixtures are in units of two contributors of mean size, each alone: 2.
    """
    members, by_shares, by_size, mixture = np.exp(logs[:4])
    contributors = first.members_KC.shape[1]
    shared_KK = first.shares_KC @ second.shares_KC.T
    norms = (first.shares_KC**2).sum(axis=1)[:, None] + (second.shares_KC**2).sum(axis=1)
    distance_KK = np.maximum(norms - 2 * shared_KK, 0.0)
    return np.asarray(
        members * 4 * ((first.members_KC - 0.5) @ (second.members_KC - 0.5).T) / contributors
        + by_shares * shared_KK
        + by_size * np.outer(first.size_K, second.size_K)
        + mixture * np.exp(-np.exp(logs[5]) * distance_KK)
    )


def noisy(own: Coalitions, logs: Floats) -> Floats:
    """Covariance of one seed's data, K x K."""
    found_KK = covariance(own, own, logs) + LEVEL
    found_KK[np.diag_indices(len(found_KK))] += np.exp(logs[4]) + JITTER
    return found_KK


def scales(inside: Sequence[Coalitions], values: Sequence[Floats]) -> Floats:
    """Scales of the largest posterior density, each seed's data taken as a draw of its own."""
    from scipy.linalg import cho_solve
    from scipy.optimize import minimize

    most = max(2, MOST_ROWS // len(inside))
    parts = [
        (Coalitions(own.members_KC[:most], own.shares_KC[:most], own.size_K[:most]), values_K[:most])
        for own, values_K in zip(inside, values, strict=True)
    ]

    def negative_log_density(logs: Floats) -> float:
        found = float(((logs - START) ** 2).sum()) / (2 * PRIOR_SD**2)
        for own, values_K in parts:
            lower_KK = np.linalg.cholesky(noisy(own, logs))
            found += float(values_K @ cho_solve((lower_KK, True), values_K)) / 2
            found += float(np.log(np.diag(lower_KK)).sum())
        return found

    found = minimize(
        negative_log_density, START, method="L-BFGS-B", bounds=[BOUND] * len(START), options={"maxiter": STEPS}
    )
    return np.asarray(found.x)
