"""Data distribution valuation: how far the distribution that a contributor's examples come from is from a reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.types import Count, Floats, JobSize, Problem, Scorer, SetFunction
from methods import algebra
from methods.scorers import modular


@dataclass(frozen=True)
class DistributionValue(SetFunction):
    """Minus the MMD between each contributor's own examples and the validation split.

    Args:
        reference: what a contributor's examples are held against: ``validation``, or the whole ``pool``.
        seeds: initialisations, over whose features values are averaged.
    """

    reference: Literal["validation", "pool"] = "validation"
    seeds: Count = 3
    source = "Xu et al. (2024), NeurIPS, Data Distribution Valuation: minus the MMD to a reference"
    passes = "1 forward pass a seed, kernels of all pairs (n <= 5,000) or 2,048 Fourier features"
    choices = (
        "a vendor's distribution has one value, whatever is asked and whoever else is there, unlike mmd's coalitions; "
        "reference: the validation split, for there is one; the paper's stand-in where there is none, all vendors' "
        "data together, is :pool; features and kernels are mmd's, joint with the targets; so is the "
        "estimate, the biased one, which falls with a contributor's size"
    )
    claims = frozenset({"copies"})

    @property
    def summary(self) -> str:
        return super().summary if self.reference == "validation" else super().summary.replace(VALIDATION, "everyone's")

    def algebra(self, size: JobSize) -> float:
        return self.seeds * algebra.mmd(size, size.examples)

    def scorers(self, problem: Problem) -> Sequence[Scorer]:
        return [modular(self._values(problem, seed)) for seed in range(self.seeds)]

    def _values(self, problem: Problem, seed: int) -> Floats:
        from methods.kernels import CoalitionMmd, joint_features

        mmd = CoalitionMmd(joint_features(problem, problem.initial(seed)), problem)
        alone = np.eye(len(problem.contributors), dtype=np.bool_)
        return -(mmd.distances(alone) if self.reference == "validation" else mmd.distances_to_everyone(alone))


VALIDATION = "the validation split"
