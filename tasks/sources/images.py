"""Images and labels, however they are stored, as checked arrays."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.errors import UserError
from harness.types import Array, Ints
from tasks.sources.description import Source

if TYPE_CHECKING:
    from PIL import Image


def as_images(images: Array, name: str) -> Array:
    """N x H x W (x C) numbers as N x H x W x C in [0, 1], single precision.

    Args:
        images: whole numbers 0 to 255, or fractions in [0, 1].
        name: of the file, for errors.
    """
    if images.ndim not in (3, 4) or 0 in images.shape[1:]:
        raise UserError(f"{name}: images are N x height x width (x channels), got {_shape(images.shape)}.")
    if images.ndim == 3:
        images = images[..., None]
    if images.shape[-1] not in (1, 3, 4):
        hint = "; put the channels last" if images.shape[1] in (1, 3, 4) else ""
        raise UserError(f"{name}: images have 1, 3 or 4 channels on their last axis, got {_shape(images.shape)}{hint}.")
    if images.dtype.kind == "f":
        pixels, top = images.astype(np.float32), 1
    elif images.dtype.kind in "iu":
        pixels, top = images.astype(np.float32) / np.float32(255), 255
    else:
        raise UserError(f"{name}: pixels are numbers, got {images.dtype}.")
    good = (np.isfinite(pixels) & (pixels >= 0) & (pixels <= 1)).all(axis=(1, 2, 3))
    if not good.all():
        row = int(np.flatnonzero(~good)[0])
        values = images[row].astype(float)
        raise UserError(
            f"{name}, row {row + 1}: pixels of type {images.dtype} lie in [0, {top}], "
            f"got {values.min():g} to {values.max():g}."
        )
    return pixels


def as_classes(labels: Sequence[Any] | Array, source: Source, places: Sequence[str]) -> tuple[Ints, tuple[str, ...]]:
    """Numbers of classes, N, and their names: whole numbers are classes by themselves and have none.

    Raises:
        UserError: a label is missing, out of range, or none of the description's; it names the row.
    """
    found = np.asarray(labels)
    if not source.labels and found.ndim == 1 and found.dtype.kind in "iu":
        return _numbers(found.astype(np.int64), source, places), ()
    named = []
    for value, place in zip(labels, places, strict=True):
        text = str(value).strip() if isinstance(value, str | int | np.integer | np.str_) else ""
        if not text or isinstance(value, bool) or (source.labels and text not in source.labels):
            expected = (
                f"one of {', '.join(source.labels)}" if source.labels else "a whole number from 0 or a class's name"
            )
            raise UserError(
                f"{place}: a label is {expected}, got {_short(value)}. Correct the file, or the labels in the "
                "description."
            )
        named.append(source.labels.get(text, text))
    names = tuple(sorted(set(named)))
    if source.classes is not None and len(names) > source.classes:
        raise UserError(
            f"{source.name} has {len(names)} different labels and says that it has {source.classes} classes. Correct "
            "the classes in the description, or leave them out: names of classes count themselves."
        )
    return np.searchsorted(np.array(names, dtype=object), np.array(named, dtype=object)).astype(np.int64), names


def _numbers(found: Ints, source: Source, places: Sequence[str]) -> Ints:
    """Whole numbers in [0, classes), or an error that names the row."""
    classes = source.classes if source.classes is not None else int(found.max(initial=0)) + 1
    wrong = np.flatnonzero((found < 0) | (found >= classes))
    if len(wrong):
        row = int(wrong[0])
        raise UserError(
            f"{places[row]}: the label {found[row]} is out of range; {source.name} has {classes} classes, "
            f"0 to {classes - 1}. Correct the file, or the classes in the description."
        )
    return found


def decode(values: Sequence[Any], places: Sequence[str], pixels: int | None = None) -> Array:
    """Stored image files (bytes, as parquet keeps them) as N x H x W x C bytes, all of one size.

    Args:
        pixels: cut each to its middle square and bring that to so many pixels a side; in colour where any is.
    """
    found = [_decoded(value, place, pixels) for value, place in zip(values, places, strict=True)]
    colour = pixels is not None and any(image.mode == "RGB" for image in found)
    arrays = [np.asarray(image.convert("RGB") if colour else image) for image in found]
    arrays = [array[..., None] if array.ndim == 2 else array for array in arrays]
    for array, place in zip(arrays, places, strict=True):
        if array.shape != arrays[0].shape:
            raise UserError(
                f"{place}: the image is {_shape(array.shape)}, those before it are {_shape(arrays[0].shape)}; "
                "all of a source must have one size. Bring them to one; pixels = 32 in a description does that."
            )
    return np.stack(arrays)


def _decoded(value: Any, place: str, pixels: int | None) -> Image.Image:
    """One picture, grey or in colour, cut and shrunk at once: photographs are large."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    content = value.get("bytes") if isinstance(value, dict) else value
    if not isinstance(content, bytes):
        raise UserError(f"{place}: an image's content is expected in the table itself, got {_short(value)}.")
    try:
        with Image.open(io.BytesIO(content)) as image:
            grey = image.mode in ("1", "L", "I;16", "I", "F")
            whole = ImageOps.exif_transpose(image).convert("L" if grey else "RGB")
    except Exception as error:  # a damaged file fails in as many ways as there are formats, a bomb in its own
        said = "in no format that is known" if isinstance(error, UnidentifiedImageError) else error
        raise UserError(f"{place}: this is no image that can be read ({said}).") from error
    return whole if pixels is None else ImageOps.fit(whole, (pixels, pixels), Image.Resampling.BOX)


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _short(value: object) -> str:
    return repr(value) if len(repr(value)) < 60 else repr(value)[:57] + "..."
