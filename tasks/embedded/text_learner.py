"""The learner of the embedded tasks that answer in words."""

from __future__ import annotations

from typing import Any

from harness.types import Ints, Learner, Params, Recipe
from tasks.embedded.grammar import as_rows
from tasks.embedded.text_pools import PreparedGrammar
from tasks.learners.encoding import encode_responses
from tasks.learners.sizes import SMALLEST, Size
from tasks.pools.dealing import Rows


def encode(tokenizer: Any, rows: Rows, length: int) -> dict[str, Ints]:
    """Prompts and answers as a language model takes them."""
    inputs, targets = encode_responses(tokenizer, rows["prompts"], rows["answers"], length)
    return {"inputs": inputs, "targets": targets}


def language_model(prepared: PreparedGrammar, length: int, recipe: Recipe, base_steps: int) -> Learner:
    """A small causal language model, fine-tuned from a base of the generator split.

    Args:
        length: tokens of an example.
        base_steps: how long the base is trained.
    """
    from tasks.learners import base
    from tasks.learners.fine_tuned import small_language_model

    vocabulary = len(prepared.tokenizer)
    rows = encode(prepared.tokenizer, as_rows(prepared.splits["generator"]), length)
    name = f"{prepared.grammar.name}, base"

    def start(size: Size, keep: bool = False) -> Params:
        return base.trained_language_model(
            name, size, vocabulary, length, rows["inputs"], rows["targets"], steps=base_steps, keep=keep
        )

    return small_language_model(start(SMALLEST, keep=True), SMALLEST, vocabulary, length, recipe, rebase=start)
