"""What a contributor's value is of its examples': their sum, which grows with how many it brings, or their mean."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np

from harness.types import Additive, Claim, Floats, Problem

Over = Literal["sum", "mean"]


class SumOrMean(Additive):
    """A method with a knob for it, which tells and claims accordingly."""

    called: ClassVar[str]
    """What a list calls the method whose variant it tells of."""
    claims_of_sums: ClassVar[frozenset[Claim]]
    over: Over

    @property
    def summary(self) -> str:
        if self.over == "sum":
            return super().summary
        return f"{self.called}, the mean over a contributor's examples in place of the sum."

    @property
    def claims(self) -> frozenset[Claim]:  # type: ignore[override]
        """Means do not add up where contributors become one."""
        return self.claims_of_sums if self.over == "sum" else self.claims_of_sums - {"additive"}

    def by_contributor(self, values_SN: Floats, problem: Problem) -> Floats:
        """Values of examples, S x N, whose sum over a contributor's is the sum or the mean of what is given."""
        if self.over == "sum":
            return values_SN
        sizes_C = np.bincount(problem.train.owners_N, minlength=len(problem.contributors))
        return np.asarray(values_SN / sizes_C[problem.train.owners_N])
