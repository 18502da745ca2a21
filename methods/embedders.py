"""Whose penultimate features are looked at: a model's at its initialisation, or one's that is trained on everyone."""

from __future__ import annotations

from typing import ClassVar, Literal

from harness.types import Additive, Budget, Count, Params, Problem

Features = Literal["initial", "trained"]


class OnFeatures(Additive):
    """A method with a knob for it, which tells and takes accordingly."""

    called: ClassVar[str]
    """What a list calls the method whose variant it tells of."""
    features: Features
    seeds: Count

    @property
    def summary(self) -> str:
        if self.features == "initial":
            return super().summary
        return f"{self.called} on features of the model that is trained on everyone."

    def budget(self, contributors: int, examples: int) -> Budget:
        """Nothing, or a training run each."""
        return Budget(fits=self.seeds if self.features == "trained" else 0)

    def embedder(self, problem: Problem, seed: int) -> Params:
        """The k-th initialisation, or the model that the training run from it ends with."""
        return problem.initial(seed) if self.features == "initial" else problem.fit(seed).params
