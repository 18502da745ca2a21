"""The command line as people and programs meet it: widths, colours, JSON, exit statuses, stops, completion."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from rich.console import Console
from rich.table import Table

from harness.cli import dataworth
from harness.config import load_suite, to_toml
from harness.records.results import load
from harness.report import terminal
from harness.report.as_json import to_json
from harness.report.leaderboard import leaderboard
from harness.report.leaderboard_csv import COLUMNS, COSTS, OVERALL_HEADER, overall_to_csv, to_csv
from harness.report.terminal import WIDE, make_console, print_frontier, print_leaderboard, width_of
from harness.report.view import View
from methods import METHODS
from tests.command import Command
from tests.harness.commands import call
from tests.harness.page_results import results_of, suite_of
from tests.harness.small_runs import THIRD_PARTY, tiny_suite

pytestmark = THIRD_PARTY
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def view() -> View:
    """Of methods with names that could mean more than themselves."""
    suite = suite_of()
    return leaderboard(suite, results_of(suite))


@pytest.fixture(scope="module")
def published() -> View:
    folder = ROOT / "leaderboards/embedded-quick"
    return leaderboard(load_suite(folder / "suite.toml"), load(folder / "results"))


def commands() -> Iterator[tuple[str, click.Command]]:
    yield from dataworth.commands.items()


# --- tables ------------------------------------------------------------------------------------------------


def test_a_table_is_as_wide_as_rich_measures_it(published: View, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed is cut into tables by their widths, which are counted here and measured there."""
    found: list[tuple[int, int]] = []

    def both(console: Console, table: Table) -> int:
        wide = console.measure(table, options=console.options.update(width=10_000)).maximum
        found.append((width_of(console, table), wide))
        return wide

    monkeypatch.setattr(terminal, "width_of", both)
    print_leaderboard(Console(file=io.StringIO(), width=60), published)
    assert len(found) > 10
    assert [own for own, _ in found] == [measured for _, measured in found]


@pytest.mark.parametrize("width", [60, WIDE])
def test_tables_are_whole_at_60_columns_and_fit_100(published: View, width: int) -> None:
    shown = io.StringIO()
    console = Console(file=shown, width=width)
    print_leaderboard(console, published)
    print_frontier(console, published, "seconds", published.tasks)
    lines = shown.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in shown.getvalue()
    text = "".join(line.strip() for line in lines)
    for cell in published.cells:
        if not cell.is_truth and cell.spearman == cell.spearman:
            assert f"{cell.spearman:.2f} [{cell.low:.2f}, {cell.high:.2f}]" in text
    assert sum("method" in line for line in lines) >= (5 if width == WIDE else 12)


def test_a_name_that_is_wider_than_a_terminal_is_broken_and_not_cut(view: View) -> None:
    shown = io.StringIO()
    print_leaderboard(Console(file=shown, width=30), view)
    assert "…" not in shown.getvalue()
    assert max(map(len, shown.getvalue().splitlines())) <= 30


def test_a_log_has_100_columns_or_as_many_as_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert make_console().width == WIDE == 100
    monkeypatch.setenv("COLUMNS", "60")
    assert make_console().width == 60


def test_no_color_leaves_colours_out(view: View, monkeypatch: pytest.MonkeyPatch) -> None:
    def colours() -> list[str]:
        shown = io.StringIO()
        print_leaderboard(Console(file=shown, force_terminal=True, width=100, color_system="standard"), view)
        return re.findall(r"\x1b\[[\d;]*\b(?:3\d|9\d)m", shown.getvalue())

    monkeypatch.delenv("NO_COLOR", raising=False)
    assert colours()
    monkeypatch.setenv("NO_COLOR", "1")
    assert colours() == []


# --- JSON --------------------------------------------------------------------------------------------------


def test_json_has_every_row_and_number_of_the_tables(view: View) -> None:
    found = json.loads(to_json(view))
    for name, text, columns in (
        ("rows", to_csv(view.cells), [*COLUMNS, *COSTS]),
        ("overall", overall_to_csv(view), OVERALL_HEADER.split(",")),
    ):
        lines = list(csv.DictReader(io.StringIO(text)))
        assert len(found[name]) == len(lines) > 0
        for row, line in zip(found[name], lines, strict=True):
            assert list(row) == columns
            for column in columns:
                if isinstance(row[column], float):
                    assert row[column] == pytest.approx(float(line[column]), rel=1e-5, abs=1e-9)
                else:
                    assert ("" if row[column] is None else str(row[column])) == line[column]
    assert len(found["verdicts"]) == len(view.verdicts)
    for told, one in zip(found["verdicts"], view.verdicts, strict=True):
        fronts = {front["cost"]: [step["method"] for step in front["steps"]] for front in told["fronts"]}
        assert fronts == {front.cost: [step.method for step in front.steps] for front in one.fronts}
    assert found["runs"]


