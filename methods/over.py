"""What a contributor's value is of its examples': their sum, which grows with how many it brings, or their mean."""

from __future__ import annotations

from typing import Literal

import numpy as np

from harness.types import Claim, Floats, Problem

Over = Literal["sum", "mean"]


def shared_out(values_SN: Floats, problem: Problem, over: Over) -> Floats:
    """Values of examples, S x N, whose sum over a contributor's is the sum or the mean of what was given."""
    if over == "sum":
        return values_SN
    sizes_C = np.bincount(problem.train.owners_N, minlength=len(problem.contributors))
    return np.asarray(values_SN / sizes_C[problem.train.owners_N])


def claims_over(claims: frozenset[Claim], over: Over) -> frozenset[Claim]:
    """Means do not add up where contributors become one."""
    return claims if over == "sum" else claims - {"additive"}


def told_over(summary: str, method: str, over: Over) -> str:
    """What a list says of a method, by what it says of a contributor."""
    return summary if over == "sum" else f"{method}, the mean over a contributor's examples in place of the sum."
