"""Reading images: idx, npy, npz, and image files inside parquet."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, Image, Value, disable_progress_bars, enable_progress_bars
from PIL import Image as Pictures

from harness.errors import UserError
from tasks.sources.description import Source
from tasks.sources.reading import read

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, size=(6, 4, 5), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 2, 1, 0])
STORED = Features({"img": {"bytes": Value("binary"), "path": Value("string")}, "fine": Value("int64")})
PAIR = {"images": "i-ubyte", "labels": "l-ubyte"}
NPY = {"images": "i.npy", "labels": "l.npy"}
NAMED = {"image": "pictures", "label": "kinds"}


def described(**changes: Any) -> Source:
    content: dict[str, Any] = {"name": "small", "task": "image-classification", "side": "real", "path": PAIR}
    return Source.model_validate(content | changes)


def idx(array: np.ndarray, code: int = 0x08) -> bytes:
    """The format as its description on the MNIST page has it."""
    return struct.pack(">HBB", 0, code, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_pair(folder: Path, images: bytes, labels: bytes) -> None:
    (folder / "i-ubyte").write_bytes(images)
    (folder / "l-ubyte").write_bytes(labels)


def png(pixels: np.ndarray) -> bytes:
    content = io.BytesIO()
    Pictures.fromarray(pixels).save(content, format="png")
    return content.getvalue()


def write_parquet(folder: Path, rows: dict[str, Any], features: Features | None = None) -> None:
    disable_progress_bars()
    try:
        Dataset.from_dict(rows, features=features).to_parquet(str(folder / "small.parquet"))
    finally:
        enable_progress_bars()


def refused(source: Source, folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        read(source, folder)
    return str(caught.value)


# --- idx ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
def test_idx_files_are_read_plain_and_gzipped(tmp_path: Path, packed: bool) -> None:
    pack = gzip.compress if packed else bytes
    write_pair(tmp_path, pack(idx(PIXELS)), pack(idx(LABELS.astype(np.uint8))))
    table = read(described(), tmp_path)
    assert table.images is not None
    assert table.labels is not None
    assert table.images.dtype == np.float32
    np.testing.assert_allclose(table.images, PIXELS[..., None] / 255, atol=1e-7)
    assert table.labels.tolist() == LABELS.tolist()
    assert table.places[5] == "i-ubyte, row 6"
    assert not table.prompts


@pytest.mark.parametrize(("code", "kind"), [(0x09, "i1"), (0x0B, ">i2"), (0x0C, ">i4")])
def test_every_whole_type_of_idx_holds_labels(tmp_path: Path, code: int, kind: str) -> None:
    write_pair(tmp_path, idx(PIXELS), idx(LABELS.astype(kind), code))
    table = read(described(), tmp_path)
    assert table.labels is not None
    assert table.labels.tolist() == LABELS.tolist()


@pytest.mark.parametrize(("code", "kind"), [(0x0D, ">f4"), (0x0E, ">f8")])
def test_idx_of_fractions_holds_images(tmp_path: Path, code: int, kind: str) -> None:
    write_pair(tmp_path, idx((PIXELS / 255).astype(kind), code), idx(LABELS.astype(np.uint8)))
    table = read(described(), tmp_path)
    assert table.images is not None
    np.testing.assert_allclose(table.images, PIXELS[..., None] / 255, atol=1e-6)


def test_a_limit_takes_images_from_all_over(tmp_path: Path) -> None:
    write_pair(tmp_path, idx(PIXELS), idx(LABELS.astype(np.uint8)))
    table = read(described(limit=3), tmp_path)
    assert table.labels is not None
    assert table.labels.tolist() == LABELS[[0, 2, 4]].tolist()
    assert list(table.places) == ["i-ubyte, row 1", "i-ubyte, row 3", "i-ubyte, row 5"]


def test_bad_idx_files_are_told_apart(tmp_path: Path) -> None:
    good = idx(LABELS.astype(np.uint8))
    write_pair(tmp_path, b"\x89PNG", good)
    assert "i-ubyte is no idx file: it begins with 89 50 4e 47" in refused(described(), tmp_path)
    write_pair(tmp_path, b"", good)
    assert "i-ubyte is no idx file: it begins with nothing" in refused(described(), tmp_path)
    write_pair(tmp_path, idx(PIXELS)[:-7], good)
    assert "i-ubyte is cut or damaged: its head says 6 x 4 x 5 numbers, 120 bytes, but 113 follow" in refused(
        described(), tmp_path
    )
    write_pair(tmp_path, idx(PIXELS)[:9], good)
    assert "i-ubyte is cut or damaged" in refused(described(), tmp_path)
    write_pair(tmp_path, gzip.compress(idx(PIXELS))[:-9], good)
    assert "i-ubyte is cut or damaged" in refused(described(), tmp_path)
    write_pair(tmp_path, idx(PIXELS[:5]), good)
    assert "a label for each image is expected, got images of 5 x 4 x 5 and labels of 6." in refused(
        described(), tmp_path
    )
    write_pair(tmp_path, idx(PIXELS[:0]), idx(LABELS[:0].astype(np.uint8)))
    assert "i-ubyte is empty: it has no images." in refused(described(), tmp_path)


def test_a_label_out_of_range_names_file_and_row(tmp_path: Path) -> None:
    write_pair(tmp_path, idx(PIXELS), idx(LABELS.astype(np.uint8)))
    said = refused(described(classes=2), tmp_path)
    assert said.startswith("l-ubyte, row 3: the label 2 is out of range; small has 2 classes, 0 to 1.")
    assert len(read(described(classes=3), tmp_path)) == 6


# --- npy and npz --------------------------------------------------------------------------------------


def test_npy_and_npz_hold_what_was_saved(tmp_path: Path) -> None:
    colour = RNG.random((6, 4, 5, 3))
    np.save(tmp_path / "i.npy", colour)
    np.save(tmp_path / "l.npy", LABELS)
    np.savez_compressed(tmp_path / "both.npz", pictures=colour, kinds=LABELS)
    for source in (described(path=NPY), described(path="both.npz", columns=NAMED)):
        table = read(source, tmp_path)
        assert table.images is not None
        assert table.labels is not None
        np.testing.assert_allclose(table.images, colour, atol=1e-7)
        assert table.labels.tolist() == LABELS.tolist()


class Trap:
    """Unpickled, it would leave a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.file,))


