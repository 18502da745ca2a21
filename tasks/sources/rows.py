"""Rows of text files through ``datasets``, each file in memory, mistakes named by file and row."""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import json
import os
import sys
import tempfile
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import IO, Any, Literal

from harness.errors import UserError
from harness.files import CACHE, rows_folder
from tasks.sources.description import IN_TEXT, Format
from tasks.sources.layout import Layout

QUOTING: Mapping[str, Literal[0, 3]] = {"csv": csv.QUOTE_MINIMAL, "tsv": csv.QUOTE_NONE}
"""In CSV a quoted value may hold separators and line ends; in TSV a quote is a character like any other."""

CHUNK = 1 << 20

DEEP = 500
"""Brackets of a line of JSON beyond which it is looked at how deeply they are nested."""

SAVE = 'Save the file as UTF-8, or say its encoding in a description, such as encoding = "cp1252".'


def read_rows(path: Path, layout: Layout, shown: str) -> Any:
    """One file as a ``datasets.Dataset``; values of CSV and TSV stay the strings that they are.

    Args:
        layout: how its bytes hold rows.
        shown: the file's name in errors.

    Raises:
        UserError: the file is empty, in another encoding or damaged; it names the row where there is one.
    """
    if path.stat().st_size == 0:
        raise _empty(shown)
    readers: dict[Format, Callable[[Path, Layout, str, str], Any]] = {
        "csv": _separated,
        "tsv": _separated,
        "jsonl": _jsonl,
        "json": _json,
        "parquet": _parquet,
    }
    with _folder_for_copies(path) as cache, quiet():
        readable = path if layout.format not in IN_TEXT or layout.is_utf8 else _as_utf8(path, layout, shown, cache)
        return readers[layout.format](readable, layout, shown, cache)


@contextmanager
def _folder_for_copies(path: Path) -> Iterator[str]:
    """Where ``datasets`` may put its copy of a file: one folder for each content where rows are kept, or one for now.

    ``datasets`` itself knows a file by its name, size and time, and gives the old rows of one that was replaced with
    its time kept.
    """
    kept = rows_folder()
    if kept is None:
        with tempfile.TemporaryDirectory(prefix="dataworth-") as folder:
            yield folder
        return
    with path.open("rb") as opened:
        own = kept / hashlib.file_digest(opened, "sha256").hexdigest()[:16]
    try:
        own.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"Cannot keep rows in {kept}: {error.strerror}. Name another folder in {CACHE}.") from error
    yield str(own)


