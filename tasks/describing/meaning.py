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
    """The place with the likeliest last name, or a word of it; whole columns before what stands inside of them."""
    for part in ([p for p in places if "[" not in p.name], [p for p in places if "[" in p.name]):
        if leaf := named(names, [place.leaf for place in part]):
            return next(place for place in part if place.leaf == leaf)
        words = {place.name: {*re.findall(r"[^\W_]+", place.leaf.casefold())} for place in part}
        for name in names:
            if found := next((place for place in part if name in words[place.name]), None):
                return found
    return None


def listed(places: Sequence[Place]) -> str:
    names = [plain(place.name) for place in places]
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")


def quoted(text: str) -> str:
    return plain(repr(text))
