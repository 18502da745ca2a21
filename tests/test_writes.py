"""The check that tests write to their own folders alone does find what they write elsewhere."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.writes import WRITES


def _database(file: Path) -> None:
    sqlite3.connect(file).close()


def _move(file: Path) -> None:
    scratch = file.parent.parent / "scratch"
    scratch.touch()
    os.replace(scratch, file)


@pytest.mark.parametrize("write", [Path.touch, Path.mkdir, lambda file: file.write_text("x"), _database, _move])
def test_what_is_written_in_a_watched_folder_is_found(
    write: Callable[[Path], object], tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    writes = pytestconfig.stash[WRITES]
    (tmp_path / "watched").mkdir()
    with writes.watching(tmp_path / "watched"):
        write(tmp_path / "watched" / "made")
    assert writes.taken() == [str(tmp_path / "watched" / "made")]


def test_what_is_read_or_written_elsewhere_is_not(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    writes = pytestconfig.stash[WRITES]
    (tmp_path / "watched" / "__pycache__").mkdir(parents=True)
    (tmp_path / "watched" / "kept").write_text("x")
    with writes.watching(tmp_path / "watched"):
        assert (tmp_path / "watched" / "kept").read_text() == "x"
        (tmp_path / "elsewhere").write_text("y")
        (tmp_path / "watched" / "__pycache__" / "made.pyc").write_bytes(b"")
    assert writes.taken() == []
