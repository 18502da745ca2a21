"""A study as people see it: tables on the terminal, the same as a page, and one figure."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text
from tabulate import tabulate

from harness.errors import UserError
from harness.files import write_atomically
from harness.statistics.means import finite_mean

PAGE, FIGURE = "README.md", "figure.svg"
OURS = "<!-- Drawn by dataworth study: what is changed here by hand is lost when it is drawn again. -->"


@dataclass(frozen=True, slots=True)
class Table:
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Section:
    """A table with its words, or words alone where there is nothing to tabulate."""

    title: str
    caption: str
    table: Table | None


@dataclass(frozen=True, slots=True)
class Bars:
    """A panel of the figure: what each line's numbers are, one a pool, between -1 and 1."""

    title: str
    lines: Mapping[str, Sequence[float]]


def report_progress(line: str) -> None:
    """How far a study is, where it is in nobody's way."""
    Console(stderr=True, highlight=False).print(line, style="dim", markup=False, soft_wrap=True)


def field(value: float) -> str:
    """A number in a file of comma-separated values: six digits, empty where it is undefined."""
    return f"{value:.6g}" if math.isfinite(value) else ""


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table as comma-separated values."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()


def write_study(
    folder: Path,
    title: str,
    foreword: str,
    sections: Sequence[Section],
    figure: Sequence[Bars],
    console: Console,
    files: Mapping[str, str] | None = None,
) -> None:
    """Print the tables, and write the page, the figure where it has panels, and the files.

    Args:
        files: names and texts of what is to be read by programs.

    Raises:
        UserError: there is a page that was not drawn by us, or the folder cannot be written.
    """
    page = folder / PAGE
    if page.exists() and not page.read_text(encoding="utf-8", errors="replace").startswith(OURS):
        raise UserError(f"{page} was not drawn by dataworth and would be overwritten; choose another folder by --out.")
    console.print(Text(f"{foreword}\n"))
    for section in sections:
        console.print(_on_terminal(section))
        if section.caption:
            console.print(Text(f"{section.caption}\n", style="dim italic"))
    others = {**({FIGURE: svg(title, figure)} if figure else {}), **(files or {})}
    for name, text in others.items():
        write_atomically(folder / name, text)
    parts = [f"{OURS}\n\n# {title}", foreword, f"![Spearman, pool by pool]({FIGURE})" if figure else ""]
    for section in sections:
        parts += [f"## {section.title}", _in_markdown(section.table) if section.table else "", section.caption]
    write_atomically(page, "\n\n".join(part for part in parts if part) + "\n")
    written = ", ".join(str(folder / name) for name in (PAGE, *others))
    console.print(f"Written: {written}", markup=False, soft_wrap=True)


def _on_terminal(section: Section) -> RichTable | Text:
    title, table = section.title, section.table
    if table is None:
        return Text(title, style="bold")
    drawn = RichTable(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for place, column in enumerate(table.columns):
        words = any(mark.isalpha() for row in table.rows for mark in row[place])
        drawn.add_column(Text(column), justify="left" if place == 0 or words else "right")
    for row in table.rows:
        drawn.add_row(*map(Text, row))
    return drawn


def _in_markdown(table: Table) -> str:
    alignment = ["left", *("right" for _ in table.columns[1:])]
    drawn: str = tabulate(table.rows, table.columns, tablefmt="github", disable_numparse=True, colalign=alignment)
    return drawn


# --- the figure -----------------------------------------------------------------------------------------

NAMES, PLOT, LINE, GAP, COLUMNS = 250, 240, 20, 46, 2
"""Sizes in pixels: of the names' column, of a panel's axis, of a line, above a panel; and panels side by side."""


def svg(title: str, panels: Sequence[Bars]) -> str:
    """Every pool a dot, their mean a stroke; zero is marked."""
    width = COLUMNS * (NAMES + PLOT + 30)
    body, top = [], 30
    for start in range(0, len(panels), COLUMNS):
        row = panels[start : start + COLUMNS]
        for place, panel in enumerate(row):
            body += _panel(panel, place * (NAMES + PLOT + 30), top)
        top += GAP + LINE * max(len(panel.lines) for panel in row) + 20
    head = f'<text x="10" y="20" font-size="15" font-weight="bold">{escape(title)}: Spearman with the truth</text>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{top}" viewBox="0 0 {width} {top}" '
        'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" fill="white"/>\n'
        + "\n".join([head, *body])
        + "\n</svg>\n"
    )


def _panel(panel: Bars, left: float, top: float) -> list[str]:
    def across(value: float) -> float:
        return left + NAMES + (value + 1) / 2 * PLOT

    bottom = top + GAP + LINE * len(panel.lines)
    drawn = [f'<text x="{left + NAMES}" y="{top + 20}" font-weight="bold">{escape(panel.title)}</text>']
    for value in (-1.0, -0.5, 0.0, 0.5, 1.0):
        colour = "#444" if value == 0 else "#ddd"
        x = across(value)
        drawn.append(f'<line x1="{x}" y1="{top + 28}" x2="{x}" y2="{bottom}" stroke="{colour}"/>')
        drawn.append(f'<text x="{x}" y="{bottom + 14}" font-size="10" text-anchor="middle">{value:g}</text>')
    for number, (name, values) in enumerate(panel.lines.items()):
        y = top + GAP + LINE * number
        drawn.append(f'<text x="{left + NAMES - 8}" y="{y + 4}" text-anchor="end">{escape(name)}</text>')
        known = [value for value in values if math.isfinite(value)]
        drawn += [f'<circle cx="{across(v):.1f}" cy="{y}" r="3.5" fill="#3b76af" opacity="0.5"/>' for v in known]
        if known:
            x = across(finite_mean(known))
            drawn.append(f'<line x1="{x:.1f}" y1="{y - 7}" x2="{x:.1f}" y2="{y + 7}" stroke="#c44" stroke-width="2"/>')
    return drawn
