"""From a file's columns to a source's rows: which are wanted, and what their fields say."""

from __future__ import annotations

import difflib
import html
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.errors import UserError
from harness.types import Ints
from tasks.sources.description import IMAGE_FIELDS, KEY, PLACE, Source, template_names
from tasks.sources.images import as_classes, as_images, decode
from tasks.sources.table import Table, spread

UNWANTED = "not wanted (where)"
EMPTY = "empty"
UNMATCHED = "no match (extract)"
BEYOND = "beyond the limit"
NO_PICTURE = "no picture by its name"

STEP = re.compile(r"\[([^\[\]]+)\]")


def shape(source: Source, rows: Any, places: Sequence[str], shown: str) -> Table:
    """A table from a ``datasets.Dataset``.

    Args:
        rows: with whatever columns the file has.
        places: of each row.
        shown: the file's (or the hub set's) name in errors.

    Raises:
        UserError: a column is missing, a value is out of range, or no row is left.
    """
    for name in _columns_used(source):
        _demand(name, rows.column_names, shown)
    wanted = np.flatnonzero(_wanted(source, rows))
    left_out = Counter({UNWANTED: len(rows) - len(wanted)})
    shaped = (_texts if source.is_text else _images)(source, rows, wanted, places, left_out)
    if not len(shaped):
        reasons = ", ".join(f"{count} {why}" for why, count in left_out.items() if count)
        advice = "where, extract and columns" if source.where or source.extract else "what its columns hold"
        raise UserError(f"{shown}: no row is left of {len(rows)} ({reasons}). Look at {advice}.")
    return shaped


def _columns_used(source: Source) -> list[str]:
    templates = source.columns.values()
    names = [_column(name) for template in templates for name in template_names(template)]
    return [*(names if source.is_text else templates), *source.where]


def _demand(name: str, known: Sequence[str], shown: str) -> None:
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise UserError(f"{shown} has no column {name!r}.{hint} There are: {', '.join(known)}.")


def wanted_row(source: Source, row: Mapping[str, Any], features: Mapping[str, Any] | None) -> bool:
    """Whether a single row has the values that ``where`` asks for; a missing column is named later, with all names."""
    return all(
        name not in row or _named(row[name], (features or {}).get(name)) in _accepted(values)
        for name, values in source.where.items()
    )


