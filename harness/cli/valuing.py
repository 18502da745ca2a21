"""``dataworth value``: what contributors' own files are worth for a target."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.cli import completing
from harness.cli.options import AS_JSON, DEVICE, QUIET, folder, names, pairs
from harness.errors import UserError, plain

if TYPE_CHECKING:
    from harness.valuing.valuation import Outcome

RUNS = "runs/values"


@click.command()
@click.option(
    "--task",
    required=True,
    shell_complete=completing.task,
    help="sentiment (texts with labels), image-classification, instruction-following, reasoning.",
)
@click.option(
    "--contributors",
    metavar="PATH",
    help="A folder with one file or folder each, or a table with a column of contributors.",
)
@click.option(
    "--contributor",
    "named",
    multiple=True,
    metavar="NAME=PATH",
    help="One contributor's file or folder; again for each.",
)
@click.option("--target", required=True, metavar="FILE", help="Rows that stand for what the model shall be good at.")
@click.option(
    "--columns",
    callback=pairs,
    metavar="FIELD=COLUMN,...",
    help="text, label, prompt, answer, image, contributor, side.",
)
@click.option(
    "--labels",
    callback=pairs,
    metavar="LABEL=NAME,...",
    help="Labels that files write otherwise: pos=positive,1=positive.",
)
@click.option(
    "--real",
    callback=names,
    metavar="NAMES",
    help="Contributors whose rows are all real; unknown where nothing is said.",
)
@click.option("--synthetic", callback=names, metavar="NAMES", help="Contributors whose rows a generator made.")
@click.option("--method", default="auto", show_default=True, help="METHOD or METHOD:knob=value, or auto.")
@click.option("--question", default="shapley", show_default=True, help="standalone, leave-one-out or shapley.")
@click.option(
    "--budget",
    metavar="TIME",
    help="Of the method, parts of the target and the audit: 10 (minutes), 2h, or 0.5gpuh (GPU-hours).",
)
@click.option(
    "--model", default="small", show_default=True, metavar="small|DIR", help="A pretrained model's folder or hub name."
)
@click.option("--revision", help="Of a hub's model.")
@click.option("--lora", type=int, metavar="RANK", help="Train adapters of the model alone.")
@click.option("--length", type=int, metavar="TOKENS", help="Of the longest text.")
@click.option("--steps", type=int, help="Of a training.")
@click.option("--batch-size", type=int, help="Of a training.")
@click.option("--rate", type=float, help="Learning rate of a training.")
@click.option(
    "--rows", type=int, metavar="N", help="Most rows together; beyond, all are thinned alike.", show_default="100000"
)
@click.option(
    "--parts", type=int, default=10, show_default=True, help="Parts of the target, each left out once; 0: none."
)
@click.option(
    "--audit", type=int, default=0, metavar="N", help="Retrain N coalitions and hold the values against them."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of every random stream.")
@click.option("--without-texts", is_flag=True, help="Say of examples where they stand, and not what they say.")
@DEVICE
@click.option("--out", metavar="DIR", callback=folder, help="The folder of the answer.  [default: runs/values/NAME]")
@QUIET
@AS_JSON
def value(
    task: str,
    contributors: str | None,
    named: Sequence[str],
    target: str,
    columns: dict[str, str],
    labels: dict[str, str],
    real: tuple[str, ...] | None,
    synthetic: tuple[str, ...] | None,
    method: str,
    question: Any,
    budget: str | None,
    model: str,
    rows: int | None,
    parts: int,
    audit: int,
    seed: int,
    without_texts: bool,
    device: str,
    out: Path | None,
    revision: str | None,
    lora: int | None,
    length: int | None,
    steps: int | None,
    batch_size: int | None,
    rate: float | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Tell what contributors' own files are worth to a model that shall be good at a target.

    Prints each contributor's value with its interval, ranks and share, what to look into before paying (leakage,
    copies, wrong labels, what is off target), how far the method can be trusted, and what it took; and writes it to
    runs/values/NAME as values.csv, values.json, README.md and values.html. Nothing is published. Stopped or killed, the
    same command goes on where it was; the exit status is 0, 2 for what cannot be valued, 130 when stopped.
    """
    from harness.brought import ROWS
    from harness.cli.devices import device_of
    from harness.cli.stopping import heard, stoppable
    from harness.report.terminal import make_console
    from harness.valuing import values
    from harness.valuing.files import CSV, HTML, JSON, PAGE
    from harness.valuing.stored import to_json
    from harness.valuing.terminal import print_outcome

    given = _contributors(contributors, named)
    training = {
        "revision": revision,
        "lora": lora,
        "length": length,
        "steps": steps,
        "batch_size": batch_size,
        "rate": rate,
    }
    place = out or Path(RUNS) / Path(contributors or target).resolve().stem  # "." has a name too
    console = make_console(stderr=as_json, quiet=quiet)
    before = _outcome_of(place / JSON)
    with stoppable(heard(console), f"What was trained and answered is kept in {place}."):
        found = values.value(
            given,
            target,
            task=task,
            columns=columns,
            labels=labels,
            real=real or (),
            synthetic=synthetic or (),
            method=method,
            question=question,
            budget=budget,
            model=model,
            settings=training,
            rows=ROWS if rows is None else rows,
            parts=parts,
            audit=audit,
            seed=seed,
            texts=not without_texts,
            device=device_of(device),
            out=place,
            progress=not quiet,
        )
    if as_json:
        click.echo(to_json(found.outcome), nl=False)
    else:
        print_outcome(console, found.outcome)
    console.print(f"Written to {place}: {CSV}, {JSON}, {PAGE}, {HTML}", markup=False, soft_wrap=True)
    if before is not None and (others := _otherwise(before, found.outcome)):
        console.print(f"They stand in place of {others}; --out DIR keeps both.", markup=False, soft_wrap=True)


def _outcome_of(file: Path) -> Outcome | None:
    """The values that lie there already; None where none can be read."""
    from harness.valuing.stored import read

    try:
        return read(file) if file.exists() else None
    except (UserError, RecursionError):
        return None


def _otherwise(before: Outcome, now: Outcome) -> str:
    """What other values than these they were, in words; empty of the same. Folders of one name share a place, and
    never answers, whose keys hold all that was read.
    """
    data = [(one.task, one.target_rows, [(look.name, look.read) for look in one.looks]) for one in (before, now)]
    if data[0] != data[1]:
        return f"values of other data, by {plain(before.method)}"
    return f"those by {plain(before.method)}" if before.method != now.method else ""


def _contributors(path: str | None, named: Sequence[str]) -> Any:
    """The folder or table, or the named ones.

    Raises:
        UserError: both are given, or neither, or a name twice.
    """
    if bool(path) == bool(named):
        raise UserError(
            "Say whose data are valued: --contributors PATH, or --contributor NAME=PATH for each; one of the two."
        )
    if path:
        return path
    found: dict[str, str] = {}
    for one in named:
        name, sign, where = (part.strip() for part in one.partition("="))
        if not (name and sign and where):
            raise UserError(f"--contributor {one!r} is no pair; write --contributor NAME=PATH.")
        if name in found:
            raise UserError(f"--contributor {name} is given twice; give each contributor a name of its own.")
        found[name] = where
    return found
