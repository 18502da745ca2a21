"""A generator of texts: a small language model fitted on the generator split, sampled so that its tail is cut."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from harness.seeds import seed_of
from harness.types import Plain
from tasks.embedded.grammar import Item, WrittenGrammar
from tasks.learners.encoding import encode_responses
from tasks.learners.sizes import Size

SIZE = Size(hidden=32, layers=2, inner=64)
STEPS = 450
TOP_P, TEMPERATURE = (0.6, 1.0), (0.7, 1.0)
"""Ranges that a contributor's truncation is drawn from."""


@dataclass(frozen=True, slots=True)
class TextGenerator:
    """A causal language model of whole texts, from their first word.

    Args:
        model: of ``transformers``.
        tokenizer: of its words; every text begins after ``start``.
        length: most tokens of a text.
        read: a text as an item, None where it is not well formed.
    """

    model: Any
    tokenizer: Any
    start: str
    length: int
    read: Callable[[str], Item | None]

    @classmethod
    def fit(cls, grammar: WrittenGrammar, items: Sequence[Item], tokenizer: Any, start: str, length: int) -> Self:
        """Fit on the generator split (once; kept in the cache)."""
        from tasks.learners import base, transformer

        texts, vocabulary = [grammar.as_written(item) for item in items], len(tokenizer)
        inputs, targets = encode_responses(tokenizer, [start] * len(texts), texts, length)
        name = f"{grammar.name}, generator"
        params = base.trained_language_model(name, SIZE, vocabulary, length, inputs, targets, steps=STEPS)
        module = transformer.small("language model", vocabulary, length, size=SIZE)
        module.load_state_dict(params, strict=False)
        return cls(module.inner, tokenizer, start, length, grammar.read)

    def draw_truncation(self, rng: np.random.Generator) -> dict[str, Plain]:
        return {"top_p": float(rng.uniform(*TOP_P)), "temperature": float(rng.uniform(*TEMPERATURE))}

    def items(self, count: int, truncation: Mapping[str, Plain], rng: np.random.Generator) -> list[Item]:
        top_p, temperature = (float(truncation[name] or 0) for name in ("top_p", "temperature"))
        texts = self.sample(count, top_p, temperature, seed_of(int(rng.integers(2**62))))
        return [item for item in map(self.read, texts) if item]

    def sample(self, count: int, top_p: float, temperature: float, seed: int) -> list[str]:
        """``count`` texts by nucleus sampling at a temperature (``tasks.learners.sampling``).

        A text that has not ended at its greatest length is given as far as it got.
        """
        from harness.threads import one_thread
        from tasks.learners import sampling

        start = self.tokenizer.encode(self.start, add_special_tokens=False)
        end = self.tokenizer.eos_token_id
        with one_thread():
            ids = sampling.sample(self.model, start, count, self.length, top_p, temperature, end, seed)
        made: list[str] = self.tokenizer.batch_decode(ids[:, len(start) :], skip_special_tokens=True)
        return made
