"""What a table's rows hold, column by column and inside of columns: each place with some of its values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.sources.fields import as_text
from tasks.sources.table import spread

LOOKED_AT = 400
"""Rows whose values are looked at, from all over the table."""

MOST_LABELS = 200
"""More different labels are a sign that they are none."""

DEPTH = 3
"""Lists and tables inside of one another that are looked into."""

ASKS = ("user", "human", "prompter", "instruction")
ANSWERS = ("assistant", "gpt", "bot", "model", "chatgpt", "ai")
ROLES, SAYS = ("role", "from", "speaker"), ("content", "value", "text")
"""What the turns of a conversation are called in the files that people have."""

MOST_SEEN = 0.8
"""Share of the rows that a conversation's turns must stand in the same places in."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row has a value.

    Args:
        name: as templates have it between braces: ``reviews``, ``meta[stars]``, ``turns[0][text]``.
        leaf: its last name.
        values: as texts, of the rows that were looked at; empty where a row has none.
        is_picture: whether they are files of pictures.
        lists: whether rows have several here, of which the name reaches the first.
    """

    name: str
    leaf: str
    values: tuple[str, ...]
    is_picture: bool = False
    lists: bool = False

    @property
    def filled(self) -> list[str]:
        return [value for value in self.values if value.strip()]

    @property
    def length(self) -> float:
        """Characters of a value, on average."""
        return float(np.mean([len(value) for value in self.filled])) if self.filled else 0.0

    @property
    def distinct(self) -> int:
        return len(set(self.filled))

    @property
    def is_numeric(self) -> bool:
        return all(re.fullmatch(r"-?[\d.]+", value.strip()) for value in self.filled)

    @property
    def may_be_labels(self) -> bool:
        """Whether values are short and few are different; one alone may be, where a name says so."""
        rows = len(self.filled)
        return 1 <= self.distinct <= max(2, min(MOST_LABELS, rows / 10), min(10, rows / 3)) and self.length <= 40

    @property
    def is_labels(self) -> bool:
        """Whether few short values come again and again."""
        return self.may_be_labels and self.distinct > 1

    @property
    def is_wordy(self) -> bool:
        """Whether these are texts."""
        words = [len(value.split()) for value in self.filled]
        return bool(words) and float(np.mean(words)) >= 2 and self.distinct > len(self.filled) / 4


def sample_of(rows: Any) -> dict[str, list[Any]]:
    """Column -> values of some rows; pictures stay files.

    Args:
        rows: a ``datasets.Dataset``.
    """
    from datasets import Image

    for name, feature in rows.features.items():
        if isinstance(feature, Image):
            rows = rows.cast_column(name, Image(decode=False))
    found: dict[str, list[Any]] = rows.select(spread(len(rows), LOOKED_AT))[:]
    return found


def places_of(sample: dict[str, list[Any]]) -> list[Place]:
    """Every place, those of whole columns before those inside of any."""
    found = [place for name, values in sample.items() for place in _inside(name, name, values, DEPTH)]
    return sorted(found, key=lambda place: "[" in place.name)


def _inside(name: str, leaf: str, values: Sequence[Any], depth: int, lists: bool = False) -> list[Place]:
    there = [value for value in values if value is not None]
    if "{" in name or "}" in name or not there:
        return []
    if any(_is_picture(value) for value in there[:8]):
        return [Place(name, leaf, ("",) * len(values), is_picture=True)]
    if depth and all(isinstance(value, dict) for value in there):
        keys = dict.fromkeys(key for value in there for key in value)
        return [
            place
            for key in keys
            for place in _inside(
                f"{name}[{key}]", key, [None if v is None else v.get(key) for v in values], depth - 1, lists
            )
        ]
    if depth and all(isinstance(value, list) for value in there):
        several = any(len(value) > 1 for value in there)
        return _inside(
            f"{name}[0]", leaf, [value[0] if value else None for value in values], depth - 1, several or lists
        )
    return [Place(name, leaf, tuple(as_text(value) for value in values), lists=lists)]


def _is_picture(value: Any) -> bool:
    if isinstance(value, dict) and "bytes" in value:
        value = value["bytes"]
    return isinstance(value, bytes)


def conversation(sample: dict[str, list[Any]]) -> tuple[str, str, str] | None:
    """The column of conversations, and the places of the first question and of its answer; None where there is none."""
    for column, values in sample.items():
        turns = [value for value in values if isinstance(value, list) and value and isinstance(value[0], dict)]
        if not turns:
            continue
        role = next((name for name in ROLES if name in turns[0][0]), None)
        says = next((name for name in SAYS if name in turns[0][0]), None)
        if role is None or says is None:
            continue
        found = [_first_pair(turn, role) for turn in turns]
        usual = max(set(found), key=found.count)
        if usual is not None and found.count(usual) >= MOST_SEEN * len(values):
            return column, *(f"{column}[{place}][{says}]" for place in usual)  # type: ignore[return-value]
    return None


def _first_pair(turns: Sequence[Any], role: str) -> tuple[int, int] | None:
    """Where the first question and the answer right after it stand."""
    roles = [str(turn.get(role)).casefold() for turn in turns if isinstance(turn, dict)]
    return next(
        ((k, k + 1) for k in range(len(roles) - 1) if roles[k] in ASKS and roles[k + 1] in ANSWERS),
        None,
    )


def wordy(places: Sequence[Place]) -> list[Place]:
    return [place for place in places if place.is_wordy and not place.is_picture]
