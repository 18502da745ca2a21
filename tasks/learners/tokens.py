"""Texts as rows: tokenizers, and how prompts and responses become arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from harness.errors import UserError
from harness.types import Ints
from tasks.learners.language_model import IGNORED

PAD, UNKNOWN, END = "[pad]", "[unknown]", "[end]"


def word_tokenizer(words: Iterable[str]) -> Any:
    """A tokenizer of whole words that are separated by spaces; padding is 0, unknown 1, end 2."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: k for k, word in enumerate([PAD, UNKNOWN, END, *sorted(set(words))])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, pad_token=PAD, unk_token=UNKNOWN, eos_token=END, padding_side="right"
    )


def encode_texts(tokenizer: Any, texts: Iterable[str], length: int) -> Ints:
    """Token ids N x ``length``, padded on the right; longer texts lose their end."""
    rows = [tokenizer.encode(text, add_special_tokens=False)[:length] for text in texts]
    return padded_rows(rows, length, tokenizer.pad_token_id)


def encode_responses(
    tokenizer: Any, prompts: Iterable[str], responses: Iterable[str], length: int
) -> tuple[Ints, Ints]:
    """Inputs and targets N x ``length``: prompt, response, end; only response and end are learnt.

    A prompt that is too long loses its beginning, so that the response and what stands right before it stay.

    Raises:
        UserError: a response alone does not fit; it names the row.
    """
    end = [tokenizer.eos_token_id]
    inputs, targets = [], []
    for number, (prompt, response) in enumerate(zip(prompts, responses, strict=True)):
        answer = tokenizer.encode(response, add_special_tokens=False) + end
        room = length - len(answer)
        if room < 1:
            raise UserError(
                f"Row {number}: the response has {len(answer)} tokens with its end and leaves no room for a prompt in "
                f"{length}. Raise the length, or leave such rows out."
            )
        asked = tokenizer.encode(prompt, add_special_tokens=False)[-room:]
        inputs.append(asked + answer)
        targets.append([IGNORED] * len(asked) + answer)
    return padded_rows(inputs, length, tokenizer.pad_token_id), padded_rows(targets, length, IGNORED)


def padded_rows(rows: Sequence[Sequence[int]], length: int, pad: int) -> Ints:
    """Rows of token ids as N x ``length``, padded on the right."""
    padded = np.full((len(rows), length), pad, dtype=np.int64)
    for k, row in enumerate(rows):
        padded[k, : len(row)] = row
    return padded