def test_a_run_and_a_report_print_one_document_and_all_else_elsewhere(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.cli.running.FEATURES", ())
    suite = tmp_path / "asked.toml"
    suite.write_text(to_toml(tiny_suite(["tiny-image-label"], ["size", "nowhere-to-be-found"][:1])))
    said = command("run", "--suite", suite, "--out", "out", "--json")
    assert said.status == 0
    assert {row["method"] for row in json.loads(said.out)["rows"]} == {"size", "retraining (truth)"}
    assert "truth of standalone" in said.err
    assert "Written to out" in said.err
    again = command("report", "--out", "out", "--json", "--quiet")
    assert json.loads(again.out) == json.loads(said.out)
    assert again.err == ""


def test_quiet_still_says_what_went_wrong(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.types import Entry

    monkeypatch.setattr("harness.cli.running.FEATURES", ())
    monkeypatch.setattr("methods.METHODS", {**METHODS, "breaks": Entry("tests.harness.test_flow:Breaks", "")})
    suite = tmp_path / "asked.toml"
    suite.write_text(to_toml(tiny_suite(["tiny-image-label"], ["breaks"], questions=("standalone",))))
    said = command("run", "--suite", suite, "--out", "out", "--quiet")
    assert (said.status, said.out) == (1, "")
    assert "1 answers failed" in said.err


# --- exit statuses, and stops ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", dict(commands()))
def test_help_tells_the_exit_statuses_of_every_command(name: str) -> None:
    said = " ".join(call(name, "--help").out.split())
    assert "exit status" in said
    assert " 0" in said.partition("exit status")[2]


def test_help_tells_what_they_mean_everywhere() -> None:
    said = " ".join(call("--help").out.split())
    for part in ("0 where it did what was asked", "1 where", "2 for a mistake", "130 when it was stopped", "NO_COLOR"):
        assert part in said


def test_a_study_that_is_stopped_says_how_to_go_on(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("harness.cli.studies.find_study", lambda name: stop)
    said = command("study", "lds", "--tasks", "sentiment", "--out", "a folder")
    assert said.status == 130
    assert "Stopped. What was trained and answered is kept in a folder." in said.out
    assert "To go on: dataworth study lds --tasks sentiment --out 'a folder'" in said.out


def test_whatever_else_is_stopped_says_so(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("harness.cli.showing.print_list", stop)
    said = command("list")
    assert said.status == 130
    assert "Stopped; nothing is half written." in said.err


# --- output that nobody can take ---------------------------------------------------------------------------


def shell(line: str) -> subprocess.CompletedProcess[str]:
    program = f'{sys.executable} -c "from harness.cli import main; main()"'
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        line.replace("dataworth", program), shell=True, capture_output=True, text=True, cwd=ROOT, env=environment
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("words", ["list", "report --suite embedded-quick", "report --suite embedded-quick --json"])
def test_output_that_cannot_be_written_is_told_in_a_sentence(words: str) -> None:
    done = shell(f"dataworth {words} > /dev/full")
    assert done.returncode == 1
    assert done.stderr == "error: The output cannot be written: No space left on device.\n"


def test_a_reader_that_has_read_enough_needs_no_word() -> None:
    done = shell("dataworth report --suite embedded-quick | head -n 1")
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1


# --- completion --------------------------------------------------------------------------------------------


def completed(words: str) -> list[str]:
    """What a shell offers for the last of these words."""
    typed = words.split(" ")
    asked = {"_DATAWORTH_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(typed) - 1)}
    program = "import sys; sys.argv = ['dataworth']; from harness.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **asked, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("dataworth sub", ["submit-check"]),
        ("dataworth --sui", ["--suite"]),
        ("dataworth run --que", ["--questions"]),
        ("dataworth run --suite embedded-", ["embedded-quick"]),
        ("dataworth run --methods size,kair", ["size,kairos", "size,kairos:trained"]),
        ("dataworth run --questions standalone,", ["standalone,leave-one-out", "standalone,shapley"]),
        ("dataworth show sentim", ["sentiment"]),
        ("dataworth show sentiment --suite embedded-", ["embedded-quick"]),
        ("dataworth describe mine.csv --task sentim", ["sentiment"]),
        ("dataworth completion f", ["fish"]),
    ],
)
def test_a_shell_is_offered_commands_options_and_names(words: str, offered: list[str]) -> None:
    assert completed(words) == offered


def test_completion_needs_nothing_heavy_for_commands() -> None:
    assert "run" in completed("dataworth ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shells_script_asks_the_program(shell: str) -> None:
    said = call("completion", shell)
    assert said.status == 0
    assert f"_DATAWORTH_COMPLETE={shell}_complete" in said.out


def test_bash_completes_with_the_script(tmp_path: Path) -> None:
    """The script as a person has it in .bashrc, in the shell itself."""
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash here")
    program = tmp_path / "dataworth"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT)!r})\nsys.argv[0] = 'dataworth'\n"
        "from harness.cli import main\nmain()\n"
    )
    program.chmod(0o755)
    script = (
        f'PATH="{tmp_path}:$PATH"; cd "{ROOT}"; source <(dataworth completion bash)\n'
        'COMP_WORDS=(dataworth show embedded-); COMP_CWORD=2; _dataworth_completion dataworth; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run([bash, "--norc", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["embedded-quick"]
    for other in ("zsh", "fish"):
        if found := shutil.which(other):
            subprocess.run([found, "-n"], input=call("completion", other).out, text=True, check=True)
