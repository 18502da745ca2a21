"""A valuation on a terminal: values first, then what to look into, what to trust, what it took."""

from __future__ import annotations

from typing import Literal

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from harness.errors import plain
from harness.valuing.sections import Section, Table, sections
from harness.valuing.valuation import Outcome

LABELS = 6
"""Labels that fit a table's line."""

PADDING = 3
"""Between two columns, their line included."""

LONGEST_NAME = 3
"""A name takes at most this part of the width; what is longer is folded."""


def print_outcome(console: Console, found: Outcome) -> None:
    """All but examples and labels that are many: the rest is in the files."""
    for section in sections(found):
        is_wide = section.title == "Labels" and len(found.labels) > LABELS
        if not (is_wide or section.title.startswith("Examples of ")):
            _print(console, section)


def _print(console: Console, section: Section) -> None:
    console.print(Text(section.title, style="bold"))
    for line in section.loud:
        console.print(Text(plain(f"! {line}"), style="bold red"))
    for line in section.lines:
        console.print(Text(plain(line)))
    if section.table:
        for columns in _blocks(section.table, console.width):
            console.print(_table(section.table, columns, console.width))
    console.print()


def _blocks(table: Table, width: int) -> list[list[int]]:
    """The columns in blocks that fit side by side, each with the names; one block where all fit."""
    longest = [
        max(len(cell) for cell in (name, *(row[k] for row in table.rows))) for k, name in enumerate(table.columns)
    ]
    longest[table.names] = min(longest[table.names], width // LONGEST_NAME)
    blocks, room = [list[int]()], width
    for k in range(len(table.columns)):
        if longest[k] + PADDING > room and any(other != table.names for other in blocks[-1]):
            blocks.append([table.names])
            room = width - longest[table.names] - PADDING
        if k not in blocks[-1]:
            blocks[-1].append(k)
            room -= longest[k] + PADDING
    return [block for block in blocks if block != [table.names]]


def _table(table: Table, columns: list[int], width: int) -> RichTable:
    made = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for k in columns:
        most = width // LONGEST_NAME if k == table.names else None
        justify: Literal["right", "left"] = "right" if k in table.right else "left"
        made.add_column(table.columns[k], justify=justify, overflow="fold", no_wrap=most is None, max_width=most)
    for row in table.rows:
        made.add_row(*(Text(row[k]) for k in columns))
    return made
