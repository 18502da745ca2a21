"""Scores worked out anew from values and truths, against what a folder's own tables and pages say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.report.files import INDEX, PAGE, drawn
from harness.report.leaderboard_csv import OVERALL, TABLE, read
from harness.report.phrases import NAMED
from harness.report.view import View
from harness.submitting.findings import Finding, finding

RELATIVE, ABSOLUTE = 2e-5, 2e-6
"""How far a number of six digits may be from what is worked out anew here."""

LABELS: Mapping[str, tuple[str, ...]] = {TABLE: ("task", "question", "method"), OVERALL: ("question", "method")}
"""The columns that name a row."""


def tables(folder: Path, view: View) -> Finding:
    """The folder's tables, number by number, and its pages, word by word."""
    made = drawn(view)
    against = [line for name in LABELS for line in _of_table(folder / name, name, made[name])]
    for name in (PAGE, INDEX):
        file = folder / name
        if file.exists() and not against and file.read_bytes() != made[name].encode():
            against.append(f"{name} is not what its results give; 'dataworth report --out {folder}' draws it again.")
    return finding("scores", f"{len(view.cells)} rows worked out anew from values and truths.", against)


def _of_table(file: Path, name: str, made: str) -> Iterator[str]:
    try:
        told = _rows(file.read_text(encoding="utf-8"), name)
    except FileNotFoundError:
        yield f"{name} is not there; 'dataworth report --out {file.parent}' draws it."
        return
    except (OSError, UnicodeDecodeError, KeyError) as error:
        yield f"{name} is no table of ours ({error!r}); 'dataworth report --out {file.parent}' draws it."
        return
    found = _rows(made, name)
    missing, more = found.keys() - told.keys(), told.keys() - found.keys()
    for what, keys in (("has no row of", missing), ("has a row without results:", more)):
        for key in sorted(keys):
            yield f"{name} {what} {', '.join(key)}."
    differing = [
        (key, column, told[key].get(column), value)
        for key in found
        if key in told
        for column, value in found[key].items()
        if not _same(told[key].get(column), value)
    ]
    for key, column, said, value in differing[:NAMED]:
        yield (
            f"{name} says {_word(said)} of {column} for {', '.join(key)}; its values and truths give {_word(value)}."
        )
    if len(differing) > NAMED:
        yield f"{name} says otherwise than its values and truths in {len(differing) - NAMED} more places."


def _rows(text: str, name: str) -> dict[tuple[str, ...], dict[str, str]]:
    """The rows of a table by what names them."""
    return {tuple(row[label] for label in LABELS[name]): row for row in read(text)}


def _same(said: str | None, value: str) -> bool:
    if said is None or said == value:
        return said == value
    try:
        one, other = float(said), float(value)
    except ValueError:
        return False
    return abs(one - other) <= RELATIVE * abs(other) + ABSOLUTE


def _word(value: str | None) -> str:
    return value if value else "nothing"
