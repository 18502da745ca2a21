"""Arrays from files: idx (Fashion-MNIST's and MNIST's own format), npy and npz."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Container, Mapping
from pathlib import Path

import numpy as np

from harness.errors import UserError
from harness.types import Array

IDX_TYPES: Mapping[int, str] = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
"""The type byte of an idx file's magic number -> numpy's name of the type."""

GZIP = b"\x1f\x8b"


def read_idx(path: Path) -> Array:
    """An array from an idx file, gzipped or plain: 0, 0, type, dimensions, their sizes, then the numbers."""
    content = _unpacked(path)
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in IDX_TYPES:
        begins = content[:4].hex(" ") or "nothing"
        raise UserError(f"{path} is no idx file: it begins with {begins}, not with 00 00, a type and a number of axes.")
    kind, axes = np.dtype(IDX_TYPES[content[2]]), content[3]
    start = 4 + 4 * axes
    if len(content) < start:
        raise UserError(f"{path} is cut or damaged: it ends before the sizes of its {axes} axes. Fetch it again.")
    shape = tuple(np.frombuffer(content[4:start], dtype=">u4").tolist())
    said = math.prod(shape) * kind.itemsize
    if len(content) - start != said:
        raise UserError(
            f"{path} is cut or damaged: its head says {' x '.join(map(str, shape))} numbers, {said} bytes, "
            f"but {len(content) - start} follow. Fetch it again."
        )
    return np.frombuffer(content, dtype=kind, offset=start).reshape(shape)


def read_npy(path: Path) -> Array:
    """The array of an npy file, left on disk until it is used; nothing in it is ever unpickled."""
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # header and pickle errors of every kind: the file is at fault
        raise UserError(f"{path} cannot be read as npy: {error}. Save it with numpy.save, without objects.") from error
    if not isinstance(found, np.ndarray):
        raise UserError(f"{path} holds several named arrays; an npy file with a single one is expected.")
    return found


def read_npz(path: Path, names: Mapping[str, str]) -> dict[str, Array]:
    """The named arrays of an npz file; nothing in it is ever unpickled."""
    found = read_npz_whole(path, set(names.values()))
    for name in names.values():
        if name not in found:
            raise UserError(f"{path} has no array {name!r}. There are: {', '.join(sorted(read_npz_whole(path)))}.")
    return {field: found[name] for field, name in names.items()}


def read_npz_whole(path: Path, names: Container[str] | None = None) -> dict[str, Array]:
    """Every array of an npz file, or those of these names that it has; nothing in it is ever unpickled."""
    try:
        with path.open("rb") as file:
            found = np.load(file, allow_pickle=False)
            if isinstance(found, np.ndarray):
                raise UserError(f"{path} holds a single array; an npz file with named arrays is expected.")
            with found as content:
                return {name: content[name] for name in content.files if names is None or name in names}
    except UserError:
        raise
    except Exception as error:  # zip, header and pickle errors of every kind: the file is at fault
        raise UserError(f"{path} cannot be read as npz: {error}. Save it with numpy.savez, without objects.") from error


def _unpacked(path: Path) -> bytes:
    content = path.read_bytes()
    if not content.startswith(GZIP):
        return content
    try:
        return gzip.decompress(content)
    except (EOFError, OSError, zlib.error) as error:
        raise UserError(f"{path} is cut or damaged: {error}. Fetch it again.") from error
