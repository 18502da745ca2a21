"""The command line: ``dataworth`` and ``python runall.py``. The only place that knows everyone.

This file holds the commands and their options; what they do is beside it, and imports torch only when it is called.
"""

from __future__ import annotations

import sys
from collections.abc import Sized
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem
from rich.console import Console
from rich.markup import escape

from harness.cli import completing, output
from harness.cli.completing import completion
from harness.cli.describing import describe
from harness.cli.options import AS_JSON, DATA, DEVICE, QUIET, TASKS, folder, methods, names
from harness.cli.stopping import STOPPED
from harness.cli.studying import study
from harness.cli.submitting import submit_check
from harness.cli.valuing import value
from harness.errors import UserError, plain

if TYPE_CHECKING:
    from harness.report.view import CostName

COSTS: dict[str, CostName] = {"gpu-hours": "reference_gpu_hours", "seconds": "seconds", "retrainings": "retrainings"}
DEFAULT_SUITE, DEFAULT_ON_FILES = "embedded-quick", "files-quick"


class RunByDefault(click.Group):
    """``dataworth --suite X`` means ``dataworth run --suite X``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ("--help", "-h", "--version")):
            args = ["run", *args] if args or not ctx.resilient_parsing else args
        return super().parse_args(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands, and the options of the one that may be left out."""
        own = super().shell_complete(ctx, incomplete)
        if not incomplete.startswith("-"):
            return own
        command = self.commands["run"]
        return own + command.shell_complete(click.Context(command, ctx), incomplete)


SUITE = click.option(
    "--suite",
    default=DEFAULT_SUITE,
    show_default=True,
    shell_complete=completing.suite_or_file,
    help="A suite's name, or a path to its TOML.",
)
OUT = click.option(
    "--out",
    metavar="DIR",
    callback=folder,
    shell_complete=completing.folders,
    help="The folder of the results.  [default: runs/SUITE]",
)


@click.group(cls=RunByDefault, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="dataworth", prog_name="dataworth")
def dataworth() -> None:
    """Compare data-valuation methods: how well they agree with retraining, and what they cost.

    Without a command, runs the leaderboard 'embedded-quick'.

    The exit status of every command is 0 where it did what was asked, 1 where that came out badly (a row failed, a
    check was not passed, a submission is not fit), 2 for a mistake in what was asked, 130 when it was stopped; its own
    --help says more. Colours are left out where NO_COLOR is set. Ctrl-C keeps what is finished and says how to go on.
    """


@dataworth.command()
@click.option(
    "--suite",
    help="A suite's name, or a path to its TOML.",
    shell_complete=completing.suite_or_file,
    show_default=f"{DEFAULT_SUITE}; {DEFAULT_ON_FILES} with --data",
)
@DATA
@TASKS
@click.option(
    "--methods",
    callback=methods,
    shell_complete=completing.methods,
    help="Only these methods, as METHOD or METHOD:knob=value,knob=value; others than the suite's may be named too.",
)
@click.option(
    "--questions",
    callback=names,
    shell_complete=completing.questions,
    help="Only these of standalone, leave-one-out, shapley.",
)
@click.option("--pools", type=int, help="Another number of pools a task.")
@click.option("--seeds", type=int, help="Another number of seeds, for every question's truth.")
@click.option("--hidden", type=int, metavar="SEED", help="Deal pools that nobody has seen, which this number chooses.")
@click.option("--by", metavar="NAME", help="Who measures; stands beside the results.")
@DEVICE
@OUT
@click.option("--resume/--fresh", default=True, help="Go on from what is kept (default), or start anew.")
@click.option("--isolated", is_flag=True, help="Let each method work in a process of its own.")
@click.option(
    "--method-timeout", type=float, metavar="SECONDS", help="Stop a method that takes longer for an answer; isolated."
)
@click.option("--memory", type=float, metavar="MB", help="Stop a method that holds more memory than this; isolated.")
@QUIET
@AS_JSON
def run(suite: str | None, data: str | None, quiet: bool, as_json: bool, **asked: Any) -> None:
    """Run a suite and print its leaderboard.

    Everything goes to runs/SUITE (a changed number of pools or seeds, or hidden pools, to a folder of their own), never
    to what is published; a finished run says how it compares with that. Stop it whenever you like: the same command
    goes on where it stopped; --fresh keeps what was there under another name. With --json all else goes to standard
    error. The exit status is 0 where every row has its answer or says why it does not suit, 1 where a row failed, 2 for
    a mistake in what was asked, 130 when stopped.
    """
    from harness.cli.running import Request, run_suite
    from harness.report.terminal import make_console

    if suite is None:
        suite = DEFAULT_SUITE if data is None else DEFAULT_ON_FILES
    request = Request(suite=suite, data=data, as_json=as_json, **asked)
    sys.exit(run_suite(request, make_console(stderr=as_json, quiet=quiet)))


