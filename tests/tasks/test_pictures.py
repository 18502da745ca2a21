"""Folders of pictures and classes that have names, against what PIL and numpy read of the same files."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset, Features, Image, Value
from PIL import Image as Picture
from PIL import ImageOps

from harness.errors import UserError
from tasks.sources.classes import alike
from tasks.sources.description import Source
from tasks.sources.reading import read
from tasks.sources.table import Table

RNG = np.random.default_rng(5)


def described(**changes: Any) -> Source:
    content = {
        "name": "photos",
        "task": "image-classification",
        "side": "real",
        "path": "photos/*/*",
        "format": "images",
    }
    return Source.model_validate({key: value for key, value in {**content, **changes}.items() if value is not None})


def write_pictures(folder: Path, sizes: Sequence[tuple[int, int]], ends: Sequence[str] = ("png",)) -> dict[str, Path]:
    """Three classes in turn; place -> file."""
    found = {}
    for k, (high, wide) in enumerate(sizes):
        own = folder / "photos" / ("dog", "cat", "bee")[k % 3]
        own.mkdir(parents=True, exist_ok=True)
        file = own / f"{k}.{ends[k % len(ends)]}"
        Picture.fromarray(RNG.integers(0, 256, (high, wide, 3), dtype=np.uint8)).save(file)
        found[file.relative_to(folder).as_posix()] = file
    return found


def test_pictures_are_of_the_class_that_their_folder_is_called_after(tmp_path: Path) -> None:
    files = write_pictures(tmp_path, [(6, 6)] * 7)
    (tmp_path / "photos" / "cat" / "notes.txt").write_text("no picture")
    table = read(described(), tmp_path)
    assert list(table.places) == sorted(files)
    assert table.names == ("bee", "cat", "dog")
    assert table.labels is not None
    assert [table.names[k] for k in table.labels] == [files[place].parent.name for place in table.places]
    expected = np.stack([np.asarray(Picture.open(files[place])) for place in table.places])
    np.testing.assert_allclose(np.asarray(table.images), expected / 255, atol=1e-7)
    assert table.left_out == {"no picture by its name": 1}


def test_pictures_of_any_size_are_brought_to_one(tmp_path: Path) -> None:
    files = write_pictures(tmp_path, [(9, 12), (16, 8), (8, 8)])
    with pytest.raises(UserError, match=r"all of a source must have one size\. Bring them to one; pixels = 32"):
        read(described(), tmp_path)
    table = read(described(pixels=4), tmp_path)
    assert np.asarray(table.images).shape == (3, 4, 4, 3)
    for place, image in zip(table.places, np.asarray(table.images), strict=True):
        fitted = ImageOps.fit(Picture.open(files[place]), (4, 4), Picture.Resampling.BOX)
        np.testing.assert_allclose(image, np.asarray(fitted) / 255, atol=1e-7)
    square = np.asarray(Picture.open(files["photos/bee/2.png"])).astype(float)
    means = square.reshape(4, 2, 4, 2, 3).mean(axis=(1, 3))  # 8 x 8 to 4 x 4: each pixel the mean of four
    np.testing.assert_allclose(np.asarray(table.images)[0] * 255, means, atol=1.01)  # PIL rounds along each axis


def test_a_grey_picture_among_colours_is_in_colour_too(tmp_path: Path) -> None:
    write_pictures(tmp_path, [(6, 6)] * 3)
    Picture.fromarray(np.full((6, 6), 90, dtype=np.uint8)).save(tmp_path / "photos" / "cat" / "grey.png")
    table = read(described(pixels=6), tmp_path)
    grey = np.asarray(table.images)[list(table.places).index("photos/cat/grey.png")]
    np.testing.assert_allclose(grey, np.full((6, 6, 3), 90 / 255), atol=1e-7)


def test_words_are_classes_in_parquet_and_a_missing_one_names_its_row(tmp_path: Path) -> None:
    def png(value: int) -> dict[str, Any]:
        out = io.BytesIO()
        Picture.fromarray(np.full((4, 4), value, dtype=np.uint8)).save(out, "PNG")
        return {"bytes": out.getvalue(), "path": None}

    source = described(path="all.parquet", format=None, columns={"image": "img", "label": "kind"})
    kinds = ["owl", "ape", "owl", "emu"]
    rows = {"img": [png(10 * k) for k in range(4)], "kind": kinds}
    features = Features({"img": Image(), "kind": Value("string")})
    Dataset.from_dict(rows, features).to_parquet(tmp_path / "all.parquet")
    table = read(source, tmp_path)
    assert table.labels is not None
    assert [table.names[k] for k in table.labels] == kinds
    mapped = read(source.model_copy(update={"labels": {"owl": "bird", "emu": "bird", "ape": "ape"}}), tmp_path)
    assert mapped.labels is not None
    assert [mapped.names[k] for k in mapped.labels] == ["bird", "ape", "bird", "bird"]
    with pytest.raises(UserError, match=r"all\.parquet, row 2: a label is one of owl, emu, got 'ape'"):
        read(source.model_copy(update={"labels": {"owl": "bird", "emu": "bird"}}), tmp_path)
    Dataset.from_dict({**rows, "kind": ["owl", None, "", "emu"]}, features).to_parquet(tmp_path / "all.parquet")
    with pytest.raises(UserError, match=r"row 2: a label is a whole number from 0 or a class's name, got None"):
        read(source, tmp_path)


def table_of(side: str, labels: Sequence[int], names: Sequence[str]) -> Table:
    images, places = np.zeros((len(labels), 2, 2, 1)), [f"{side} {k}" for k in range(len(labels))]
    source = described(name=side, side="synthetic" if side == "made" else "real")
    return Table(source, places, images=images, labels=np.array(labels), names=tuple(names))


def test_classes_of_several_sources_are_one_number_for_one_name() -> None:
    tables = [
        table_of("one", [0, 1, 0], ["cat", "owl"]),
        table_of("two", [1, 0], ["ape", "cat"]),
        table_of("made", [0], ["owl"]),
    ]
    before = [[table.names[k] for k in np.asarray(table.labels)] for table in tables]
    after = alike(tables)
    assert {table.names for table in after} == {("ape", "cat", "owl")}
    assert [[table.names[k] for k in np.asarray(table.labels)] for table in after] == before
    assert [np.asarray(table.labels).tolist() for table in after] == [[1, 2, 1], [1, 0], [2]]


def test_classes_that_cannot_be_made_the_same_are_told() -> None:
    with pytest.raises(UserError, match=r"made has the class 'emu', which no real source has; these have cat, owl\."):
        alike([table_of("one", [0, 1], ["cat", "owl"]), table_of("made", [0], ["emu"])])
    with pytest.raises(
        UserError, match=r"made has numbers for classes and one names \(cat, owl\)\. Say what each number"
    ):
        alike([table_of("one", [0, 1], ["cat", "owl"]), table_of("made", [0], [])])
    numbers = [table_of("one", [0, 1], []), table_of("made", [1], [])]
    assert alike(numbers) == numbers
