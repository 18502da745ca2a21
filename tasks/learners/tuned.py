"""Pretrained models as learners; copies of one train one after another."""

from __future__ import annotations

from harness.types import Plain, Recipe
from tasks.learners.classifier import Classifier
from tasks.learners.language_model import LanguageModel
from tasks.learners.pixels import Prepared
from tasks.learners.pretrained import Model


def text_classifier(model: Model, labels: int, recipe: Recipe, length: int) -> Classifier:
    """A pretrained model with a new head, as a learner; copies of it train one after another."""
    settings: dict[str, Plain] = {**model.identity(), "length": length}
    build = model.build("text classifier", labels)
    learner = Classifier("pretrained-classifier", build, labels, recipe, settings=settings)
    learner.stacks = False
    return learner


def language_model(model: Model, recipe: Recipe, length: int) -> LanguageModel:
    """A pretrained model that answers in words, as a learner."""
    settings: dict[str, Plain] = {**model.identity(), "length": length}
    vocabulary, build = int(model.config().vocab_size), model.build("language model")
    return LanguageModel("pretrained-language-model", build, vocabulary, recipe, settings=settings, stacks=False)


def image_classifier(model: Model, classes: int, recipe: Recipe) -> Classifier:
    """A pretrained model with a new head, which takes images in [0, 1] of any size, as a learner."""
    form = model.image_form()
    inner = model.build("image classifier", classes)
    settings = {**model.identity(), "form": str(form)}
    learner = Classifier("pretrained-image-classifier", lambda: Prepared(inner(), form), classes, recipe, settings)
    learner.stacks = False
    return learner
