"""Grammars: where the embedded tasks' real texts come from, and what may be done to them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.errors import UserError
from harness.seeds import stream
from tasks.pools.dealing import Rows
from tasks.pools.splits import split_by_content
from tasks.pools.text_materials import text_rows

SPLITS = {"generator": 0.34, "contributors": 0.26, "validation": 0.16, "test": 0.24}


@dataclass(frozen=True, slots=True)
class Item:
    """One text example.

    Args:
        prompt: what is given.
        answer: what is to be said (a label's word, or a response).
        topic: its place in the task's long-tailed list of topics, head first.
    """

    prompt: str
    answer: str
    topic: int


class Grammar(ABC):
    """How a task's real texts come about, and what may be done to them.

    Args:
        name: of the task.
        topics: how many there are.
        habits: words that change nothing; each contributor has one of its own (its style).
    """

    name: str
    topics: int
    habits: tuple[str, ...]

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Item:
        """One real text, topics long-tailed."""

    @abstractmethod
    def vary(self, item: Item, rng: np.random.Generator) -> Item:
        """A near-duplicate: the same said slightly differently."""

    @abstractmethod
    def wrong(self, item: Item, rng: np.random.Generator) -> str:
        """A wrong answer."""

    @abstractmethod
    def deduplication_key(self, item: Item) -> str:
        """What near-duplicates share: texts of one key never fall on both sides of a split."""

    def stratum(self, item: Item) -> str:
        """What the splits have equal shares of; texts of one deduplication key are of one stratum."""
        return str(item.topic)

    @abstractmethod
    def symbol(self, item: Item) -> str:
        """What of a text is counted to see which tail a generator lost."""


class WrittenGrammar(Grammar):
    """A grammar whose texts a language model writes, prompt and answer as one text."""

    @abstractmethod
    def as_written(self, item: Item) -> str:
        """An item as the language model learns it."""

    @abstractmethod
    def read(self, text: str) -> Item | None:
        """What the language model wrote as an item; None where it is not well formed. A wrong answer is kept."""


def split_texts(grammar: Grammar, count: int) -> dict[str, list[Item]]:
    """Distinct real texts in four splits, near-duplicates always in the same one."""
    rng = stream(0, grammar.name, "real")
    found: dict[str, Item] = {}
    for _ in range(200 * count):
        item = grammar.draw(rng)
        found.setdefault(item.prompt, item)
        if len(found) == count:
            break
    else:
        raise UserError(f"{grammar.name}: the grammar has only {len(found)} texts, {count} are needed.")
    items = list(found.values())
    contents = [grammar.deduplication_key(item).encode() for item in items]
    rows = split_by_content(contents, SPLITS, grammar.name, [grammar.stratum(item) for item in items])
    return {name: [items[k] for k in chosen] for name, chosen in rows.items()}


def zipf(rng: np.random.Generator, count: int) -> int:
    """A place from 0 to count - 1, place r with probability in proportion to 1 / (r + 1)."""
    weights = 1 / np.arange(1, count + 1)
    return int(rng.choice(count, p=weights / weights.sum()))


def as_rows(items: Sequence[Item]) -> Rows:
    return text_rows(*([getattr(item, name) for item in items] for name in ("prompt", "answer", "topic")))


def as_items(rows: Rows) -> list[Item]:
    return [Item(*row) for row in zip(rows["prompts"], rows["answers"], rows["topics"].tolist(), strict=True)]
