"""Reading a source: files of the data folder, or a data set of the hub, as one checked table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.types import Array
from tasks.sources.arrays import read_idx, read_npy, read_npz
from tasks.sources.description import IMAGE_FIELDS, PAIRED, Source
from tasks.sources.fields import shape
from tasks.sources.folder import find_file, find_files, folder_of
from tasks.sources.images import as_images, as_labels
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
    where = folder_of(source, folder)
    if source.files_format in (*PAIRED, "npz"):
        return _arrays(source, where)
    return _rows(source, where)


def _rows(source: Source, folder: Path) -> Table:
    """All files that the path names, one after the other."""
    assert isinstance(source.path, str)
    parts: list[Any] = []
    places: list[str] = []
    for file in find_files(source, source.path, folder):
        shown = file.relative_to(folder).as_posix()
        rows = read_rows(file, source.files_format, shown)
        if parts and rows.column_names != parts[0].column_names:
            raise UserError(
                f"{shown} has the columns {', '.join(rows.column_names)}, the files before it have "
                f"{', '.join(parts[0].column_names)}; files of one source must agree."
            )
        parts.append(rows)
        places += _places(shown, len(rows))
    return shape(source, _joined(source, parts), places, source.path)


def _joined(source: Source, parts: Sequence[Any]) -> Any:
    """All parts as one; a column without a value in one file takes its type from the others."""
    from datasets import concatenate_datasets

    if len(parts) == 1:
        return parts[0]
    try:
        return concatenate_datasets(list(parts))
    except ValueError as error:
        said = " ".join(str(error).split())
        raise UserError(f"{source.name}: the files {source.path} hold one column in different types: {said}") from error


def _arrays(source: Source, folder: Path) -> Table:
    """Images and labels from two files, or from one that has both."""
    if isinstance(source.path, dict):
        files = {key: find_file(source, source.path[key], folder) for key in ("images", "labels")}
        read_one = read_idx if source.files_format == "idx.gz" else read_npy
        images, labels = (read_one(files[key]) for key in ("images", "labels"))
        shown = [file.relative_to(folder).as_posix() for file in files.values()]
    else:
        assert source.path is not None
        file = find_file(source, source.path, folder)
        found = read_npz(file, source.columns)
        images, labels = (found[field] for field in IMAGE_FIELDS)
        shown = [file.relative_to(folder).as_posix()] * 2
    return _images(source, images, labels, shown)


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
    checked = as_labels(labels, source, label_places)
    taken = spread(len(images), source.limit)
    return Table(
        source,
        [f"{shown[0]}, row {k + 1}" for k in taken],
        images=as_images(images[taken], shown[0]),
        labels=checked[taken],
    )


def _places(shown: str, count: int, word: str = "row") -> list[str]:
    return [f"{shown}, {word} {k + 1}" for k in range(count)]
