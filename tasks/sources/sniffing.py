"""How a file's bytes hold its rows, found by looking at them: encoding, format, separator."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError
from tasks.sources.description import Format, format_of
from tasks.sources.layout import SEPARATORS, Layout
from tasks.sources.rows import CHUNK, opened, parsed, wrong_encoding

MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, None),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Byte order marks and the encodings that they tell; UTF-8 needs none to be told. Of two that begin alike the longer
stands first."""

WESTERN = "cp1252"
"""What a file that is no UTF-8 and tells nothing is taken for: Windows' in Western Europe and the Americas."""

EXCELS_OWN = re.compile(r"sep=.\s*$", re.MULTILINE)
"""A first line by which Excel knows the separator."""

LOOKED_AT = 1 << 18
"""Bytes of a file whose rows are looked at."""

ROWS = 200
CANDIDATES = (",", ";", "\t", "|")


@dataclass(frozen=True, slots=True)
class Sniffed:
    """A layout, and how its encoding came to be known.

    Args:
        encoding: in words.
        is_guess: whether nothing in the file tells it.
    """

    layout: Layout
    encoding: str
    is_guess: bool = False


CONTROLS = bytes(byte for byte in range(32) if byte not in b"\t\n\f\r\x1a\x1b")
"""What texts hardly hold; texts copied from a terminal hold its escapes."""

MOST_ODD = 0.01
"""Share of a text's bytes that may be such."""


def sniff(path: Path, shown: str) -> Sniffed:
    """How the file holds its rows.

    Args:
        shown: the file's name in errors.

    Raises:
        UserError: it is empty, no text, damaged UTF-8, or holds no rows.
    """
    known = format_of(path.name)
    if known in ("parquet", "npz", "npy", "idx.gz"):
        return Sniffed(Layout(known), "none: it is no text")
    with opened(path, shown) as binary:
        head = binary.read(LOOKED_AT)
    if head.startswith(b"PAR1"):
        return Sniffed(Layout("parquet"), "none: it is no text")
    encoding, told, is_guess = _encoding(path, head, shown)
    if not _is_text(head, encoding):
        raise UserError(
            f"{shown} is no text: it holds control characters. Tables in text (CSV, TSV, JSON), parquet, arrays and "
            "pictures are read; save a spreadsheet as CSV."
        )
    try:
        text = codecs.getincrementaldecoder(encoding or "utf-8-sig")().decode(head)
    except UnicodeDecodeError as error:  # nor is it what it was taken for
        raise wrong_encoding(path, shown, first_row=_first_row(head)) from error
    if not text.strip():
        raise UserError(f"{shown} is empty: it has no rows.")
    if EXCELS_OWN.match(text):
        raise UserError(
            f"{shown} begins with {text.splitlines()[0]!r}, a line for Excel alone, where the columns' names are "
            "expected. Remove it."
        )
    found = _format(text, known)
    if found is not None:
        inside = _inside(path, encoding, shown) if found == "json" and text.lstrip().startswith("{") else None
        return Sniffed(Layout(found, encoding=encoding, inside=inside), told, is_guess)
    is_whole = len(head) < LOOKED_AT
    separated, separator = _separated(text, known, is_whole)
    own = None if separator == SEPARATORS[separated] else separator
    return Sniffed(Layout(separated, own, encoding), told, is_guess)


def _encoding(path: Path, head: bytes, shown: str) -> tuple[str | None, str, bool]:
    """The encoding (None: UTF-8), in words, and whether it is a guess."""
    for mark, encoding in MARKS:
        if head.startswith(mark):
            return encoding, f"{(encoding or 'utf-8').upper()}, by its byte order mark", False
    nulls = [head[start::2].count(0) / max(1, len(head[start::2])) for start in (0, 1)]
    if max(nulls) > 0.3 > 10 * min(nulls):
        encoding = "utf-16-be" if nulls[0] > nulls[1] else "utf-16-le"
        return encoding, f"{encoding.upper()}, by its zero bytes", False
    plain, error = _as_utf8(path, shown)
    if error is None:
        return None, "ASCII" if plain else "UTF-8", False
    if not plain and _is_text(head, None):  # letters that only UTF-8 writes so came before
        raise wrong_encoding(path, shown, first_row=_first_row(head)) from error
    return WESTERN, f"no UTF-8, taken for {WESTERN} (Western Windows), which nothing in it tells", True


