"""What kind of files these are, and how they hold rows."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from glob import escape
from pathlib import Path
from typing import Any, Literal

from harness.errors import UserError, plain
from harness.types import Array
from tasks.sources.arrays import read_idx, read_npy, read_npz_whole
from tasks.sources.description import IN_TEXT, PAIRED, Format, format_of, picture_format
from tasks.sources.layout import Layout
from tasks.sources.rows import read_rows
from tasks.sources.sniffing import Sniffed, sniff

PIXELS = 32
"""A side that pictures of several sizes, or of large ones, are brought to."""

LARGE = 64
"""Pixels a side beyond which pictures are brought down: all of them are held in memory."""

LOOKED_AT = 200
"""Pictures whose sizes are looked at."""


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """What was given.

    Args:
        kind: tables, single pictures, two files of arrays, or one file of several.
        path: as a description says it.
        format: of the files; ``is_told`` where their names tell it.
        layout: of tables.
        tables: their rows as ``datasets`` holds them.
        arrays: by name.
        classes: that folders of pictures are called after.
        pixels: that pictures have to be brought to, None where they are fine.
        found: what -> in words.
        doubts: a sentence each.
    """

    kind: Literal["tables", "pictures", "pair", "arrays"]
    path: str | tuple[str, ...] | dict[str, str]
    format: Format
    is_told: bool
    layout: Layout | None = None
    tables: Sequence[Any] = ()
    arrays: Mapping[str, Array] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    pixels: int | None = None
    found: tuple[tuple[str, str], ...] = ()
    doubts: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """In errors."""
        paths = self.path.values() if isinstance(self.path, dict) else self.path
        return self.path if isinstance(self.path, str) else ", ".join(paths)


def look(files: Sequence[Path], base: Path) -> Seen:
    """The files, as far as nobody has to know what they mean.

    Args:
        base: the folder that paths are told from.

    Raises:
        UserError: there is no such file, several kinds are given, or one cannot be read.
    """
    for file in files:
        if not file.exists():
            raise UserError(
                f"There is no file or folder {file}. Name a table, a folder of pictures by class, or arrays."
            )
    if len(files) == 1 and files[0].is_dir():
        return _folder(files[0], base)
    if folder := next((file for file in files if file.is_dir()), None):
        raise UserError(f"{folder} is a folder, and other files are named beside it. Describe each data set by itself.")
    formats = {file: format_of(file.name) for file in files}
    if pairs := [file for file, found in formats.items() if found in PAIRED]:
        return _pair(pairs, files, base)
    if "npz" in formats.values():
        return _npz(files, base)
    if pictures := [file for file in files if picture_format(file.name)]:
        raise UserError(
            f"{pictures[0]} is a single picture. Put pictures into a folder for each class, and name the folder of "
            "these."
        )
    return _tables(files, base, [_from(base, file) for file in files])


def _from(base: Path, file: Path) -> str:
    return file.resolve().relative_to(base.resolve()).as_posix()


# --- tables -------------------------------------------------------------------------------------------


def _folder(folder: Path, base: Path) -> Seen:
    inside = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith(".")]
    tables = [path for path in inside if format_of(path.name) is not None]
    pictures = [path for path in inside if picture_format(path.name)]
    if pictures and len(pictures) >= len(tables):
        return _pictures(folder, inside, pictures, base)
    if not tables:
        raise UserError(
            f"{folder} holds no file that can be described: CSV, TSV, JSON, JSON Lines and parquet are, npz, npy and "
            "idx, and folders of pictures."
        )
    ends = {path.name[len(path.name.split(".")[0]) :] for path in tables}
    if len(ends) > 1 or {path.parent for path in tables} != {folder}:
        return _tables(tables, base, [_from(base, path) for path in tables])
    start = "" if folder.resolve() == base.resolve() else f"{escape(_from(base, folder))}/"
    return _tables(tables, base, [f"{start}*{ends.pop()}"])


def _tables(files: Sequence[Path], base: Path, paths: Sequence[str]) -> Seen:
    sniffed = [sniff(file, _from(base, file)) for file in files]
    first = sniffed[0]
    for file, other in zip(files, sniffed, strict=True):
        if other.layout != first.layout:
            raise UserError(
                f"{file.name} is {_in_words(other)}, and {files[0].name} is {_in_words(first)}. Files of one "
                "description are alike: describe each by itself, and name both descriptions in the suite."
            )
    layout = first.layout
    tables = [read_rows(file, layout, _from(base, file)) for file in files]
    found = [("files", f"{len(files)}" if len(files) > 1 else plain(files[0].name)), ("format", _in_words(first))]
    if layout.inside:
        found.append(("inside", f"rows are the list under {layout.inside!r}"))
    if layout.format in IN_TEXT:
        found.append(("encoding", first.encoding))
    found.append(("columns", plain(", ".join(tables[0].column_names))))
    guess = f"The encoding is a guess ({layout.encoding}): look whether letters beyond a-z are right in the examples."
    return Seen(
        kind="tables",
        path=paths[0] if len(paths) == 1 else tuple(paths),
        format=layout.format,
        is_told=all(format_of(path) == layout.format for path in paths),
        layout=layout,
        tables=tables,
        found=tuple(found),
        doubts=(guess,) if first.is_guess else (),
    )


NAMES = {"csv": "CSV", "tsv": "TSV", "jsonl": "JSON Lines", "json": "JSON", "parquet": "parquet"}
BETWEEN = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}


def _in_words(sniffed: Sniffed) -> str:
    layout = sniffed.layout
    between = f", {BETWEEN[layout.sep]} between values" if layout.format in ("csv", "tsv") else ""
    return NAMES[layout.format] + between


# --- pictures and arrays ------------------------------------------------------------------------------


def _pictures(folder: Path, inside: Sequence[Path], pictures: Sequence[Path], base: Path) -> Seen:
    """A folder of folders of pictures."""
    depths = {len(path.relative_to(folder).parts) for path in pictures}
    if 1 in depths:
        raise UserError(
            f"{folder} holds pictures themselves. A folder for each class is expected, called after it: "
            f"{folder.name}/cat/1.png."
        )
    start = "" if folder.resolve() == base.resolve() else f"{escape(_from(base, folder))}/"
    ends = {path.suffix for path in inside}
    path = start + ("*/" if depths == {2} else "**/") + (f"*{ends.pop()}" if len(ends) == 1 else "*")
    counts: dict[str, int] = {}
    for picture in pictures:
        counts[picture.parent.name] = counts.get(picture.parent.name, 0) + 1
    sizes = _sizes([picture.read_bytes() for picture in pictures[:: max(1, len(pictures) // LOOKED_AT)]])
    found = [
        ("files", f"{len(pictures):,} pictures" + (f" among {len(inside):,}" if len(inside) > len(pictures) else "")),
        ("classes", plain(_some([f"{name} ({count:,})" for name, count in sorted(counts.items())]))),
        ("sizes", _sizes_in_words(sizes)),
    ]
    return Seen(
        kind="pictures",
        path=path,
        format="images",
        is_told=picture_format(path) is not None,
        classes=tuple(sorted(counts)),
        pixels=wanted_pixels(sizes),
        found=tuple(found),
    )


def _sizes(contents: Sequence[bytes | None]) -> set[tuple[int, int]]:
    """Of pictures, width x height; what is none is told when they are read."""
    from PIL import Image

    found = set()
    for content in contents:
        try:
            with Image.open(io.BytesIO(content or b"")) as image:
                found.add(image.size)
        except Exception:  # as many kinds as there are formats
            continue
    return found


def wanted_pixels(sizes: set[tuple[int, int]]) -> int | None:
    """What to bring pictures to, None where all are of one square size that memory holds many of."""
    fine = len(sizes) == 1 and all(wide == high <= LARGE for wide, high in sizes)
    return None if fine or not sizes else PIXELS


def _sizes_in_words(sizes: set[tuple[int, int]]) -> str:
    if not sizes:
        return "none that can be read"
    (low, high) = min(sizes), max(sizes)
    return f"{low[0]} x {low[1]}" + (
        f" to {high[0]} x {high[1]}, {len(sizes)} different ones" if len(sizes) > 1 else ""
    )


def table_sizes(values: Sequence[Any]) -> set[tuple[int, int]]:
    """Of pictures in a table's column."""
    return _sizes([value.get("bytes") if isinstance(value, dict) else value for value in values])


