"""What rows are: a task, who made them, what their fields are taken from; and words that its finders share."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.described import Undescribed
from harness.errors import plain
from harness.types import Form
from tasks.brought.columns import named
from tasks.describing.places import Place
from tasks.sources.description import TASK_FORMS


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the rows are.

    Args:
        task: of the four.
        side: who made them.
        columns, labels, where: as a description has them.
        pixels: that pictures are brought to.
        found: what -> in words.
        doubts: what a person should look at, a sentence each.
    """

    task: str
    side: str
    columns: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)
    where: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    pixels: int | None = None
    found: tuple[tuple[str, str], ...] = ()
    doubts: tuple[str, ...] = ()


def form_asked(asked: Undescribed) -> Form | None:
    """The form that a task or the names of told fields tell; None where nothing does."""
    if asked.task is not None:
        return TASK_FORMS[asked.task]
    if "image" in asked.columns:
        return "image-label"
    if "label" in asked.columns or asked.labels:
        return "text-label"
    return "text-response" if {"answer", "response"} & set(asked.columns) else None


def by_name(names: Sequence[str], places: Sequence[Place]) -> Place | None:
    """The place with the likeliest name; whole columns before what stands inside of them.

    Inside, the last name tells most, and then the column's, in the plural too: ``answers[text][0]``.
    """
    whole = [place for place in places if "[" not in place.name]
    inside = [place for place in places if "[" in place.name and not place.is_picture]
    return (
        _called(names, whole, [place.leaf for place in whole])
        or _with_word(names, whole)
        or _called(names, inside, [place.leaf for place in inside])
        or _called(names, texts := [p for p in inside if not p.is_numeric], [_singular(p.name) for p in texts])
        or _with_word(names, texts)
    )


def _called(names: Sequence[str], places: Sequence[Place], called: Sequence[str]) -> Place | None:
    """The first place that is called by the likeliest name."""
    found = named(names, called)
    return None if found is None else places[list(called).index(found)]


def _with_word(names: Sequence[str], places: Sequence[Place]) -> Place | None:
    """The first place whose last name has the likeliest name for a word: ``Review text``."""
    words = [{*re.findall(r"[^\W_]+", place.leaf.casefold())} for place in places]
    return next((place for name in names for place, own in zip(places, words, strict=True) if name in own), None)


def _singular(name: str) -> str:
    """Of a place's column."""
    return name.split("[", 1)[0].removesuffix("s")


def listed(places: Sequence[Place]) -> str:
    names = [plain(place.name) for place in places]
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")


def quoted(text: str) -> str:
    return plain(repr(text))
