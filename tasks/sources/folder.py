"""A source's files in the data folder."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UserError
from tasks.sources.description import Source


def folder_of(source: Source, folder: Path | None) -> Path:
    """The data folder, once it is known to be one."""
    if folder is None:
        raise UserError(f"{source.name} lies in the data folder ({source.path}), but none was given; give --data DIR.")
    if not folder.is_dir():
        raise UserError(f"There is no data folder {folder}; {source.name} should be in it, as {source.path}.")
    return folder


def find_files(source: Source, pattern: str, folder: Path) -> list[Path]:
    """The files that a path or glob names, sorted, each inside the data folder.

    Raises:
        UserError: the path leads outside, or there is no such file.
    """
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise _outside(source, pattern, folder)
    named = folder / pattern  # a name may hold what a glob takes for a pattern
    found = [named] if named.is_file() else sorted(path for path in folder.glob(pattern) if path.is_file())
    if not found:
        raise UserError(f"{source.name}: there is no file {pattern} in the data folder {folder}.")
    inside = folder.resolve()
    for path in found:
        if not path.resolve().is_relative_to(inside):
            raise _outside(source, str(path.relative_to(folder)), folder)
    return found


def find_file(source: Source, path: str, folder: Path) -> Path:
    """The one file that a path names."""
    found = find_files(source, path, folder)
    if len(found) > 1:
        raise UserError(f"{source.name}: {path} names {len(found)} files where one is expected.")
    return found[0]


def _outside(source: Source, path: str, folder: Path) -> UserError:
    return UserError(
        f"{source.name}: the path {path} leads outside the data folder {folder}. Give one inside it, or put the files "
        "(not links to them) there."
    )
