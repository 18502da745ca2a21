"""Image classification: real handwritten digits beside digits sampled from a truncated generator."""

from __future__ import annotations

from functools import cache

import numpy as np

from harness.seeds import stream
from harness.types import Learner, Pool, Recipe, Task
from tasks.pools.dealing import Axes
from tasks.pools.image_generator import LATENTS, ClassGaussians
from tasks.pools.image_pools import LATENT_BOUND, PreparedImages, deal_images, fewest_kept, image_rows
from tasks.pools.image_styles import PROTOTYPES, Standardisation, StylePrototypes
from tasks.pools.splits import HELD_OUT, describe_splits, split_by_content

NAME = "image-classification"
VERSION = 2
SIDE, CLASSES = 8, 10
SPLITS = {"generator": 0.20, "contributors": 0.40, HELD_OUT: 0.40}
HELD_OUT_ROWS = {"validation": 240, "test": 462}
AXES = Axes(size=(20, 40), real_share=(0.0, 0.9), noise=(0.0, 0.25))
RECIPE = Recipe(steps=40, batch_size=64, rate=0.1)


def task() -> Task:
    return Task(
        name=NAME,
        version=VERSION,
        summary="Handwritten digits (8 x 8, real) and digits from a truncated class-conditional generator.",
        form="image-label",
        deal=deal_pool,
        learner=small_cnn,
        about=ABOUT,
        recipe=RECIPE,
    )


def small_cnn() -> Learner:
    from tasks.learners import classifier

    return classifier.small_cnn(SIDE, CLASSES, RECIPE)


@cache
def prepared() -> PreparedImages:
    """The real digits in their splits, and what is fitted on the first."""
    from sklearn.datasets import load_digits  # scikit-learn takes seconds to import

    digits = load_digits()
    images, labels_N = digits.images[..., None] / 16.0, digits.target.astype(np.int64)
    rows = split_by_content([image.tobytes() for image in images], SPLITS, salt=NAME)
    splits = {name: image_rows(images[chosen], labels_N[chosen]) for name, chosen in rows.items()}
    own = splits["generator"]
    generator = ClassGaussians.fit(own["images"], own["labels"], LATENTS)
    return PreparedImages(
        task=NAME,
        splits=splits,
        synthetic=generator,
        ranked=generator.ranked,
        prototypes=StylePrototypes.fit(own["images"]),
        standardisation=Standardisation.fit(own["images"]),
    )


def deal_pool(index: int) -> Pool:
    return deal_images(prepared(), index, AXES, HELD_OUT_ROWS, stream(0, NAME, "pool", index))


ABOUT = {
    "real": (
        "scikit-learn's 1,797 handwritten digits, 8 x 8 grey pixels, in "
        + describe_splits(SPLITS)
        + f"; each pool divides what is held out anew into {HELD_OUT_ROWS['validation']} validation and "
        + f"{HELD_OUT_ROWS['test']} test digits, alike in their classes: no more can be had, so pools share them"
    ),
    "synthetic": (
        f"probabilistic PCA a class (Tipping & Bishop 1999), {LATENTS} latents, fitted on the generator split; each "
        f"contributor's is cut to the {fewest_kept(CLASSES)} to {CLASSES} most frequent classes, and to latents within "
        f"{LATENT_BOUND[0]} to {LATENT_BOUND[1]} standard deviations. What that cut is measured over {PROTOTYPES} "
        "style prototypes (coverage, KL divergence, head and tail shares)"
    ),
    "contributors": AXES.about(),
    "style": "exposure: contrast and brightness",
    "learner": "small CNN: strided convolutions of 8 (3 x 3) and 16 (2 x 2) channels, tanh, linear head",
    "recipe": RECIPE.about(),
    "utility": "mean log-likelihood on the test split; accuracy is kept beside it",
}
