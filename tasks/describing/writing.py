"""A description as its file says it: the keys that are needed and no others, each with what it means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tomli_w

from harness.described import Undescribed
from harness.errors import plain
from tasks.describing.files import Seen
from tasks.describing.meaning import Meaning
from tasks.sources.description import Source, source_from

ABOUT: Mapping[str, str] = {
    "side": '"real", or "synthetic" where a generator made the rows',
    "path": "from this file's folder; else in the folder that --data names",
    "format": "the file's name does not tell it",
    "separator": "between values",
    "encoding": "Python's name of it",
    "inside": "the list of rows in the file's object",
    "pixels": "a side that every picture's middle square is brought to",
}
"""What a line's comment says."""

TABLES: Mapping[str, str] = {
    "where": "column = the value, or the values, of rows that are taken",
    "labels": "as the files have it = what the class is called",
    "columns": "what a row is made of; a name in braces takes that column's value",
}
"""What stands at the head of a table."""


def source_of(asked: Undescribed, seen: Seen, meant: Meaning) -> Source:
    """The description that was found.

    Raises:
        UserError: what was told does not fit together.
    """
    layout = seen.layout
    content: dict[str, Any] = {
        "name": asked.name,
        "task": meant.task,
        "side": meant.side,
        "path": seen.path,
        "format": None if seen.is_told else seen.format,
        "separator": layout and layout.separator,
        "encoding": layout and layout.encoding,
        "inside": layout and layout.inside,
        "pixels": meant.pixels,
        "where": dict(meant.where),
        "labels": dict(meant.labels),
        "columns": dict(meant.columns),
    }
    given = {key: value for key, value in content.items() if value not in (None, {})}
    return source_from(given, f"What was found in {seen.shown}", asked.base)


def toml_of(source: Source, doubts: Sequence[str]) -> str:
    """The file: what to look at, keys, then tables."""
    said = source.model_dump(exclude_defaults=True, exclude={"name"})
    lines = ["# What dataworth describe found; every line may be changed. The language: docs/describing.md."]
    lines += [f"# {doubt}" for doubt in map(plain, doubts)]
    tables = {}
    for key, value in said.items():
        if isinstance(value, dict) and key != "path":
            tables[key] = value
            continue
        comment = f"  # {ABOUT[key]}" if key in ABOUT else ""
        lines.append(f"{key} = {_inline(value)}{comment}")
    for key in ("where", "labels", "columns"):
        if key in tables:
            lines += ["", f"[{key}]  # {TABLES[key]}", tomli_w.dumps(tables[key]).rstrip()]
    return "\n".join(lines) + "\n"


def _inline(value: Any) -> str:
    """A value on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_inline(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return tomli_w.dumps({"k": value}).strip().partition(" = ")[2].replace("\t", "\\t")
