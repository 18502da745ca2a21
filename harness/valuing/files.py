"""A valuation as files: values.csv, values.json, README.md and values.html, all drawn from one result."""

from __future__ import annotations

import csv
import dataclasses
import html
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import UserError, plain
from harness.files import write_atomically
from harness.valuing.sections import Section, Table, sections
from harness.valuing.valuation import Outcome

CSV, JSON, PAGE, HTML = "values.csv", "values.json", "README.md", "values.html"
FORMAT = 1
MARK = "values of dataworth, format"
"""Stands in the JSON file, and tells a folder of ours."""

LEFT_OUT = ("certainty",)
"""Fields of arrays, from which what is told is made."""

VALUE_FIELDS = ("value", "low", "high", "rank_low", "rank_high", "share", "share_low", "share_high")
LOOK_FIELDS = (
    *("side", "read", "examples", "within", "elsewhere", "leaked"),
    *("distance", "off_target", "label_distance", "loss", "disagree"),
)

STYLE = """
:root { color-scheme: light dark; --line: #8886; --bar: #3366cc; --loud: #b00020; }
@media (prefers-color-scheme: dark) { :root { --bar: #8ab4f8; --loud: #ff8a80; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
.right { text-align: right; white-space: nowrap; } .loud { color: var(--loud); font-weight: 600; }
svg { width: 100%; height: auto; } svg text { font: 13px system-ui, sans-serif; fill: currentColor; }
svg line { stroke: var(--bar); stroke-width: 3; } svg circle { fill: var(--bar); }
svg .zero { stroke: var(--line); stroke-width: 1; }
"""


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
    """A line a contributor; undefined is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("contributor", *VALUE_FIELDS, *LOOK_FIELDS))
    writer.writerows([_field(value) for value in row.values()] for row in records(found))
    return text.getvalue()


def to_json(found: Outcome) -> str:
    """Everything, undefined as null."""
    content = {"format": f"{MARK} {FORMAT}", **_plain(found)}
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def to_markdown(found: Outcome) -> str:
    parts = [f"# Values of {len(found.values)} contributors"]
    for section in sections(found):
        parts.append(f"## {_md(section.title)}")
        parts += [f"- **{_md(line)}**" for line in section.loud]
        parts += [f"- {_md(line)}" if len(section.lines) > 1 else _md(line) for line in section.lines]
        if section.table:
            parts.append(_md_table(section.table))
    return "\n\n".join(parts).replace("\n\n- ", "\n- ") + "\n"


def to_html(found: Outcome) -> str:
    """One file that asks for nothing else, and runs nothing."""
    body = [f"<h1>Values of {len(found.values)} contributors</h1>"]
    for section in sections(found):
        body.append(_html_section(section))
        if section.title == "Values":
            body.append(intervals_svg(found))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        'content="width=device-width">'
        f"<title>Values of {len(found.values)} contributors</title><style>{STYLE}</style></head><body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def intervals_svg(found: Outcome) -> str:
    """Values with their intervals, the most valuable first; told in words by the table beside it."""
    ends = [end for one in found.values for end in (one.value, one.low, one.high) if math.isfinite(end)]
    low, high = min(0.0, *ends), max(0.0, *ends)
    span = (high - low) or 1.0
    height, left, width = 24, 170, 700

    def x(value: float) -> float:
        return left + (value - low) / span * (width - left - 20)

    rows = len(found.values)
    parts = [f'<line class="zero" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="0" y2="{height * rows}"/>']
    for k, one in enumerate(found.ordered):
        y = height * k + height / 2
        name = one.name if len(one.name) <= 22 else one.name[:21] + "…"
        parts.append(f'<text x="{left - 10}" y="{y + 4:.1f}" text-anchor="end">{escaped(name)}</text>')
        if math.isfinite(one.low):
            parts.append(f'<line x1="{x(one.low):.1f}" x2="{x(one.high):.1f}" y1="{y}" y2="{y}"/>')
        parts.append(f'<circle cx="{x(one.value):.1f}" cy="{y}" r="5"/>')
    label = "Values with their 95 % intervals, as in the table above"
    return f'<svg role="img" aria-label="{label}" viewBox="0 0 {width} {height * rows}">{"".join(parts)}</svg>'


def _html_section(section: Section) -> str:
    parts = [f"<h2>{escaped(section.title)}</h2>"]
    parts += [f'<p class="loud">{escaped(line)}</p>' for line in section.loud]
    parts += [f"<p>{escaped(line)}</p>" for line in section.lines]
    if section.table:
        parts.append(html_table(section.table))
    return "\n".join(parts)


def html_table(table: Table) -> str:
    def cells(row: tuple[str, ...], tag: str) -> str:
        return "".join(
            f"<{tag}{' class=right' if k in table.right else ''}>{escaped(cell)}</{tag}>" for k, cell in enumerate(row)
        )

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in table.rows)
    return f"<table><thead><tr>{cells(table.columns, 'th')}</tr></thead><tbody>{body}</tbody></table>"


def escaped(text: str) -> str:
    return html.escape(plain(text))


def _md(text: str) -> str:
    """Text whose signs are no markup."""
    safe = html.escape(plain(text), quote=False)
    return "".join(f"\\{c}" if c in "\\`*_[]|#" else c for c in safe)


def _md_table(table: Table) -> str:
    rules = ["---:" if k in table.right else "---" for k in range(len(table.columns))]
    lines = [table.columns, tuple(rules), *table.rows]
    return "\n".join(
        f"| {' | '.join(cell if number == 1 else _md(cell) for cell in row)} |" for number, row in enumerate(lines)
    )


def _field(value: object) -> object:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return plain(value) if isinstance(value, str) else value


def _plain(found: object) -> Any:
    """Dataclasses as JSON has them."""
    if dataclasses.is_dataclass(found) and not isinstance(found, type):
        names = [one.name for one in dataclasses.fields(found) if one.name not in LEFT_OUT]
        return {name: _plain(getattr(found, name)) for name in names}
    if isinstance(found, Mapping):
        return {str(key): _plain(value) for key, value in found.items()}
    if isinstance(found, list | tuple):
        return [_plain(value) for value in found]
    if isinstance(found, float):
        return found if math.isfinite(found) else None
    return found
