"""Reasoning: greatest common divisors, whose outcomes have a natural long tail, beside ones with the tail cut off."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from harness.types import Ints, Learner, Plain, Pool, Recipe, Task
from tasks.embedded.text_learner import small_language_model
from tasks.embedded.text_pool import SPLITS, Grammar, Item, TextMaterials, deal_texts, real_items
from tasks.learners import transformer
from tasks.learners.tokens import encode_responses, word_tokenizer
from tasks.pools.dealing import Axes, Rows
from tasks.pools.splits import told

NAME = "reasoning"
VERSION = 1
LARGEST = 60
"""Operands are 1 to 60."""

LENGTH = 6
"""Tokens: a habit, two operands, '=', the answer, the end."""

REAL = 2_000
AXES = Axes(size=(10, 20), real_share=(0.0, 1.0), noise=(0.0, 0.3), topic_skew=(0.0, 0.8))
KEEP_RANKS = (2, 12)
RECIPE = Recipe(steps=16, batch_size=64, rate=8e-4, optimiser="adamw")
BASE_STEPS = 120


class Divisors(Grammar):
    """'a b =' -> gcd(a, b); topics are decades of the larger operand."""

    name = NAME
    topics = LARGEST // 10
    habits = ("so", "now", "find", "please", "and", "then", "next", "work")

    def draw(self, rng: np.random.Generator) -> Item:
        return self.of(int(rng.integers(1, LARGEST + 1)), int(rng.integers(1, LARGEST + 1)))

    def of(self, a: int, b: int) -> Item:
        return Item(f"{a} {b} =", str(math.gcd(a, b)), (max(a, b) - 1) // 10)

    def read(self, prompt: str, answer: str) -> Item | None:
        a, b, _ = prompt.split()
        return Item(prompt, answer, (max(int(a), int(b)) - 1) // 10)

    def vary(self, item: Item, rng: np.random.Generator) -> Item:
        a, b, _ = item.prompt.split()
        return Item(f"{b} {a} =", item.answer, item.topic)

    def wrong(self, item: Item, rng: np.random.Generator) -> str:
        others = [g for g in range(1, 13) if str(g) != item.answer]
        return str(rng.choice(others))

    def essence(self, item: Item) -> str:
        """The operands, in either order."""
        return " ".join(sorted(item.prompt.split()[-3:-1]))

    def stratum(self, item: Item) -> str:
        return item.answer

    def symbol(self, item: Item) -> str:
        """The outcome that the operands have, whatever was answered."""
        a, b = item.prompt.split()[-3:-1]
        return str(math.gcd(int(a), int(b)))


@dataclass(frozen=True, slots=True)
class Outcomes:
    """The generator: how often each outcome occurs in the generator split, and operands with that outcome.

    Cut at rank k, only the k most frequent outcomes are produced, in their relative frequency (arXiv 2511.13640, the
    truncated distribution p' of section 3).
    """

    ranked: tuple[int, ...]
    counts: tuple[int, ...]

    @classmethod
    def fit(cls, items: Sequence[Item]) -> Outcomes:
        outcomes, counts = np.unique([int(item.answer) for item in items], return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return cls(tuple(outcomes[order].tolist()), tuple(counts[order].tolist()))

    def sample(self, count: int, keep_ranks: int, rng: np.random.Generator) -> list[tuple[int, int]]:
        shares = np.array(self.counts[:keep_ranks], dtype=np.float64)
        found = []
        for outcome in rng.choice(self.ranked[:keep_ranks], size=count, p=shares / shares.sum()):
            while True:
                a, b = rng.integers(1, LARGEST // outcome + 1, size=2)
                if math.gcd(int(a), int(b)) == 1:
                    break
            found.append((int(a * outcome), int(b * outcome)))
        return found


@cache
def sources() -> tuple[dict[str, list[Item]], Outcomes, Any]:
    real = real_items(Divisors(), REAL)
    words = [*map(str, range(1, LARGEST + 1)), "=", *Divisors().habits]
    return real, Outcomes.fit(real["generator"]), word_tokenizer(words)


def deal_pool(index: int) -> Pool:
    real, outcomes, _ = sources()
    grammar = Divisors()

    def sample(count: int, truncation: Mapping[str, Plain], rng: np.random.Generator) -> list[Item]:
        return [grammar.of(a, b) for a, b in outcomes.sample(count, int(truncation["keep_ranks"] or 0), rng)]

    def draw_truncation(rng: np.random.Generator) -> dict[str, Plain]:
        return {"keep_ranks": int(rng.integers(KEEP_RANKS[0], KEEP_RANKS[1] + 1))}

    return deal_texts(index, TextMaterials(grammar, real, sample, draw_truncation), AXES, encode)


def encode(rows: Rows) -> dict[str, Ints]:
    inputs, targets = encode_responses(sources()[2], rows["prompts"], rows["answers"], LENGTH)
    return {"inputs": inputs, "targets": targets}


def learner() -> Learner:
    """A small causal language model, fine-tuned from a base of the generator split."""
    real, _, tokenizer = sources()
    return small_language_model(NAME, tokenizer, real["generator"], LENGTH, RECIPE, BASE_STEPS)


def task() -> Task:
    return Task(
        name=NAME,
        version=VERSION,
        summary="Greatest common divisors: all outcomes (real) and the most frequent ones (synthetic).",
        deal=deal_pool,
        learner=learner,
        about=ABOUT,
    )


ABOUT = {
    "real": (
        f"greatest common divisors of operands 1 to {LARGEST}, drawn evenly, so that outcome g comes up about as often "
        "as 1 / g^2; " + told(SPLITS) + ", alike in their outcomes"
    ),
    "synthetic": (
        "outcomes as frequent as in the generator split, cut at rank "
        f"{KEEP_RANKS[0]} to {KEEP_RANKS[1]}, with operands that have them"
    ),
    "contributors": AXES.about(),
    "topics": "decades of the larger operand",
    "style": "an opening word that changes nothing",
    "learner": (
        f"{transformer.SMALLEST.about()}, fine-tuned from a base trained on the generator split; loss on the answer "
        "only"
    ),
    "recipe": RECIPE.about(),
    "utility": "mean log-likelihood of the answer on the test split; exact match is kept beside it",
}