def _is_text(head: bytes, encoding: str | None) -> bool:
    """Whether it holds no zero byte and hardly a control character, where a character is a byte."""
    if encoding not in (None, WESTERN):
        return True
    odd = len(head) - len(head.translate(None, CONTROLS))
    return 0 not in head and odd <= MOST_ODD * len(head)


def _first_row(head: bytes) -> int:
    """The number of a file's first line: a header has none."""
    return 1 if head.removeprefix(codecs.BOM_UTF8).lstrip()[:1] in (b"{", b"[") else 0


def _as_utf8(path: Path, shown: str) -> tuple[bool, UnicodeDecodeError | None]:
    """Whether all that can be read is ASCII, and where it is no UTF-8."""
    decoder, plain = codecs.getincrementaldecoder("utf-8")(), True
    with opened(path, shown) as binary:
        try:
            while piece := binary.read(CHUNK):
                decoder.decode(piece)
                plain = plain and piece.isascii()
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            return plain and piece[: error.start].isascii(), error
    return plain, None


def _format(text: str, known: Format | None) -> Format | None:
    """JSON where it is; None for values with something between them."""
    start = text.lstrip()
    if start.startswith("["):
        return "json" if known == "json" or start[1:].lstrip().startswith(("{", "]")) else None
    if not start.startswith("{"):
        return None
    try:
        parsed(start.splitlines()[0])
    except ValueError:
        return "json"  # one object over many lines
    return "json" if known == "json" else "jsonl"


def _inside(path: Path, encoding: str | None, shown: str) -> str | None:
    """The name of the longest list of objects in a file that is one object; None where it is none, or has no list."""
    with opened(path, shown) as binary:
        try:
            content = parsed(binary.read().decode(encoding or "utf-8-sig"))
        except ValueError:
            return None
    lists = {
        name: rows for name, rows in content.items() if isinstance(rows, list) and rows and isinstance(rows[0], dict)
    }
    return max(lists, key=lambda name: len(lists[name]), default=None)


def _separated(text: str, known: Format | None, is_whole: bool) -> tuple[Format, str]:
    """CSV or TSV, and what stands between values: the candidate by which rows are alike, and then the most columns."""
    best: tuple[float, int, str] = (0.0, 0, SEPARATORS.get(known or "csv", ","))
    for candidate in CANDIDATES:
        alike, columns = _alike(text, candidate, is_whole)
        if columns > 1 and (alike, columns) > best[:2]:
            best = alike, columns, candidate
    separator = best[2]
    if separator != "\t":
        return "csv", separator
    quoted = any(field.startswith('"') for line in text.splitlines()[:ROWS] for field in line.split("\t"))
    return ("csv" if quoted and _alike(text, "\t", is_whole)[0] == 1.0 else "tsv"), separator


def _alike(text: str, separator: str, is_whole: bool) -> tuple[float, int]:
    """The share of rows that have as many fields as the first, and how many these are."""
    widths: list[int] = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True):
            if row:
                widths.append(len(row))
            if len(widths) > ROWS:
                break
    except csv.Error:
        if is_whole and not widths:
            return 0.0, 0
    if not is_whole and len(widths) <= ROWS:
        widths = widths[:-1]  # the last one may be cut
    return (_share(widths), widths[0]) if widths else (0.0, 0)


def _share(widths: Sequence[int]) -> float:
    return sum(width == widths[0] for width in widths) / len(widths)
