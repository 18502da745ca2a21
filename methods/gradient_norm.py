"""GraNd: how much an example would move the model at its start, wherever to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.types import Additive, Budget, Count, Floats, JobSize, Params, Problem


@dataclass(frozen=True)
class GradientNorm(Additive):
    """Norm of an example's loss gradient at the initialisation.

    Args:
        seeds: initialisations averaged over.
    """

    seeds: Count = 3
    source = "baseline; Paul, Ganguli & Dziugaite (2021), NeurIPS, definition 2.1 (GraNd, at time 0)"
    passes = "1 backward pass a seed"
    choices = "higher is worth more, as the paper keeps examples of large norm; a contributor's value is the sum"
    claims = frozenset({"null", "copies", "additive"})

    def budget(self, contributors: int, examples: int) -> Budget:
        return Budget(gradient_passes=self.seeds)

    def algebra(self, size: JobSize) -> float:
        return 0.0

    def example_values(self, problem: Problem) -> Floats:
        return np.stack([gradient_norms(problem, problem.initial(seed)) for seed in range(self.seeds)])


def gradient_norms(problem: Problem, params: Params) -> Floats:
    """Of each training example; no more gradients are held at once than fit in a block."""
    import torch

    from methods.gradients.directional import tensors
    from methods.gradients.per_example import BLOCK_ENTRIES, output_gradients
    from methods.gradients.vectors import size

    train, rows = tensors(problem.train, problem.device), max(1, BLOCK_ENTRIES // size(params))
    unused = torch.Generator()  # nothing is projected
    found = []
    for start in range(0, len(problem.train), rows):
        block = {name: column[start : start + rows] for name, column in train.items()}
        gradients = output_gradients(problem.learner, params, block, None, unused, problem.learner.losses)
        found.append(gradients.norm(dim=1))
    return np.asarray(torch.cat(found).double().cpu().numpy())
