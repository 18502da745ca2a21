"""What is fitted on a task's generator split of images: their scale, and the styles that they come in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.types import Array, Ints

PROTOTYPES = 50
"""Style prototypes (k-means centres of the generator split) over which truncation is measured."""


@dataclass(frozen=True, slots=True)
class Standardisation:
    """Mean and deviation of all pixels of the generator split."""

    mean: float
    deviation: float

    @classmethod
    def fit(cls, images: Array) -> Standardisation:
        return cls(float(images.mean()), float(images.std()) or 1.0)

    def of(self, images: Array) -> Array:
        return np.asarray((images - self.mean) / self.deviation)


@dataclass(frozen=True, slots=True)
class StylePrototypes:
    """The centres of k-means over the generator split: each image is of the style of the nearest."""

    count: int
    _centres: Any  # scikit-learn's KMeans

    @classmethod
    def fit(cls, images: Array) -> StylePrototypes:
        """At most PROTOTYPES of them, and no more than there are different images."""
        from sklearn.cluster import KMeans  # scikit-learn takes seconds to import
        from threadpoolctl import threadpool_limits

        pixels_ND = _flat(images)
        count = min(PROTOTYPES, len(np.unique(pixels_ND, axis=0)))
        with threadpool_limits(1):  # sums in one order, so that the same images always give the same prototypes
            return cls(count, KMeans(count, n_init=1, random_state=0).fit(pixels_ND))

    def nearest(self, images: Array) -> Ints:
        """The style of each image, N, in [0, count)."""
        if not len(images):
            return np.zeros(0, dtype=np.int64)
        return np.asarray(self._centres.predict(_flat(images)), dtype=np.int64)


def _flat(images: Array) -> Array:
    return np.asarray(images, dtype=np.float64).reshape(len(images), -1)