@dataworth.command()
@SUITE
@OUT
@QUIET
@AS_JSON
def report(suite: str, out: Path | None, quiet: bool, as_json: bool) -> None:
    """Print a suite's leaderboard from stored results: of its run, or else those published.

    What is drawn of a run (README.md, index.html, leaderboard.csv and overall.csv in its folder) is drawn again; what
    is published stays as it is. With --json all else goes to standard error. The exit status is 0, or 2 where there
    are no such results.
    """
    from harness.cli.places import Place
    from harness.records.results import load
    from harness.report.as_json import to_json
    from harness.report.files import DRAWN, write_report
    from harness.report.leaderboard import leaderboard
    from harness.report.terminal import make_console, print_leaderboard

    place = Place.of_results(suite, out)
    results = load(place.results)
    if place.is_published:
        view = leaderboard(place.suite, results, secondary=False)
        done = f"Published results of {place.folder}; nothing was written."
    else:
        view = write_report(place.folder, place.suite, results)
        done = f"Written: {', '.join(str(place.folder / name) for name in DRAWN)}"
    console = make_console(stderr=as_json, quiet=quiet)
    if as_json:
        click.echo(to_json(view))
    else:
        print_leaderboard(console, view)
    console.print(done, markup=False, soft_wrap=True)


@dataworth.command()
@SUITE
@OUT
@click.option("--tasks", callback=names, help="Only these of the suite's tasks.")
@click.option("--cost", type=click.Choice(list(COSTS)), default="gpu-hours", show_default=True, help="What to weigh.")
def frontier(suite: str, out: Path | None, tasks: tuple[str, ...] | None, cost: str) -> None:
    """Tell which methods are worth their cost, from stored results: of a run, or else those published.

    For all tasks together and for each, or for --tasks alone: the methods that no other beats in cost and score, how
    often each is among these when scores are drawn anew from their uncertainty, the cheapest that cannot be told from
    the best, and what the next step costs. gpu-hours are those at reference scale. The exit status is 0, or 2 where
    there are no results.
    """
    from harness.cli.places import Place
    from harness.errors import unknown
    from harness.records.results import load
    from harness.report.leaderboard import leaderboard
    from harness.report.terminal import make_console, print_frontier

    place = Place.of_results(suite, out)
    view = leaderboard(place.suite, load(place.results), secondary=False)
    _demand_answers(place.folder, view.cells)
    for task in tasks or ():
        if task not in view.tasks:
            raise unknown(f"task of {place.folder}", task, view.tasks)
    print_frontier(make_console(), view, COSTS[cost], tasks)


@dataworth.command()
@SUITE
@OUT
@click.option("--formats", callback=names, default="svg,pdf,png", show_default=True, help="Of svg, pdf and png.")
@click.option("--methods", callback=methods, help="Draw a scatter of each of these: truth against values by rank.")
@click.option(
    "--into", metavar="DIR", callback=folder, help="The folder of the files.  [default: figures, in the run's]"
)
def figures(
    suite: str, out: Path | None, formats: tuple[str, ...], methods: tuple[str, ...] | None, into: Path | None
) -> None:
    """Draw figures for papers from stored results: of a run, or else those published.

    Scores with rank ranges, cost against score with its front, the heat map of tasks, curves of methods that were asked
    with several settings, and the overall table as Markdown and LaTeX (booktabs). The exit status is 0, or 2 where
    there are no results or something asked is a mistake.
    """
    from harness.cli.places import RUNS, Place
    from harness.errors import unknown
    from harness.records.results import load
    from harness.report.figures.files import FORMATS, write_figures
    from harness.report.leaderboard import leaderboard
    from harness.report.terminal import make_console

    for kind in formats:
        if kind not in FORMATS:
            raise unknown("format of figures", kind, FORMATS)
    place = Place.of_results(suite, out)
    view = leaderboard(place.suite, load(place.results), secondary=False)
    _demand_answers(place.folder, view.cells)
    for name in methods or ():
        if name not in (known := [line.method for line in view.overall]):
            raise unknown(f"method of {place.folder}", name, known)
    folder = into or (out or Path(RUNS) / place.suite.name) / "figures"
    written = write_figures(folder, view, formats, methods or ())
    make_console().print(f"Written: {', '.join(map(str, written))}", markup=False, soft_wrap=True)


@dataworth.command()
@click.argument("suite", shell_complete=completing.suite)
@click.option("--run", "run_folder", metavar="DIR", callback=folder, help="The run's folder.  [default: runs/SUITE]")
@click.option("--redraw", is_flag=True, help="Draw the published tables again from the published results instead.")
@click.option(
    "--merge",
    metavar="DIR",
    callback=folder,
    shell_complete=completing.folders,
    help="Add the rows of a submission that the board has not, if 'submit-check' lets them.",
)
@DATA
@click.option("--yes", is_flag=True, help="Publish without asking, as where there is no terminal to ask on.")
def publish(suite: str, run_folder: Path | None, redraw: bool, merge: Path | None, data: str | None, yes: bool) -> None:
    """Make a finished run of SUITE the published one, in leaderboards/SUITE; or merge a submission into it.

    Shows what would change and asks. A run that is partial, that answers another suite or an older pool, or in which
    something failed is refused with the reason. Scores are worked out anew from its results; where these are not what
    its ledger, its truths' folds and its own table say, that is told.

    The exit status is 0 where it was published or nothing would change, 1 where it was not agreed (a no, or no
    terminal to ask on and no --yes), 2 where it was refused or something asked is a mistake.
    """
    from harness.cli.publishing import publish_run
    from harness.cli.publishing import redraw as draw_again
    from harness.report.terminal import make_console

    if redraw and run_folder is not None:
        raise UserError("--redraw draws what is published already; leave --run out.")
    if merge is not None and (redraw or run_folder is not None):
        raise UserError("--merge adds to what is published; leave --redraw and --run out.")
    if data is not None and merge is None:
        raise UserError("--data is for --merge, which asks some answers again; leave it out.")
    console = make_console()
    if merge is not None:
        from harness.cli.merging import merge as merge_submission

        sys.exit(merge_submission(suite, merge, data, yes, console))
    sys.exit(draw_again(suite, yes, console) if redraw else publish_run(suite, run_folder, yes, console))


