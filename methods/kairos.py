"""KAIROS: what an example's weight does to the discrepancy between training and validation data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.types import Additive, Budget, Count, Floats, JobSize, Problem
from methods.embedders import Features, embedder, fits, told


@dataclass(frozen=True)
class Kairos(Additive):
    """Minus the derivative of the squared MMD to validation as training data move towards an example.

    Args:
        features: of the ``initial`` model, or of the one that is ``trained`` on everyone.
        seeds: initialisations whose features are averaged over, or training runs from them.
    """

    features: Features = "initial"
    seeds: Count = 3
    source = "Zhu et al. (2025), NeurIPS (arXiv 2506.23799), the influence of a point on the MMD"
    passes = "1 forward pass a seed, of trained features 1 retraining a seed; kernels of all pairs"
    choices = (
        "features: penultimate, at the initialisation, which costs least; the paper's networks are trained on other "
        "data, and :trained is nearest to them; labels enter by mmd's kernel on features joined with targets, so that "
        "responses have a value too, in place of the residual of a classifier fitted on validation; the derivative's "
        "constant, which the paper's code drops since it orders single examples, is kept, for it counts in a "
        "contributor's sum"
    )
    claims = frozenset({"copies", "additive"})

    @property
    def summary(self) -> str:
        return told(super().summary, "KAIROS", self.features)

    def budget(self, contributors: int, examples: int) -> Budget:
        return fits(self.features, self.seeds)

    def algebra(self, size: JobSize) -> float:
        return self.seeds * 2.0 * size.examples * (size.examples + size.validation) * size.features

    def example_values(self, problem: Problem) -> Floats:
        from methods.kernels import joint_features, mean_kernels

        found = []
        for seed in range(self.seeds):
            own_N, across_N = mean_kernels(joint_features(problem, embedder(problem, self.features, seed)))
            gap_N = (own_N - across_N).cpu().numpy()
            found.append(-2 * (gap_N - gap_N.mean()))
        return np.stack(found)
