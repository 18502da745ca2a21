"""Image classification on sources: real images, beside a source's synthetic ones or samples of a generator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from harness.errors import UserError
from harness.seeds import stream
from harness.types import HELD_OUT, Array, Bools, Examples, Ints, Learner, Plain, Pool, Task
from tasks.external.defaults import Asked, told
from tasks.external.prepared import HELD_OUT_ROWS, SHARES, Images, ImageStock, image_stock
from tasks.learners.classifier import Classifier, SmallCnn
from tasks.learners.pretrained import Prepared
from tasks.pools import drawing as undealt
from tasks.pools.dealing import Rows, deal
from tasks.pools.image_changes import exposed, mislabelled, nearly
from tasks.pools.image_generator import ClassGaussians
from tasks.pools.truncation import truncation_caused

VERSION = 1
LATENTS = 12
PROTOTYPES = 50
"""Style prototypes (k-means centres of the generator split) over which truncation is measured."""

FITTED_ROWS = 4_000
"""Most rows of the generator split that the generator and the prototypes are fitted on."""

SMALL_SIDE = 16
"""Images are averaged down to at most so many pixels a side for the small CNN: what it costs goes with their area."""

HALF_OF_RANKS = 0.5
"""Share of the classes that the strongest truncation keeps."""

LATENT_BOUND = (0.2, 3.0)


@dataclass(slots=True)
class ImageMaterials:
    """One pool's stock of real images, and where synthetic ones come from: a stock, or else a generator."""

    task: str
    stock: Images
    classes: int
    ranked: tuple[int, ...]
    synthetic_stock: Images | None
    generator: ClassGaussians | None
    free: dict[str, Bools] = field(init=False)

    def __post_init__(self) -> None:
        synthetic = 0 if self.synthetic_stock is None else len(self.synthetic_stock)
        self.free = {
            "real": np.ones(len(self.stock), dtype=np.bool_),
            "synthetic": np.ones(synthetic, dtype=np.bool_),
        }

    def draw_truncation(self, rng: np.random.Generator) -> dict[str, Plain]:
        fewest = max(1, round(HALF_OF_RANKS * len(self.ranked)))
        truncation: dict[str, Plain] = {"keep_ranks": int(rng.integers(fewest, len(self.ranked) + 1))}
        if self.generator:
            truncation["latent_bound"] = float(np.exp(rng.uniform(*np.log(LATENT_BOUND))))
        return truncation

    def real(self, count: int, skew: float, rng: np.random.Generator) -> Rows:
        place = rng.permutation(self.classes)
        return self._dealt("real", self.stock, count, np.exp(-skew * place[self.stock.labels_N]), "", rng)

    def synthetic(self, count: int, truncation: Mapping[str, Plain], rng: np.random.Generator) -> Rows:
        keep_ranks = int(truncation["keep_ranks"] or 0)
        if self.generator:
            images, labels = self.generator.sample(count, keep_ranks, float(truncation["latent_bound"] or 0), rng)
            return {"images": images.reshape(count, *self.stock.images.shape[1:]), "labels": labels}
        assert self.synthetic_stock is not None
        weights = np.isin(self.synthetic_stock.labels_N, self.ranked[:keep_ranks]).astype(np.float64)
        of = f" of the {keep_ranks} most frequent classes"
        return self._dealt("synthetic", self.synthetic_stock, count, weights, of, rng)

    def near_duplicates(self, rows: Rows, rng: np.random.Generator) -> Rows:
        return nearly(rows, rng)

    def with_style(self, rows: Rows, strength: float, rng: np.random.Generator) -> Rows:
        return exposed(rows, strength, rng)

    def with_noise(self, rows: Rows, wrong_N: Bools, rng: np.random.Generator) -> Rows:
        return mislabelled(rows, wrong_N, self.classes, rng)

    def _dealt(self, side: str, stock: Images, count: int, weights: Array, of: str, rng: np.random.Generator) -> Rows:
        """``count`` images not dealt before, drawn by weight."""
        told = f"{side} images{of}"
        chosen = undealt.draw(self.free[side], weights, count, rng, task=self.task, rows="images", told=told)
        return {"images": stock.images[chosen], "labels": stock.labels_N[chosen]}


