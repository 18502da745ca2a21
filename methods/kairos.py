"""KAIROS: what an example's weight does to the discrepancy between training and validation data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np

from harness.types import Count, Floats, JobSize, Params, Problem, between
from methods.embedders import Features, OnFeatures

if TYPE_CHECKING:
    from methods.features import Seen

RIDGES = np.logspace(-5, 3, 17)
"""Strengths of the ridge that foretells responses, in variances of a feature; leave-one-out error chooses."""


@dataclass(frozen=True)
class Kairos(OnFeatures):
    """Minus what drawing data towards an example adds to the squared MMD of inputs, and its label's residual.

    Args:
        marginal: weight of the discrepancy between inputs; that between labels given inputs has the rest.
        features: of the ``initial`` model, or of the one that is ``trained`` on everyone.
        seeds: initialisations, or training runs from them, over whose features values are averaged.
    """

    marginal: Annotated[float, between(0, 1)] = 0.97
    features: Features = "initial"
    seeds: Count = 3
    called = "KAIROS"
    source = (
        "Zhu et al. (2025), NeurIPS (arXiv 2506.23799), influence on the MMD of inputs and residual of labels, weighed "
        "as in its code"
    )
    passes = "1 forward pass a seed, of trained features 1 retraining a seed; kernels of all pairs"
    choices = (
        "features: penultimate, at the initialisation, which costs least; the paper's networks are trained on other "
        "data, and :trained is nearest to them. The code's sum: 0.97 x (mean kernel with training - mean kernel with "
        "validation) + 0.03 x |label - what a logistic regression on validation gives it|, less its mean over training "
        "data, which the derivative has and the code drops, for it counts in a contributor's sum. Its kernel is one "
        "Gaussian of width 3 in its features' own units: here of the median distance, for ours have others, and the "
        "regression's are standardised. The paper has labels alone: shares of a response's tokens are foretold by "
        "ridge regression, in units in which two lie as far apart as two labels. The inputs' part doesn't see labels, "
        "and where contributors differ in inputs its weight can outdo theirs: a wrong label lowers an example's value "
        "beside a right one's, not its contributor's beside another's"
    )
    claims = frozenset({"copies", "additive"})

    def algebra(self, size: JobSize) -> float:
        """Distances between inputs, and the regression at its largest, as many targets as features."""
        kernels = 2.0 * size.examples * (size.examples + size.validation) * size.features
        return self.seeds * (kernels + (4.0 * size.validation + 0.5 * size.examples) * size.features**2)

    def example_values(self, problem: Problem) -> Floats:
        return np.stack([self._one_seed(problem, self.embedder(problem, k)) for k in range(self.seeds)])

    def _one_seed(self, problem: Problem, params: Params) -> Floats:
        import torch

        from methods.features import seen
        from methods.kernels import Kernel, Samples, mean_kernels

        train, validation = seen(problem, params)
        inputs = Samples(*(torch.from_numpy(side.features_NF).to(problem.device) for side in (train, validation)))
        own_N, across_N = mean_kernels(inputs, Kernel(bandwidths=(1.0,)))
        gap_N = (own_N - across_N).cpu().numpy()
        missed_N = residuals(train, validation, problem.learner.one_label)
        drawn_N = self.marginal * gap_N + (1 - self.marginal) * missed_N
        return np.asarray(drawn_N.mean() - drawn_N)


def residuals(train: Seen, validation: Seen, one_label: bool) -> Floats:
    """Distance of each training example's target from what validation, by regression, expects of its features, N."""
    scale = 1.0 if one_label else float(np.sqrt(validation.targets_NM.var(axis=0).sum()))
    foretold_NM = (chances if one_label else means)(train, validation)
    return np.asarray(np.linalg.norm(train.targets_NM - foretold_NM, axis=1) / max(scale, 1e-12))


def chances(train: Seen, validation: Seen) -> Floats:
    """Each label's chance by logistic regression on validation, N x M; none for what validation lacks."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    labels_V = validation.targets_NM.argmax(axis=1)
    found_NM = np.zeros(train.targets_NM.shape)
    if len(labels := np.unique(labels_V)) == 1:
        found_NM[:, labels] = 1.0
        return found_NM
    model = make_pipeline(StandardScaler(), LogisticRegression(tol=1e-6, max_iter=1_000))
    found_NM[:, labels] = model.fit(validation.features_NF, labels_V).predict_proba(train.features_NF)
    return found_NM


def means(train: Seen, validation: Seen) -> Floats:
    """The target's mean by ridge regression on validation, N x M."""
    from sklearn.linear_model import RidgeCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), RidgeCV(RIDGES * len(validation.features_NF)))
    return np.asarray(model.fit(validation.features_NF, validation.targets_NM).predict(train.features_NF))