def test_nothing_is_ever_unpickled(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    trap = np.array([Trap(sprung)] * 6, dtype=object)
    np.savez(tmp_path / "both.npz", pictures=trap, kinds=LABELS)
    np.save(tmp_path / "i.npy", trap)
    np.save(tmp_path / "l.npy", LABELS)
    assert "both.npz cannot be read as npz" in refused(described(path="both.npz", columns=NAMED), tmp_path)
    assert "i.npy cannot be read as npy" in refused(described(path=NPY), tmp_path)
    assert not sprung.exists()


def test_bad_array_files_are_told_apart(tmp_path: Path) -> None:
    source = described(path="both.npz", columns=NAMED)
    np.savez(tmp_path / "both.npz", pictures=PIXELS, labels=LABELS)
    assert "both.npz has no array 'kinds'. There are: labels, pictures." in refused(source, tmp_path)
    (tmp_path / "both.npz").write_bytes(b"no zip")
    assert "both.npz cannot be read as npz" in refused(source, tmp_path)
    np.save(tmp_path / "i.npy", PIXELS)
    (tmp_path / "both.npz").write_bytes((tmp_path / "i.npy").read_bytes())
    assert "both.npz holds a single array" in refused(source, tmp_path)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (PIXELS.astype(float), LABELS, "row 1: pixels of type float64 lie in \\[0, 1\\], got "),
        (PIXELS.astype(int) * 2, LABELS, "pixels of type int64 lie in \\[0, 255\\]"),
        (np.where(np.arange(6) == 4, np.nan, 0.5)[:, None, None] * np.ones((6, 4, 5)), LABELS, "row 5: pixels of"),
        (np.moveaxis(RNG.random((6, 4, 5, 3)), 3, 1), LABELS, "got 6 x 3 x 4 x 5; put the channels last"),
        (PIXELS.reshape(6, 20), LABELS, "N x height x width \\(x channels\\), got 6 x 20"),
        (np.full((6, 4, 5), "x"), LABELS, "pixels are numbers"),
        (PIXELS, LABELS + 0.5, "both.npz, row 1: a label is a whole number from 0 or a class's name, got 0.5"),
        (PIXELS, LABELS - 1, "both.npz, row 1: the label -1 is out of range"),
        (PIXELS, np.eye(6), "got images of 6 x 4 x 5 and labels of 6 x 6"),
    ],
)
def test_arrays_that_are_no_images_or_labels(tmp_path: Path, images: Any, labels: Any, message: str) -> None:
    np.savez(tmp_path / "both.npz", pictures=images, kinds=labels)
    with pytest.raises(UserError, match=message):
        read(described(path="both.npz", columns=NAMED), tmp_path)


