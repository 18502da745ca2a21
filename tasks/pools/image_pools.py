"""Pools of images: what they are dealt from (prepared images, or a generator's), and how one is dealt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from harness.types import Array, Bools, Ints, Plain, Pool
from tasks.pools.dealing import Axes, Rows, deal, pool_of
from tasks.pools.drawing import UndrawnRows, topic_weights
from tasks.pools.image_changes import exposed, mislabelled, nearly
from tasks.pools.image_generator import ClassGaussians
from tasks.pools.image_styles import Standardisation, StylePrototypes
from tasks.pools.splits import HELD_OUT, divide
from tasks.pools.truncation import truncation_caused

KEPT_SHARE = 0.5
"""Share of the classes that the strongest truncation keeps."""

LATENT_BOUND = (0.2, 3.0)
"""Standard deviations that a truncated contributor's latents lie within, from the strongest cut to the weakest."""


def fewest_kept(classes: int) -> int:
    """How many of the classes the strongest truncation keeps."""
    return max(1, round(KEPT_SHARE * classes))


def image_rows(images: Array, labels_N: Ints) -> Rows:
    """Images N x H x W x C in [0, 1] and their classes."""
    return {"images": images, "labels": labels_N}


@dataclass(frozen=True, slots=True)
class PreparedImages:
    """Everything that the image pools of a task are dealt from.

    Args:
        task: its name.
        splits: generator, contributors and held out, of the real side.
        synthetic: prepared synthetic images, or a generator of them; None where all are real.
        ranked: the classes by how frequent they are in the generator split, head first.
        prototypes: styles over which truncation is measured.
        standardisation: of the pixels that the learner gets; None where it standardises them itself.
        facts: what was dropped in preparing, for every pool.
    """

    task: str
    splits: Mapping[str, Rows]
    synthetic: Rows | ClassGaussians | None
    ranked: tuple[int, ...]
    prototypes: StylePrototypes
    standardisation: Standardisation | None
    facts: Mapping[str, Plain] = field(default_factory=dict)

    @property
    def classes(self) -> int:
        return len(self.ranked)

    def held_out(self, index: int, counts: Mapping[str, int]) -> dict[str, Rows]:
        """The validation and test rows of a pool."""
        rows = self.splits[HELD_OUT]
        contents = [image.tobytes() for image in rows["images"]]
        found = divide(contents, [str(label) for label in rows["labels"]], counts, f"{self.task}, pool {index}")
        return {name: {key: column[chosen] for key, column in rows.items()} for name, chosen in found.items()}

    def encode(self, rows: Rows) -> dict[str, Array]:
        """Pixels N x C x H x W in single precision, and their classes."""
        pixels = self.standardisation.of(rows["images"]) if self.standardisation else rows["images"]
        return {"inputs": np.moveaxis(pixels, -1, 1).astype(np.float32), "targets": rows["labels"]}


class ImageMaterials:
    """One pool's materials: no prepared image is dealt twice."""

    def __init__(self, prepared: PreparedImages) -> None:
        self.classes, self.ranked = prepared.classes, prepared.ranked
        self._real = UndrawnRows(prepared.task, "real images", prepared.splits["contributors"])
        made = prepared.synthetic
        self._synthetic = UndrawnRows(prepared.task, "synthetic images", made) if isinstance(made, dict) else made

    def draw_truncation(self, rng: np.random.Generator) -> dict[str, Plain]:
        if self._synthetic is None:
            return {}
        keep_ranks = int(rng.integers(fewest_kept(self.classes), self.classes + 1))
        truncation: dict[str, Plain] = {"keep_ranks": keep_ranks}
        if isinstance(self._synthetic, ClassGaussians):
            truncation["latent_bound"] = float(np.exp(rng.uniform(*np.log(LATENT_BOUND))))
        return truncation

    def real(self, count: int, skew: float, rng: np.random.Generator) -> Rows:
        weights_N = topic_weights(self._real.rows["labels"], self.classes, skew, rng)
        return self._real.sample_without_replacement(count, weights_N, rng)

    def synthetic(self, count: int, truncation: Mapping[str, Plain], rng: np.random.Generator) -> Rows:
        if self._synthetic is None:
            return {name: column[:0] for name, column in self._real.rows.items()}  # none is asked for
        keep_ranks = int(truncation["keep_ranks"] or 0)
        if isinstance(self._synthetic, ClassGaussians):
            latent_bound = float(truncation["latent_bound"] or 0)
            images, labels_N = self._synthetic.sample(count, keep_ranks, latent_bound, rng)
            return image_rows(images.reshape(count, *self._real.rows["images"].shape[1:]), labels_N)
        weights_N = np.isin(self._synthetic.rows["labels"], self.ranked[:keep_ranks]).astype(np.float64)
        subset = f"of the {keep_ranks} most frequent classes"
        return self._synthetic.sample_without_replacement(count, weights_N, rng, subset)

    def near_duplicates(self, rows: Rows, rng: np.random.Generator) -> Rows:
        return nearly(rows, rng)

    def with_style(self, rows: Rows, strength: float, rng: np.random.Generator) -> Rows:
        return exposed(rows, strength, rng)

    def with_noise(self, rows: Rows, wrong_N: Bools, rng: np.random.Generator) -> Rows:
        return mislabelled(rows, wrong_N, self.classes, rng)


def deal_images(
    prepared: PreparedImages, index: int, axes: Axes, held_out: Mapping[str, int], rng: np.random.Generator
) -> Pool:
    """One pool of images, with what its synthetic side lost of the real styles.

    Args:
        held_out: most rows of its validation and test splits, drawn anew for each pool, alike in their classes.
    """
    dealt = deal(ImageMaterials(prepared), axes, rng)
    symbols, made = prepared.prototypes.nearest, dealt.rows["images"][~dealt.real_N]
    real = prepared.splits["contributors"]["images"]
    lost = truncation_caused(symbols(real), symbols(made), prepared.prototypes.count)
    own = prepared.held_out(index, held_out)
    train, validation, test = map(prepared.encode, (dealt.rows, own["validation"], own["test"]))
    return pool_of(prepared.task, index, dealt, train, validation, test, {**prepared.facts, **lost})
