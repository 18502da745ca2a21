"""LAVA: how the optimal transport between training and validation data answers to the weight of each example."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from harness.types import Count, Floats, JobSize, Params, Positive, Problem
from methods.embedders import Features, OnFeatures

MOST = 15_000
"""Training examples whose costs to each other still fit, in 2 GB."""


@dataclass(frozen=True)
class Lava(OnFeatures):
    """Minus the calibrated gradient of optimal transport from training to validation data in an example's weight.

    Args:
        entropy: that smooths the transport, in units of the mean cost.
        features: of the ``initial`` model, or of the one that is ``trained`` on everyone.
        seeds: initialisations, or training runs from them, over whose features values are averaged.
    """

    entropy: Positive = 0.1
    features: Features = "initial"
    seeds: Count = 3
    called = "LAVA"
    source = "Just et al. (2023), ICLR: calibrated gradients; label distances: Alvarez-Melis & Fusi (2020), NeurIPS"
    passes = (
        "1 forward pass a seed, of trained features 1 retraining a seed; costs between all pairs, Sinkhorn iterations "
        "(about 100) on them"
    )
    choices = (
        "features at the initialisation, which costs least, in place of a model trained on validation; :trained has "
        "those of one trained on everyone; cost: squared feature distance + squared distance between the two labels' "
        "features, as Gaussians, the default of the transport's own paper (LAVA's code solves these transports too); "
        "for responses joint features, both sides scaled alike; Sinkhorn divergence, as in the code, with its entropy "
        "of 0.1 in units of the mean cost, for features have no unit"
    )
    claims = frozenset({"additive"})

    def algebra(self, size: JobSize) -> float:
        """Distances between features; iterations are elementwise."""
        return self.seeds * 2.0 * size.examples * (size.examples + size.validation) * size.features

    def unsuitable(self, problem: Problem) -> str | None:
        if len(problem.train) > MOST:
            return f"the costs between all pairs of {len(problem.train):,} examples take more room than it may"
        return None

    def example_values(self, problem: Problem) -> Floats:
        found = [
            problem.shared(
                f"lava/{self.features}/{seed}/{self.entropy}",
                partial(self._one_seed, problem, self.embedder(problem, seed)),
            )
            for seed in range(self.seeds)
        ]
        return np.stack(found)

    def _one_seed(self, problem: Problem, params: Params) -> Floats:
        from methods.transport import divergence_gradient

        across_NV, within_NN = costs(problem, params)
        entropy = self.entropy * max(float(across_NV.mean()), 1e-12)
        return -calibrated(divergence_gradient(across_NV, within_NN, entropy))


def calibrated(gradient_N: Floats) -> Floats:
    """Each one's less the mean of all others': what moves if an example's weight grows and the others' shrink."""
    others = max(len(gradient_N) - 1, 1)
    return np.asarray(gradient_N * (1 + 1 / others) - gradient_N.sum() / others)


def costs(problem: Problem, params: Params) -> tuple[Floats, Floats]:
    """From training to validation examples, N x V, and among training examples, N x N."""
    from methods.features import seen
    from methods.kernels import joint_features

    if not problem.learner.one_label:
        joint = joint_features(problem, params)
        train, validation = joint.train.cpu().numpy(), joint.validation.cpu().numpy()
        return squares(train, validation), squares(train, train)
    train, validation = (side.features_NF for side in seen(problem, params))
    labels_N, labels_V = label_distances(train, problem.train.targets, validation, problem.validation.targets)
    return squares(train, validation) + labels_V, squares(train, train) + labels_N


def label_distances(
    train_NF: Floats, labels_N: Floats, validation_VF: Floats, labels_V: Floats
) -> tuple[Floats, Floats]:
    """Squared distance between the features of two examples' labels, each on its own side: N x N and N x V."""
    from methods.transport import gaussian_distances

    own, wanted = np.unique(labels_N), np.unique(labels_V)
    samples = [train_NF[labels_N == label] for label in own] + [validation_VF[labels_V == label] for label in wanted]
    between = gaussian_distances(samples)
    place_N, place_V = np.searchsorted(own, labels_N), len(own) + np.searchsorted(wanted, labels_V)
    return between[np.ix_(place_N, place_N)], between[np.ix_(place_N, place_V)]


def squares(a_NF: Floats, b_MF: Floats) -> Floats:
    """Squared distances between rows, N x M."""
    found = (a_NF**2).sum(axis=1)[:, None] + (b_MF**2).sum(axis=1)[None, :] - 2 * a_NF @ b_MF.T
    return np.asarray(np.maximum(found, 0.0))
