"""Whether scores on new pools confirm those on pools that everybody could see: arrays in, a verdict out.

T tasks, P pools of each; pools of both kinds are independent draws.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import stdtr, stdtrit

from harness.types import Floats

LEVEL = 0.95
MARGIN = 0.1
"""A loss that is surely smaller is none that would change what a table says."""

Verdict = Literal["confirmed", "lower", "open"]


@dataclass(frozen=True, slots=True)
class Loss:
    """How much lower a mean score is on the new pools.

    Args:
        mean: old minus new; error: its standard error; df: degrees of freedom of that. nan where some task has fewer
            than two pools of a kind.
        old, new: the two means.
    """

    mean: float
    error: float
    df: float
    old: float
    new: float

    def below(self, level: float = LEVEL) -> float:
        """One-sided upper bound of the loss."""
        return self.mean + self._reach(level)

    def above(self, level: float = LEVEL) -> float:
        """One-sided lower bound of the loss."""
        return self.mean - self._reach(level)

    def chance(self) -> float:
        """One-sided p-value of no loss."""
        if not math.isfinite(self.error):
            return math.nan
        if self.error == 0:
            return 0.0 if self.mean > 0 else 1.0
        return float(stdtr(self.df, -self.mean / self.error))

    def _reach(self, level: float) -> float:
        return 0.0 if self.error == 0 else float(stdtrit(self.df, level)) * self.error


def loss(old_TP: Sequence[Floats], new_TP: Sequence[Floats]) -> Loss:
    """Mean over tasks of the mean over pools, old minus new.

    Variances of all samples add up (Welch 1947, Biometrika 34(1/2)), degrees of freedom by Satterthwaite (1946,
    Biometrics Bulletin 2(6)).

    Args:
        old_TP, new_TP: the scores of each task's pools, as many as there are.
    """
    means = [float(np.mean([scores.mean() for scores in side])) for side in (old_TP, new_TP)]
    samples = [*old_TP, *new_TP]
    if min(map(len, samples)) < 2:
        return Loss(means[0] - means[1], math.nan, math.nan, *means)
    parts = np.array([scores.var(ddof=1) / len(scores) for scores in samples])
    freedom = np.array([len(scores) - 1 for scores in samples])
    total, weight = float(parts.sum()), float((parts**2 / freedom).sum())
    df = total**2 / weight if weight > 0 else float(freedom.min())
    return Loss(means[0] - means[1], math.sqrt(total) / len(old_TP), df, *means)


def judged(found: Loss, rows: int = 1, margin: float = MARGIN, level: float = LEVEL) -> Verdict:
    """``lower`` where a loss is told, ``confirmed`` where one of ``margin`` or more is ruled out, else ``open``.

    Args:
        rows: how many are judged together: by chance at most one in 1 / (1 - level) such tables tells a loss of any row
            that has none (Bonferroni).
    """
    if not math.isfinite(found.error):
        return "open"
    if found.chance() < (1 - level) / rows:
        return "lower"
    return "confirmed" if found.below(level) <= margin else "open"