@contextmanager
def quiet(bars: bool = False) -> Iterator[None]:
    """Keep ``datasets``' log lines and progress bars off the screen: what goes wrong is said once, as an error.

    Args:
        bars: let progress bars be, for what takes long.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "IProgress not found")  # tqdm's, in notebooks without widgets
        import datasets
        from datasets.utils import logging

    hidden, level = datasets.are_progress_bars_disabled(), logging.get_verbosity()
    if not bars:
        datasets.disable_progress_bars()
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if not hidden:
            datasets.enable_progress_bars()


def _as_utf8(path: Path, layout: Layout, shown: str, cache: str) -> Path:
    """A copy of the file in UTF-8, unpacked.

    Raises:
        UserError: it is not in the encoding that it is said to be in.
    """
    copy = Path(cache) / f"from-{layout.encoding}"
    if copy.exists():
        return copy
    try:
        with (
            opened(path, shown) as binary,
            io.TextIOWrapper(binary, encoding=layout.encoding, newline="") as text,
            _written(copy) as out,
        ):
            while piece := text.read(CHUNK):
                out.write(piece)
    except UnicodeError as error:
        raise UserError(
            f"{shown}: this is not {layout.encoding} ({error}). Say its encoding in the description, or save the file "
            "as UTF-8; dataworth describe finds which it is."
        ) from error
    return copy


@contextmanager
def _written(file: Path) -> Iterator[IO[str]]:
    """A file of text that is there when it is whole: other processes may read it."""
    scratch = file.with_name(f".{os.getpid()}-{file.name}")
    with scratch.open("w", encoding="utf-8", newline="") as out:
        yield out
    os.replace(scratch, file)


def _separated(path: Path, layout: Layout, shown: str, cache: str) -> Any:
    from datasets import Dataset, Features, Value

    names = _check_fields(path, layout, shown)
    features = Features({name: Value("string") for name in names})
    options = {"sep": layout.sep, "quoting": QUOTING[layout.format], "keep_default_na": False, "index_col": False}
    try:
        return Dataset.from_csv(escape(str(path)), features=features, cache_dir=cache, keep_in_memory=True, **options)
    except Exception as error:  # the library wraps whatever its parsers raise
        raise _unreadable(shown, layout.format, error) from error


def _json(path: Path, layout: Layout, shown: str, cache: str) -> Any:
    """A file that is one list of objects, or an object with one inside, read as JSON lines are."""
    try:
        with opened(path, shown) as binary:
            content = binary.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise wrong_encoding(path, shown, first_row=1) from error
    rows = listed(content, layout.inside, shown)
    if rows is None:  # many call files of JSON lines so
        return _jsonl(path, layout, shown, cache)
    lines = Path(cache) / f"{hashlib.sha256(repr(layout.inside).encode()).hexdigest()[:8]}.jsonl"
    if not lines.exists():
        with _written(lines) as out:
            out.writelines(json.dumps(row) + "\n" for row in rows)
    return _jsonl(lines, layout, shown, cache)


def parsed(text: str) -> Any:
    """What a text in JSON says.

    Raises:
        ValueError: it is none, or nested more deeply than can be read.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def listed(content: str, inside: str | None, shown: str) -> list[dict[str, Any]] | None:
    """The objects that a JSON file lists; None where it holds several values, one a line.

    Raises:
        UserError: it lists something else, or nothing.
    """
    try:
        found = parsed(content)
    except ValueError as error:
        if content.lstrip().startswith("{") and inside is None and len(content.strip().splitlines()) > 1:
            return None
        raise UserError(f"{shown}: this is no JSON ({error}). A list of objects is expected.") from error
    lists = {name: value for name, value in found.items() if isinstance(value, list)} if isinstance(found, dict) else {}
    if inside is not None:
        if inside not in lists:
            there = (
                f"lists under {', '.join(map(repr, lists))}" if lists else f"a {type(found).__name__} without a list"
            )
            raise UserError(f"{shown}: there is no list under {inside!r} (inside); the file holds {there}.")
        found = lists[inside]
    elif isinstance(found, dict):
        if not lists:
            return None  # one line of JSON lines
        raise UserError(
            f"{shown} is one object, and a list of rows is expected; it has lists under {', '.join(map(repr, lists))}. "
            "Say "
            f'which is meant: inside = "{next(iter(lists))}". If it is a single row, call the file .jsonl.'
        )
    if not isinstance(found, list):
        raise UserError(f"{shown}: a list of objects is expected, got {type(found).__name__}.")
    if not found:
        raise _empty(shown)
    for number, row in enumerate(found, 1):
        if not isinstance(row, dict):
            raise UserError(f"{shown}, row {number}: a JSON object is expected, got {type(row).__name__}.")
    return found


def _jsonl(path: Path, layout: Layout, shown: str, cache: str) -> Any:
    from datasets import Dataset

    _check_encoding(path, shown)
    _check_depth(path, shown)
    try:
        return Dataset.from_json(escape(str(path)), cache_dir=cache, keep_in_memory=True)
    except Exception as error:  # as above; find the row that is at fault
        _check_objects(path, shown)
        raise _unreadable(shown, layout.format, error) from error


def _parquet(path: Path, layout: Layout, shown: str, cache: str) -> Any:
    from datasets import Dataset
    from pyarrow.parquet import read_metadata

    try:
        if not read_metadata(path).num_rows:
            raise _empty(shown)
        return Dataset.from_parquet(escape(str(path)), cache_dir=cache, keep_in_memory=True)
    except UserError:
        raise
    except Exception as error:  # as above
        raise _unreadable(shown, layout.format, error) from error


