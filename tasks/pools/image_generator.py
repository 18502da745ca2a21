"""A class-conditional generator of small images, with two knobs that cut its tail."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from harness.types import Array, Floats, Ints

LATENTS = 12
"""Latents of each class's generator, where its images allow so many."""


@dataclass(frozen=True, slots=True)
class ClassGaussians:
    """Probabilistic PCA a class: image = mean + loadings z + noise, z standard normal.

    Tipping & Bishop 1999, Journal of the Royal Statistical Society B 61(3), eqs. 2, 7 and 8.

    Axes: K classes, D pixels, Q latents. ``ranked`` lists the classes from head to tail, by their frequency in
    the generator split.
    """

    ranked: tuple[int, ...]
    means_KD: Floats
    loadings_KDQ: Array
    noise_K: Floats

    @classmethod
    def fit(cls, images: Array, labels: Ints, latents: int) -> ClassGaussians:
        """Maximum likelihood on the generator split; images N x ... with pixels in [0, 1]."""
        rows_ND = images.reshape(len(images), -1).astype(np.float64)
        counts_K = np.bincount(labels)
        means, loadings, noises = [], [], []
        for label in range(len(counts_K)):
            rows = rows_ND[labels == label]
            mean = rows.mean(axis=0)
            _, singular, axes = np.linalg.svd(rows - mean, full_matrices=False)
            variances = singular**2 / len(rows)
            noise = variances[latents:].sum() / (rows.shape[1] - latents)
            means.append(mean)
            loadings.append(axes[:latents].T * np.sqrt(np.maximum(variances[:latents] - noise, 0)))
            noises.append(np.sqrt(noise))
        ranked = tuple(int(label) for label in np.argsort(-counts_K, kind="stable"))
        return cls(ranked, np.array(means), np.array(loadings), np.array(noises))

    def sample(self, count: int, keep_ranks: int, latent_bound: float, rng: np.random.Generator) -> tuple[Floats, Ints]:
        """``count`` images N x D in [0, 1] with labels, from the ``keep_ranks`` most frequent classes alone.

        Latents are normal truncated to [-latent_bound, latent_bound] (the truncation trick of Brock et al. 2019,
        ICLR, sec. 3.1).
        """
        labels_N = rng.choice(self.ranked[:keep_ranks], size=count).astype(np.int64)
        low = ndtr(-latent_bound)
        z_NQ = ndtri(rng.uniform(low, 1 - low, size=(count, self.loadings_KDQ.shape[2])))
        rows_ND = self.means_KD[labels_N] + np.einsum("ndq,nq->nd", self.loadings_KDQ[labels_N], z_NQ)
        rows_ND += self.noise_K[labels_N, None] * rng.standard_normal(rows_ND.shape)
        return np.clip(rows_ND, 0.0, 1.0), labels_N
