"""Whose penultimate features are looked at: a model's at its initialisation, or one's that is trained on everyone."""

from __future__ import annotations

from typing import Literal

from harness.types import Budget, Params, Problem

Features = Literal["initial", "trained"]


def embedder(problem: Problem, features: Features, seed: int) -> Params:
    """The k-th initialisation, or the model that the training run from it ends with."""
    return problem.initial(seed) if features == "initial" else problem.fit(seed).params


def fits(features: Features, seeds: int) -> Budget:
    """What it takes to have them: nothing, or a training run each."""
    return Budget(fits=seeds if features == "trained" else 0)


def told(summary: str, method: str, features: Features) -> str:
    """What a list says of a method, by whose features it looks at."""
    return summary if features == "initial" else f"{method} on features of the model that is trained on everyone."
