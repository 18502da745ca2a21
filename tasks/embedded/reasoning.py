"""Reasoning: greatest common divisors, whose outcomes have a natural long tail, beside ones with the tail cut off."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np

from harness.types import Learner, Plain, Pool, Recipe, Task
from tasks.embedded.grammar import SPLITS, Grammar, HeldOut, Item, describe_held_out, split_texts
from tasks.embedded.text_learner import encode, language_model
from tasks.embedded.text_pools import PreparedGrammar, deal_texts
from tasks.learners.sizes import SMALLEST
from tasks.learners.tokenizers import word_tokenizer
from tasks.pools.dealing import Axes
from tasks.pools.splits import describe_splits

NAME = "reasoning"
VERSION = 2
LARGEST = 60
"""Operands are 1 to 60."""

LENGTH = 6
"""Tokens: a habit, two operands, '=', the answer, the end."""

REAL = 2_000
HELD_OUT_ROWS = {"validation": 300, "test": 800}
AXES = Axes(size=(10, 20), real_share=(0.0, 1.0), noise=(0.0, 0.3), topic_skew=(0.0, 0.8))
KEEP_RANKS = (2, 12)
RECIPE = Recipe(steps=8, batch_size=128, rate=1.2e-3, optimiser="adamw")
"""Few steps of large batches: which rows a seed draws matters less than in twice the steps of half the rows, which cost
as much. Leave-one-out, pools 102 to 105: a ceiling of 0.89 against 0.75 from 4 seeds, of 0.86 against 0.68 from 2."""

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

    def vary(self, item: Item, rng: np.random.Generator) -> Item:
        a, b, _ = item.prompt.split()
        return Item(f"{b} {a} =", item.answer, item.topic)

    def wrong(self, item: Item, rng: np.random.Generator) -> str:
        others = [g for g in range(1, 13) if str(g) != item.answer]
        return str(rng.choice(others))

    def deduplication_key(self, item: Item) -> str:
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

    grammar: Divisors
    ranked: tuple[int, ...]
    counts: tuple[int, ...]

    @classmethod
    def fit(cls, grammar: Divisors, items: Sequence[Item]) -> Self:
        outcomes, counts = np.unique([int(item.answer) for item in items], return_counts=True)
        order = np.argsort(-counts, kind="stable")
        return cls(grammar, tuple(outcomes[order].tolist()), tuple(counts[order].tolist()))

    def draw_truncation(self, rng: np.random.Generator) -> dict[str, Plain]:
        return {"keep_ranks": int(rng.integers(KEEP_RANKS[0], KEEP_RANKS[1] + 1))}

    def items(self, count: int, truncation: Mapping[str, Plain], rng: np.random.Generator) -> list[Item]:
        return [self.grammar.of(a, b) for a, b in self.sample(count, int(truncation["keep_ranks"] or 0), rng)]

    def sample(self, count: int, keep_ranks: int, rng: np.random.Generator) -> list[tuple[int, int]]:
        """Pairs of operands."""
        shares = np.array(self.counts[:keep_ranks], dtype=np.float64)
        pairs = []
        for outcome in rng.choice(self.ranked[:keep_ranks], size=count, p=shares / shares.sum()):
            while True:
                a, b = rng.integers(1, LARGEST // outcome + 1, size=2)
                if math.gcd(int(a), int(b)) == 1:
                    break
            pairs.append((int(a * outcome), int(b * outcome)))
        return pairs


@cache
def prepared() -> PreparedGrammar:
    """The real texts in splits, and the generator fitted on the first."""
    grammar = Divisors()
    splits = split_texts(grammar, REAL)
    tokenizer = word_tokenizer([*map(str, range(1, LARGEST + 1)), "=", *grammar.habits])
    generator = Outcomes.fit(grammar, splits["generator"])
    return PreparedGrammar(grammar, splits, HeldOut.of(grammar, splits), generator, tokenizer)


def deal_pool(index: int) -> Pool:
    return deal_texts(prepared(), index, AXES, HELD_OUT_ROWS, lambda rows: encode(prepared().tokenizer, rows, LENGTH))


def learner() -> Learner:
    """A small causal language model, fine-tuned from a base of the generator split."""
    return language_model(prepared(), LENGTH, RECIPE, BASE_STEPS)


def task() -> Task:
    return Task(
        name=NAME,
        version=VERSION,
        summary="Greatest common divisors: all outcomes (real) and the most frequent ones (synthetic).",
        form="text-response",
        deal=deal_pool,
        learner=learner,
        about=ABOUT,
        recipe=RECIPE,
    )


ABOUT = {
    "real": (
        f"greatest common divisors of operands 1 to {LARGEST}, drawn evenly, so that outcome g comes up about as often "
        "as 1 / g^2; " + describe_splits(SPLITS) + ", alike in their outcomes" + "; " + describe_held_out(HELD_OUT_ROWS)
    ),
    "synthetic": (
        "outcomes as frequent as in the generator split, cut at rank "
        f"{KEEP_RANKS[0]} to {KEEP_RANKS[1]}, with operands that have them"
    ),
    "contributors": AXES.about(),
    "topics": "decades of the larger operand",
    "style": "an opening word that changes nothing",
    "learner": (f"{SMALLEST.about()}, fine-tuned from a base trained on the generator split; loss on the answer only"),
    "recipe": RECIPE.about(),
    "utility": "mean log-likelihood of the answer on the test split; exact match is kept beside it",
}
