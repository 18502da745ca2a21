"""A valuation on a terminal: values first, then what to look into, what to trust, what it took."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from harness.valuing.sections import Section, Table, sections
from harness.valuing.valuation import Outcome

LABELS = 6
"""Labels that fit a table's line."""


def print_outcome(console: Console, found: Outcome) -> None:
    """All but examples and labels that are many: the rest is in the files."""
    for section in sections(found):
        is_wide = section.title == "Labels" and len(found.labels) > LABELS
        if not (is_wide or section.title.startswith("Examples of ")):
            _print(console, section)


def _print(console: Console, section: Section) -> None:
    console.print(Text(section.title, style="bold"))
    for line in section.loud:
        console.print(Text(f"! {line}", style="bold red"))
    for line in section.lines:
        console.print(Text(line))
    if section.table:
        console.print(_table(section.table))
    console.print()


def _table(table: Table) -> RichTable:
    made = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for number, name in enumerate(table.columns):
        made.add_column(name, justify="right" if number in table.right else "left", overflow="fold")
    for row in table.rows:
        made.add_row(*(Text(cell) for cell in row))
    return made