@dataworth.command("list")
def list_all() -> None:
    """List tasks, methods and suites, with a line each. The exit status is 0."""
    from harness.cli.showing import print_list
    from harness.report.terminal import make_console

    print_list(make_console())


@dataworth.command()
@click.argument("name", metavar="SUITE|METHOD|TASK", shell_complete=completing.anything)
@DATA
@click.option(
    "--suite",
    shell_complete=completing.suite_or_file,
    help="Tell a task as this suite has it, with the suite's data sets and settings.",
)
@click.option("--measure", is_flag=True, help="Time a few of the suite's retrainings on this machine.")
@click.option("--hours", type=float, help="With --measure: split so many hours into pools and seeds.")
@DEVICE
def show(name: str, data: str | None, suite: str | None, measure: bool, hours: float | None, device: str) -> None:
    """Tell what a suite, a method or a task is.

    A suite: what it would run, how many retrainings that takes and how wide its intervals will be; with --measure,
    how long it takes; with --hours too, how so many hours are best split into pools and seeds. A method: source,
    equation, cost, knobs. A task: data, learner, contributors; with --data, those of your files, and with --suite those
    of a suite. The exit status is 0, or 2 where there is no such thing or a run of the suite would be refused.
    """
    from harness.cli.places import is_suite
    from harness.report.terminal import make_console

    console = make_console()
    if is_suite(name):
        if suite is not None:
            raise UserError(f"--suite is for a task, and {name} is a suite itself; leave it out.")
        from harness.cli.planning import print_plan
        from harness.types import MOST

        if hours is not None and not measure:
            raise UserError(f"--hours {hours:g} is split at the pace of this machine; add --measure, which times it.")
        if hours is not None and not 0 < hours <= MOST:
            raise UserError(f"--hours must be more than 0 and at most {MOST:,}, got {hours:g}.")
        print_plan(console, name, data, device if measure else None, hours)
        return
    if measure or hours is not None:
        raise UserError(f"--{'measure' if measure else 'hours'} is for suites, and {name} is none.")
    from harness.cli.showing import print_one

    print_one(console, name, data, suite)


@dataworth.command()
@click.argument("method", metavar="METHOD|PACKAGE.MODULE:CLASS", shell_complete=completing.method)
def check(method: str) -> None:
    """Hold a method against what every method owes, on tiny tasks of every form.

    One of those that 'dataworth list' tells, or one that nothing registers yet, by where it is: my_package.mine:Mine,
    sought in the working folder too. The exit status is 0 where it keeps to everything, 1 where it does not, 2 where
    there is no such method.
    """
    from harness.cli.checking import check_method
    from harness.report.terminal import make_console

    sys.exit(check_method(make_console(), method))


@dataworth.command("new-method")
@click.argument("name")
@click.option("--package", is_flag=True, help="Write a package that registers it, in a folder of its name.")
def new_method(name: str, package: bool) -> None:
    """Write a method called NAME that works, and its test, into the working folder.

    To be made one's own; it passes 'dataworth check' as it is. Nothing is overwritten. The exit status is 0, or 2 where
    the name is none or taken, or a file is there already.
    """
    from harness.cli.stubs import new_method as write
    from harness.report.terminal import make_console

    write(make_console(), name, package)


for command in (value, describe, study, submit_check, completion):
    dataworth.add_command(command)


def _demand_answers(folder: Path, cells: Sized) -> None:
    """That results hold any answer: a run that was stopped early has none.

    Raises:
        UserError: there is none.
    """
    if not cells:
        raise UserError(f"{folder} holds no answers yet; the command that it came from goes on with it.")


def main() -> None:
    """Entry point: mistakes are told in one line, without a traceback."""
    output.written(_main)


def _main() -> None:
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that knows not every sign shows those that it knows
    try:
        dataworth.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        Console(stderr=True).print("Stopped; nothing is half written. Give the same command again.")
        sys.exit(STOPPED)
    except UserError as error:
        text = "\n".join(map(plain, str(error).split("\n")))  # it may quote files: columns, names, values
        Console(stderr=True).print(f"[red]error:[/red] {escape(text)}", highlight=False, soft_wrap=True)
        sys.exit(2)
