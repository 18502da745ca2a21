"""From sources to prepared splits: rows read, cleaned and split by content, held-out splits cut to quick scoring."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.errors import UserError
from harness.types import Array, Plain
from tasks.external.definition import TaskDefinition
from tasks.external.topics import TOPICS, Topics
from tasks.pools.dealing import Rows
from tasks.pools.image_pools import image_rows
from tasks.pools.splits import HELD_OUT, divide
from tasks.pools.text_materials import text_rows
from tasks.sources.accounts import Account, accounts
from tasks.sources.classes import alike
from tasks.sources.cleaning import clean, split, together
from tasks.sources.reading import read
from tasks.sources.table import Table

SHARES = {"generator": 0.40, "contributors": 0.40, HELD_OUT: 0.20}
HELD_OUT_ROWS = {"validation": 200, "test": 600}
"""Most held-out rows of a pool: every retraining is scored on all of its test split."""

VALIDATION_SHARE = 0.4
"""Of what is held out, where there are too few rows for all of HELD_OUT_ROWS."""

FEWEST_HELD_OUT = 10

FEWEST_ROWS = math.ceil(FEWEST_HELD_OUT / (VALIDATION_SHARE * SHARES[HELD_OUT]))
"""Real rows of which enough are held out."""

SMALL_SIDE = 16
"""Images are averaged down to at most so many pixels a side for the small CNN: what it costs goes with their area."""


@dataclass(frozen=True, slots=True)
class PreparedTexts:
    """Cleaned texts with their topics.

    Args:
        splits: generator, contributors and held out, of the real side.
        together: what those held-out rows share that must not stand on two sides.
        synthetic: what contributors' synthetic rows are drawn from.
        topics: how many there are.
        labels: the answers of a classifier, sorted; None where each answer is a text of its own.
        facts: what was dropped, for the pool.
        accounts: what became of each source's rows.
    """

    splits: Mapping[str, Rows]
    together: Sequence[bytes]
    synthetic: Rows
    topics: int
    labels: tuple[str, ...] | None
    facts: Mapping[str, Plain]
    accounts: tuple[Account, ...]

    def held_out(self, task: str, index: int) -> dict[str, Rows]:
        """The validation and test rows of a pool, alike in their labels, or else in their topics."""
        rows = self.splits[HELD_OUT]
        strata = [str(name) for name in rows["answers" if self.labels else "topics"]]
        counts = held_out_counts(len(strata))
        found = divide(self.together, strata, counts, f"{task}, pool {index}")
        return {name: {key: column[chosen] for key, column in rows.items()} for name, chosen in found.items()}


@dataclass(frozen=True, slots=True)
class SplitImages:
    """Cleaned images; ``synthetic`` is None where no source has that side. Else as PreparedTexts."""

    splits: Mapping[str, Rows]
    synthetic: Rows | None
    classes: int
    facts: Mapping[str, Plain]
    accounts: tuple[Account, ...]


@dataclass(frozen=True, slots=True)
class SplitTables:
    """The real side in splits and the synthetic side, each as tables, and how many rows were dropped, and why."""

    splits: Mapping[str, Sequence[Table]]
    synthetic: Sequence[Table]
    accounts: tuple[Account, ...]

    @property
    def facts(self) -> dict[str, Plain]:
        return {
            "rows_read": sum(own.read for own in self.accounts),
            "rows_left_out": sum(sum(own.left_out.values()) for own in self.accounts),
            "near_duplicates_dropped": sum(own.near for own in self.accounts),
            "crossing_dropped": sum(sum(own.crossing.values()) for own in self.accounts),
        }


def prepare_texts(definition: TaskDefinition) -> PreparedTexts:
    """Texts of a task, read, cleaned, split and sorted into topics.

    Raises:
        UserError: a source cannot be read, a split is too small, or labels are not to be learnt.
    """
    tables = _split_tables(definition)
    if definition.form == "text-label":
        _check_answers(definition.name, tables)
    found = Topics.fit(_column(tables.splits["generator"], "prompts"), TOPICS)

    def rows(side: Sequence[Table]) -> Rows:
        prompts = _column(side, "prompts")
        return text_rows(prompts, _column(side, "answers"), found.of(prompts))

    splits = {name: rows(side) for name, side in tables.splits.items()}
    labels = None
    if definition.form == "text-label":
        labels = tuple(sorted({answer for texts in splits.values() for answer in texts["answers"]}))
    apart = together(tables.splits[HELD_OUT])
    return PreparedTexts(splits, apart, rows(tables.synthetic), found.count, labels, tables.facts, tables.accounts)


def split_images(definition: TaskDefinition) -> SplitImages:
    """Images of a task, read, cleaned and split; for the small CNN they are averaged down.

    Raises:
        UserError: a source cannot be read, a split is too small, or sources differ in form or classes.
    """
    tables = _split_tables(definition)
    real = [table for side in tables.splits.values() for table in side]
    shapes = {
        table.source.name: np.asarray(table.images).shape[1:] for table in (*real, *tables.synthetic) if len(table)
    }
    if len(set(shapes.values())) > 1:
        found = ", ".join(f"{name} {' x '.join(map(str, shape))}" for name, shape in shapes.items())
        raise UserError(f"{definition.name}: the images of all sources must have one form, got {found}.")
    classes = max(_classes(table) for table in real)
    for table in tables.synthetic:
        _check_labels(definition.name, table, classes)

    def rows(side: Sequence[Table]) -> Rows:
        pixels = np.concatenate([np.asarray(table.images) for table in side])
        labels_N = np.concatenate([np.asarray(table.labels, dtype=np.int64) for table in side])
        return image_rows(pixels if definition.model else averaged(pixels, SMALL_SIDE), labels_N)

    splits = {name: rows(side) for name, side in tables.splits.items()}
    synthetic = rows(tables.synthetic) if tables.synthetic else None
    return SplitImages(splits, synthetic, classes, tables.facts, tables.accounts)


def _classes(table: Table) -> int:
    """How many its images may be of: as the description or the names say, or the highest + 1."""
    return max(table.source.classes or 0, len(table.names), int(np.asarray(table.labels).max(initial=0)) + 1)


def averaged(images: Array, side: int) -> Array:
    """Images N x H x W x C, averaged over the smallest squares that leave at most ``side`` pixels a side."""
    rows, high, wide, channels = images.shape
    factor = -(-max(high, wide) // side)
    high, wide = high // factor, wide // factor
    cut = images[:, : high * factor, : wide * factor]
    return np.asarray(cut.reshape(rows, high, factor, wide, factor, channels).mean(axis=(2, 4)))


def _split_tables(definition: TaskDefinition) -> SplitTables:
    """Read, clean and split."""
    tables = alike([read(source, definition.folder) for source in (*definition.real, *definition.synthetic)])
    cleaned = clean(tables)
    real, synthetic = cleaned.tables[: len(definition.real)], cleaned.tables[len(definition.real) :]
    found = split(real, synthetic, SHARES, definition.name)
    for name, rows in held_out_counts(sum(map(len, found.real[HELD_OUT]))).items():
        if rows < FEWEST_HELD_OUT:
            raise UserError(
                f"{definition.name}: {rows} rows are left for the {name} split ({SHARES[HELD_OUT]:.0%} of the real "
                f"rows are held out), at least {FEWEST_HELD_OUT} are needed to judge a model by. Give more real rows: "
                f"{FEWEST_ROWS} without near-duplicates are enough."
            )
    return SplitTables(found.real, found.synthetic, accounts(tables, cleaned, found))


def held_out_counts(rows: int) -> dict[str, int]:
    """Most validation and test rows of a pool, where so many are held out."""
    validation = min(HELD_OUT_ROWS["validation"], round(VALIDATION_SHARE * rows))
    return {"validation": validation, "test": min(HELD_OUT_ROWS["test"], rows - validation)}


def _check_labels(task: str, table: Table, classes: int) -> None:
    labels = np.asarray(table.labels)
    wrong = np.flatnonzero(labels >= classes)
    if len(wrong):
        raise UserError(
            f"{task}: {table.places[wrong[0]]}: the label {labels[wrong[0]]} is out of range; the real side has "
            f"{classes} classes, 0 to {classes - 1}."
        )


def _check_answers(task: str, tables: SplitTables) -> None:
    """A classifier needs two classes at least, and none that only the synthetic side has."""
    known = sorted({answer for side in tables.splits.values() for answer in _column(side, "answers")})
    if len(known) < 2:
        raise UserError(f"{task}: all real rows have the label {known[0]!r}; at least two classes are needed.")
    for table in tables.synthetic:
        for answer, place in zip(table.answers, table.places, strict=True):
            if answer not in known:
                raise UserError(
                    f"{task}: {place}: the label {answer!r} is none of the real side's: {', '.join(known)}. Mend the "
                    f"labels in the description of {table.source.name}."
                )


def _column(tables: Sequence[Table], name: str) -> list[str]:
    return [text for table in tables for text in getattr(table, name)]
