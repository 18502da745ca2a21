"""Options that several commands have, and how their values are read."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli import completing
from harness.errors import UserError


def names(_ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Names separated by commas."""
    if value is None:
        return None
    found = tuple(name.strip() for name in value.split(",") if name.strip())
    if not found:
        raise UserError(f"--{param.name} is empty; give one or more names separated by commas, or leave it out.")
    return found


def pairs(_ctx: click.Context, param: click.Parameter, value: str | None) -> dict[str, str]:
    """``field=column`` pairs, separated by commas."""
    found: dict[str, str] = {}
    for piece in (value or "").split(","):
        left, sign, right = (part.strip() for part in piece.partition("="))
        if not piece.strip():
            continue
        if not (left and sign and right):
            raise UserError(f"--{param.name} {piece.strip()!r} is no pair; write NAME=VALUE,NAME=VALUE.")
        found[left] = right
    return found


def methods(_ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Names of methods, separated by commas, with their knobs, which are separated by commas too."""
    from harness.knobs import listed  # and with it numpy

    found = None if value is None else listed(value)
    return found if found else names(_ctx, param, value)


def folder(_ctx: click.Context, param: click.Parameter, value: str | None) -> Path | None:
    """A folder's path; an empty one would mean the working folder."""
    if value is not None and not value.strip():
        raise UserError(f"{param.opts[0]} is empty; name a folder, or leave it out.")
    return None if value is None else Path(value)


DEVICE = click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1, ... or auto.")
DATA = click.option(
    "--data",
    metavar="DIR",
    shell_complete=completing.folders,
    help="The folder of your files, for suites that read files.",
)
TASKS = click.option(
    "--tasks",
    callback=names,
    shell_complete=completing.tasks,
    help="Only these of the suite's tasks, separated by commas.",
)
QUIET = click.option("--quiet", "-q", is_flag=True, help="Print nothing but what went wrong, and JSON if asked.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print the tables as one JSON document.")