class ImageTask:
    """Deals pools of images and makes their learner; rows are read when the first is dealt."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked

    def task(self) -> Task:
        real = ", ".join(source.name for source in self.asked.real)
        made = ", ".join(source.name for source in self.asked.synthetic) or "a truncated class-conditional generator"
        return Task(
            name=self.asked.name,
            version=VERSION,
            summary=f"{real} (real) and {made} (synthetic).",
            deal=self.deal,
            learner=self.learner,
            about=self._about(),
        )

    # --- data -----------------------------------------------------------------------------------------

    @cached_property
    def stock(self) -> ImageStock:
        return image_stock(self.asked, None if self.asked.model else SMALL_SIDE)

    @cached_property
    def fitted(self) -> Images:
        """The rows of the generator split that things are fitted on."""
        own = self.stock.splits["generator"]
        return Images(own.images[:FITTED_ROWS], own.labels_N[:FITTED_ROWS])

    @cached_property
    def generator(self) -> ClassGaussians | None:
        if self.asked.synthetic:
            return None
        found = np.bincount(self.fitted.labels_N, minlength=self.stock.classes)
        if found.min() < 2:
            raise UserError(
                f"{self.asked.name}: the generator split has {found.min()} images of class {found.argmin()}, and a "
                "generator needs at least 2 of each class. Give more images, or a synthetic source."
            )
        latents = min(LATENTS, self.fitted.images[0].size - 1, int(found.min()) - 1)
        return ClassGaussians.fit(self.fitted.images, self.fitted.labels_N, latents)

    @cached_property
    def prototypes(self) -> Any:
        from sklearn.cluster import KMeans
        from threadpoolctl import threadpool_limits

        rows = self.fitted.images.reshape(len(self.fitted), -1).astype(np.float64)
        with threadpool_limits(1):  # sums in one order, so that the same images always give the same prototypes
            return KMeans(min(PROTOTYPES, len(np.unique(rows, axis=0))), n_init=1, random_state=0).fit(rows)

    @cached_property
    def ranked(self) -> tuple[int, ...]:
        """Classes by how frequent they are in the generator split, head first."""
        counts = np.bincount(self.stock.splits["generator"].labels_N, minlength=self.stock.classes)
        return tuple(int(label) for label in np.argsort(-counts, kind="stable"))

    def deal(self, index: int) -> Pool:
        stock, name = self.stock, self.asked.name
        materials = ImageMaterials(
            name, stock.splits["contributors"], stock.classes, self.ranked, stock.synthetic, self.generator
        )
        dealt = deal(materials, self.asked.axes, stream(0, name, "sources", "pool", index))
        real, made = self._symbols(stock.splits["contributors"].images), dealt.rows["images"][~dealt.real_N]
        lost = truncation_caused(real, self._symbols(made), self.prototypes.n_clusters) if len(made) else {}
        return Pool(
            task=name,
            index=index,
            contributors=dealt.contributors,
            train=self._examples(dealt.rows["images"], dealt.rows["labels"], dealt.owners_N, dealt.real_N),
            validation=self._held_out("validation"),
            test=self._held_out("test"),
            facts={**stock.facts, **lost},
        )

    def _symbols(self, images: Array) -> Ints:
        """Nearest style prototype of each image."""
        return np.asarray(self.prototypes.predict(images.reshape(len(images), -1).astype(np.float64)), dtype=np.int64)

    def _held_out(self, split: str) -> Examples:
        found = self.stock.splits[split]
        owners, real = np.full(len(found), HELD_OUT), np.ones(len(found), dtype=np.bool_)
        return self._examples(found.images, found.labels_N, owners, real)

    def _examples(self, images: Array, labels: Ints, owners_N: Ints, real_N: Bools) -> Examples:
        """Pixels N x C x H x W in single precision, standardised unless the model does it itself."""
        pixels = images if self.asked.model else (images - self._mean) / self._deviation
        return Examples({"inputs": np.moveaxis(pixels, -1, 1).astype(np.float32), "targets": labels}, owners_N, real_N)

    @cached_property
    def _mean(self) -> float:
        return float(self.fitted.images.mean())

    @cached_property
    def _deviation(self) -> float:
        return float(self.fitted.images.std()) or 1.0

    # --- learning -------------------------------------------------------------------------------------

    def learner(self) -> Learner:
        classes, model = self.stock.classes, self.asked.model
        if model:
            inner, form = model.build("image classifier", classes), model.image_form()
            settings = {**model.identity(), "form": str(form)}
            learner = Classifier(
                "pretrained-image-classifier", lambda: Prepared(inner(), form), classes, self.asked.recipe, settings
            )
            learner.stacks = False
            return learner
        side, channels = self.stock.splits["test"].images.shape[1], self.stock.splits["test"].images.shape[3]
        settings = {"width": 8, "side": side, "channels": channels}
        return Classifier(
            "small-cnn", lambda: SmallCnn(side, classes, channels=channels), classes, self.asked.recipe, settings
        )

    # --- words ----------------------------------------------------------------------------------------

    def _about(self) -> dict[str, str]:
        asked = self.asked
        made = told(asked.synthetic) or (
            f"probabilistic PCA a class (Tipping & Bishop 1999), {LATENTS} latents, fitted on the generator split; "
            f"latents within {LATENT_BOUND[0]} to {LATENT_BOUND[1]} standard deviations"
        )
        learner = (
            "small CNN: strided convolutions of 8 (3 x 3) and 16 (2 x 2) channels, tanh, linear head; images are "
            f"averaged down to at most {SMALL_SIDE} pixels a side"
        )
        if asked.model:
            learner = f"{asked.model.source}, images resized and standardised as it takes them"
        shares = ", ".join(f"{share:.0%} {split}" for split, share in SHARES.items())
        held_out = " and ".join(f"{rows} rows of {split}" for split, rows in HELD_OUT_ROWS.items())
        return {
            "real": f"{told(asked.real)}; four splits by content hash: {shares}; at most {held_out}",
            "synthetic": f"{made}; each contributor's are cut to the half to all of the most frequent classes. What "
            f"that cut is measured over {PROTOTYPES} style prototypes",
            "contributors": asked.axes.about(),
            "style": "exposure: contrast and brightness",
            "learner": learner,
            "recipe": asked.recipe.about(),
            "utility": "mean log-likelihood on the test split; accuracy is kept beside it",
        }
