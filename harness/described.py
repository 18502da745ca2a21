"""A file that nobody has described, and what it seems to be: words of the command and of tasks, which read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Undescribed:
    """What is to be described.

    Args:
        files: tables, the two files of a pair of arrays, or folders of these or of pictures by class.
        name: of the data set.
        base: the folder that its paths are told from, which holds them all.
        task: one of the four; None: whatever its columns are fit for.
        side: who made its rows; None: people, unless a column tells.
        columns: field -> column or template, where names do not tell.
        labels: a label as files have it -> the class's name.
    """

    files: tuple[Path, ...]
    name: str
    base: Path
    task: str | None = None
    side: Literal["real", "synthetic"] | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Encoded:
    """One example.

    Args:
        place: file and row.
        parts: what it is -> how it looks, the form that a model gets among them.
    """

    place: str
    parts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Described:
    """What was found.

    Args:
        task, side: of its rows.
        toml: the description, by which the rows were read.
        found: what -> in words.
        read: rows read, left out and why, in a sentence.
        examples: three, or as many as there are, from all over the file.
        doubts: what a person should look at, a sentence each.
    """

    task: str
    side: str
    toml: str
    found: tuple[tuple[str, str], ...]
    read: str
    examples: tuple[Encoded, ...]
    doubts: tuple[str, ...]
