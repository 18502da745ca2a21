"""Small learners that start from a base: one that answers in words, and one that tells labels apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

from torch import nn

from harness.types import Learner, Params, Plain, Recipe
from tasks.learners import base, transformer
from tasks.learners.classifier import Classifier
from tasks.learners.functional import Narrower, widest
from tasks.learners.language_model import LanguageModel
from tasks.learners.sizes import Size

Rebase: TypeAlias = Callable[[Size], Params]
"""A size -> a base of that size, trained anew each time: a narrower model's base is billed to whoever asks for it."""


def small_language_model(
    start: Params,
    size: Size,
    vocabulary: int,
    length: int,
    recipe: Recipe,
    *,
    answer: int | None = None,
    settings: Mapping[str, Plain] | None = None,
    rebase: Rebase | None = None,
) -> LanguageModel:
    """A small causal language model, fine-tuned from a base.

    Args:
        start: the base.
        size, vocabulary, length: the base's own.
        answer, settings: as LanguageModel takes them.
        rebase: trains a base of another size; None: it has no narrower self.
    """

    def build(of: Size) -> nn.Module:
        return transformer.small("language model", vocabulary, length, size=of)

    def again(of: Size, base_of_it: Params) -> LanguageModel:
        return small_language_model(base_of_it, of, vocabulary, length, recipe, answer=answer, settings=settings)

    distinct = {"base": base.digest(start), **(settings or {})}
    narrower = _narrower(build, size, rebase, again)
    return LanguageModel(
        "small-llama", partial(build, size), vocabulary, recipe, answer, distinct, base=start, narrower=narrower
    )


def small_classifier(
    start: Params,
    label_tokens: Sequence[int],
    size: Size,
    vocabulary: int,
    length: int,
    recipe: Recipe,
    *,
    settings: Mapping[str, Plain] | None = None,
    rebase: Rebase | None = None,
) -> Classifier:
    """A small transformer classifier, fine-tuned from a language model that says labels as words.

    Its head begins as that model's embeddings of the labels' tokens, so no seed starts from a head of its own (as with
    prompts: Schick & Schuetze 2021, EACL).

    Args:
        start: the language model.
        label_tokens: the token of each label, in the labels' order.
        size, vocabulary: the language model's own.
        rebase: trains such a language model of another size; None: it has no narrower self.
    """
    labels = len(label_tokens)
    head = start["inner.model.embed_tokens.weight"][list(label_tokens)].clone()
    start = {**start, "inner.score.weight": head}

    def build(of: Size) -> nn.Module:
        return transformer.small("text classifier", vocabulary, length, labels, of)

    def again(of: Size, base_of_it: Params) -> Classifier:
        return small_classifier(base_of_it, label_tokens, of, vocabulary, length, recipe, settings=settings)

    distinct = {"base": base.digest(start), **(settings or {})}
    narrower = _narrower(build, size, rebase, again)
    return Classifier(
        "small-llama-classifier", partial(build, size), labels, recipe, distinct, base=start, narrower=narrower
    )


def _narrower(
    build: Callable[[Size], nn.Module], size: Size, rebase: Rebase | None, again: Callable[[Size, Params], Learner]
) -> Narrower | None:
    """Narrower selves, each of which starts from a base of its own size."""
    if rebase is None:
        return None

    def narrower(share: float) -> Callable[[], Learner] | None:
        found = widest(share, build, size, size.narrower())
        return None if found is None else lambda: again(found, rebase(found))

    return narrower
