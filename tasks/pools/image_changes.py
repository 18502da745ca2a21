"""What may be done to images: near-duplicates, a contributor's own exposure, wrong labels."""

from __future__ import annotations

import numpy as np

from harness.types import Bools
from tasks.pools.dealing import Rows

CONTRAST, BRIGHTNESS = 0.6, 0.25
"""Of a contributor's exposure at full style strength: log contrast and shift of pixels, either way."""

JITTER = 0.03
"""Standard deviation of a near-duplicate's pixels around its model's."""


def nearly(rows: Rows, rng: np.random.Generator) -> Rows:
    """The same images with slightly other pixels."""
    jittered = rows["images"] + JITTER * rng.standard_normal(rows["images"].shape)
    return {"images": np.clip(jittered, 0.0, 1.0), "labels": rows["labels"]}


def exposed(rows: Rows, strength: float, rng: np.random.Generator) -> Rows:
    """The same images in one exposure."""
    contrast, shift = np.exp(CONTRAST * strength * rng.uniform(-1, 1)), BRIGHTNESS * strength * rng.uniform(-1, 1)
    return {"images": rows["images"] * contrast + shift, "labels": rows["labels"]}


def mislabelled(rows: Rows, wrong_N: Bools, classes: int, rng: np.random.Generator) -> Rows:
    """The same images, another class where marked."""
    other = (rows["labels"] + rng.integers(1, classes, size=len(wrong_N))) % classes
    return {"images": rows["images"], "labels": np.where(wrong_N, other, rows["labels"])}
