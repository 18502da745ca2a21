"""The learner of the embedded tasks that answer in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.types import Recipe
from tasks.embedded.text_pool import Item
from tasks.learners import base, transformer
from tasks.learners.language_model import LanguageModel
from tasks.learners.tokens import encode_responses


def small_language_model(
    task: str, tokenizer: Any, items: Sequence[Item], length: int, recipe: Recipe, base_steps: int
) -> LanguageModel:
    """A small causal language model, fine-tuned from a base of the generator split.

    Args:
        items: the generator split.
        length: tokens of an example.
        base_steps: how long the base is trained.
    """
    vocabulary = len(tokenizer)

    def build() -> Any:
        return transformer.small("language model", vocabulary, length, size=transformer.SMALLEST)

    inputs, targets = encode_responses(
        tokenizer, [item.prompt for item in items], [item.answer for item in items], length
    )
    start = base.trained_language_model(
        build,
        inputs,
        targets,
        steps=base_steps,
        identity={"name": f"{task}, base", "vocabulary": vocabulary, "size": str(transformer.SMALLEST)},
    )
    return LanguageModel("small-llama", build, vocabulary, recipe, settings={"base": base.digest(start)}, base=start)
