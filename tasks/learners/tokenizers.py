"""Tokenizers of texts from outside, and how their rows become arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from harness.types import Ints
from tasks.learners.language_model import IGNORED
from tasks.learners.tokens import END, PAD, UNKNOWN, padded_rows

SEPARATOR = "\n"
"""Stands between a prompt and its response."""


def byte_pairs(texts: Sequence[str], entries: int) -> Any:
    """A lower-casing tokenizer of byte pairs learnt from the texts (Sennrich et al. 2016); padding is 0, end 2.

    Args:
        entries: most tokens, the 256 bytes among them; few texts give fewer.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=entries,
        special_tokens=[PAD, UNKNOWN, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, pad_token=PAD, unk_token=UNKNOWN, eos_token=END, padding_side="right"
    )


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


def encode_pairs(
    tokenizer: Any, pad: int, prompts: Iterable[str], responses: Iterable[str], length: int, most: int | None = None
) -> tuple[Ints, Ints, int]:
    """Inputs and targets N x ``length`` for a language model, and how many responses had to be cut.

    A row is prompt, separator, response, end; response and end are learnt. Prompt and response are owed half of the
    length each, and either may use what the other leaves. A prompt that is too long loses its middle (tasks are told at
    the beginning, questions asked at the end), a response its end.

    Args:
        most: tokens of a response with its end; None: whatever its prompt leaves.
    """
    begin = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
    asked = _ids(tokenizer, [f"{prompt}{SEPARATOR}" for prompt in prompts])
    answered = _ids(tokenizer, responses)
    inputs, targets, cut = [], [], 0
    for prompt, response in zip(asked, answered, strict=True):
        room = length - len(begin) - min(len(prompt), (length - len(begin)) // 2)
        room = min(room, most or room)
        answer = [*response, tokenizer.eos_token_id]
        if len(answer) > room:
            answer, cut = answer[:room], cut + 1
        given = begin + _without_middle(prompt, length - len(begin) - len(answer))
        inputs.append(given + answer)
        targets.append([IGNORED] * len(given) + answer)
    return padded_rows(inputs, length, pad), padded_rows(targets, length, IGNORED), cut


def _ids(tokenizer: Any, texts: Iterable[str]) -> list[list[int]]:
    rows = [*texts]
    found: list[list[int]] = tokenizer(rows, add_special_tokens=False)["input_ids"] if rows else []
    return found


def _without_middle(ids: list[int], room: int) -> list[int]:
    if len(ids) <= room:
        return ids
    head = room // 2
    return ids[:head] + ids[len(ids) - (room - head) :]
