"""From files and frames to rows: each contributor's and the target's, by the readers that described sources have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.brought import Wanted
from harness.errors import UserError, plain, said
from harness.types import Array, Form, Ints
from tasks.brought.columns import demand, find, held, is_real, owner_column, side_column, told
from tasks.brought.described import described
from tasks.brought.finding import Files, by_name, contributors_of, files_of, refuse_target_s
from tasks.brought.rows import TARGET, Read, Rows
from tasks.sources.arrays import read_npz_whole
from tasks.sources.description import TASK_FORMS, Source, format_of, template_names
from tasks.sources.fields import as_text, distinct, shape
from tasks.sources.images import as_images, decode
from tasks.sources.rows import read_rows
from tasks.sources.sniffing import sniff
from tasks.sources.table import spread

MOST_LABELS = 200
"""More different labels are a sign that a column of something else was taken for them."""


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Rows of one file or frame as ``datasets`` holds them (or arrays, by name), before it is known what they say.

    Args:
        count: of the rows.
        columns: their names.
        shown: the file in errors.
        offsets: where each row stands in the file, from 0.
    """

    content: Any
    count: int
    columns: tuple[str, ...]
    shown: str
    offsets: Ints

    def take(self, rows: Ints) -> _Part:
        return replace(self, content=_selected(self.content, rows), count=len(rows), offsets=self.offsets[rows])

    @property
    def places(self) -> list[str]:
        return [f"{self.shown}, row {k + 1}" for k in self.offsets]


def read(wanted: Wanted) -> Read:
    """Read everything.

    Raises:
        UserError: as ``bring``.
    """
    form, columns = TASK_FORMS[wanted.task], told(TASK_FORMS[wanted.task], wanted.columns)
    found, notes = contributors_of(wanted), list[str]()
    if found.ignored:
        notes.append(f"Not read, for their names tell no format that is: {', '.join(found.ignored)}.")
    every = {**found.files, TARGET: files_of(TARGET, wanted.target)}
    rows = {who: described(own.description, wanted, who) for who, own in every.items() if own.description}
    parts = {who: _parts(own, form, _whose(who)) for who, own in every.items() if not own.description}
    if found.one_table:
        parts |= _by_owner(parts.pop(""), columns, notes)
    elif "contributor" in columns:
        raise UserError("--columns contributor=COLUMN is for one table of all; here each has files of its own.")
    demand(columns, {part.shown: part.columns for own in parts.values() for part in own})
    counts = {who: sum(part.count for part in own) for who, own in parts.items()}
    sizes = {**counts, **{who: len(own) for who, own in rows.items()}}
    names = sorted(set(sizes) - {TARGET})
    by_name(wanted.sides, tuple(names), "--real or --synthetic")
    chosen = _chosen({name: sizes[name] for name in names}, wanted.rows, notes)
    parts = {who: own if who == TARGET else [_thinned(part, chosen) for part in own] for who, own in parts.items()}
    answers = {answer for own in rows.values() for answer in own.answers}
    labels = _labels(form, [part for own in parts.values() for part in own], columns, wanted, answers)
    rows = {who: own if who == TARGET else own.take(chosen(len(own))) for who, own in rows.items()}
    rows = {who: replace(own, answers=[labels.get(one, one) for one in own.answers]) for who, own in rows.items()}
    make = _texts if form != "image-label" else _images
    rows |= {who: replace(make(own, wanted, columns, labels, who), read=counts[who]) for who, own in parts.items()}
    return Read({name: rows[name] for name in names}, rows[TARGET], tuple(notes))


# --- files and frames ---------------------------------------------------------------------------------


def _whose(who: str) -> str:
    return who if who == TARGET else f"the contributor {who}"


def _parts(files: Files, form: Form, whose: str) -> list[_Part]:
    """The rows of each file.

    Raises:
        UserError: one cannot be read; it names whose it is.
    """
    if files.frame is not None:
        return [_of_frame(files.frame, whose)]
    try:
        found = [_of_file(path, form) for path in files.tables]
    except UserError as error:
        raise UserError(f"{whose[0].upper()}{whose[1:]} cannot be read: {error}") from error
    if files.images:
        if form != "image-label":
            raise UserError(f"{whose[0].upper()}{whose[1:]} brings images, and texts are asked for.")
        labels, paths = [label for label, _ in files.images], [path for _, path in files.images]
        content = {"image": [path.read_bytes() for path in paths], "label": labels}
        found.append(_Part(content, len(paths), ("image", "label"), str(paths[0].parent.parent), np.arange(len(paths))))
    return found


