"""The least core: a division of utility against which no coalition has much to object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from harness.types import Bools, Floats, JobSize, Problem, Retraining
from methods.coalitions import Sampling, with_ends

SLACK = 1e-9
"""Of the largest gain: what counts as equal."""


@dataclass(frozen=True)
class LeastCore(Sampling, Retraining):
    """The division of utility on the validation split with the least subsidy that sampled coalitions ask for.

    Args:
        retrainings: coalitions retrained, all seeds together, which one division is asked by; None: 4 x contributors.
        seeds: initialisations, each with coalitions of its own; brought to one level at everyone, whom each holds.
    """

    design: ClassVar[str] = "uniform"
    has_ends: ClassVar[bool] = True
    source: ClassVar[str] = "Yan & Procaccia (2021), AAAI, sec. 3 (Monte Carlo least core), as pyDVL has it"
    passes: ClassVar[str] = "4 retrainings a contributor, over all seeds; a linear program"
    choices: ClassVar[str] = (
        "retrainings: 4 a contributor, data-shapley's budget; coalitions drawn uniformly, data-banzhaf's; one program "
        "of all seeds' coalitions, each seed less its level, which everyone tells; of all solutions the one of least "
        "norm, which is unique; a subsidy of at least 0, for without it a few sampled coalitions a contributor often "
        "leave the program unbounded"
    )
    claims = frozenset({"efficient"})

    def algebra(self, size: JobSize) -> float:
        rows, contributors = self.seeds * self.each(size.contributors), size.contributors
        return 2.0 * (rows + contributors) * (rows + contributors) * contributors

    def contributor_values(self, problem: Problem) -> Floats:
        rows = [with_ends(drawn_KC) for drawn_KC in self.drawn(problem)]
        utilities = [problem.retrain(rows_KC, seed) for seed, rows_KC in enumerate(rows)]
        nobody, everyone = np.mean([utilities_K[:2] for utilities_K in utilities], axis=0)
        gains_K = np.concatenate([utilities_K[2:] - utilities_K[1] for utilities_K in utilities]) + everyone - nobody
        return division(np.vstack([rows_KC[2:] for rows_KC in rows]), gains_K, float(everyone - nobody))[None]


def division(rows_KC: Bools, gains_K: Floats, whole: float) -> Floats:
    """Least-core values of the least norm, C, from gains over nobody of sampled coalitions and of everyone."""
    from scipy.optimize import linprog

    rows_KC, contributors = rows_KC.astype(np.float64), rows_KC.shape[1]
    scale = max(float(np.abs(gains_K).max()), abs(whole))
    if not scale > 0:
        return np.zeros(contributors)
    gains_K, whole = gains_K / scale, whole / scale
    everyone_C = np.ones(contributors)
    program = linprog(
        np.append(np.zeros(contributors), 1.0),
        A_ub=-np.hstack([rows_KC, np.ones((len(rows_KC), 1))]),
        b_ub=-gains_K,
        A_eq=np.append(everyone_C, 0.0)[None],
        b_eq=[whole],
        bounds=[(None, None)] * contributors + [(0, None)],
        method="highs",
    )
    tight_K = -program.ineqlin.marginals > SLACK  # in every solution
    equal, equals = np.vstack([everyone_C, rows_KC[tight_K]]), np.append(whole, gains_K[tight_K] - program.fun)
    loose, least = rows_KC[~tight_K], gains_K[~tight_K] - program.fun
    return scale * least_norm(equal, equals, loose, least)


def least_norm(equal: Floats, equals: Floats, loose: Floats, least: Floats) -> Floats:
    """The x of least norm with ``equal @ x = equals`` and ``loose @ x >= least``; the system has a solution.

    Least distance programming by non-negative least squares (Lawson & Hanson 1974, ch. 23, sec. 4), in what the
    equations leave free.
    """
    from scipy.linalg import null_space
    from scipy.optimize import nnls

    start = np.linalg.lstsq(equal, equals, rcond=None)[0]
    free = null_space(equal)
    short = least - loose @ start
    if not free.shape[1] or (short <= SLACK).all():
        return np.asarray(start)
    slopes = loose @ free
    target = np.append(np.zeros(free.shape[1]), 1.0)
    stacked = np.vstack([slopes.T, short - SLACK])
    residual = stacked @ nnls(stacked, target)[0] - target
    return np.asarray(start - free @ (residual[:-1] / residual[-1]))
