"""Tokenizers made here: of whole words for the grammars' texts, of byte pairs for texts from outside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

PAD, UNKNOWN, END = "[pad]", "[unknown]", "[end]"
"""The special tokens of both, in the order of their ids: 0, 1, 2."""

PAD_ID = 0
"""Of padding, as models take it."""


def word_tokenizer(words: Iterable[str]) -> Any:
    """A tokenizer of whole words that are separated by spaces; padding is 0, unknown 1, end 2."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary = {word: k for k, word in enumerate([PAD, UNKNOWN, END, *sorted(set(words))])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return _as_transformers_take_it(tokenizer)


def byte_pair_tokenizer(texts: Sequence[str], entries: int) -> Any:
    """A lower-casing tokenizer of byte pairs learnt from the texts (Sennrich et al. 2016); padding is 0, end 2.

    Args:
        entries: most tokens, the 256 bytes among them; few texts give fewer.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

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
    return _as_transformers_take_it(tokenizer)


def _as_transformers_take_it(tokenizer: Any) -> Any:
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, pad_token=PAD, unk_token=UNKNOWN, eos_token=END, padding_side="right"
    )