def _of_file(path: Path, form: Form) -> _Part:
    kind = format_of(path.name)
    assert kind is not None, "finding takes no other file"
    if kind == "npz" and form == "image-label":
        return _of_arrays(path)
    if kind in ("npz", "npy", "idx.gz"):
        raise UserError(
            f"{path}: {kind} is not read here; "
            + (
                "put images and labels into one npz or parquet file."
                if form == "image-label"
                else "texts are CSV, TSV, JSON Lines or parquet."
            )
        )
    found = sniff(path, str(path))
    layout = replace(found.layout, encoding=None) if found.is_guess else found.layout  # which is refused, with its row
    rows = read_rows(path, layout, str(path))
    return _Part(rows, len(rows), tuple(rows.column_names), str(path), np.arange(len(rows)))


def _of_arrays(path: Path) -> _Part:
    """The arrays of an npz file that have as many rows as the longest; what else it holds says nothing of rows."""
    every = {name: array for name, array in read_npz_whole(path).items() if array.ndim}
    count = max(map(len, every.values()), default=0)
    arrays = {name: array for name, array in every.items() if len(array) == count}
    if len(arrays) < 2:
        sizes = ", ".join(f"{name} of {len(array):,}" for name, array in every.items()) or "none"
        raise UserError(f"{path}: an array of images and one of as many labels are expected, got {sizes}.")
    return _Part(arrays, count, tuple(arrays), str(path), np.arange(count))


def _of_frame(frame: Any, whose: str) -> _Part:
    from datasets import Dataset

    if not len(frame):
        raise UserError(f"{whose[0].upper()}{whose[1:]} is empty: its frame has no rows. Leave it out.")
    shown = (
        "the target's frame"
        if whose == TARGET
        else f"the frame of {whose.removeprefix('the contributor ') or 'the contributors'}"
    )
    try:
        rows = Dataset.from_pandas(frame.rename(columns=str), preserve_index=False)
    except (ValueError, TypeError, OverflowError) as error:  # pyarrow's own extend these
        raise UserError(f"{shown} {_mixed(frame) or f'cannot be read: {said(error)}'}") from error
    return _Part(rows, len(rows), tuple(rows.column_names), shown, np.arange(len(rows)))


def _mixed(frame: Any) -> str:
    """What is said of a frame's first column whose values are of several types; empty where there is none."""
    for name in frame.columns:
        kinds = sorted({type(value).__name__ for value in frame[name].dropna()})
        if len(kinds) > 1:
            return (
                f"holds {' and '.join(kinds)} in its column {str(name)!r}; make them one, as by "
                f"frame[{str(name)!r}].astype(str)."
            )
    return ""


def _selected(content: Any, rows: Ints) -> Any:
    if isinstance(content, dict):
        return {
            name: [column[k] for k in rows] if isinstance(column, list) else column[rows]
            for name, column in content.items()
        }
    return content.select(rows)


def _by_owner(parts: Sequence[_Part], columns: Mapping[str, str], notes: list[str]) -> dict[str, list[_Part]]:
    """The rows of one table, told apart by its column of contributors."""
    (part,) = parts
    column = owner_column(columns, part.columns)
    if column is None or column not in part.columns:
        raise UserError(
            f"{part.shown} has no column that names contributors; it has {', '.join(part.columns)}. Say which one does "
            "(--columns contributor=COLUMN), or give a folder with one file or folder a contributor."
        )
    said = [as_text(_python(value)) for value in _column(part, column)]
    names = {text: plain(text.strip()) for text in set(said)}
    owners = [names[text] for text in said]
    nobody = sum(not owner for owner in owners)
    if nobody:
        notes.append(f"{nobody:,} rows of {part.shown} name no contributor and are left out.")
    order: dict[str, list[int]] = {}
    for k, owner in enumerate(owners):
        if owner:
            order.setdefault(owner, []).append(k)
    for name in order:
        refuse_target_s(name)
    if len(order) < 2:
        raise UserError(f"{part.shown}: the column {column} names {len(order)} contributor; values compare 2 or more.")
    return {name: [part.take(np.array(rows))] for name, rows in sorted(order.items())}


def _chosen(counts: Mapping[str, int], most: int, notes: list[str]) -> Callable[[int], Ints]:
    """Which of so many rows stay for at most ``most`` together: everyone's by one share, evenly spread."""
    total = sum(counts.values())
    for name, count in counts.items():
        if not count:
            raise UserError(f"The contributor {name} is empty: it has no rows. Leave it out.")
    if total <= most:
        return np.arange
    notes.append(
        f"{total:,} rows are too many to value each: {most / total:.1%} of every contributor's are taken, evenly "
        f"spread. --rows {total} takes all."
    )
    return lambda count: spread(count, max(1, round(count * most / total)))


def _thinned(part: _Part, chosen: Callable[[int], Ints]) -> _Part:
    rows = chosen(part.count)
    return part.take(rows) if len(rows) < part.count else part


# --- what rows say ------------------------------------------------------------------------------------


