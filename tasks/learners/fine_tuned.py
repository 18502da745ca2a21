"""Small learners that start from a base: one that answers in words, and one that tells labels apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from harness.types import Params, Plain, Recipe
from tasks.learners import base, transformer
from tasks.learners.classifier import Classifier
from tasks.learners.language_model import LanguageModel
from tasks.learners.sizes import Size


def small_language_model(
    start: Params,
    size: Size,
    vocabulary: int,
    length: int,
    recipe: Recipe,
    *,
    answer: int | None = None,
    settings: Mapping[str, Plain] | None = None,
) -> LanguageModel:
    """A small causal language model, fine-tuned from a base.

    Args:
        start: the base.
        size, vocabulary, length: the base's own.
        answer, settings: as LanguageModel takes them.
    """
    build = partial(transformer.small, "language model", vocabulary, length, size=size)
    distinct = {"base": base.digest(start), **(settings or {})}
    return LanguageModel("small-llama", build, vocabulary, recipe, answer, distinct, base=start)


def small_classifier(
    start: Params,
    label_tokens: Sequence[int],
    size: Size,
    vocabulary: int,
    length: int,
    recipe: Recipe,
    *,
    settings: Mapping[str, Plain] | None = None,
) -> Classifier:
    """A small transformer classifier, fine-tuned from a language model that says labels as words.

    Its head begins as that model's embeddings of the labels' tokens, so no seed starts from a head of its own (as with
    prompts: Schick & Schuetze 2021, EACL).

    Args:
        start: the language model.
        label_tokens: the token of each label, in the labels' order.
        size, vocabulary: the language model's own.
    """
    labels = len(label_tokens)
    head = start["inner.model.embed_tokens.weight"][list(label_tokens)].clone()
    start = {**start, "inner.score.weight": head}
    build = partial(transformer.small, "text classifier", vocabulary, length, labels, size)
    distinct = {"base": base.digest(start), **(settings or {})}
    return Classifier("small-llama-classifier", build, labels, recipe, distinct, base=start)
