"""What a person brings to be valued, and what becomes of it: words that tasks, which read it, and values speak in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np

from harness.config import TaskSettings
from harness.errors import UserError
from harness.types import Bools, Examples, Form, Ints, Learner

Side = Literal["real", "synthetic", "unknown"]

Given: TypeAlias = "Path | Any"
"""A file, a folder, or a ``pandas.DataFrame``."""

FEWEST_VALUED = 2
"""Contributors that are valued, at least; a pool with a truth needs one more (``types.FEWEST_CONTRIBUTORS``), for the
rank agreement of two tells nothing.
"""

FEWEST_TARGET_ROWS = 10
"""With fewer rows nothing is told of a model; the noise of more is in every interval."""

ROWS = 100_000
"""Most rows of all contributors together that are valued where nobody says another number."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is brought.

    Args:
        task: one of the four.
        contributors: name -> files or frame; one entry called ``""`` is a table that has a column of contributors, or a
            folder that holds a file or a folder for each.
        target: what the model shall be good at.
        columns: field (``text``, ``label``, ``prompt``, ``answer``, ``image``, ``contributor``, ``side``) -> column, or
            a template with columns in braces; what is not told is found by name.
        labels: a label as files have it -> what it is called, where vendors write one label in several ways.
        sides: contributor -> real or synthetic; others are unknown.
        rows: most rows of all contributors together; beyond, each one's are thinned by the same share.
        settings: model, adapters, length and recipe, where they are not the small model's own.
    """

    task: str
    contributors: Mapping[str, Given]
    target: Given
    columns: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    sides: Mapping[str, Side] = field(default_factory=dict)
    rows: int = ROWS
    settings: TaskSettings = field(default_factory=TaskSettings)


@dataclass(frozen=True, slots=True)
class Shown:
    """Examples as people read them, N each.

    Args:
        texts: of prompts; of an image its place is all that is told.
        answers: labels or responses.
        places: file and row.
    """

    texts: Sequence[str]
    answers: Sequence[str]
    places: Sequence[str]


@dataclass(frozen=True, slots=True, eq=False)
class Copies:
    """Which examples stand in more than one place, near-duplicates included.

    Args:
        within_N: whether an earlier example of the same contributor is nearly the same.
        shared_CC: how many examples of the first have a near-duplicate among the second's; the diagonal is 0.
        elsewhere_N: whether another contributor has a near-duplicate.
        target_N: row of the target that asks nearly the same, -1 where none does.
    """

    within_N: Bools
    shared_CC: Ints
    elsewhere_N: Bools
    target_N: Ints


@dataclass(frozen=True, slots=True, eq=False)
class Brought:
    """What there is to be valued: a pool without a truth.

    Args:
        task, form: what was asked.
        names: C contributors, in the order of their names.
        train: all contributors' examples; real_N is true of those whose side is unknown too.
        target: held-out examples that stand for what the model shall do.
        learner: makes what is trained.
        model: of the learner, in words.
        shown, shown_target: the examples as people read them.
        copies: near-duplicates, within and across.
        labels: of classes, by their numbers; empty where answers are texts.
        sides: real, synthetic, mixed or unknown, C.
        read_C: rows that each one's files have; less than these are valued where some are left out or thinned.
        left_out: contributor (or the target) -> why rows are not here -> how many.
        notes: what a person should know of the reading, a sentence each.
    """

    task: str
    form: Form
    names: tuple[str, ...]
    train: Examples
    target: Examples
    learner: Callable[[], Learner]
    model: str
    shown: Shown
    shown_target: Shown
    copies: Copies
    labels: tuple[str, ...]
    sides: tuple[str, ...]
    read_C: Ints
    left_out: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.names) < FEWEST_VALUED:
            raise UserError(
                f"Values compare contributors, and there is {len(self.names)}: {', '.join(self.names)}. Bring 2 or "
                "more."
            )
        owned = np.unique(self.train.owners_N)
        if not np.array_equal(owned, np.arange(len(self.names))):
            raise UserError(
                f"Every contributor needs an example; {len(self.names)} contributors, owners found {owned}."
            )
        if len(self.target) < FEWEST_TARGET_ROWS:
            raise UserError(
                f"The target has {len(self.target)} rows, and {FEWEST_TARGET_ROWS} are the fewest that tell anything "
                "of a model; a few hundred make intervals that can be used. Give more target rows."
            )
        object.__setattr__(self, "left_out", MappingProxyType(dict(self.left_out)))

    @property
    def sizes_C(self) -> Ints:
        return np.bincount(self.train.owners_N, minlength=len(self.names))

    @property
    def sides_known(self) -> bool:
        """Whether it is told of every contributor which of its examples are real."""
        return "unknown" not in self.sides