def _wanted(source: Source, rows: Any) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which rows have the values that ``where`` asks for."""
    wanted = np.ones(len(rows), dtype=np.bool_)
    for name, accepted in source.where.items():
        values = _accepted(accepted)
        wanted &= np.array([_named(value, rows.features[name]) in values for value in rows[name][:]], dtype=np.bool_)
    return wanted


def _accepted(values: str | Sequence[str]) -> set[str]:
    return {values} if isinstance(values, str) else set(values)


def _named(value: Any, feature: Any) -> str:
    """A value as text; a class that is stored as a number is its name, and nothing where it has none (-1)."""
    from datasets import ClassLabel

    if not isinstance(feature, ClassLabel) or isinstance(value, str):
        return as_text(value)
    return "" if value is None or not 0 <= value < feature.num_classes else str(feature.int2str(value))


def distinct(rows: Any, name: str) -> list[str]:
    """The different values of a column as text, sorted; classes by their names, nothing for what is empty.

    Args:
        rows: a ``datasets.Dataset``.
    """
    feature = rows.features[name]
    return sorted({_named(value, feature).strip() for value in rows.unique(name)} - {""})


def column_texts(rows: Any, template: str) -> list[str]:
    """The template filled from every row.

    Args:
        rows: a ``datasets.Dataset`` that has its columns.
    """
    columns = {_column(name): _values(rows, _column(name)) for name in template_names(template)}
    return _fill(template, columns, len(rows))


# --- texts --------------------------------------------------------------------------------------------


def _texts(source: Source, rows: Any, wanted: Ints, places: Sequence[str], left_out: Counter[str]) -> Table:
    chosen = rows.select(wanted)
    columns = {name: _values(chosen, name) for name in sorted({*_columns_used(source)})}
    fields = {field: _fill(template, columns, len(chosen)) for field, template in source.columns.items()}
    fields.setdefault(KEY, fields["prompt"])
    kept = []
    for k in range(len(chosen)):
        why = _finish(source, fields, k, places[wanted[k]])
        if why is None:
            kept.append(k)
        else:
            left_out[why] += 1
    spaced = [kept[k] for k in spread(len(kept), source.limit)]
    left_out[BEYOND] += len(kept) - len(spaced)
    return Table(
        source=source,
        places=[places[wanted[k]] for k in spaced],
        prompts=[fields["prompt"][k] for k in spaced],
        answers=[fields["answer"][k] for k in spaced],
        keys=[fields[KEY][k] for k in spaced],
        left_out={why: count for why, count in left_out.items() if count},
    )


def _finish(source: Source, fields: Mapping[str, list[str]], k: int, place: str) -> str | None:
    """Unescape, cut and label row ``k`` in place; why it is to be left out, if it is."""
    for field, texts in fields.items():
        text = html.unescape(texts[k]) if source.unescape else texts[k]
        pattern = source.extract.get(field)
        if pattern is not None:
            match = re.search(pattern, text)
            if match is None or match.group(1) is None:
                return UNMATCHED
            text = match.group(1)
        if not text.strip():
            return EMPTY
        texts[k] = text.strip()
    if source.labels:
        answer = fields["answer"][k]
        if answer not in source.labels:
            raise UserError(
                f"{place}: the label {answer!r} is out of range; expected one of {', '.join(source.labels)}. Correct "
                "the file, or the labels in the description."
            )
        fields["answer"][k] = source.labels[answer]
    return None


def _values(rows: Any, name: str) -> list[Any]:
    """A column, classes by their names."""
    from datasets import ClassLabel

    feature = rows.features[name]
    return [_named(value, feature) for value in rows[name]] if isinstance(feature, ClassLabel) else rows[name][:]


def _fill(template: str, columns: Mapping[str, Sequence[Any]], count: int) -> list[str]:
    """The template with each row's values in its braces."""
    parts = PLACE.split(template)  # literal, name, literal, name, ..., literal
    literals, names = parts[::2], parts[1::2]
    filled = []
    for k in range(count):
        values = [as_text(_reach(columns[_column(name)][k], name)) for name in names]
        filled.append(literals[0] + "".join(v + text for v, text in zip(values, literals[1:], strict=True)))
    return filled


def _column(name: str) -> str:
    """``turns[0][text]`` -> ``turns``."""
    return name.split("[", 1)[0] if STEP.search(name) else name


def _reach(value: Any, name: str) -> Any:
    """What ``turns[0][text]`` finds inside a row's ``turns``; None where it is not there."""
    for step in STEP.findall(name):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.lstrip("-").isdigit() and -len(value) <= int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def as_text(value: Any) -> str:
    """A file's value as text: nothing is empty, true and false as JSON has them, 3.0 as 3, structures as JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


# --- images -------------------------------------------------------------------------------------------


def _images(source: Source, rows: Any, wanted: Ints, places: Sequence[str], left_out: Counter[str]) -> Table:
    """Only the images of rows that stay are decoded."""
    from datasets import ClassLabel, Image

    image, label = (source.columns[field] for field in IMAGE_FIELDS)
    chosen = wanted[spread(len(wanted), source.limit)]
    left_out[BEYOND] += len(wanted) - len(chosen)
    stay = [places[k] for k in chosen]
    if isinstance(rows.features[image], Image):
        rows = rows.cast_column(image, Image(decode=False))
    taken = rows.select_columns([image, label]).select(chosen)
    feature = rows.features[label]
    values = taken[label][:]
    if isinstance(feature, ClassLabel) and source.labels:
        values = [_named(value, feature) for value in values]
    elif isinstance(feature, ClassLabel) and source.classes is None:
        source = source.model_copy(update={"classes": feature.num_classes})
    labels, names = as_classes(values, source, stay)
    pixels = as_images(decode(taken[image][:], stay, source.pixels), source.name)
    told = {why: count for why, count in left_out.items() if count}
    return Table(source, stay, images=pixels, labels=labels, names=names, left_out=told)
