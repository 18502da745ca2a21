"""The same for every contributor: what a tie scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.types import JobSize, Problem, Scorer, SetFunction
from methods.scorers import modular


@dataclass(frozen=True)
class Constant(SetFunction):
    """One for every contributor, whatever it brings."""

    source = "baseline"
    passes = "none"
    claims = frozenset({"copies"})

    def algebra(self, size: JobSize) -> float:
        return 0.0

    def scorers(self, problem: Problem) -> Sequence[Scorer]:
        return [modular(np.ones(len(problem.contributors)))]
