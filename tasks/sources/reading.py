"""Reading a source: files of the data folder, or a data set of the hub, as one checked table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.types import Array
from tasks.sources.arrays import read_idx, read_npy, read_npz
from tasks.sources.description import IMAGE_SUFFIXES, PAIRED, Source, picture_format
from tasks.sources.fields import BEYOND, NO_PICTURE, shape
from tasks.sources.folder import find_file, find_files
from tasks.sources.images import as_classes, as_images, decode
from tasks.sources.layout import Layout
from tasks.sources.rows import read_rows
from tasks.sources.table import Table, spread

__all__ = ["Table", "read"]


def read(source: Source, folder: Path | None) -> Table:
    """Every wanted row of a source.

    Args:
        source: its description.
        folder: the data folder that its path is in; a hub source needs none.

    Raises:
        UserError: the rows cannot be had, or are not what the description says; it names file and row.
    """
    if source.hub is not None:
        from tasks.sources.hub import fetch

        shown = f"{source.hub} ({source.split})"
        rows = fetch(source)
        return shape(source, rows, _places(shown, len(rows), "fetched row" if source.streaming else "row"), shown)
    if source.files_format == "images":
        return _pictures(source, folder)
    if source.files_format in (*PAIRED, "npz"):
        return _arrays(source, folder)
    return _rows(source, folder)


def _rows(source: Source, folder: Path | None) -> Table:
    """All files that the paths name, one after the other."""
    parts: list[Any] = []
    places: list[str] = []
    for file, shown in _files(source, folder):
        rows = read_rows(file, Layout.of(source), shown)
        if parts and rows.column_names != parts[0].column_names:
            raise UserError(
                f"{shown} has the columns {', '.join(rows.column_names)}, the files before it have "
                f"{', '.join(parts[0].column_names)}; files of one source must agree."
            )
        parts.append(rows)
        places += _places(shown, len(rows))
    return shape(source, _joined(source, parts), places, source.where_from)


def _files(source: Source, folder: Path | None) -> list[tuple[Path, str]]:
    """Those of every path in turn, each once."""
    found: dict[Path, tuple[Path, str]] = {}
    for path in source.paths:
        for file, shown in find_files(source, path, folder):
            found.setdefault(file.resolve(), (file, shown))
    return list(found.values())


def _pictures(source: Source, folder: Path | None) -> Table:
    """Files of single pictures, each of the class that its folder is called after."""
    files = _files(source, folder)
    pictures = [one for one in files if picture_format(one[0].name)]
    if not pictures:
        raise UserError(
            f"{source.name}: none of the {len(files)} files {source.where_from} is a picture by its name, which ends "
            f"in {', '.join(IMAGE_SUFFIXES)}. Mend path."
        )
    chosen = [pictures[k] for k in spread(len(pictures), source.limit)]
    places = [shown for _, shown in chosen]
    labels, names = as_classes([path.resolve().parent.name for path, _ in chosen], source, places)
    left_out = {NO_PICTURE: len(files) - len(pictures), BEYOND: len(pictures) - len(chosen)}
    return Table(
        source,
        places,
        images=as_images(decode([path.read_bytes() for path, _ in chosen], places, source.pixels), source.name),
        labels=labels,
        names=names,
        left_out={why: count for why, count in left_out.items() if count},
    )


def _joined(source: Source, parts: Sequence[Any]) -> Any:
    """All parts as one; a column without a value in one file takes its type from the others."""
    from datasets import concatenate_datasets

    if len(parts) == 1:
        return parts[0]
    try:
        return concatenate_datasets(list(parts))
    except ValueError as error:
        said = " ".join(str(error).split())
        raise UserError(
            f"{source.name}: the files {source.where_from} hold one column in different types: {said}"
        ) from error


def _arrays(source: Source, folder: Path | None) -> Table:
    """Images and labels from two files, or from one that has both."""
    if isinstance(source.path, dict):
        files = {key: find_file(source, source.path[key], folder) for key in ("images", "labels")}
        read_one = read_idx if source.files_format == "idx.gz" else read_npy
        images, labels = (read_one(files[key][0]) for key in ("images", "labels"))
        return _images(source, images, labels, [shown for _, shown in files.values()])
    parts = []
    for file, shown in _files(source, folder):
        found = read_npz(file, source.columns)
        parts.append((found["image"], found["label"], [shown] * 2))
    if len(parts) > 1:
        raise UserError(
            f"{source.name}: {len(parts)} npz files are named where one is expected. Describe each by itself."
        )
    return _images(source, *parts[0])


def _images(source: Source, images: Array, labels: Array, shown: Sequence[str]) -> Table:
    if images.ndim == 0 or labels.ndim != 1 or len(images) != len(labels):
        sizes = [" x ".join(map(str, array.shape)) or "a single number" for array in (images, labels)]
        raise UserError(
            f"{shown[0]} and {shown[1]}: a label for each image is expected, got images of {sizes[0]} and labels of "
            f"{sizes[1]}."
        )
    if not len(images):
        raise UserError(f"{shown[0]} is empty: it has no images.")
    label_places = _places(shown[1], len(labels))
    checked, names = as_classes(labels, source, label_places)
    taken = spread(len(images), source.limit)
    return Table(
        source,
        [f"{shown[0]}, row {k + 1}" for k in taken],
        images=as_images(images[taken], shown[0]),
        labels=checked[taken],
        names=names,
        left_out={BEYOND: len(images) - len(taken)} if len(taken) < len(images) else {},
    )


def _places(shown: str, count: int, word: str = "row") -> list[str]:
    return [f"{shown}, {word} {k + 1}" for k in range(count)]
