"""Grammars: where the embedded tasks' real texts come from, and what may be done to them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np

from harness.errors import UserError
from harness.seeds import stream
from harness.types import Floats
from tasks.pools.dealing import Rows
from tasks.pools.splits import HELD_OUT, divide, place, split_by_content
from tasks.pools.text_materials import text_rows

SPLITS = {"generator": 0.34, "contributors": 0.26, HELD_OUT: 0.40}


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
    """Distinct real texts in splits, near-duplicates always in the same one."""
    items = _distinct(grammar, count, stream(0, grammar.name, "real"))
    contents = [grammar.deduplication_key(item).encode() for item in items]
    rows = split_by_content(contents, SPLITS, grammar.name, [grammar.stratum(item) for item in items])
    return {name: [items[k] for k in chosen] for name, chosen in rows.items()}


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The part of a grammar's texts that nobody trains on: the deduplication keys whose content hash falls there.

    The known texts are split evenly in their strata, so these are looked up; any other text falls by its own hash.

    Args:
        grammar: whose texts.
        held_out, trained: keys of the known texts that are held out, and of the others.
    """

    grammar: Grammar
    held_out: frozenset[str]
    trained: frozenset[str]

    @classmethod
    def of(cls, grammar: Grammar, splits: Mapping[str, Sequence[Item]]) -> Self:
        keys = {name: {grammar.deduplication_key(item) for item in items} for name, items in splits.items()}
        return cls(grammar, frozenset(keys[HELD_OUT]), frozenset(keys["generator"] | keys["contributors"]))

    def holds(self, item: Item) -> bool:
        key = self.grammar.deduplication_key(item)
        if key in self.held_out or key in self.trained:
            return key in self.held_out
        return place(key.encode(), self.grammar.name) >= 1 - SPLITS[HELD_OUT]

    def draw(self, index: int, counts: Mapping[str, int]) -> dict[str, list[Item]]:
        """A pool's own validation and test texts: fresh ones, all distinct, alike in their strata.

        Args:
            index: of the pool.
            counts: split -> texts; where near-duplicates have to stay together it can be a few fewer.
        """
        grammar, rng = self.grammar, stream(0, self.grammar.name, HELD_OUT, index)
        items = _distinct(grammar, sum(counts.values()), rng, self)
        contents = [grammar.deduplication_key(item).encode() for item in items]
        strata = [grammar.stratum(item) for item in items]
        rows = divide(contents, strata, counts, f"{grammar.name}, pool {index}")
        return {name: [items[k] for k in chosen] for name, chosen in rows.items()}


def describe_held_out(counts: Mapping[str, int]) -> str:
    """What a pool is judged on, as ``dataworth show`` prints it."""
    rows = " and ".join(f"{count} {name}" for name, count in counts.items())
    return f"each pool writes {rows} texts of its own that fall among the held-out ones, distinct and alike in the same"


def _distinct(grammar: Grammar, count: int, rng: np.random.Generator, among: HeldOut | None = None) -> list[Item]:
    """The first ``count`` different texts that are drawn (of those that are held out), in the order of drawing."""
    found: dict[str, Item] = {}
    for _ in range(200 * count):
        item = grammar.draw(rng)
        if item.prompt not in found and (among is None or among.holds(item)):
            found[item.prompt] = item
        if len(found) == count:
            return list(found.values())
    part = "" if among is None else " that are held out"
    raise UserError(f"{grammar.name}: the grammar has only {len(found)} texts{part}, {count} are needed.")


def zipf(rng: np.random.Generator, count: int) -> int:
    """A place from 0 to count - 1, place r with probability in proportion to 1 / (r + 1)."""
    return int(_zipf_heights(count).searchsorted(rng.random(), side="right"))


@cache
def _zipf_heights(count: int) -> Floats:
    """The distribution function."""
    heights = np.cumsum(1 / np.arange(1, count + 1))
    return np.asarray(heights / heights[-1])


def pick(rng: np.random.Generator, words: Sequence[str]) -> str:
    """One of them, each as likely."""
    return words[int(rng.integers(len(words)))]


def as_rows(items: Sequence[Item]) -> Rows:
    return text_rows(*([getattr(item, name) for item in items] for name in ("prompt", "answer", "topic")))


def as_items(rows: Rows) -> list[Item]:
    return [Item(*row) for row in zip(rows["prompts"], rows["answers"], rows["topics"].tolist(), strict=True)]
