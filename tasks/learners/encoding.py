"""Texts as rows of token ids: prompts for classifiers, prompts with their responses for language models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from harness.errors import UserError
from harness.types import Ints

IGNORED = -100
"""Target of a token that is not to be learnt: prompt and padding (the convention of torch's cross-entropy)."""

SEPARATOR = "\n"
"""Stands between a prompt and its response where texts come from outside."""


def encode_prompts(tokenizer: Any, pad: int, prompts: Iterable[str], length: int) -> Ints:
    """Token ids N x ``length`` for a classifier, with what special tokens its tokenizer adds; long texts lose their
    end."""
    texts = list(prompts)
    rows = tokenizer(texts, truncation=True, max_length=length)["input_ids"] if texts else []
    return padded_rows(rows, length, pad)


def with_label(inputs_NT: Ints, labels_N: Ints, pad: int, first_label: int) -> tuple[Ints, Ints]:
    """Inputs and targets N x T + 1 for a language model that names a label right after the text.

    Args:
        inputs_NT: as ``encode_prompts`` gives them.
        first_label: token id of label 0; the others follow it.
    """
    rows, ends = np.arange(len(inputs_NT)), (inputs_NT != pad).sum(axis=1)
    inputs = np.pad(inputs_NT, ((0, 0), (0, 1)), constant_values=pad)
    targets = np.full(inputs.shape, IGNORED, dtype=np.int64)
    inputs[rows, ends] = targets[rows, ends] = first_label + labels_N
    return inputs, targets


def encode_responses(
    tokenizer: Any, prompts: Iterable[str], responses: Iterable[str], length: int
) -> tuple[Ints, Ints]:
    """Inputs and targets N x ``length`` of texts made to fit: prompt, response, end; response and end are learnt.

    A prompt that is too long loses its beginning, so that the response and what stands right before it stay.

    Raises:
        UserError: a response alone does not fit; it names the row.
    """
    end = [tokenizer.eos_token_id]
    inputs, targets = [], []
    pairs = zip(_ids(tokenizer, prompts), _ids(tokenizer, responses), strict=True)
    for number, (given, response) in enumerate(pairs):
        answer = response + end
        room = length - len(answer)
        if room < 1:
            raise UserError(
                f"Row {number}: the response has {len(answer)} tokens with its end and leaves no room for a prompt in "
                f"{length}. Raise the length, or leave such rows out."
            )
        before = given[-room:]
        inputs.append(before + answer)
        targets.append([IGNORED] * len(before) + answer)
    return padded_rows(inputs, length, tokenizer.pad_token_id), padded_rows(targets, length, IGNORED)


def encode_pairs(
    tokenizer: Any, pad: int, prompts: Iterable[str], responses: Iterable[str], length: int, most: int | None = None
) -> tuple[Ints, Ints, int]:
    """Inputs and targets N x ``length`` of texts of any length, and how many responses had to be cut.

    A row is prompt, separator, response, end; response and end are learnt. Prompt and response are owed half of the
    length each, and either may use what the other leaves. A prompt that is too long loses its middle (tasks stand at
    the beginning, questions at the end), a response its end.

    Args:
        most: tokens of a response with its end; None: whatever its prompt leaves.
    """
    begin = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    questions = _ids(tokenizer, [f"{prompt}{SEPARATOR}" for prompt in prompts])
    answers = _ids(tokenizer, responses)
    inputs, targets, cut = [], [], 0
    for prompt, response in zip(questions, answers, strict=True):
        room = length - len(begin) - min(len(prompt), (length - len(begin)) // 2)
        room = min(room, most or room)
        answer = [*response, tokenizer.eos_token_id]
        if len(answer) > room:
            answer, cut = answer[:room], cut + 1
        given = begin + _without_middle(prompt, length - len(begin) - len(answer))
        inputs.append(given + answer)
        targets.append([IGNORED] * len(given) + answer)
    return padded_rows(inputs, length, pad), padded_rows(targets, length, IGNORED), cut


def padded_rows(rows: Sequence[Sequence[int]], length: int, pad: int) -> Ints:
    """Rows of token ids as N x ``length``, padded on the right."""
    padded = np.full((len(rows), length), pad, dtype=np.int64)
    for k, row in enumerate(rows):
        padded[k, : len(row)] = row
    return padded


def _ids(tokenizer: Any, texts: Iterable[str]) -> list[list[int]]:
    rows = [*texts]
    found: list[list[int]] = tokenizer(rows, add_special_tokens=False)["input_ids"] if rows else []
    return found


def _without_middle(ids: list[int], room: int) -> list[int]:
    if len(ids) <= room:
        return ids
    head = room // 2
    return ids[:head] + ids[len(ids) - (room - head) :]