def _pair(pairs: Sequence[Path], files: Sequence[Path], base: Path) -> Seen:
    """Two files, of images and of their labels; the second is looked for beside the first where one is named."""
    named = list(files)
    if len(named) == 1:
        other = named[0].name.replace("images", "labels").replace("idx3", "idx1")
        if other != named[0].name and (named[0].parent / other).is_file():
            named.append(named[0].parent / other)
    if len(named) != 2 or not all(format_of(file.name) == format_of(named[0].name) for file in named):
        raise UserError(
            f"{pairs[0].name} holds one array, and a data set of images is two files: name both, images and labels."
        )
    kind = format_of(named[0].name)
    assert kind is not None
    arrays = {file: (read_idx if kind == "idx.gz" else read_npy)(file) for file in named}
    by_axes = sorted(named, key=lambda file: -arrays[file].ndim)
    images, labels = by_axes
    path = {"images": _from(base, images), "labels": _from(base, labels)}
    found = [
        ("files", f"{plain(images.name)} and {plain(labels.name)}"),
        ("images", " x ".join(map(str, arrays[images].shape)) + f" of {arrays[images].dtype}"),
    ]
    return Seen("pair", path, kind, True, arrays={"image": arrays[images], "label": arrays[labels]}, found=tuple(found))


def _npz(files: Sequence[Path], base: Path) -> Seen:
    if len(files) > 1:
        raise UserError(f"{files[0].name} is one of {len(files)} files; an npz file is a data set by itself.")
    arrays = read_npz_whole(files[0])
    found = [
        ("files", plain(files[0].name)),
        ("arrays", plain(", ".join(f"{name} {' x '.join(map(str, one.shape))}" for name, one in arrays.items()))),
    ]
    return Seen("arrays", _from(base, files[0]), "npz", True, arrays=arrays, found=tuple(found))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
