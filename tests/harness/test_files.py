"""Files are replaced whole or not at all, and what is kept for later runs has a folder for each kind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.files import bases_folder, rows_folder, write_atomically

# --- writing ------------------------------------------------------------------------------------------


def test_a_file_is_replaced_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_atomically(tmp_path / "deep" / "file.txt", "old\n")
    write_atomically(tmp_path / "deep" / "file.txt", "new – ü\n")
    assert (tmp_path / "deep" / "file.txt").read_bytes() == "new – ü\n".encode()
    assert [found.name for found in (tmp_path / "deep").iterdir()] == ["file.txt"]


def test_a_write_that_fails_leaves_the_old_file_and_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomically(tmp_path / "file.txt", "old\n")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"Cannot write .*file\.txt: No space left on device.*--out"):
        write_atomically(tmp_path / "file.txt", "new\n")
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("file.txt", "old\n")]


def test_an_interrupted_write_leaves_the_old_file_and_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomically(tmp_path / "file.txt", "old\n")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file.txt", "new\n")
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("file.txt", "old\n")]


@pytest.mark.parametrize("path", ["file/results.jsonl", "file/deeper/results.jsonl"])
def test_a_path_below_a_regular_file_is_a_mistake_that_is_told(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match=r"Cannot write .*results\.jsonl: .*--out"):
        write_atomically(tmp_path / path, "new\n")
    assert (tmp_path / "file").read_text() == "mine"


def test_bytes_are_written_as_they_are_and_the_advice_is_the_caller_s(tmp_path: Path) -> None:
    write_atomically(tmp_path / "weights", b"\x00\r\n\xff")
    assert (tmp_path / "weights").read_bytes() == b"\x00\r\n\xff"
    with pytest.raises(UserError, match=r"Cannot write .*deeper: File exists\. Mend it\.$"):
        write_atomically(tmp_path / "weights" / "deeper", b"", "Mend it.")


# --- what is kept -------------------------------------------------------------------------------------


def test_bases_and_rows_never_share_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAWORTH_CACHE", str(tmp_path))
    assert (bases_folder(), rows_folder()) == (tmp_path / "bases", tmp_path / "rows")


def test_without_a_named_folder_bases_are_kept_in_the_user_s_cache_and_rows_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATAWORTH_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert bases_folder() == tmp_path / "dataworth" / "bases"
    assert rows_folder() is None
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert bases_folder() == Path.home() / ".cache" / "dataworth" / "bases"
