"""LoGra: influence through gradients projected layer by layer, on both sides of every linear layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.types import Additive, Budget, Count, Floats, JobSize, Positive, Problem
from methods import algebra, scopes
from methods.influence import passes_of_damping

if TYPE_CHECKING:
    from methods.gradients.layered import LayerGradients


@dataclass(frozen=True)
class LoGra(Additive):
    """Example's gradient . (F + ridge)^-1 validation gradient, layer by layer, each projected on both its sides.

    Args:
        runs: independent training runs averaged over.
        projection: dimension k of each layer's projected gradients, its root on either side; a side that is narrower
            stays whole. The parameters outside of linear layers are one layer more, of a plain projection.
        damping: None for the rule of ``influence``, one over each parameter's summed learning rate. A number: the ridge
            is that multiple of the mean eigenvalue of a layer's F; at least 1e-6, which stands for none.
    """

    runs: Count = 3
    projection: Count = 4096
    damping: Positive | None = None
    seed_scope = scopes.PROJECTED
    source = "Choe et al. (2024), arXiv 2405.13954, sec. 3 (LoGra); F is the empirical Fisher matrix of each layer"
    passes = (
        "1 retraining a run; 1 pass of layer signals and 1 per-example gradient of other parameters a run; for AdamW 1 "
        "to 2 a checkpoint"
    )
    choices = (
        "damping: influence's D, by whose D^-1/2 gradients are multiplied before they are projected, so that the ridge "
        "is 1; AdamW's D is no product of one for each side, so a layer's gradient is then made whole, an example at a "
        "time, before its sides are projected; damping=0.1 is the authors' code's, a tenth of the mean eigenvalue, the "
        "mean taken over min(examples, parameters) eigenvalues so that k does not move it; random projections to 64 x "
        "64, Gaussian: as wide as TRAK's least; biases, norms, embeddings and whatever else the learner gives no "
        "signals of, tied weights too, go through a plain count sketch together, as one layer"
    )
    claims = frozenset({"null", "copies", "additive"})

    def budget(self, contributors: int, examples: int) -> Budget:
        """Layers are looked at on a few rows first."""
        each = 2 + 2 * algebra.LOOKED_AT / examples + (passes_of_damping(None) if self.damping is None else 0)
        return Budget(self.runs, gradient_passes=self.runs * each, validation_passes=2 * self.runs)

    def algebra(self, size: JobSize) -> float:
        """A transformer's block has six linear layers of twelve times its squared width together.

        At AdamW's damping a layer's gradient is made whole and its inputs' side projected first, which is most of it.
        """
        layers = max(1.0, size.parameters / (2 * size.features**2))
        width = min(self.projection, size.parameters)
        sides = 2.0 * (size.examples + size.validation) * size.parameters * math.isqrt(width)
        solves = layers * algebra.damped_products(size, width, size.examples)
        is_whole = self.damping is None and size.optimiser == "adamw"
        return self.runs * (solves + (sides if is_whole else 0.0))

    def example_values(self, problem: Problem) -> Floats:
        from methods.gradients.layered import layer_gradients
        from methods.gradients.projected import Units

        units: Units = "damping" if self.damping is None else "own"
        runs = [layer_gradients(problem, run, self.projection, units) for run in range(self.runs)]
        return np.stack([np.sum([self._one_layer(layer) for layer in layers], axis=0) for layers in runs])

    def _one_layer(self, layer: LayerGradients) -> Floats:
        import torch

        from methods.gradients.projected import damped, in_their_span

        train_NK, validation_VK = in_their_span(layer.train_NK, layer.validation_VK)
        examples = len(train_NK)
        factor = damped(train_NK.T @ train_NK / examples, self.damping, min(examples, layer.parameters))
        solved_K = torch.cholesky_solve(validation_VK.mean(0)[:, None], factor)[:, 0]
        return np.asarray((train_NK @ solved_K / examples).cpu().numpy())
