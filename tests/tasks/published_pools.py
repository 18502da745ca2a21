"""The first pools of the embedded tasks as they were published: a change of one is another benchmark.

Raise the task's VERSION, publish its results anew, and only then write the new digests here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest

from harness.types import Pool
from tasks.embedded.reasoning import Outcomes
from tasks.embedded.text_generator import TextGenerator
from tasks.pools.image_generator import ClassGaussians


class Digests(NamedTuple):
    """Of the real training rows, the held-out rows, and of all training rows."""

    real: str
    validation: str
    test: str
    train: str


class Fitted(NamedTuple):
    """A generator's parameters: their digest, and the sum of their sizes."""

    digest: str
    size: float


POOLS = {
    ("image-classification", 0): Digests(
        "415ea6790a1940c1", "9ab8eb99296de5e5", "a432b9c59899b5db", "6a76883615ce0895"
    ),
    ("image-classification", 1): Digests(
        "1c135b2619ba81cc", "9ab8eb99296de5e5", "a432b9c59899b5db", "f74936d7aba323c0"
    ),
    ("instruction-following", 0): Digests(
        "4dd6663a9d1c5081", "c7ca903cbda7df00", "d0ad90970765e604", "236d998377f908e2"
    ),
    ("instruction-following", 1): Digests(
        "d09c4dce8435ddc6", "c7ca903cbda7df00", "d0ad90970765e604", "0c5dd7d3b9317349"
    ),
    ("reasoning", 0): Digests("bdb0dd150dc572d6", "05468196224090d6", "fe02cb5677661c52", "2d8b05139c5a614c"),
    ("reasoning", 1): Digests("d900114e01c6e7c6", "05468196224090d6", "fe02cb5677661c52", "92e8f4b38bf04f90"),
    ("sentiment", 0): Digests("91d1cba563fcf93d", "076bfec7294fc0c5", "4935c0e3dc973281", "caa83e23bde8b223"),
    ("sentiment", 1): Digests("e79a8be8f9251847", "076bfec7294fc0c5", "4935c0e3dc973281", "4f6885a7104ced4e"),
}

GENERATORS = {
    "image-classification": Fitted("c79b7f674d6cdf21", 486.6),
    "instruction-following": Fitted("fd149ab93da26a5a", 2269.8),
    "reasoning": Fitted("22bc8fb5908059c6", 1156.0),
    "sentiment": Fitted("e0bcf1955947234c", 2605.8),
}


def check_published(pool: Pool, generator: ClassGaussians | Outcomes | TextGenerator) -> None:
    """Real and held-out rows are the published ones, and so are synthetic ones where they can be.

    Elsewhere a generator may be fitted with other last digits, and then write another word here and there.
    """
    expected, published = POOLS[pool.task, pool.index], GENERATORS[pool.task]
    fitted = digest_and_size(parameters_of(generator))
    assert fitted.size == pytest.approx(published.size, rel=0.01)
    real = pool.train.take(pool.train.real_N)
    found = Digests(real.digest(), pool.validation.digest(), pool.test.digest(), pool.train.digest())
    assert found[:3] == expected[:3]
    if fitted.digest == published.digest:
        assert found.train == expected.train


def parameters_of(generator: ClassGaussians | Outcomes | TextGenerator) -> list[np.ndarray]:
    if isinstance(generator, ClassGaussians):
        return [np.array(generator.ranked), generator.means_KD, generator.loadings_KDQ, generator.noise_K]
    if isinstance(generator, Outcomes):
        return [np.array(generator.ranked), np.array(generator.counts)]
    return [p.detach().numpy() for _, p in sorted(generator.model.named_parameters())]


def digest_and_size(parameters: Sequence[np.ndarray[Any, Any]]) -> Fitted:
    content = hashlib.sha256(b"".join(np.ascontiguousarray(p).tobytes() for p in parameters))
    return Fitted(content.hexdigest()[:16], float(sum(np.abs(p).sum(dtype=np.float64) for p in parameters)))


def digests(pool: Pool) -> list[str]:
    """All that there is of a pool, so that two can be compared."""
    planted = repr([dict(contributor.planted) for contributor in pool.contributors])
    return [pool.train.digest(), pool.validation.digest(), pool.test.digest(), planted, repr(dict(pool.facts))]
