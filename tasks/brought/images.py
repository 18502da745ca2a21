"""Images that are brought, as examples; and the small or pretrained model that learns from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from harness.brought import Brought, Shown, Wanted
from harness.errors import UserError
from harness.types import Array, Learner, Plain, Recipe
from tasks.brought.copies import copies_of
from tasks.brought.labels import labels_of, numbered
from tasks.brought.making import held_out, left_out, owners_of, read_counts, sides_of, training
from tasks.brought.rows import TARGET, Read
from tasks.external.defaults import DEFAULTS
from tasks.external.prepared import SMALL_SIDE, averaged
from tasks.learners.pretrained import Model
from tasks.pools.image_styles import Standardisation
from tasks.sources.near import same_images

EPOCHS, STEPS = 3, (60, 240)
"""How often a training run of the small model sees everyone's images, within these numbers of steps."""


def brought(wanted: Wanted, read: Read) -> Brought:
    """Examples, equal images and a learner.

    Raises:
        UserError: images differ in form, or the small model cannot take them.
    """
    every = {**read.contributors, TARGET: read.target}
    shapes = {name: np.asarray(rows.images).shape[1:] for name, rows in every.items()}
    if len(set(shapes.values())) > 1:
        first = next(iter(shapes.values()))
        other = next(name for name, shape in shapes.items() if shape != first)
        raise UserError(
            f"All images must have one form; those of {next(iter(shapes))} are {_form(first)}, those of {other} "
            f"{_form(shapes[other])}. Bring them to one size and number of channels."
        )
    if wanted.settings.length is not None:
        raise UserError("--length counts the tokens of a text, and images are asked for; leave it out.")
    labels, notes = labels_of(read.contributors, read.target)
    pixels = np.concatenate([np.asarray(rows.images) for rows in every.values()])
    own = len(pixels) - len(read.target)
    settings = wanted.settings
    model = Model(settings.model, settings.revision, settings.lora) if settings.model else None
    seen = pixels if model else _small_form(pixels)
    if not model:
        seen = Standardisation.fit(seen[:own]).of(seen)
    inputs = np.ascontiguousarray(np.moveaxis(seen, -1, 1), dtype=np.float32)
    targets = numbered([answer for rows in every.values() for answer in rows.answers], labels)
    columns: dict[str, Array] = {"inputs": inputs, "targets": targets}
    recipe = settings.recipe(DEFAULTS[wanted.task].tuning if model else _recipe(wanted.task, own))
    places = [place for rows in every.values() for place in rows.places]
    answers = [answer for rows in every.values() for answer in rows.answers]
    found, owners_N = same_images(pixels), owners_of(read)
    return Brought(
        task=wanted.task,
        form="image-label",
        names=tuple(read.contributors),
        train=training({name: column[:own] for name, column in columns.items()}, read),
        target=held_out({name: column[own:] for name, column in columns.items()}, len(read.target)),
        learner=_learner(model, inputs.shape[2], inputs.shape[1], len(labels), recipe),
        model=f"{model.source if model else _small(inputs.shape)}; {recipe.about()}",
        shown=Shown(places[:own], answers[:own], places[:own]),
        shown_target=Shown(places[own:], answers[own:], places[own:]),
        copies=copies_of(found, found, owners_N, len(read.contributors)),
        labels=labels,
        sides=sides_of(read),
        read_C=read_counts(read),
        left_out=left_out(read),
        notes=(*read.notes, *notes),
    )


def _small_form(pixels: Array) -> Array:
    """Averaged down, and square."""
    small = averaged(pixels, SMALL_SIDE)
    if small.shape[1] != small.shape[2]:
        raise UserError(
            f"The small model takes square images, got {_form(pixels.shape[1:])}. Cut or pad them, or name a model "
            "that takes any (--model DIR)."
        )
    return small


def _recipe(task: str, examples: int) -> Recipe:
    """The task's own with steps enough to see that many images a few times."""
    own = DEFAULTS[task].recipe
    return replace(own, steps=int(np.clip(EPOCHS * examples / own.batch_size, *STEPS)))


def _learner(model: Model | None, side: int, channels: int, classes: int, recipe: Recipe) -> Callable[[], Learner]:
    def make() -> Learner:
        if model:
            from tasks.learners.tuned import image_classifier

            return image_classifier(model, classes, recipe)
        from tasks.learners.classifier import small_cnn

        settings: dict[str, Plain] = {"side": side, "channels": channels}
        return small_cnn(side, classes, recipe, channels=channels, settings=settings)

    return make


def _small(shape: tuple[int, ...]) -> str:
    return f"small: a CNN of two layers on {shape[2]} x {shape[3]} pixels"


def _form(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
