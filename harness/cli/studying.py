"""``dataworth study``: what a leaderboard does not tell."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.cli import completing
from harness.cli.options import DATA, DEVICE, TASKS, folder, names


@click.command()
@click.argument("name", shell_complete=completing.study)
@click.option(
    "--suite", shell_complete=completing.suite, help="The suite whose pools it is about.", show_default="embedded"
)
@DATA
@TASKS
@click.option(
    "--methods",
    callback=names,
    shell_complete=completing.methods,
    help="Only these methods; agreement: the groups that they are in.",
)
@click.option("--pools", type=click.IntRange(min=1), help="At most so many a task.", show_default="2; ntk-mmd: 4")
@click.option("--seeds", type=click.IntRange(min=1), help="gaming, lds: seeds of every truth.", show_default="3")
@DEVICE
@click.option("--out", metavar="DIR", callback=folder, help="The folder of its page.  [default: runs/studies/NAME]")
def study(
    name: str,
    suite: str | None,
    data: str | None,
    tasks: tuple[str, ...] | None,
    methods: tuple[str, ...] | None,
    pools: int | None,
    seeds: int | None,
    device: str,
    out: Path | None,
) -> None:
    """Study what a leaderboard does not tell; prints tables, and writes them. Minutes on two cores.

    ntk-mmd: its terms one by one, what its paper leaves open, its spread, and what its NTK term rewards, on pools
    whose truths a suite's run or its published results hold.

    agreement: same name, other estimator: Spearman of every two that estimate one thing, and their seconds.

    gaming: what a contributor gains by splitting, by copies, by noise, and by looking like validation.

    lds: linear datamodeling score: how well summed values foretell what random halves of the contributors are worth.

    costs: what every method costs over the leave-one-out truth, by a suite's stored results; nothing is trained.

    agreement, gaming and lds deal pools of their own, from number 101 on, or a named suite's. Stopped, the same command
    goes on where it was; the exit status is 0, 2 for a mistake in what was asked, 130 when stopped.
    """
    from harness.cli.places import RUNS
    from harness.cli.stopping import stoppable
    from harness.cli.studies import Request, find_study
    from harness.report.terminal import make_console

    asked = find_study(name)
    place = out or Path(RUNS) / "studies" / name
    request = Request(suite, data, tasks, methods, pools, seeds, device, place)
    console = make_console()
    with stoppable(console, f"What was trained and answered is kept in {place}."):
        sys.exit(asked(request, console))
