"""What pools of texts are dealt from: a stock of real rows, and a stock of synthetic rows whose tail is cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from harness.errors import UserError
from harness.types import Array, Bools, Ints, Plain
from tasks.pools import drawing as undealt
from tasks.pools.dealing import Rows

HABITS = ("well", "honestly", "so", "overall", "look", "hm", "yes", "anyway", "now", "listen", "right", "okay")
"""Opening words that change nothing; each contributor has one of its own (its style)."""


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """Rows of text with their topics, N each."""

    prompts: Array
    answers: Array
    topics_N: Ints

    @classmethod
    def of(cls, prompts: Sequence[str], answers: Sequence[str], topics_N: Ints) -> Texts:
        return cls(np.array(prompts, dtype=object), np.array(answers, dtype=object), topics_N)

    def __len__(self) -> int:
        return len(self.prompts)

    def rows(self, chosen: Ints) -> Rows:
        return {"prompts": self.prompts[chosen], "answers": self.answers[chosen], "topics": self.topics_N[chosen]}


@dataclass(slots=True)
class TextMaterials:
    """One pool's stocks; no row of either is dealt twice.

    Args:
        task: for errors.
        stock, synthetic_stock: what is dealt.
        topics: how many there are.
        keep_ranks: range of how many of the most frequent topics a contributor's synthetic rows come from.
        labels: what answers there are, for a classifier; None where an answer is a text of its own.
    """

    task: str
    stock: Texts
    synthetic_stock: Texts
    topics: int
    keep_ranks: tuple[int, int]
    labels: tuple[str, ...] | None
    free: dict[Literal["real", "synthetic"], Bools] = field(init=False)

    def __post_init__(self) -> None:
        self.free = {
            "real": np.ones(len(self.stock), dtype=np.bool_),
            "synthetic": np.ones(len(self.synthetic_stock), dtype=np.bool_),
        }

    def draw_truncation(self, rng: np.random.Generator) -> dict[str, Plain]:
        return {"keep_ranks": int(rng.integers(self.keep_ranks[0], self.keep_ranks[1] + 1))}

    def real(self, count: int, skew: float, rng: np.random.Generator) -> Rows:
        place = rng.permutation(self.topics)
        return self._dealt("real", count, np.exp(-skew * place[self.stock.topics_N]), "", rng)

    def synthetic(self, count: int, truncation: Mapping[str, Plain], rng: np.random.Generator) -> Rows:
        kept = int(truncation["keep_ranks"] or 0)
        weights = (self.synthetic_stock.topics_N < kept).astype(np.float64)
        return self._dealt("synthetic", count, weights, f" of the {kept} most frequent topics", rng)

    def near_duplicates(self, rows: Rows, rng: np.random.Generator) -> Rows:
        """A word of the prompt dropped or said twice."""
        return {**rows, "prompts": _objects([_nearly(prompt, rng) for prompt in rows["prompts"]])}

    def with_style(self, rows: Rows, strength: float, rng: np.random.Generator) -> Rows:
        habit = str(rng.choice(HABITS))
        has_it = rng.random(len(rows["prompts"])) < strength
        styled = [f"{habit}, {p}" if has else p for p, has in zip(rows["prompts"], has_it, strict=True)]
        return {**rows, "prompts": _objects(styled)}

    def with_noise(self, rows: Rows, wrong_N: Bools, rng: np.random.Generator) -> Rows:
        """Another label; where answers are texts, the answer of another row of the same contributor."""
        answers = rows["answers"].copy()
        for row in np.flatnonzero(wrong_N):
            others = [label for label in self.labels if label != answers[row]] if self.labels else []
            others = others or [answer for answer in rows["answers"] if answer != rows["answers"][row]]
            if not others:
                raise UserError(
                    f"{self.task}: all answers of a contributor are alike, {answers[row]!r}; none is wrong."
                )
            answers[row] = str(others[int(rng.integers(len(others)))])
        return {**rows, "answers": answers}

    def _dealt(
        self, side: Literal["real", "synthetic"], count: int, weights: Array, of: str, rng: np.random.Generator
    ) -> Rows:
        """``count`` rows not dealt before, drawn by weight."""
        told = f"{side} rows{of}"
        chosen = undealt.draw(self.free[side], weights, count, rng, task=self.task, rows="rows", told=told)
        return (self.stock if side == "real" else self.synthetic_stock).rows(chosen)


def _nearly(text: str, rng: np.random.Generator) -> str:
    words = text.split(" ")
    place = int(rng.integers(len(words)))
    if len(words) > 1 and rng.random() < 0.5:
        return " ".join(words[:place] + words[place + 1 :])
    return " ".join([*words[: place + 1], *words[place:]])


def _objects(texts: Sequence[str]) -> Array:
    """An array of str, also of one text or none."""
    found = np.empty(len(texts), dtype=object)
    found[:] = texts
    return found
