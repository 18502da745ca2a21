"""For-Value: gradients of the last layer alone, from hidden states and prediction errors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.types import Additive, Batch, Budget, Count, Floats, JobSize, Params, Problem


@dataclass(frozen=True)
class ForValue(Additive):
    """Alignment of an example's hidden states and prediction errors with validation's, at the initialisation.

    Args:
        seeds: initialisations averaged over.
    """

    seeds: Count = 3
    source = "Deng et al. (2025), arXiv 2508.10180, eq. 1"
    passes = (
        "1 forward pass a seed, and 1 backward pass that the paper does without: the harness hands signals out by it"
    )
    choices = (
        "the sum over pairs of tokens of (hidden . hidden') (error . error') is the product of two gradients in "
        "the last linear layer, and is worked out so; errors are weighed as the loss weighs tokens, by their mean; "
        "the model is the initialisation, which for texts is pretrained; a contributor's value is the sum"
    )
    claims = frozenset({"copies", "additive"})

    def budget(self, contributors: int, examples: int) -> Budget:
        return Budget(gradient_passes=self.seeds, validation_passes=self.seeds)

    def algebra(self, size: JobSize) -> float:
        """Products with the last layer's inputs are a part of what its backward pass takes."""
        return 0.0

    def unsuitable(self, problem: Problem) -> str | None:
        from torch.nn import Linear

        layers = problem.learner.module(problem.initial(0)).modules()
        if not any(isinstance(layer, Linear) for layer in layers):
            return f"it looks at the last linear layer, and the model of {problem.task} has none"
        return None

    def example_values(self, problem: Problem) -> Floats:
        return np.stack([alignments(problem, problem.initial(seed)) for seed in range(self.seeds)])


def alignments(problem: Problem, params: Params) -> Floats:
    """Each training example's product with validation's mean gradient, in the last layer's weight alone, N."""
    import torch

    from methods.gradients.directional import blocks, tensors

    def last_layer(block: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """What the last linear layer took in, N x T x I, and the gradients of each loss in its outputs, N x T x O."""
        layer = list(problem.learner.layer_signals(params, block).values())[-1]
        rows = len(layer.inputs_NI)
        return (
            layer.inputs_NI.reshape(rows, -1, layer.inputs_NI.shape[-1]),
            layer.signals_NO.reshape(rows, -1, layer.signals_NO.shape[-1]),
        )

    target_OI: torch.Tensor | float = 0.0
    for block in blocks(tensors(problem.validation, problem.device), problem.learner):
        inputs, signals = last_layer(block)
        target_OI = target_OI + torch.einsum("nto,nti->oi", signals, inputs) / len(problem.validation)
    found = []
    for block in blocks(tensors(problem.train, problem.device), problem.learner):
        inputs, signals = last_layer(block)
        found.append(((inputs @ torch.as_tensor(target_OI).T) * signals).sum((1, 2)))
    return np.asarray(torch.cat(found).double().cpu().numpy())
