"""A source's files: beside its description, or else in the data folder."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UserError
from tasks.sources.description import Source


def folders_of(source: Source, folder: Path | None) -> list[Path]:
    """The folders that its files may lie in, in the order in which they are looked for.

    Args:
        folder: the data folder.

    Raises:
        UserError: there is none, or it is no folder.
    """
    if folder is not None and not folder.is_dir():
        raise UserError(f"There is no data folder {folder}; {source.name} should be in it, as {source.where_from}.")
    found = [one for one in (source.home, folder) if one is not None]
    if not found:
        raise UserError(
            f"{source.name} lies in the data folder ({source.where_from}), but none was given; give --data DIR."
        )
    return found


def find_files(source: Source, pattern: str, folder: Path | None) -> list[tuple[Path, str]]:
    """The files that a path or glob names, sorted, each with its name in the folder that it was found in.

    Raises:
        UserError: the path leads outside of that folder, or there is no such file.
    """
    folders = folders_of(source, folder)
    if Path(pattern).is_absolute() or ".." in Path(pattern).parts:
        raise _outside(source, pattern, folders[-1])
    for place in folders:
        if found := _matching(pattern, place):
            for path in found:
                if not path.resolve().is_relative_to(place.resolve()):
                    raise _outside(source, str(path.relative_to(place)), place)
            return [(path, path.relative_to(place).as_posix()) for path in found]
    raise UserError(f"{source.name}: there is no file {pattern} {_looked_in(source, folder)}.")


def find_file(source: Source, path: str, folder: Path | None) -> tuple[Path, str]:
    """The one file that a path names."""
    found = find_files(source, path, folder)
    if len(found) > 1:
        raise UserError(f"{source.name}: {path} names {len(found)} files where one is expected.")
    return found[0]


def _matching(pattern: str, folder: Path) -> list[Path]:
    named = folder / pattern  # a name may hold what a glob takes for a pattern
    return [named] if named.is_file() else sorted(path for path in folder.glob(pattern) if path.is_file())


def _looked_in(source: Source, folder: Path | None) -> str:
    data = "" if folder is None else f"in the data folder {folder}"
    if source.home is None:
        return data
    beside = f"beside its description ({source.home})"
    return f"{beside}, nor {data}" if data else f"{beside}; if it lies elsewhere, give --data DIR"


def _outside(source: Source, path: str, folder: Path) -> UserError:
    called = "folder of its description" if folder == source.home else "data folder"
    return UserError(
        f"{source.name}: the path {path} leads outside the {called} {folder}. Give one inside it, or put the files "
        "(not links to them) there."
    )
