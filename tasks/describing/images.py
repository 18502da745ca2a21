"""What images and their labels are taken from: a table's columns, an archive's arrays, or files that tell both."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from harness.described import Undescribed
from harness.errors import UserError, plain
from tasks.brought.columns import NAMES, named, told
from tasks.brought.labels import in_order, some
from tasks.describing.files import Seen, table_sizes, wanted_pixels
from tasks.describing.meaning import Meaning, listed, quoted
from tasks.describing.places import Place
from tasks.describing.sides import side_of
from tasks.sources.fields import distinct

TASK = "image-classification"


def of_table(seen: Seen, asked: Undescribed, places: Sequence[Place], sample: dict[str, list[Any]]) -> Meaning:
    """A column of pictures and one of their labels.

    Raises:
        UserError: there is no such column.
    """
    from datasets import ClassLabel

    own, doubts = told("image-label", asked.columns), list[str]()
    features = seen.tables[0].features
    rest = [place for place in places if not place.is_picture and "[" not in place.name]
    image = own.get("image") or next((place.name for place in places if place.is_picture), "")
    label = (
        own.get("label")
        or named(NAMES["image-label"]["label"], [place.name for place in rest])
        or next((name for name, feature in features.items() if isinstance(feature, ClassLabel)), None)
        or next((place.name for place in rest if place.is_labels), "")
    )
    if image not in features or label not in features:
        raise UserError(
            f"{seen.shown}: no column is fit for {'an image' if image not in features else 'its label'}: "
            f"{listed(places)}. Say which: --columns image=COLUMN,label=COLUMN."
        )
    names = in_order({text for rows in seen.tables for text in distinct(rows, label)})
    side, where = side_of(seen, asked, doubts)
    found = (
        ("task", f"{TASK}: a column holds pictures"),
        ("columns taken", f"image = {quoted(image)}; label = {quoted(label)}"),
        ("labels", plain(some(names))),
    )
    pixels = _pixels(wanted_pixels(table_sizes(sample[image])), doubts)
    columns, labels = {"image": image, "label": label}, _called(asked, names)
    return Meaning(TASK, side, columns, labels, where, pixels, found, tuple(doubts))


def of_arrays(seen: Seen, asked: Undescribed) -> Meaning:
    """Arrays and folders of pictures, which have no columns but an archive's names.

    Raises:
        UserError: texts were asked for, or an archive's arrays are no images and labels.
    """
    if asked.task not in (None, TASK):
        raise UserError(f"{seen.shown} holds images, and {asked.task} is for texts. Leave --task out.")
    if asked.columns and seen.kind != "arrays":
        raise UserError(f"{seen.shown}: {seen.format} files have no columns; leave --columns out.")
    doubts: list[str] = []
    columns = _of_archive(seen, asked) if seen.kind == "arrays" else {}
    labels = seen.arrays[columns.get("label", "label")] if seen.arrays else np.zeros(0)
    side, _ = side_of(seen, asked, doubts)
    found = [("task", f"{TASK}: the files hold images")]
    if columns:
        found.append(("arrays taken", "; ".join(f"{name} = {quoted(array)}" for name, array in columns.items())))
    called = _called(asked, seen.classes or [str(label) for label in np.unique(labels)])
    pixels = _pixels(seen.pixels, doubts)
    return Meaning(TASK, side, columns, called, {}, pixels, tuple(found), tuple(doubts))


def _of_archive(seen: Seen, asked: Undescribed) -> dict[str, str]:
    """Field -> array: told, by name, or by its axes."""
    own, found = told("image-label", asked.columns), dict[str, str]()
    for field, axes in (("image", (3, 4)), ("label", (1,))):
        fit = [name for name, array in seen.arrays.items() if array.ndim in axes]
        array = own.get(field) or named(NAMES["image-label"][field], fit) or next(iter(fit), "")
        if array not in seen.arrays:
            raise UserError(
                f"{seen.shown}: no array is fit for {field}s; it has {', '.join(seen.arrays)}. Say which one is: "
                f"--columns {field}=ARRAY."
            )
        found[field] = array
    return found


def _called(asked: Undescribed, names: Collection[str]) -> dict[str, str]:
    """Every class with its name, where any was told.

    Raises:
        UserError: one that was told is no class.
    """
    for label in asked.labels:
        if label not in names:
            raise UserError(f"--labels: no image has the label {label!r}; there are {some(in_order({*names}))}.")
    return {name: asked.labels.get(name, name) for name in names} if asked.labels else {}


def _pixels(pixels: int | None, doubts: list[str]) -> int | None:
    if pixels is not None:
        doubts.append(
            "Pictures are of several sizes, or large, or not square: their middle square is brought to "
            f"{pixels} x {pixels} (pixels)."
        )
    return pixels
