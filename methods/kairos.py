"""KAIROS: what an example's weight does to the discrepancy between training and validation data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.types import Additive, Count, Floats, JobSize, Problem


@dataclass(frozen=True)
class Kairos(Additive):
    """Minus the derivative of the squared MMD to validation as training data move towards an example.

    Args:
        seeds: initialisations whose features are averaged over.
    """

    seeds: Count = 3
    source = "Zhu et al. (2025), NeurIPS (arXiv 2506.23799), the influence of a point on the MMD"
    passes = "1 forward pass a seed, kernels of all pairs"
    choices = (
        "labels enter by mmd's kernel on features joined with targets, so that responses have a value too, in place of "
        "the residual of a classifier fitted on validation; the derivative's constant, which the paper's code drops "
        "since it orders single examples, is kept, for it counts in a contributor's sum"
    )
    claims = frozenset({"copies", "additive"})

    def algebra(self, size: JobSize) -> float:
        return self.seeds * 2.0 * size.examples * (size.examples + size.validation) * size.features

    def example_values(self, problem: Problem) -> Floats:
        from methods.kernels import joint_features, mean_kernels

        found = []
        for seed in range(self.seeds):
            own_N, across_N = mean_kernels(joint_features(problem, problem.initial(seed)))
            gap_N = (own_N - across_N).cpu().numpy()
            found.append(-2 * (gap_N - gap_N.mean()))
        return np.stack(found)
