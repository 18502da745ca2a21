"""Many models near a trained one, moved side by side by gradients of small batches.

A move is measured in units in which the damping is 1: the model is w + R z, R = D^-1/2. Gradients are differences to
those of the trained model on the same rows, so that where it stands there is neither a slope nor any noise of batches
(Baker et al. 2019, Statistics and Computing 29).
"""

from __future__ import annotations

from itertools import islice

import numpy as np
import torch
from torch.func import grad, vmap

from harness.types import Batch, Floats, Learner, Params
from methods.gradients.curvature import Curvature
from methods.gradients.directional import example_losses, mean_gradient
from methods.gradients.krylov import lanczos
from methods.gradients.vectors import by_entry, plus


class Nearby:
    """Models around a trained one.

    Args:
        scale: R.
        batch_size: rows of a step; all where there are no more.
    """

    def __init__(self, learner: Learner, params: Params, scale: Params, train: Batch, batch_size: int) -> None:
        self._learner, self._params, self._scale, self._train = learner, params, scale, train
        self._rows = min(batch_size, len(train["targets"]))

    def slopes(self, moves_K: Params, rng: np.random.Generator) -> Params:
        """R (gradient at each model - gradient at the trained one) on rows drawn anew for each, K x ..."""
        models, examples = len(next(iter(moves_K.values()))), len(self._train["targets"])
        rows_KB = np.stack([rng.permutation(examples)[: self._rows] for _ in range(models)])
        batches = {name: column[torch.from_numpy(rows_KB).to(column.device)] for name, column in self._train.items()}
        moved, still = self._gradients(self.models(moves_K), batches), self._gradients(None, batches)
        return by_entry(plus(moved, still, -1.0), self._scale)

    def models(self, moves_K: Params) -> Params:
        return plus(self._params, by_entry(moves_K, self._scale))

    def _gradients(self, models_K: Params | None, batches: Batch) -> Params:
        """Of each batch's mean loss, at its own model or at the trained one."""
        learner = self._learner
        if learner.stacks and learner.recipe.micro_batch is None:
            loss = grad(lambda p, batch: learner.losses(p, batch).mean())
            found: Params = vmap(loss, (None if models_K is None else 0, 0))(models_K or self._params, batches)
            return found
        each = []
        for k in range(len(batches["targets"])):
            params = self._params if models_K is None else {name: p[k] for name, p in models_K.items()}
            each.append(mean_gradient(learner, params, {name: column[k] for name, column in batches.items()}))
        return {name: torch.stack([gradient[name] for gradient in each]) for name in self._params}


def losses_of_models(learner: Learner, models_K: Params, batch: Batch) -> Floats:
    """Loss of every example under every model, K x N."""
    models = range(len(next(iter(models_K.values()))))
    return np.stack([example_losses(learner, {name: p[k] for name, p in models_K.items()}, batch) for k in models])


def covariances(losses_KN: Floats, targets_KV: Floats) -> Floats:
    """Of each example's loss with the mean of the targets, over models, N."""
    target_K = targets_KV.mean(axis=1)
    centred_K = target_K - target_K.mean()
    return np.asarray(centred_K @ (losses_KN - losses_KN.mean(axis=0)) / max(1, len(centred_K) - 1))


def largest_eigenvalue(curvature: Curvature, start: Params, products: int) -> float:
    """From below, by Lanczos' method."""
    found = 0.0
    for _, entries in islice(lanczos(curvature, start), products):
        found = float(torch.linalg.eigvalsh(entries)[-1])
    return found


def normal_moves(like: Params, models: int, generator: torch.Generator) -> Params:
    """Independent standard normal numbers, K x ...; the same on every device."""
    return {name: torch.randn((models, *p.shape), generator=generator).to(p) for name, p in like.items()}


def entries_moved(scale: Params) -> int:
    """Numbers that training moves."""
    return sum(int((entry > 0).sum()) for entry in scale.values())


def squared_distance(start: Params, end: Params, scale: Params) -> float:
    """Between two models, in units in which the damping is 1; along what training moves."""
    found = 0.0
    for name, entry in scale.items():
        moved = entry > 0
        found += float(((end[name] - start[name])[moved] / entry[moved]).double().square().sum())
    return found
