"""What every pool of texts is dealt from: real rows that lean to topics, and an opening word for each contributor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from harness.types import Array, Bools, Ints, Plain
from tasks.pools.dealing import Rows
from tasks.pools.drawing import UndrawnRows, topic_weights


def text_rows(prompts: Sequence[str], answers: Sequence[str], topics: Sequence[int] | Ints) -> Rows:
    """Prompts, answers and topics of texts, N each."""
    return {
        "prompts": text_column(prompts),
        "answers": text_column(answers),
        "topics": np.array(topics, dtype=np.int64),
    }


def text_column(texts: Iterable[str]) -> Array:
    """An array of str, however long each is."""
    return np.array(list(texts), dtype=object)


class TextMaterials(ABC):
    """One pool's materials: no real text is dealt twice. Where synthetic ones come from, subclasses know.

    Args:
        task: for errors.
        real: rows that contributors' real texts come from.
        topics: how many there are.
        openings: what a contributor may begin its texts with (its style), such as "well, ".
    """

    def __init__(self, task: str, real: Rows, topics: int, openings: Sequence[str]) -> None:
        self.task, self.topics, self.openings = task, topics, openings
        self._real = UndrawnRows(task, "real rows", real)

    @abstractmethod
    def draw_truncation(self, rng: np.random.Generator) -> dict[str, Plain]:
        """How far this contributor's synthetic side is cut."""

    def real(self, count: int, skew: float, rng: np.random.Generator) -> Rows:
        weights_N = topic_weights(self._real.rows["topics"], self.topics, skew, rng)
        return self._real.sample_without_replacement(count, weights_N, rng)

    @abstractmethod
    def synthetic(self, count: int, truncation: Mapping[str, Plain], rng: np.random.Generator) -> Rows:
        """``count`` synthetic rows, cut as drawn."""

    @abstractmethod
    def near_duplicates(self, rows: Rows, rng: np.random.Generator) -> Rows:
        """The same rows, slightly changed."""

    def with_style(self, rows: Rows, strength: float, rng: np.random.Generator) -> Rows:
        opening = str(rng.choice(list(self.openings)))
        has_it = rng.random(len(rows["prompts"])) < strength
        prompts = [f"{opening}{p}" if styled else p for p, styled in zip(rows["prompts"], has_it, strict=True)]
        return {**rows, "prompts": text_column(prompts)}

    @abstractmethod
    def with_noise(self, rows: Rows, wrong_N: Bools, rng: np.random.Generator) -> Rows:
        """The same rows, with wrong answers where marked."""
