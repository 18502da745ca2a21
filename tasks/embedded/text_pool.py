"""Dealing pools of texts: what the embedded text tasks share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from harness.errors import UserError
from harness.seeds import stream
from harness.types import HELD_OUT, Bools, Examples, Ints, Plain, Pool
from tasks.pools.dealing import Axes, Rows, deal
from tasks.pools.splits import split_by_content
from tasks.pools.truncation import truncation_caused

SPLITS = {"generator": 0.34, "contributors": 0.26, "validation": 0.16, "test": 0.24}
ROUNDS = 20
"""Tries at filling a contributor's synthetic rows before a generator that gives nothing usable is given up."""


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
    def read(self, prompt: str, answer: str) -> Item | None:
        """A generated text as an item; None where it is not well formed. A wrong answer is kept."""

    @abstractmethod
    def vary(self, item: Item, rng: np.random.Generator) -> Item:
        """A near-duplicate: the same said slightly differently."""

    @abstractmethod
    def wrong(self, item: Item, rng: np.random.Generator) -> str:
        """A wrong answer."""

    @abstractmethod
    def essence(self, item: Item) -> str:
        """What near-duplicates share: texts of one essence never fall on both sides of a split."""

    def stratum(self, item: Item) -> str:
        """What the splits have equal shares of; texts of one essence are of one stratum."""
        return str(item.topic)

    @abstractmethod
    def symbol(self, item: Item) -> str:
        """What of a text is counted to see which tail a generator lost."""


Sample = Callable[[int, Mapping[str, Plain], np.random.Generator], list[Item]]
"""Count, truncation, generator of randomness -> some well-formed items, at most so many."""


def real_items(grammar: Grammar, count: int) -> dict[str, list[Item]]:
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
    contents, strata = [grammar.essence(item).encode() for item in items], [grammar.stratum(item) for item in items]
    rows = split_by_content(contents, SPLITS, grammar.name, strata)
    return {name: [items[k] for k in chosen] for name, chosen in rows.items()}


def zipf(rng: np.random.Generator, count: int) -> int:
    """A place from 0 to count - 1, place r with probability in proportion to 1 / (r + 1)."""
    weights = 1 / np.arange(1, count + 1)
    return int(rng.choice(count, p=weights / weights.sum()))


@dataclass(slots=True)
class TextMaterials:
    """One pool's stock of real texts, and the generator.

    Args:
        real: the splits; contributors' texts come from the second.
        sample: the generator; what it repeats of the validation or test split is dropped, and counted.
        draw_truncation: how far a contributor's generator is cut.
    """

    grammar: Grammar
    real_items: Mapping[str, Sequence[Item]]
    sample: Sample
    draw_truncation: Callable[[np.random.Generator], dict[str, Plain]]
    dropped: int = 0
    free: Bools = field(init=False)
    held_out: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.free = np.ones(len(self.stock), dtype=np.bool_)
        held_out = [*self.real_items["validation"], *self.real_items["test"]]
        self.held_out = frozenset(self.grammar.essence(item) for item in held_out)

    @property
    def stock(self) -> Sequence[Item]:
        return self.real_items["contributors"]

    def real(self, count: int, skew: float, rng: np.random.Generator) -> Rows:
        free = np.flatnonzero(self.free)
        if count > len(free):
            raise UserError(
                f"{self.grammar.name}: the pool needs {count} more real texts, {len(free)} are left; deal smaller ones."
            )
        place = rng.permutation(self.grammar.topics)
        weights = np.exp(-skew * place[[self.stock[k].topic for k in free]]) if count else np.ones(len(free))
        chosen = rng.choice(free, size=count, replace=False, p=weights / weights.sum())
        self.free[chosen] = False
        return as_rows([self.stock[k] for k in chosen])

    def synthetic(self, count: int, truncation: Mapping[str, Plain], rng: np.random.Generator) -> Rows:
        found: list[Item] = []
        for _ in range(ROUNDS):
            if len(found) >= count:
                break
            made = self.sample(max(8, round(1.5 * (count - len(found)))), truncation, rng)
            kept = [item for item in made if self.grammar.essence(item) not in self.held_out]
            self.dropped += len(made) - len(kept)
            found += kept
        if len(found) < count:
            raise UserError(
                f"{self.grammar.name}: the generator gave {len(found)} well-formed texts, {count} are needed."
            )
        return as_rows(found[:count])

    def near_duplicates(self, rows: Rows, rng: np.random.Generator) -> Rows:
        return as_rows([self.grammar.vary(item, rng) for item in as_items(rows)])

    def with_style(self, rows: Rows, strength: float, rng: np.random.Generator) -> Rows:
        habit = str(rng.choice(list(self.grammar.habits)))
        has_it = rng.random(len(rows["prompts"])) < strength
        prompts = [f"{habit} {p}" if styled else p for p, styled in zip(rows["prompts"], has_it, strict=True)]
        return {**rows, "prompts": np.array(prompts, dtype=object)}

    def with_noise(self, rows: Rows, wrong_N: Bools, rng: np.random.Generator) -> Rows:
        answers = [
            self.grammar.wrong(item, rng) if wrong else item.answer
            for item, wrong in zip(as_items(rows), wrong_N, strict=True)
        ]
        return {**rows, "answers": np.array(answers, dtype=object)}


def as_rows(items: Sequence[Item]) -> Rows:
    return {
        "prompts": np.array([item.prompt for item in items], dtype=object),
        "answers": np.array([item.answer for item in items], dtype=object),
        "topics": np.array([item.topic for item in items], dtype=np.int64),
    }


def as_items(rows: Rows) -> list[Item]:
    return [Item(*row) for row in zip(rows["prompts"], rows["answers"], rows["topics"].tolist(), strict=True)]


def deal_texts(
    index: int,
    materials: TextMaterials,
    axes: Axes,
    encode: Callable[[Rows], dict[str, Ints]],
) -> Pool:
    """One pool of texts.

    Args:
        encode: rows -> the columns that the learner takes.
    """
    grammar, real = materials.grammar, materials.real_items
    dealt = deal(materials, axes, stream(0, grammar.name, "pool", index))

    def held_out(split: str) -> Examples:
        columns = encode(as_rows(real[split]))
        return Examples(columns, np.full(len(real[split]), HELD_OUT), np.ones(len(real[split]), dtype=np.bool_))

    made = [item for item, is_real in zip(as_items(dealt.rows), dealt.real_N, strict=True) if not is_real]
    return Pool(
        task=grammar.name,
        index=index,
        contributors=dealt.contributors,
        train=Examples(encode(dealt.rows), dealt.owners_N, dealt.real_N),
        validation=held_out("validation"),
        test=held_out("test"),
        facts={**_truncation(grammar, real["contributors"], made), "crossing_dropped": materials.dropped},
    )


def _truncation(grammar: Grammar, real: Sequence[Item], made: Sequence[Item]) -> dict[str, Plain]:
    """What of the real support the synthetic texts lost."""
    sides = [[grammar.symbol(item) for item in side] for side in (real, made)]
    numbers = {symbol: k for k, symbol in enumerate(sorted({*sides[0], *sides[1]}))}
    real_N, made_M = (np.array([numbers[symbol] for symbol in side], dtype=np.int64) for side in sides)
    return truncation_caused(real_N, made_M, len(numbers))