# --- image files in parquet ---------------------------------------------------------------------------

IN_PARQUET = described(path="small.parquet", columns={"image": "img", "label": "fine"})


def test_pictures_and_classes_of_a_parquet_file(tmp_path: Path) -> None:
    colour = RNG.integers(0, 256, size=(6, 4, 5, 3), dtype=np.uint8)
    rows = {"img": [{"bytes": png(one), "path": None} for one in colour], "fine": LABELS.tolist()}
    names = ["ape", "bee", "cat", "dog"]
    write_parquet(tmp_path, rows, Features({"img": Image(), "fine": ClassLabel(names=names)}))
    table = read(IN_PARQUET, tmp_path)
    assert table.images is not None
    assert table.labels is not None
    np.testing.assert_allclose(table.images, colour / 255, atol=1e-7)
    assert table.labels.tolist() == LABELS.tolist()
    assert table.source.classes == 4  # as the file says, though no dog is shown
    wanted = read(IN_PARQUET.model_copy(update={"where": {"fine": "bee"}}), tmp_path)
    assert wanted.labels is not None
    assert wanted.labels.tolist() == [1, 1]
    assert wanted.left_out == {"not wanted (where)": 4}


def test_pictures_without_the_librarys_own_types(tmp_path: Path) -> None:
    rows = {"img": [{"bytes": png(one), "path": "a.png"} for one in PIXELS], "fine": LABELS.tolist()}
    write_parquet(tmp_path, rows, STORED)
    table = read(IN_PARQUET, tmp_path)
    assert table.images is not None
    np.testing.assert_allclose(table.images, PIXELS[..., None] / 255, atol=1e-7)


def test_a_picture_of_more_pixels_than_memory_holds_is_named(tmp_path: Path) -> None:
    """A few bytes that would unpack to gigabytes."""

    def part(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", zlib.compress(bytes(99))) + part(b"IEND", b"")
    write_parquet(tmp_path, {"img": [{"bytes": bomb, "path": None}], "fine": [0]}, STORED)
    assert "small.parquet, row 1: this is no image that can be read (Image size (3600000000 pixels) exceeds" in refused(
        IN_PARQUET, tmp_path
    )


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"bytes": b"no picture", "path": None}, "small.parquet, row 2: this is no image that can be read"),
        (
            {"bytes": None, "path": "/etc/hosts"},
            "row 2: an image's content is expected in the table itself",
        ),
        ({"bytes": png(PIXELS[0][:3]), "path": None}, "row 2: the image is 3 x 5 x 1, those before it are 4 x 5 x 1"),
    ],
)
def test_a_picture_that_does_not_fit_is_named(tmp_path: Path, value: dict[str, Any], message: str) -> None:
    rows = {"img": [{"bytes": png(PIXELS[0]), "path": None}, value], "fine": [0, 1]}
    write_parquet(tmp_path, rows, STORED)
    assert message in refused(IN_PARQUET, tmp_path)
