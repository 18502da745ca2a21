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
        "415ea6790a1940c1", "a41c0e0255438d37", "2d835d5982b1036b", "6a76883615ce0895"
    ),
    ("image-classification", 1): Digests(
        "1c135b2619ba81cc", "952c3f5be510b4fc", "0c58f901341dc328", "f74936d7aba323c0"
    ),
    ("instruction-following", 0): Digests(
        "e1e4e3910ac44275", "1ad5bb6e3211ffff", "068898c85932cc38", "a3764034834f81ae"
    ),
    ("instruction-following", 1): Digests(
        "f5301f6cabaeb506", "b68c43db5ef039bf", "af8b60b535c69dc9", "ba75a5b3538e9c5e"
    ),
    ("reasoning", 0): Digests("815b3f13cf567379", "f279d06ac36d56a8", "7df45525677c8040", "e8404856b5f29831"),
    ("reasoning", 1): Digests("9117012f07239f6f", "f7f08976a0e57dfc", "b259f5e1587c3e99", "f0b1c698d776b143"),
    ("sentiment", 0): Digests("dddfcf95059f5185", "fd0a4d85d7fb4001", "a287f3fc56412da8", "da54c105a252d1cb"),
    ("sentiment", 1): Digests("67a4e79adb391b38", "c4f0597cb35772f4", "d725b3ee72e7a555", "1879f3a61c301b3b"),
}

GENERATORS = {
    "image-classification": Fitted("d9fe4873fa5086ec", 486.6),
    "instruction-following": Fitted("04fe25fcf4d87a22", 2269.8),
    "reasoning": Fitted("22bc8fb5908059c6", 1156.0),
    "sentiment": Fitted("9783dca251f6c8c2", 2605.8),
}


def check_published(pool: Pool, generator: ClassGaussians | Outcomes | TextGenerator) -> None:
    """Held-out rows are the published ones, and so are training rows where they can be.

    Elsewhere a generator may be fitted with other last digits, and then write another word here and there; what is
    drawn after a text that was refused is another draw then, of real rows too.
    """
    expected, published = POOLS[pool.task, pool.index], GENERATORS[pool.task]
    fitted = digest_and_size(parameters_of(generator))
    assert fitted.size == pytest.approx(published.size, rel=0.01)
    real = pool.train.take(pool.train.real_N)
    found = Digests(real.digest(), pool.validation.digest(), pool.test.digest(), pool.train.digest())
    assert (found.validation, found.test) == (expected.validation, expected.test)
    if fitted.digest == published.digest:
        assert found == expected


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
