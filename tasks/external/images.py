"""Image classification on sources: real images, beside a source's synthetic ones or samples of a generator."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from harness.errors import UserError
from harness.seeds import stream
from harness.types import Learner, Pool, Task
from tasks.external.about import about_images
from tasks.external.definition import TaskDefinition
from tasks.external.prepared import SHARES, SplitImages, held_out_counts, split_images
from tasks.learners.pretrained import Model
from tasks.pools.dealing import Axes, Dealt, Rows, deal
from tasks.pools.drawing import TooFewRows
from tasks.pools.fitting import advised
from tasks.pools.image_generator import LATENTS, ClassGaussians
from tasks.pools.image_pools import ImageMaterials, PreparedImages, deal_images
from tasks.pools.image_styles import Standardisation, StylePrototypes
from tasks.pools.splits import HELD_OUT

VERSION = 2
FITTED_ROWS = 4_000
"""Most rows of the generator split that the generator, the prototypes and the pixels' scale are fitted on."""


class ImageTask:
    """Deals pools of images and makes their learner; rows are read when the first is dealt."""

    def __init__(self, definition: TaskDefinition) -> None:
        self.definition = definition

    def task(self) -> Task:
        return Task(
            name=self.definition.name,
            version=VERSION,
            summary=self.definition.summary,
            form=self.definition.form,
            deal=self.deal,
            learner=self.learner,
            about=about_images(self.definition),
            recipe=self.definition.recipe,
            reads=lambda: [account.sentence() for account in self.found.accounts],
        )

    @cached_property
    def found(self) -> SplitImages:
        return split_images(self.definition)

    @cached_property
    def prepared(self) -> PreparedImages:
        return prepare_images(self.definition, self.found)

    def deal(self, index: int) -> Pool:
        prepared, axes = self.prepared, self.definition.axes
        counts = held_out_counts(len(prepared.splits[HELD_OUT]["labels"]))
        try:
            return deal_images(prepared, index, axes, counts, self._stream(index))
        except TooFewRows as error:
            raise advised(error, axes, index, self._try, SHARES["contributors"]) from error

    def _try(self, index: int, axes: Axes) -> Dealt:
        return deal(ImageMaterials(self.prepared), axes, self._stream(index))

    def _stream(self, index: int) -> np.random.Generator:
        return stream(0, self.definition.name, "sources", "pool", index)

    def learner(self) -> Learner:
        model = self.definition.model
        return self._fine_tuned(model) if model else self._small()

    def _small(self) -> Learner:
        from tasks.learners.classifier import small_cnn

        classes, (_, side, _, channels) = self.prepared.classes, self.prepared.splits["generator"]["images"].shape
        settings = {"side": side, "channels": channels}
        return small_cnn(side, classes, self.definition.recipe, channels=channels, settings=settings)

    def _fine_tuned(self, model: Model) -> Learner:
        from tasks.learners.tuned import image_classifier

        return image_classifier(model, self.prepared.classes, self.definition.recipe)


def prepare_images(definition: TaskDefinition, found: SplitImages) -> PreparedImages:
    """Images of a task, read, cleaned and split, and what is fitted on the generator split.

    Raises:
        UserError: a generator is needed and there are too few images of a class.
    """
    own = found.splits["generator"]
    by_frequency = np.argsort(-np.bincount(own["labels"], minlength=found.classes), kind="stable")
    fitted = {name: column[:FITTED_ROWS] for name, column in own.items()}
    is_made = found.synthetic is None and not definition.real_only
    return PreparedImages(
        task=definition.name,
        splits=found.splits,
        synthetic=_generator(definition.name, found, fitted) if is_made else found.synthetic,
        ranked=tuple(int(label) for label in by_frequency),
        prototypes=StylePrototypes.fit(fitted["images"]),
        standardisation=None if definition.model else Standardisation.fit(fitted["images"]),
        facts=found.facts,
    )


def _generator(task: str, found: SplitImages, fitted: Rows) -> ClassGaussians:
    counts = np.bincount(fitted["labels"], minlength=found.classes)
    if counts.min() < 2:
        raise UserError(
            f"{task}: the generator split has {counts.min()} images of class {counts.argmin()}, and a generator needs "
            "at least 2 of each class. Give more images, or a synthetic source."
        )
    latents = min(LATENTS, fitted["images"][0].size - 1, int(counts.min()) - 1)
    return ClassGaussians.fit(fitted["images"], fitted["labels"], latents)
