"""How well trained models do on held-out rows: each row's likelihood, and its means over folds of the split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch.func import vmap

from harness.metering.flops import FlopCounter
from harness.retraining.training import Stopped, job, never, predict
from harness.types import FOLDS, Array, Batch, Floats, Learner, Params

EVALUATION_BLOCK = 32_768
"""Rows x models that a stack evaluates at a time; models trained in turn take a few batches of rows."""

EVALUATED_OUTPUTS = 4_000_000
"""Logits of all its models that a stack evaluates at a time: beyond some megabytes caches hold too little of them."""


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What J models do on N held-out rows: the log-likelihood of each target, and whether it was answered right."""

    log_likelihood_JN: Floats
    correct_JN: Floats

    @property
    def utility_J(self) -> Floats:
        """Mean log-likelihood."""
        return np.asarray(self.log_likelihood_JN.mean(axis=1))

    @property
    def accuracy_J(self) -> Floats:
        return np.asarray(self.correct_JN.mean(axis=1))

    @property
    def by_fold_J2F(self) -> Array:
        """Mean log-likelihood and accuracy on each of ``FOLDS`` fixed folds, float32; nan for a fold without rows.

        Row n is of fold n mod ``FOLDS``, for every model and every run.
        """
        sides_J2N = np.stack([self.log_likelihood_JN, self.correct_JN], axis=1)
        counts_F = np.bincount(np.arange(sides_J2N.shape[2]) % FOLDS, minlength=FOLDS)
        sums_J2F = np.stack([sides_J2N[:, :, fold::FOLDS].sum(axis=2) for fold in range(FOLDS)], axis=2)
        means_J2F = sums_J2F / np.maximum(counts_F, 1)
        return np.where(counts_F > 0, means_J2F, np.nan).astype(np.float32)


@torch.no_grad()
def evaluate(
    learner: Learner,
    params: Params,
    held_out: Batch,
    *,
    stacked: bool,
    flops: FlopCounter,
    outputs: int = 1,
    stopped: Callable[[], bool] = never,
) -> Scores:
    """Score J stacked models on held-out rows.

    Args:
        outputs: logits of one row; where they are many, a stack takes fewer rows at a time.
        stopped: asked before each block of rows.

    Raises:
        Stopped: when ``stopped`` says so.
    """
    jobs, rows = len(next(iter(params.values()))), len(held_out["targets"])
    recipe = learner.recipe
    in_turn = 4 * (recipe.micro_batch or recipe.batch_size)
    width = max(1, min(EVALUATION_BLOCK, EVALUATED_OUTPUTS // outputs) // jobs) if stacked else in_turn
    if recipe.micro_batch:  # what has no room for a batch of gradients has none for a whole split either
        width = min(width, in_turn)
    losses, correct = [], []

    def scored(params: Params, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        logits, _ = predict(learner, params, batch)
        return learner.losses_of(logits, batch), learner.correct(logits, batch)

    with flops.counting():
        for start in range(0, rows, width):
            if stopped():
                raise Stopped
            block = {name: column[start : start + width] for name, column in held_out.items()}
            if stacked:
                losses_JB, correct_JB = vmap(scored, in_dims=(0, None))(params, block)
            else:
                pairs = [scored(job(params, j), block) for j in range(jobs)]
                losses_JB, correct_JB = (torch.stack(side) for side in zip(*pairs, strict=True))
            losses.append(losses_JB.double().cpu().numpy())
            correct.append(correct_JB.double().cpu().numpy())
    return Scores(-np.concatenate(losses, axis=1), np.concatenate(correct, axis=1))