def _labels(
    form: Form, parts: Sequence[_Part], columns: Mapping[str, str], wanted: Wanted, answers: set[str]
) -> dict[str, str]:
    """Every label that there is, as files have it -> what it is called; nothing where answers are texts.

    Args:
        answers: that rows have which are read already.
    """
    if form == "text-response":
        if wanted.labels:
            raise UserError(f"--labels is for tasks with labels, and {wanted.task} is answered in words; leave it out.")
        return {}
    found = {answer: wanted.labels.get(answer, answer) for answer in sorted(answers)}
    for part in parts:
        template = _fields(form, columns, part)["label" if form == "image-label" else "answer"]
        names = template_names(template) or [template]
        if names[0] not in part.columns or template not in (names[0], f"{{{names[0]}}}"):
            raise UserError(f"--columns: a label is one column, got {template!r}.")
        content = part.content
        values = (
            sorted({as_text(_python(value)).strip() for value in content[names[0]]} - {""})
            if isinstance(content, dict)
            else distinct(content, names[0])
        )
        if len(values) > MOST_LABELS and len(values) > part.count / 10:
            raise UserError(
                f"{part.shown}: the column {names[0]} has {len(values):,} different values in {part.count:,} rows; "
                "these are no labels. Say which column has them: --columns label=COLUMN."
            )
        found |= {value: wanted.labels.get(value, value) for value in values}
    for label in wanted.labels:
        if label not in found:
            raise UserError(f"--labels: no row has the label {label!r}; there are {', '.join(list(found)[:8])}.")
    return found


def _fields(form: Form, columns: Mapping[str, str], part: _Part) -> dict[str, str]:
    """What is told, where this file has it, and else what the names of its own columns tell."""
    return find(form, held(columns, part.columns), part.columns, part.shown)


def _python(value: Any) -> Any:
    """A number of numpy's as Python's."""
    return value.item() if isinstance(value, np.generic) else value


def _texts(
    parts: Sequence[_Part], wanted: Wanted, columns: Mapping[str, str], labels: Mapping[str, str], who: str
) -> Rows:
    form, left_out = TASK_FORMS[wanted.task], Counter[str]()
    rows = Rows()
    for part in parts:
        source = Source.model_validate(
            {
                "name": who or part.shown,
                "task": wanted.task,
                "side": "real",
                "path": "rows.jsonl",
                "columns": _fields(form, columns, part),
                "labels": dict(labels),
            }
        )
        real = _sides(part, columns, wanted.sides.get(who))
        places = part.places
        table = shape(source, part.content, places, part.shown)
        left_out.update(table.left_out)
        kept = dict(zip(places, real, strict=True))
        rows = replace(
            rows,
            prompts=[*rows.prompts, *table.prompts],
            answers=[*rows.answers, *table.answers],
            places=[*rows.places, *table.places],
            real=[*rows.real, *(kept[place] for place in table.places)],
        )
    return replace(rows, left_out=dict(left_out))


def _images(
    parts: Sequence[_Part], wanted: Wanted, columns: Mapping[str, str], labels: Mapping[str, str], who: str
) -> Rows:
    found: list[Array] = []
    rows, left_out = Rows(), Counter[str]()
    for part in parts:
        fields = _fields("image-label", columns, part)
        answers = [as_text(_python(value)).strip() for value in _column(part, fields["label"])]
        stay = np.array([k for k, answer in enumerate(answers) if answer], dtype=np.int64)
        if len(stay) < part.count:
            left_out["empty"] += part.count - len(stay)
        if not len(stay):
            raise UserError(f"{part.shown}: no row is left of {part.count}: none has a label.")
        taken, real = part.take(stay), _sides(part, columns, wanted.sides.get(who))
        found.append(_pixels(taken, fields["image"]))
        rows = replace(
            rows,
            answers=[*rows.answers, *(labels[answers[k]] for k in stay)],
            places=[*rows.places, *taken.places],
            real=[*rows.real, *(real[k] for k in stay)],
        )
    if len({images.shape[1:] for images in found}) > 1:
        raise UserError(f"{who}: its files hold images of several sizes; bring them to one.")
    return replace(rows, images=np.concatenate(found), left_out=dict(left_out))


def _pixels(part: _Part, column: str) -> Array:
    """Images as N x H x W x C in [0, 1]."""
    from datasets import Image

    if isinstance(part.content, dict):
        held = part.content[column]
        return as_images(decode(held, part.places) if isinstance(held, list) else held, part.shown)
    rows = part.content
    if isinstance(rows.features[column], Image):
        rows = rows.cast_column(column, Image(decode=False))
    return as_images(decode(rows[column][:], part.places), part.shown)


def _column(part: _Part, name: str) -> Sequence[Any]:
    held: Sequence[Any] = part.content[name][:] if not isinstance(part.content, dict) else part.content[name]
    return held


def _sides(part: _Part, columns: Mapping[str, str], side: str | None) -> list[bool | None]:
    """Whether each row is real, where the contributor's side or a column tells it."""
    if side is not None and side != "unknown":
        return [side == "real"] * part.count
    column = side_column(held(columns, part.columns), part.columns)
    if column is None:
        return [None] * part.count
    return [is_real(as_text(_python(value)), column) for value in _column(part, column)]
