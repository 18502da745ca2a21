"""Penultimate features and targets as vectors: as tensors, and as plain arrays for methods of little algebra."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from harness.types import Batch, Examples, Floats, Learner, Params, Problem
from methods.gradients.directional import blocks, tensors


@dataclass(frozen=True, slots=True)
class Seen:
    """What a model's last layer gets of each example, N x F, and the targets as vectors, N x M."""

    features_NF: Floats
    targets_NM: Floats


def seen(problem: Problem, params: Params) -> tuple[Seen, Seen]:
    """Of the training examples and of the validation split."""
    return _seen(problem, params, problem.train), _seen(problem, params, problem.validation)


def _seen(problem: Problem, params: Params, examples: Examples) -> Seen:
    learner, rows = problem.learner, tensors(examples, problem.device)
    found = features_of(learner, params, rows), targets_of(learner, rows)
    return Seen(*(part.cpu().numpy() for part in found))


@torch.no_grad()
def features_of(learner: Learner, params: Params, batch: Batch) -> torch.Tensor:
    """What the last layer gets of each example, N x F, in double precision; one forward pass."""
    return torch.cat([learner.features(params, block) for block in blocks(batch, learner)]).double()


def targets_of(learner: Learner, batch: Batch) -> torch.Tensor:
    """The targets as vectors, N x M, in double precision."""
    return torch.cat([learner.target_features(block) for block in blocks(batch, learner)]).double()


def agreement(train: Seen, validation: Seen) -> Floats:
    """How far two examples' targets agree, V x N: 1 - the total variation distance between them.

    1 for the same label and 0 for another; of responses the share of tokens that they have in common.
    """
    return np.asarray(1 - _distances(validation.targets_NM, train.targets_NM, 1.0) / 2)


def distances(train: Seen, validation: Seen) -> Floats:
    """Euclidean distances between penultimate features, V x N."""
    return _distances(validation.features_NF, train.features_NF, 2.0)


def _distances(a_VF: Floats, b_NF: Floats, order: float) -> Floats:
    return np.asarray(torch.cdist(torch.from_numpy(a_VF), torch.from_numpy(b_NF), order).numpy())
