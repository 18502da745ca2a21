"""``dataworth describe``: what a file seems to be, written as a description that a suite can name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, cast

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli import completing
from harness.cli.options import folder, pairs
from harness.described import Described, Undescribed
from harness.errors import UserError, plain


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE|FOLDER...")
@click.option(
    "--task",
    shell_complete=completing.task,
    help="Where it is not found: sentiment (texts with labels), image-classification, ...",
)
@click.option("--side", type=click.Choice(["real", "synthetic"]), help="Who made the rows: people or a generator.")
@click.option("--columns", callback=pairs, metavar="FIELD=COLUMN,...", help="text, label, prompt, answer, image, side.")
@click.option("--labels", callback=pairs, metavar="LABEL=NAME,...", help="What labels mean: 0=negative,1=positive.")
@click.option(
    "--data",
    metavar="DIR",
    shell_complete=completing.folders,
    help="The folder that its path is told from, as a run's --data names it.",
)
@click.option(
    "--out", metavar="FILE.toml", callback=folder, help="The description.  [default: NAME.toml, in this folder]"
)
def describe(
    files: tuple[str, ...],
    task: str | None,
    side: str | None,
    columns: dict[str, str],
    labels: dict[str, str],
    data: str | None,
    out: Path | None,
) -> None:
    """Find out what a data set is, and write the description that a suite names.

    CSV, TSV and others with something between values, JSON (lines, a list, or an object with a list inside), parquet,
    npz, the two files of idx or npy, or a folder of these or of pictures in a folder for each class. It tells what it
    found (format, encoding, columns, task, labels), reads all rows by it, says how many are left out and why, and shows
    three as a model gets them. Nothing is overwritten. The exit status is 0, or 2 where it cannot be told what the
    files are, in a sentence that says what to tell.
    """
    from harness import registry
    from harness.files import write_atomically
    from harness.report.terminal import make_console

    given = tuple(Path(file) for file in files)
    name = plain(given[0].resolve().name).split(".")[0] or "data"
    file = out or Path(f"{name}.toml")
    if file.suffix != ".toml":
        raise UserError(f"--out {file}: a description is a .toml file; name it so.")
    base = _base(given, file, data)
    asked = Undescribed(
        given, file.stem, base, task, cast("Literal['real', 'synthetic'] | None", side), columns, labels
    )
    found = registry.describe(asked)
    there = _there(file)
    if there is None:
        write_atomically(file, found.toml, "Choose another file with --out.")
    elif there != found.toml.encode("utf-8", "backslashreplace"):
        raise UserError(
            f"{file} is there already, and says something else. Name another file with --out, or remove it."
        )
    console = make_console()
    print_described(console, found)
    console.print(Text(found.toml), soft_wrap=True, highlight=False)
    console.print(_next(file, found, base, there is None), markup=False, soft_wrap=True)


def _there(file: Path) -> bytes | None:
    """What a file holds, None where there is none.

    Raises:
        UserError: it can be no file of ours.
    """
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:  # a folder, a name that is too long
        raise UserError(f"Cannot write {file}: {error.strerror}. Choose another file with --out.") from error


def _base(given: tuple[Path, ...], file: Path, data: str | None) -> Path:
    """The folder that paths are told from: the description's where it holds the files, or else a data folder.

    Raises:
        UserError: the files do not lie in the folder that was named.
    """
    places = [Path(data)] if data is not None else [file.absolute().parent, given[0].absolute().parent]
    for place in places:
        if all(one.resolve().is_relative_to(place.resolve()) for one in given):
            return place
    raise UserError(
        f"{given[0]} and the others do not all lie in {places[-1]}. Name a folder that holds them all: --data DIR."
    )


def _next(file: Path, found: Described, base: Path, is_new: bool) -> str:
    """What to do with it."""
    beside = base.resolve() == file.absolute().parent.resolve()
    where = "" if beside else f" Its path is told from {base}: run with --data {base}."
    done = "Written" if is_new else "As it was"
    other = ", synthetic = [] where all rows are real" if found.side == "real" else ""
    return (
        f"{done}: {file}.{where} Look at it, and name it in a suite, under [settings.{found.task}]: "
        f"{found.side} = [{json.dumps(str(file), ensure_ascii=False)}]{other}."
    )


def print_described(console: Console, found: Described) -> None:
    """What was found, how many rows were read, examples, doubts."""
    table = _pairs(dict(found.found) | {"rows": found.read})
    console.print(table, "", highlight=False)
    for number, example in enumerate(found.examples, 1):
        console.print(Text(f"Example {number}: {example.place}", style="bold"))
        for what, text in example.parts:
            console.print(Text.assemble((f"  {what}", "cyan"), f": {text}"))
        console.print()
    for doubt in found.doubts:
        console.print(Text.assemble(("Look at it: ", "yellow"), doubt))
    console.print()


def _pairs(lines: Mapping[str, str]) -> Table:
    table = Table(show_header=False, box=None, padding=(0, 2))
    table.add_column(no_wrap=True, style="cyan")
    table.add_column(overflow="fold")
    for name, text in lines.items():
        table.add_row(Text(name), Text(text))
    return table
