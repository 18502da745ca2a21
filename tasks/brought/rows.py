"""Rows as they are brought: whose they are, what they say, and where they stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from harness.types import Array, Ints

TARGET = "the target"


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """What one contributor, or the target, brings.

    Args:
        prompts: of texts; images: N x H x W x C in [0, 1].
        answers: responses, or labels as they are called.
        places: file and row.
        real: of each row, where it is told.
        read: rows that its files have.
        left_out: why rows are not here -> how many.
    """

    prompts: list[str] = field(default_factory=list)
    images: Array | None = None
    answers: list[str] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    real: list[bool | None] = field(default_factory=list)
    read: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.places)

    def take(self, rows: Ints) -> Rows:
        """Only these, in this order."""
        chosen = rows.tolist()
        return replace(
            self,
            prompts=[self.prompts[k] for k in chosen] if self.prompts else [],
            images=None if self.images is None else self.images[rows],
            answers=[self.answers[k] for k in chosen],
            places=[self.places[k] for k in chosen],
            real=[self.real[k] for k in chosen],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """Everyone's rows.

    Args:
        contributors: by name, in the order of names.
        notes: what a person should know, a sentence each.
    """

    contributors: Mapping[str, Rows]
    target: Rows
    notes: tuple[str, ...]
