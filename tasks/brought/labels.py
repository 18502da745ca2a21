"""Labels of everyone together: their numbers, and what is odd about them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from harness.errors import UserError
from harness.types import Ints
from tasks.brought.rows import Rows

NAMED = 5
"""Labels that a sentence names; more are counted."""


def labels_of(contributors: Mapping[str, Rows], target: Rows) -> tuple[tuple[str, ...], list[str]]:
    """Every label in order, and notes on those that only one side has.

    Raises:
        UserError: there is one label alone, or no contributor has any of the target's.
    """
    brought = {answer for rows in contributors.values() for answer in rows.answers}
    wanted = set(target.answers)
    every = in_order(brought | wanted)
    if not brought & wanted:
        raise UserError(
            f"No contributor has a label of the target: it has {some(in_order(wanted))}, they have "
            f"{some(in_order(brought))}. Write them alike, or say what is the same: --labels pos=positive,neg=negative."
        )
    if len(every) < 2:
        raise UserError(f"All rows have the label {every[0]!r}; at least two are needed to learn anything.")
    notes = []
    if missing := in_order(wanted - brought):
        share = sum(answer in missing for answer in target.answers) / len(target)
        notes.append(
            f"No contributor has the target's label{'s' if len(missing) > 1 else ''} {some(missing)} ({share:.0%} of "
            "its rows): nobody's data can teach what they ask."
        )
    if foreign := in_order(brought - wanted):
        rows = sum(answer in foreign for own in contributors.values() for answer in own.answers)
        notes.append(
            f"The target lacks the label{'s' if len(foreign) > 1 else ''} {some(foreign)} of {rows:,} contributors' "
            "rows; if these are other spellings of the same, say so with --labels."
        )
    folded: dict[str, list[str]] = {}
    for label in every:
        folded.setdefault(label.casefold(), []).append(label)
    for spellings in folded.values():
        if len(spellings) > 1:
            notes.append(
                f"The labels {' and '.join(map(repr, spellings))} differ in case alone and are taken as different."
            )
    return every, notes


def numbered(answers: Sequence[str], labels: Sequence[str]) -> Ints:
    """Each answer's number, N."""
    number = {label: k for k, label in enumerate(labels)}
    return np.array([number[answer] for answer in answers], dtype=np.int64)


def in_order(labels: set[str]) -> tuple[str, ...]:
    """By number where all are numbers, else by name."""
    try:
        return tuple(sorted(labels, key=lambda label: (_number(label), label)))  # 1 and 1.0 are two labels
    except ValueError:
        return tuple(sorted(labels))


def _number(label: str) -> float:
    """The number that a label is.

    Raises:
        ValueError: it is none, or none that has a place among numbers.
    """
    number = float(label)
    if math.isnan(number):
        raise ValueError(label)
    return number


def some(labels: Sequence[str]) -> str:
    """The first of them, and how many more."""
    named = ", ".join(repr(label) for label in labels[:NAMED])
    return f"{named} and {len(labels) - NAMED} more" if len(labels) > NAMED else named
