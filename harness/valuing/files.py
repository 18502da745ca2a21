"""A valuation as files: values.csv, values.json, README.md and values.html, all drawn from one result."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

from harness.errors import UserError, plain
from harness.files import write_atomically
from harness.report.markdown import escaped
from harness.valuing.page import to_html
from harness.valuing.sections import Table, sections
from harness.valuing.stored import MARK, to_json
from harness.valuing.valuation import Outcome

CSV, JSON, PAGE, HTML = "values.csv", "values.json", "README.md", "values.html"
VALUE_FIELDS = ("value", "low", "high", "rank_low", "rank_high", "share", "share_low", "share_high")
FORMULA = ("=", "+", "-", "@")
"""What a spreadsheet takes for the start of a formula; names of contributors are their own to choose."""

LOOK_FIELDS = (
    *("side", "read", "examples", "within", "elsewhere", "leaked"),
    *("distance", "off_target", "label_distance", "loss", "own", "disagree", "sure", "sure_disagree"),
)


def write(folder: Path, found: Outcome) -> list[Path]:
    """All four files; where they are.

    Raises:
        UserError: one cannot be written.
    """
    texts = {CSV: to_csv(found), JSON: to_json(found), PAGE: to_markdown(found), HTML: to_html(found)}
    for name, text in texts.items():
        write_atomically(folder / name, text)
    return [folder / name for name in texts]


def refuse_foreign(folder: Path) -> None:
    """Make sure that nothing of the user's would be overwritten.

    Raises:
        UserError: it would.
    """
    if folder.is_file():
        raise UserError(f"Cannot write to {folder}: it is a file, no folder. Choose another with --out.")
    ours = folder / JSON
    taken = [name for name in (CSV, JSON, PAGE, HTML) if (folder / name).exists()]
    if taken and not (ours.is_file() and MARK in ours.read_text(encoding="utf-8", errors="replace")[:200]):
        raise UserError(
            f"{folder / taken[0]} was not drawn by dataworth and would be overwritten. Choose another folder with "
            "--out."
        )


def records(found: Outcome) -> list[dict[str, Any]]:
    """One a contributor, the most valuable first."""
    looks = {one.name: one for one in found.looks}
    return [
        {
            "contributor": one.name,
            **{name: getattr(one, name) for name in VALUE_FIELDS},
            **{name: getattr(looks[one.name], name) for name in LOOK_FIELDS},
        }
        for one in found.ordered
    ]


def to_csv(found: Outcome) -> str:
    """A line a contributor; undefined is an empty field, and no name is a formula to a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("contributor", *VALUE_FIELDS, *LOOK_FIELDS))
    writer.writerows([_field(value) for value in row.values()] for row in records(found))
    return text.getvalue()


def to_markdown(found: Outcome) -> str:
    parts = [f"# Values of {len(found.values)} contributors"]
    for section in sections(found):
        parts.append(f"## {escaped(section.title)}")
        parts += [f"- **{escaped(line)}**" for line in section.loud]
        parts += [f"- {escaped(line)}" if len(section.lines) > 1 else escaped(line) for line in section.lines]
        if section.table:
            parts.append(_md_table(section.table))
    return "\n\n".join(parts).replace("\n\n- ", "\n- ") + "\n"


def _md_table(table: Table) -> str:
    rules = ["---:" if k in table.right else "---" for k in range(len(table.columns))]
    lines = [table.columns, tuple(rules), *table.rows]
    return "\n".join(
        f"| {' | '.join(cell if number == 1 else escaped(cell) for cell in row)} |" for number, row in enumerate(lines)
    )


def _field(value: object) -> object:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    if not isinstance(value, str):
        return value
    return plain(f"'{value}" if value.startswith(FORMULA) else value)
