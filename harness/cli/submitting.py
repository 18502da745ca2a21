"""``dataworth submit-check``: is a foreign folder of results fit to be merged into a published board?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from harness.cli import completing
from harness.cli.options import AS_JSON, DATA, DEVICE, QUIET, folder


@click.command("submit-check")
@click.argument("place", metavar="DIR", callback=folder, shell_complete=completing.folders)
@DATA
@click.option(
    "--cells", type=click.IntRange(min=0), default=2, show_default=True, help="How many answers are asked again here."
)
@click.option(
    "--sample", type=click.IntRange(min=0), metavar="SEED", help="Which ones.  [default: nobody knows before]"
)
@click.option(
    "--hidden",
    metavar="DIR",
    callback=folder,
    shell_complete=completing.folders,
    help="A run of the same methods with --hidden SEED: says which rows it confirms.",
)
@click.option("--isolated", is_flag=True, help="Ask methods in processes of their own.")
@DEVICE
@QUIET
@AS_JSON
def submit_check(place: Path, quiet: bool, as_json: bool, **asked: Any) -> None:
    """Check foreign results: may the run in DIR be merged into the published board of its suite, and if not, why not?

    Held against each other are its records and their format, the seal of the run, who measured on which machine by
    which code, keys, truths and their held-out folds, tables and what values and truths give, what is published, and
    answers that are drawn at random and asked again here, with their truths. The exit status is 0 where it may be
    merged, 1 where not, 2 for a mistake in what was asked, 130 when stopped.
    """
    from harness.cli.stopping import heard, stoppable
    from harness.cli.submission import Request, submit
    from harness.report.terminal import make_console

    console = make_console(stderr=as_json, quiet=quiet)
    with stoppable(heard(console), "Nothing of it is kept."):
        sys.exit(submit(Request(place, as_json=as_json, **asked), console))
