"""Who the contributors are, and which files each brings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from harness.brought import FEWEST_VALUED, Given, Wanted
from harness.errors import UserError, plain
from tasks.brought.rows import TARGET
from tasks.sources.description import Source, format_of, load_source, picture_format


@dataclass(frozen=True, slots=True)
class Files:
    """What one contributor brings.

    Args:
        tables: files that hold rows, in the order of their names.
        images: image files, by the class that their folder is called after.
        description: of a source, which names its files itself and says how they are read.
        frame: rows in memory, in place of files.
    """

    tables: tuple[Path, ...] = ()
    images: tuple[tuple[str, Path], ...] = ()
    description: Path | None = None
    frame: Any = None


@dataclass(frozen=True, slots=True)
class Found:
    """Whose files are there.

    Args:
        files: by contributor, in the order of names.
        one_table: whether they are a single table, called ``""``, whose rows name their contributors.
        ignored: what lies in the folder and cannot be read.
    """

    files: Mapping[str, Files]
    one_table: bool = False
    ignored: tuple[str, ...] = ()


def contributors_of(wanted: Wanted) -> Found:
    """Each contributor's files, by name."""
    found = _found(wanted)
    for name in found.files:
        refuse_target_s(name)
    return found


def refuse_target_s(name: str) -> None:
    """That nobody has the target's name, under which its rows are kept.

    Raises:
        UserError: somebody has.
    """
    if name == TARGET:
        raise UserError(f"A contributor is called {name!r}, which is what the target is called; rename it.")


def _found(wanted: Wanted) -> Found:
    """As they are given.

    Raises:
        UserError: there is no such file, a folder holds nothing that can be read, or two contributors have one name.
    """
    given = wanted.contributors
    if set(given) == {""}:
        (one,) = given.values()
        if isinstance(one, Path) and one.is_dir():
            return _in_folder(one, wanted.target)
        table = files_of("the contributors", one)
        if table.description:
            raise UserError(
                f"{table.description} describes how one contributor's files are read; give one for each: "
                "--contributor NAME=FILE.toml, or a folder of them."
            )
        return Found({"": table}, one_table=True)
    if len(given) < FEWEST_VALUED:
        raise UserError(f"Values compare contributors, and there is {len(given)}: {', '.join(given)}. Bring 2 or more.")
    return Found({name: files_of(f"the contributor {name}", value) for name, value in sorted(given.items())})


def _in_folder(folder: Path, target: Given) -> Found:
    """Each entry's; of one that has a description beside it, of its name or that names it, that is what is read."""
    found: dict[str, Files] = {}
    ignored = []
    entries = [entry for entry in sorted(folder.iterdir()) if not entry.name.startswith(".")]
    descriptions = [entry for entry in entries if _is_description(entry)]
    described = {entry.stem for entry in descriptions}
    named = [pattern for entry in descriptions for pattern in _entries_of(load_source(str(entry)))]
    for entry in entries:
        if entry not in descriptions and (
            _called(entry) in described or any(fnmatchcase(entry.name, pattern) for pattern in named)
        ):
            continue
        if not (entry.is_dir() or format_of(entry.name) or _is_description(entry)):
            ignored.append(plain(entry.name))
            continue
        if not entry.exists():
            raise UserError(f"{entry} is a link to nothing. Mend it, or remove it.")
        if isinstance(target, Path) and target.exists() and entry.samefile(target):
            raise UserError(f"The target {target} lies among the contributors; move it out of {folder}.")
        name = plain(_called(entry))
        if name in found:
            raise UserError(
                f"{folder} has two contributors called {name}; rename one, or put both files in one folder."
            )
        found[name] = files_of(f"the contributor {name}", entry)
    if len(found) < FEWEST_VALUED:
        held = "1 file or folder" if found else "no file or folder"
        raise UserError(
            f"{folder} holds {held} of contributors, and values compare 2 or more: one file (CSV, TSV, JSON Lines, "
            "parquet, npz, or a description) or folder each."
        )
    return Found(found, ignored=tuple(ignored))


def _entries_of(source: Source) -> Iterator[str]:
    """What of the folder beside it a description reads, as patterns of names."""
    for path in source.path.values() if isinstance(source.path, dict) else source.paths:
        yield from PurePosixPath(path).parts[:1]  # of "./a" it is "a"


def _called(entry: Path) -> str:
    """The contributor whose entry it is; ``acme.v2.csv`` is not acme's."""
    return entry.name if entry.is_dir() else Path(entry.name.removesuffix(".gz")).stem


def files_of(whose: str, given: Given) -> Files:
    """The files that a path stands for, or the frame itself.

    Args:
        whose: in errors.
    """
    if not isinstance(given, Path):
        if not hasattr(given, "columns"):
            raise UserError(f"{whose} is a {type(given).__name__}; a path or a pandas DataFrame was expected.")
        return Files(frame=given)
    if _is_description(given):
        return Files(description=given)
    if given.is_file():
        if format_of(given.name) is None:
            raise UserError(
                f"{given}: what format it has cannot be told from its name; CSV, TSV, JSON Lines, parquet and npz "
                "are read."
            )
        return Files(tables=(given,))
    if not given.is_dir():
        raise UserError(f"There is no file or folder {given} of {whose}.")
    every = sorted(path for path in given.rglob("*") if not path.name.startswith("."))
    for path in every:
        _refuse_link_out(path, given)
    inside = [path for path in every if path.is_file()]
    tables = tuple(path for path in inside if format_of(path.name))
    images = tuple((path.parent.name, path) for path in inside if picture_format(path.name))
    if not tables and not images:
        raise UserError(f"{given}, the folder of {whose}, holds no file that can be read. Put one in, or leave it out.")
    return Files(tables, () if tables else images)


def _refuse_link_out(path: Path, folder: Path) -> None:
    """That what somebody brings is nothing of others, which a link in a folder that was handed over would read.

    Raises:
        UserError: it is a link out of the folder, to a folder, which is not gone into, or to nothing.
    """
    if not path.is_symlink():
        return
    where = "to nothing" if not path.exists() else "to a folder" if path.is_dir() else f"out of {folder}"
    if where.startswith("to") or not path.resolve().is_relative_to(folder.resolve()):
        raise UserError(
            f"{path} is a link {where}, which is not followed. Put what it stands for in its place, or remove it."
        )


def _is_description(path: Path) -> bool:
    return path.suffix == ".toml" and path.is_file()


def by_name(names: Mapping[str, object], known: tuple[str, ...], option: str) -> None:
    """That names of an option are contributors.

    Raises:
        UserError: one is not.
    """
    for name in names:
        if name not in known:
            raise UserError(
                f"{option}: no contributor is called {name!r}; there are "
                f"{', '.join(known[:8])}{', ...' if len(known) > 8 else ''}."
            )
