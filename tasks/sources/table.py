"""A data set once it is read: texts or images in memory, each row with its place for error messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from harness.types import Array, Ints
from tasks.sources.description import Source


@dataclass(frozen=True, eq=False)
class Table:
    """The rows of one source.

    Args:
        source: its description.
        places: where each row stands, for errors: ``"sst2/train.csv, row 17"`` (counted from 1, without the header).
        prompts, answers: of texts; answers are class names where the source has labels. Empty lists for images.
        keys: what makes two rows the same question; the prompts where the source has no ``key``.
        images: N x H x W x C in [0, 1], single precision; None for texts.
        labels: N classes; None for texts.
        names: of these classes, by their numbers; empty where the file has numbers alone.
        left_out: why rows of the file are not here -> how many.
    """

    source: Source
    places: Sequence[str]
    prompts: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    images: Array | None = None
    labels: Ints | None = None
    names: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.places)

    @property
    def is_text(self) -> bool:
        return self.source.is_text

    def take(self, rows: Sequence[int] | Ints) -> Table:
        """Only these rows, in this order."""
        chosen = np.asarray(rows, dtype=np.int64)
        return replace(
            self,
            places=[self.places[k] for k in chosen],
            prompts=[self.prompts[k] for k in chosen] if self.is_text else [],
            answers=[self.answers[k] for k in chosen] if self.is_text else [],
            keys=[self.keys[k] for k in chosen] if self.is_text else [],
            images=None if self.images is None else self.images[chosen],
            labels=None if self.labels is None else self.labels[chosen],
        )


def spread(count: int, limit: int | None) -> Ints:
    """At most ``limit`` of ``count`` rows, evenly spaced, in order."""
    if limit is None or count <= limit:
        return np.arange(count)
    return np.arange(limit) * count // limit
