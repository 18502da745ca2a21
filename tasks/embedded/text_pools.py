"""Pools of a grammar's texts: what they are dealt from (its own texts, and a generator's), and how one is dealt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from harness.errors import UserError
from harness.seeds import stream
from harness.types import Bools, Ints, Plain, Pool
from tasks.embedded.grammar import Grammar, HeldOut, Item, as_items, as_rows
from tasks.pools.dealing import Axes, Rows, deal, pool_of
from tasks.pools.text_materials import TextMaterials, text_column
from tasks.pools.truncation import truncation_caused

ROUNDS = 20
"""Tries at filling a contributor's synthetic rows before a generator that gives nothing usable is given up."""


class ItemGenerator(Protocol):
    """What makes synthetic items, fitted on the generator split."""

    def draw_truncation(self, rng: np.random.Generator) -> dict[str, Plain]:
        """How far it is cut for one contributor."""
        ...

    def items(self, count: int, truncation: Mapping[str, Plain], rng: np.random.Generator) -> list[Item]:
        """At most ``count`` well-formed items, cut as drawn."""
        ...


@dataclass(frozen=True, slots=True)
class PreparedGrammar:
    """Everything that the pools of a grammar's task are dealt from, and its learner's words.

    Args:
        splits: the known real texts: generator, contributors, and held out.
        held_out: where pools draw their validation and test texts from.
        generator: of synthetic texts.
        tokenizer: of the grammar's words.
    """

    grammar: Grammar
    splits: Mapping[str, Sequence[Item]]
    held_out: HeldOut
    generator: ItemGenerator
    tokenizer: Any


class GrammarMaterials(TextMaterials):
    """One pool's materials; generated texts that fall among the held-out ones are dropped, and counted."""

    def __init__(self, prepared: PreparedGrammar) -> None:
        grammar = prepared.grammar
        openings = [f"{habit} " for habit in grammar.habits]
        super().__init__(grammar.name, as_rows(prepared.splits["contributors"]), grammar.topics, openings)
        self.grammar, self.generator, self.held_out = grammar, prepared.generator, prepared.held_out
        self.dropped = 0

    def draw_truncation(self, rng: np.random.Generator) -> dict[str, Plain]:
        return self.generator.draw_truncation(rng)

    def synthetic(self, count: int, truncation: Mapping[str, Plain], rng: np.random.Generator) -> Rows:
        found: list[Item] = []
        for _ in range(ROUNDS):
            if len(found) >= count:
                break
            made = self.generator.items(max(8, 2 * (count - len(found))), truncation, rng)
            kept = [item for item in made if not self.held_out.holds(item)]
            self.dropped += len(made) - len(kept)
            found += kept
        if len(found) < count:
            raise UserError(f"{self.task}: the generator gave {len(found)} well-formed texts, {count} are needed.")
        return as_rows(found[:count])

    def near_duplicates(self, rows: Rows, rng: np.random.Generator) -> Rows:
        return as_rows([self.grammar.vary(item, rng) for item in as_items(rows)])

    def with_noise(self, rows: Rows, wrong_N: Bools, rng: np.random.Generator) -> Rows:
        items = zip(as_items(rows), wrong_N, strict=True)
        answers = [self.grammar.wrong(item, rng) if wrong else item.answer for item, wrong in items]
        return {**rows, "answers": text_column(answers)}


def deal_texts(
    prepared: PreparedGrammar,
    index: int,
    axes: Axes,
    held_out: Mapping[str, int],
    encode: Callable[[Rows], Mapping[str, Ints]],
) -> Pool:
    """One pool of texts, with what its synthetic side lost of the real ones.

    Args:
        held_out: rows of its validation and test splits.
        encode: rows -> the columns that the learner takes.
    """
    grammar = prepared.grammar
    materials = GrammarMaterials(prepared)
    dealt = deal(materials, axes, stream(0, grammar.name, "pool", index))
    made = [item for item, is_real in zip(as_items(dealt.rows), dealt.real_N, strict=True) if not is_real]
    lost = _truncation(grammar, prepared.splits["contributors"], made)
    facts = {**lost, "crossing_dropped": materials.dropped}
    own = prepared.held_out.draw(index, held_out)
    train, validation, test = map(encode, (dealt.rows, as_rows(own["validation"]), as_rows(own["test"])))
    return pool_of(grammar.name, index, dealt, train, validation, test, facts)


def _truncation(grammar: Grammar, real: Sequence[Item], made: Sequence[Item]) -> dict[str, Plain]:
    """What of the real support the synthetic texts lost."""
    sides = [[grammar.symbol(item) for item in side] for side in (real, made)]
    numbers = {symbol: k for k, symbol in enumerate(sorted({*sides[0], *sides[1]}))}
    real_N, made_M = (np.array([numbers[symbol] for symbol in side], dtype=np.int64) for side in sides)
    return truncation_caused(real_N, made_M, len(numbers))
