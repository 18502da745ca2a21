"""From sources to stocks: rows read, cleaned and split by content, held-out splits cut to what is quick to score."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.errors import UserError
from harness.types import Array, Ints, Plain
from tasks.external.defaults import Asked
from tasks.external.text_materials import Texts
from tasks.external.topics import Topics
from tasks.sources.cleaning import clean, split
from tasks.sources.reading import read
from tasks.sources.table import Table

SHARES = {"generator": 0.40, "contributors": 0.40, "validation": 0.08, "test": 0.12}
HELD_OUT_ROWS = {"validation": 200, "test": 300}
"""Most rows of the held-out splits: every retraining is scored on all of them."""

FEWEST_HELD_OUT = 10


@dataclass(frozen=True, slots=True)
class TextStock:
    """Cleaned texts with their topics.

    Args:
        splits: generator, contributors, validation and test, of the real side.
        synthetic: what contributors' synthetic rows are dealt from.
        topics: how many there are.
        labels: the answers of the real side, sorted (few for a classifier).
        facts: what was dropped, for the pool.
    """

    splits: Mapping[str, Texts]
    synthetic: Texts
    topics: int
    labels: tuple[str, ...]
    facts: Mapping[str, Plain]


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """Images N x H x W x C in [0, 1] and their classes N."""

    images: Array
    labels_N: Ints

    def __len__(self) -> int:
        return len(self.labels_N)


@dataclass(frozen=True, slots=True)
class ImageStock:
    """As TextStock; ``synthetic`` is None where a generator makes the synthetic side."""

    splits: Mapping[str, Images]
    synthetic: Images | None
    classes: int
    facts: Mapping[str, Plain]


@dataclass(frozen=True, slots=True)
class Parts:
    """The real side in splits and the synthetic side, each as tables, and how many rows were dropped, and why."""

    splits: Mapping[str, Sequence[Table]]
    synthetic: Sequence[Table]
    facts: Mapping[str, Plain]


def text_stock(asked: Asked, topics: int) -> TextStock:
    """Texts of a task, read, cleaned, split and sorted into topics.

    Args:
        topics: how many to sort rows into (fewer where the generator split is small).

    Raises:
        UserError: a source cannot be read, a split is too small, or labels are not to be learnt.
    """
    parts = _parts(asked)
    if asked.name == "sentiment":
        _check_answers(asked.name, parts)
    found = Topics.fit(_column(parts.splits["generator"], "prompts"), topics)

    def texts(tables: Sequence[Table]) -> Texts:
        prompts = _column(tables, "prompts")
        return Texts.of(prompts, _column(tables, "answers"), found.of(prompts))

    splits = {name: texts(tables) for name, tables in parts.splits.items()}
    labels = sorted({answer for split in splits.values() for answer in split.answers})
    return TextStock(splits, texts(parts.synthetic), found.count, tuple(labels), parts.facts)


def image_stock(asked: Asked, side: int | None) -> ImageStock:
    """Images of a task, read, cleaned and split.

    Args:
        side: average them down to at most so many pixels a side; None leaves them as they are.

    Raises:
        UserError: a source cannot be read, a split is too small, or sources differ in form or classes.
    """
    parts = _parts(asked)
    every = [*(table for split in parts.splits.values() for table in split), *parts.synthetic]
    forms = {table.source.name: np.asarray(table.images).shape[1:] for table in every if len(table)}
    if len(set(forms.values())) > 1:
        told = ", ".join(f"{name} {' x '.join(map(str, form))}" for name, form in forms.items())
        raise UserError(f"{asked.name}: the images of all sources must have one form, got {told}.")
    real = [table for split in parts.splits.values() for table in split]
    classes = max(max(table.source.classes or 0, int(np.asarray(table.labels).max(initial=0)) + 1) for table in real)
    for table in parts.synthetic:
        _check_labels(asked.name, table, classes)

    def images(tables: Sequence[Table]) -> Images:
        pixels = np.concatenate([np.asarray(table.images) for table in tables])
        labels = np.concatenate([np.asarray(table.labels, dtype=np.int64) for table in tables])
        return Images(pixels if side is None else averaged(pixels, side), labels)

    splits = {name: images(tables) for name, tables in parts.splits.items()}
    return ImageStock(splits, images(parts.synthetic) if parts.synthetic else None, classes, parts.facts)


def averaged(images: Array, side: int) -> Array:
    """Images N x H x W x C, averaged over the smallest squares that leave at most ``side`` pixels a side."""
    rows, high, wide, channels = images.shape
    factor = -(-max(high, wide) // side)
    high, wide = high // factor, wide // factor
    cut = images[:, : high * factor, : wide * factor]
    return np.asarray(cut.reshape(rows, high, factor, wide, factor, channels).mean(axis=(2, 4)))


def _parts(asked: Asked) -> Parts:
    """Read, clean and split; held-out splits keep the rows whose content hashes lowest."""
    cleaned = clean([read(source, asked.folder) for source in (*asked.real, *asked.synthetic)])
    real, synthetic = cleaned.tables[: len(asked.real)], cleaned.tables[len(asked.real) :]
    found = split(real, synthetic, SHARES, asked.name)
    splits = {name: _bounded(tables, HELD_OUT_ROWS.get(name)) for name, tables in found.real.items()}
    for name in HELD_OUT_ROWS:
        rows = sum(map(len, splits[name]))
        if rows < FEWEST_HELD_OUT:
            raise UserError(
                f"{asked.name}: the {name} split ({SHARES[name]:.0%} of the real rows) has {rows} rows, at least "
                f"{FEWEST_HELD_OUT} are needed to judge a model by. Give more real rows."
            )
    facts: dict[str, Plain] = {
        "near_duplicates_dropped": sum(cleaned.near_duplicates_dropped.values()),
        "crossing_dropped": sum(found.crossing_dropped.values()),
    }
    return Parts(splits, found.synthetic, facts)


def _bounded(tables: Sequence[Table], most: int | None) -> Sequence[Table]:
    """At most so many rows of all tables together, chosen by their content."""
    places = [(_hash(table, row), k, row) for k, table in enumerate(tables) for row in range(len(table))]
    if most is None or len(places) <= most:
        return tables
    chosen = sorted(places)[:most]
    return [table.take(sorted(row for _, at, row in chosen if at == k)) for k, table in enumerate(tables)]


def _hash(table: Table, row: int) -> bytes:
    if table.images is not None:
        return hashlib.sha256(np.ascontiguousarray(table.images[row]).tobytes()).digest()
    return hashlib.sha256(f"{table.prompts[row]}\0{table.answers[row]}".encode()).digest()


def _check_labels(task: str, table: Table, classes: int) -> None:
    labels = np.asarray(table.labels)
    wrong = np.flatnonzero(labels >= classes)
    if len(wrong):
        raise UserError(
            f"{task}: {table.places[wrong[0]]}: the label {labels[wrong[0]]} is out of range; the real side has "
            f"{classes} classes, 0 to {classes - 1}."
        )


def _check_answers(task: str, parts: Parts) -> None:
    """A classifier needs two classes at least, and none that only the synthetic side has."""
    known = sorted({answer for tables in parts.splits.values() for answer in _column(tables, "answers")})
    if len(known) < 2:
        raise UserError(f"{task}: all real rows have the label {known[0]!r}; at least two classes are needed.")
    for table in parts.synthetic:
        for answer, place in zip(table.answers, table.places, strict=True):
            if answer not in known:
                raise UserError(
                    f"{task}: {place}: the label {answer!r} is none of the real side's: {', '.join(known)}. Mend the "
                    f"labels in the description of {table.source.name}."
                )


def _column(tables: Sequence[Table], name: str) -> list[str]:
    return [text for table in tables for text in getattr(table, name)]
