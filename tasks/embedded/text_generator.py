"""A generator of texts: a small language model fitted on the generator split, sampled so that its tail is cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from harness.seeds import seed_of
from harness.types import Plain
from tasks.learners import base, transformer
from tasks.learners.tokens import encode_responses

SIZE = transformer.Size(hidden=32, layers=2, inner=64)
STEPS = 450
TOP_P, TEMPERATURE = (0.6, 1.0), (0.7, 1.0)
"""Ranges that a contributor's truncation is drawn from."""


def draw_truncation(rng: np.random.Generator) -> dict[str, Plain]:
    """How far one contributor's generator is cut."""
    return {"top_p": float(rng.uniform(*TOP_P)), "temperature": float(rng.uniform(*TEMPERATURE))}


@dataclass(frozen=True, slots=True)
class TextGenerator:
    """A causal language model of whole texts, from their first word.

    Args:
        model: of ``transformers``.
        tokenizer: of its words; every text begins after ``start``.
        length: most tokens of a text.
    """

    model: Any
    tokenizer: Any
    start: str
    length: int

    @classmethod
    def fit(cls, tokenizer: Any, texts: Sequence[str], start: str, length: int, name: str) -> TextGenerator:
        """Fit on the generator split (once; kept in the cache)."""
        vocabulary = len(tokenizer)
        inputs, targets = encode_responses(tokenizer, [start] * len(texts), texts, length)

        def build() -> torch.nn.Module:
            return transformer.small("language model", vocabulary, length, size=SIZE)

        identity: dict[str, Plain] = {"name": f"{name}, generator", "vocabulary": vocabulary, "size": str(SIZE)}
        params = base.trained_language_model(build, inputs, targets, steps=STEPS, identity=identity)
        module = build()
        module.load_state_dict(params, strict=False)
        return cls(module.inner, tokenizer, start, length)

    def sample_cut(self, count: int, truncation: Mapping[str, Plain], rng: np.random.Generator) -> list[str]:
        """``count`` texts, cut as ``draw_truncation`` drew it."""
        top_p, temperature = (float(truncation[name] or 0) for name in ("top_p", "temperature"))
        return self.sample(count, top_p, temperature, seed_of(int(rng.integers(2**62))))

    @torch.no_grad()
    def sample(self, count: int, top_p: float, temperature: float, seed: int) -> list[str]:
        """``count`` texts by nucleus sampling (Holtzman et al. 2020, ICLR) at a temperature.

        A text that has not ended at its greatest length is given as far as it got.
        """
        ids = torch.tensor([self.tokenizer.encode(self.start, add_special_tokens=False)] * count)
        with base.one_thread(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            found = self.model.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                do_sample=True,
                top_p=top_p,
                top_k=0,
                temperature=temperature,
                max_new_tokens=self.length - ids.shape[1],
                pad_token_id=self.tokenizer.pad_token_id,
                eos_token_id=self.tokenizer.eos_token_id,
            )
        made = np.asarray(found[:, ids.shape[1] :])
        return [self.tokenizer.decode(row, skip_special_tokens=True) for row in made]