def _check_fields(path: Path, layout: Layout, shown: str) -> list[str]:
    """The header's names, once every row is known to have as many fields.

    A parser that guesses takes a surplus first field for an index and shifts all columns, without a word.
    """
    with opened(path, shown) as binary, io.TextIOWrapper(binary, encoding="utf-8-sig", newline="") as lines:
        before = csv.field_size_limit(sys.maxsize)
        quoting = QUOTING[layout.format]
        number = 0
        try:
            rows = csv.reader(lines, delimiter=layout.sep, quoting=quoting, strict=quoting != csv.QUOTE_NONE)
            names = next(rows, [])
            for row in rows:
                if row:
                    number += 1
                    if len(row) != len(names):
                        raise UserError(
                            f"{shown}, row {number}: {len(row)} fields where the header has {len(names)}. Quote values "
                            f"that hold a separator ({layout.sep!r}) or a line end, or say which it is: separator = ..."
                        )
        except UnicodeDecodeError as error:
            raise wrong_encoding(path, shown, first_row=0) from error
        except csv.Error as error:
            raise UserError(f"{shown}, row {number + 1}: {error}. Is a quote left open?") from error
        finally:
            csv.field_size_limit(before)
    if not number:
        raise _empty(shown)
    if twice := {name for name in names if names.count(name) > 1}:
        raise UserError(f"{shown}: the header has {' and '.join(map(repr, sorted(twice)))} more than once.")
    return names


def _check_encoding(path: Path, shown: str) -> None:
    """That the whole file is UTF-8; the JSON parser does not look."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with opened(path, shown) as binary:
        try:
            while piece := binary.read(CHUNK):
                decoder.decode(piece)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise wrong_encoding(path, shown, first_row=1) from error


def _check_depth(path: Path, shown: str) -> None:
    """That no row is nested so deeply that the JSON parser, which does not look, ends the whole process."""
    with opened(path, shown) as lines:
        for number, line in enumerate(lines, 1):
            if line.count(b"[") + line.count(b"{") > DEEP:
                try:
                    parsed(line.decode("utf-8-sig"))
                except ValueError as error:
                    raise UserError(f"{shown}, line {number}: this is no JSON ({error}).") from error


def _check_objects(path: Path, shown: str) -> None:
    """Find the first line that is no JSON object."""
    number = 0
    with opened(path, shown) as lines:
        for line in lines:
            if not line.strip():
                continue
            number += 1
            try:
                found = parsed(line.decode("utf-8-sig"))
            except ValueError as error:
                raise UserError(f"{shown}, row {number}: this is no JSON ({error}).") from error
            if not isinstance(found, dict):
                raise UserError(f"{shown}, row {number}: a JSON object is expected, got {type(found).__name__}.")
    if not number:
        raise _empty(shown)


def wrong_encoding(path: Path, shown: str, first_row: int) -> UserError:
    """The error that names the first line that is not UTF-8; a header's is row 0."""
    with opened(path, shown) as lines:
        for number, line in enumerate(lines):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                where = f"row {number + first_row}" if number + first_row else "header"
                byte = f"byte {line[error.start]:#04x} at column {error.start + 1}"
                return UserError(f"{shown}, {where}: this is not UTF-8 ({byte}). {SAVE}")
    return UserError(f"{shown}: this is not UTF-8. {SAVE}")


@contextmanager
def opened(path: Path, shown: str) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked where it is gzipped."""
    with path.open("rb") as file:
        if path.suffix != ".gz":
            yield file
            return
        try:
            with gzip.open(file) as unpacked:
                yield unpacked  # type: ignore[misc]
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UserError(f"{shown} is cut or damaged: {error}. Fetch it again.") from error


def _empty(shown: str) -> UserError:
    return UserError(f"{shown} is empty: it has no rows.")


def _unreadable(shown: str, form: str, error: BaseException) -> UserError:
    """What the innermost cause says, in one line."""
    cause = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    said = " ".join(str(cause).split()) or type(cause).__name__
    return UserError(f"{shown} cannot be read as {form}: {said[:300]}.")
