"""Options that several commands have, and how their values are read."""

from __future__ import annotations

from pathlib import Path

import click

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


def folder(_ctx: click.Context, param: click.Parameter, value: str | None) -> Path | None:
    """A folder's path; an empty one would mean the working folder."""
    if value is not None and not value.strip():
        raise UserError(f"{param.opts[0]} is empty; name a folder, or leave it out.")
    return None if value is None else Path(value)


DEVICE = click.option("--device", default="auto", show_default=True, help="cpu, cuda, cuda:1, ... or auto.")
