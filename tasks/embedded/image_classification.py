"""Image classification: real handwritten digits beside digits sampled from a truncated generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from harness.errors import UserError
from harness.seeds import stream
from harness.types import HELD_OUT, Array, Bools, Examples, Ints, Learner, Plain, Pool, Recipe, Task
from tasks.learners.classifier import Classifier, SmallCnn
from tasks.pools.dealing import Axes, Rows, deal
from tasks.pools.image_changes import exposed, mislabelled, nearly
from tasks.pools.image_generator import ClassGaussians
from tasks.pools.splits import split_by_content, told
from tasks.pools.truncation import truncation_caused

NAME = "image-classification"
VERSION = 1
SIDE, CLASSES = 8, 10
SPLITS = {"generator": 0.20, "contributors": 0.40, "validation": 0.15, "test": 0.25}
LATENTS = 12
PROTOTYPES = 50
"""Style prototypes (k-means centres of the generator split) over which truncation is measured."""

AXES = Axes(size=(20, 40), real_share=(0.0, 0.9), noise=(0.0, 0.25))
KEEP_RANKS = (5, CLASSES)
LATENT_BOUND = (0.2, 3.0)

RECIPE = Recipe(steps=40, batch_size=64, rate=0.1)


def task() -> Task:
    return Task(
        name=NAME,
        version=VERSION,
        summary="Handwritten digits (8 x 8, real) and digits from a truncated class-conditional generator.",
        deal=deal_pool,
        learner=small_cnn,
        about=ABOUT,
    )


def small_cnn() -> Learner:
    return Classifier("small-cnn", lambda: SmallCnn(SIDE, CLASSES), CLASSES, RECIPE, settings={"width": 8})


@dataclass(frozen=True, slots=True)
class Sources:
    """The four splits of the real digits, pixels in [0, 1], and the generator fitted on the first."""

    images: Mapping[str, Array]
    labels: Mapping[str, Ints]
    generator: ClassGaussians
    prototypes: Any  # scikit-learn's KMeans
    mean: float
    scale: float


@cache
def sources() -> Sources:
    from sklearn.cluster import KMeans  # scikit-learn takes seconds to import
    from sklearn.datasets import load_digits

    digits = load_digits()
    images, labels = digits.images / 16.0, digits.target.astype(np.int64)
    rows = split_by_content([image.tobytes() for image in images], SPLITS, salt=NAME)
    split_images = {name: images[found] for name, found in rows.items()}
    split_labels = {name: labels[found] for name, found in rows.items()}
    own = split_images["generator"]
    return Sources(
        images=split_images,
        labels=split_labels,
        generator=ClassGaussians.fit(own, split_labels["generator"], LATENTS),
        prototypes=KMeans(PROTOTYPES, n_init=1, random_state=0).fit(own.reshape(len(own), -1)),
        mean=float(own.mean()),
        scale=float(own.std()),
    )


@dataclass(slots=True)
class DigitMaterials:
    """One pool's stock of real digits, and the generator."""

    images: Array
    labels: Ints
    generator: ClassGaussians
    free: Bools = field(init=False)

    def __post_init__(self) -> None:
        self.free = np.ones(len(self.labels), dtype=np.bool_)

    def draw_truncation(self, rng: np.random.Generator) -> dict[str, Plain]:
        keep_ranks = int(rng.integers(KEEP_RANKS[0], KEEP_RANKS[1] + 1))
        latent_bound = float(np.exp(rng.uniform(*np.log(LATENT_BOUND))))
        return {"keep_ranks": keep_ranks, "latent_bound": latent_bound}

    def real(self, count: int, skew: float, rng: np.random.Generator) -> Rows:
        free = np.flatnonzero(self.free)
        if count > len(free):
            raise UserError(
                f"{NAME}: the pool needs {count} more real digits, {len(free)} are left; deal smaller ones."
            )
        place = rng.permutation(CLASSES)
        weights = np.exp(-skew * place[self.labels[free]])
        chosen = rng.choice(free, size=count, replace=False, p=weights / weights.sum())
        self.free[chosen] = False
        return {"images": self.images[chosen], "labels": self.labels[chosen]}

    def synthetic(self, count: int, truncation: Mapping[str, Plain], rng: np.random.Generator) -> Rows:
        keep_ranks, latent_bound = int(truncation["keep_ranks"] or 0), float(truncation["latent_bound"] or 0)
        images, labels = self.generator.sample(count, keep_ranks, latent_bound, rng)
        return {"images": images.reshape(count, SIDE, SIDE), "labels": labels}

    def near_duplicates(self, rows: Rows, rng: np.random.Generator) -> Rows:
        return nearly(rows, rng)

    def with_style(self, rows: Rows, strength: float, rng: np.random.Generator) -> Rows:
        return exposed(rows, strength, rng)

    def with_noise(self, rows: Rows, wrong_N: Bools, rng: np.random.Generator) -> Rows:
        return mislabelled(rows, wrong_N, CLASSES, rng)


def deal_pool(index: int) -> Pool:
    source = sources()
    rng = stream(0, NAME, "pool", index)
    materials = DigitMaterials(source.images["contributors"], source.labels["contributors"], source.generator)
    dealt = deal(materials, AXES, rng)
    made = dealt.rows["images"][~dealt.real_N]
    return Pool(
        task=NAME,
        index=index,
        contributors=dealt.contributors,
        train=_examples(dealt.rows["images"], dealt.rows["labels"], dealt.owners_N, dealt.real_N),
        validation=_held_out("validation"),
        test=_held_out("test"),
        facts=truncation_caused(_symbols(source.images["contributors"]), _symbols(made), PROTOTYPES),
    )


def _held_out(split: str) -> Examples:
    images, labels = sources().images[split], sources().labels[split]
    return _examples(images, labels, np.full(len(labels), HELD_OUT), np.ones(len(labels), dtype=np.bool_))


def _examples(images: Array, labels: Ints, owners_N: Ints, real_N: Bools) -> Examples:
    """Pixels standardised by the generator split's mean and deviation, N x 1 x 8 x 8 in single precision."""
    source = sources()
    pixels = ((images - source.mean) / source.scale).astype(np.float32)[:, None]
    return Examples({"inputs": pixels, "targets": labels}, owners_N, real_N)


def _symbols(images: Array) -> Ints:
    """Nearest style prototype of each image."""
    nearest = sources().prototypes.predict(images.reshape(len(images), -1))
    return np.asarray(nearest, dtype=np.int64)


ABOUT = {
    "real": ("scikit-learn's 1,797 handwritten digits, 8 x 8 grey pixels, in " + told(SPLITS)),
    "synthetic": (
        f"probabilistic PCA a class (Tipping & Bishop 1999), {LATENTS} latents, fitted on the generator split; each "
        f"contributor's is cut to the {KEEP_RANKS[0]} to {KEEP_RANKS[1]} most frequent classes, and to latents within "
        f"{LATENT_BOUND[0]} to {LATENT_BOUND[1]} standard deviations. What that cut is measured over {PROTOTYPES} "
        "style prototypes (coverage, KL divergence, head and tail shares)"
    ),
    "contributors": AXES.about(),
    "style": "exposure: contrast and brightness",
    "learner": "small CNN: strided convolutions of 8 (3 x 3) and 16 (2 x 2) channels, tanh, linear head",
    "recipe": RECIPE.about(),
    "utility": "mean log-likelihood on the test split; accuracy is kept beside it",
}
