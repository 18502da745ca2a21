"""Rows of text files through ``datasets``, each file in memory, mistakes named by file and row."""

from __future__ import annotations

import codecs
import csv
import gzip
import hashlib
import io
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import IO, Any, Literal

from harness.errors import UserError
from harness.files import CACHE, rows_folder
from tasks.sources.description import Format

SEPARATORS = {"csv": ",", "tsv": "\t"}
QUOTING: Mapping[str, Literal[0, 3]] = {"csv": csv.QUOTE_MINIMAL, "tsv": csv.QUOTE_NONE}
"""In CSV a quoted value may hold separators and line ends; in TSV a quote is a character like any other."""

CHUNK = 1 << 20


def read_rows(path: Path, form: Format, shown: str) -> Any:
    """One file as a ``datasets.Dataset``; values of CSV and TSV stay the strings that they are.

    Args:
        shown: the file's name in errors.

    Raises:
        UserError: the file is empty, not UTF-8 or damaged; it names the row where there is one.
    """
    if path.stat().st_size == 0:
        raise _empty(shown)
    readers: dict[str, Callable[[Path, str, str, str], Any]] = {
        "csv": _separated,
        "tsv": _separated,
        "jsonl": _jsonl,
        "parquet": _parquet,
    }
    with _folder_for_copies(path) as cache, quiet():
        return readers[form](path, form, shown, cache)


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


def _separated(path: Path, form: str, shown: str, cache: str) -> Any:
    from datasets import Dataset, Features, Value

    names = _check_fields(path, form, shown)
    features = Features({name: Value("string") for name in names})
    options = {"sep": SEPARATORS[form], "quoting": QUOTING[form], "keep_default_na": False, "index_col": False}
    try:
        return Dataset.from_csv(escape(str(path)), features=features, cache_dir=cache, keep_in_memory=True, **options)
    except Exception as error:  # the library wraps whatever its parsers raise
        raise _unreadable(shown, form, error) from error


def _jsonl(path: Path, form: str, shown: str, cache: str) -> Any:
    from datasets import Dataset

    _check_encoding(path, shown)
    try:
        return Dataset.from_json(escape(str(path)), cache_dir=cache, keep_in_memory=True)
    except Exception as error:  # as above; find the row that is at fault
        _check_objects(path, shown)
        raise _unreadable(shown, form, error) from error


def _parquet(path: Path, form: str, shown: str, cache: str) -> Any:
    from datasets import Dataset
    from pyarrow.parquet import read_metadata

    try:
        if not read_metadata(path).num_rows:
            raise _empty(shown)
        return Dataset.from_parquet(escape(str(path)), cache_dir=cache, keep_in_memory=True)
    except UserError:
        raise
    except Exception as error:  # as above
        raise _unreadable(shown, form, error) from error


def _check_fields(path: Path, form: str, shown: str) -> list[str]:
    """The header's names, once every row is known to have as many fields.

    A parser that guesses takes a surplus first field for an index and shifts all columns, without a word.
    """
    with _opened(path, shown) as binary, io.TextIOWrapper(binary, encoding="utf-8-sig", newline="") as lines:
        before = csv.field_size_limit(sys.maxsize)
        quoting = QUOTING[form]
        number = 0
        try:
            rows = csv.reader(lines, delimiter=SEPARATORS[form], quoting=quoting, strict=quoting != csv.QUOTE_NONE)
            names = next(rows, [])
            for row in rows:
                if row:
                    number += 1
                    if len(row) != len(names):
                        raise UserError(
                            f"{shown}, row {number}: {len(row)} fields where the header has {len(names)}. Quote values "
                            "that hold a separator or a line end."
                        )
        except UnicodeDecodeError as error:
            raise _wrong_encoding(path, shown, first_row=0) from error
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
    with _opened(path, shown) as binary:
        try:
            while piece := binary.read(CHUNK):
                decoder.decode(piece)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise _wrong_encoding(path, shown, first_row=1) from error


def _check_objects(path: Path, shown: str) -> None:
    """Find the first line that is no JSON object."""
    number = 0
    with _opened(path, shown) as lines:
        for line in lines:
            if not line.strip():
                continue
            number += 1
            try:
                found = json.loads(line.decode("utf-8-sig"))
            except ValueError as error:
                raise UserError(f"{shown}, row {number}: this is no JSON ({error}).") from error
            if not isinstance(found, dict):
                raise UserError(f"{shown}, row {number}: a JSON object is expected, got {type(found).__name__}.")
    if not number:
        raise _empty(shown)


def _wrong_encoding(path: Path, shown: str, first_row: int) -> UserError:
    """The error that names the first line that is not UTF-8; a header's is row 0."""
    with _opened(path, shown) as lines:
        for number, line in enumerate(lines):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                where = f"row {number + first_row}" if number + first_row else "header"
                byte = f"byte {line[error.start]:#04x} at column {error.start + 1}"
                return UserError(f"{shown}, {where}: this is not UTF-8 ({byte}). Save the file as UTF-8.")
    return UserError(f"{shown}: this is not UTF-8. Save the file as UTF-8.")


@contextmanager
def _opened(path: Path, shown: str) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked where it is gzipped."""
    with path.open("rb") as file:
        if path.suffix != ".gz":
            yield file
            return
        try:
            with gzip.open(file) as unpacked:
                yield unpacked  # type: ignore[misc]
        except (EOFError, gzip.BadGzipFile) as error:
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
