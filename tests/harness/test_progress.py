"""What is told while a run is under way: live on a terminal, in lines of a log, one a minute at least."""

from __future__ import annotations

import io
import re
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console

import harness.running.progress as progress
from harness.config import to_toml
from harness.running.forecast import TRUTHS
from harness.running.leftover_threads import Started
from harness.running.progress import ProgressDisplay, in_words
from tests.harness.commands import call
from tests.harness.small_runs import THIRD_PARTY, runner, tiny_suite

pytestmark = THIRD_PARTY
SUMS = ("sums", TRUTHS)


def display(silence: float = 60.0) -> tuple[ProgressDisplay, io.StringIO]:
    """As a log gets it."""
    out = io.StringIO()
    return ProgressDisplay(Console(file=out, width=1_000), silence), out


def until(out: io.StringIO, pattern: str) -> str:
    """The first line that has it."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        for line in out.getvalue().splitlines():
            if re.search(pattern, line):
                return line
        time.sleep(0.01)
    pytest.fail(f"no line has {pattern!r}: {out.getvalue()}")


def shown(tmp_path: Path, console: Console, silence: float = 60.0, **changes: object) -> str:
    """What a run of two methods on two pools says."""
    run = runner(tmp_path, methods=["size", "mmd"], pools=2, projection={"price_per_gpu_hour": 1e6}, **changes)
    run.progress = ProgressDisplay(console, silence)
    run.run()
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


# --- a log -------------------------------------------------------------------------------------------------


def test_every_stage_has_a_line_with_the_time_left_and_the_money(tmp_path: Path) -> None:
    told = shown(tmp_path, Console(file=io.StringIO(), width=300))
    assert "tiny on cpu: 18 answers to find" in told
    assert re.search(r"tiny, pool 1/2: truth of shapley, \d+ retrainings \(.* s\); about \d+ s left, USD ", told)
    assert re.search(r"0 answers were kept, 18 found\. USD [\d.]+ projected at USD 1e\+06 an hour\.", told)


def test_a_run_that_is_gone_through_again_counts_what_is_kept(tmp_path: Path) -> None:
    shown(tmp_path, Console(file=io.StringIO(), width=300))
    told = shown(tmp_path, Console(file=io.StringIO(), width=300))
    assert "tiny on cpu: 18 answers: 18 stored, 0 to find" in told
    assert "18 answers were kept, 0 found." in told


def test_a_long_stage_says_how_far_it_is_what_is_left_and_what_it_cost() -> None:
    log, out = display(0.05)
    with log.run("mine on cpu", {SUMS: 10}, stored=2, money=lambda: "USD 3.00") as answered:
        for kept in (True, True, False, False):
            answered(SUMS, kept)
        with log.stage("sums, pool 1/2: truth of shapley", 40, SUMS) as advance:
            assert until(out, "0 of 40 retrainings")
            advance(20)
            line = until(out, "20 of 40 retrainings")
    assert "mine on cpu: 4 of 10 answers; sums, pool 1/2: truth of shapley, 20 of 40 retrainings, for" in line
    assert re.search(r"; about \S+ s left; USD 3.00$", line)


def test_a_long_stage_of_a_run_counts_its_answers(tmp_path: Path) -> None:
    told = shown(tmp_path, Console(file=io.StringIO(), width=300), silence=0.001, questions=["shapley"])
    assert re.search(
        r"tiny on cpu: \d of 6 answers; tiny, pool \d/2: truth of shapley, \d+ of 32 retrainings, for", told
    )


def test_nothing_is_said_of_the_time_before_there_is_a_pace() -> None:
    log, out = display(0.05)
    with log.run("mine", {SUMS: 100}), log.stage("dealing"):
        line = until(out, "dealing, for")
    assert line.endswith("mine: 0 of 100 answers; dealing, for 0 s; too early to say how long")


def test_a_stage_outside_of_a_run_tells_what_is_left_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    log, out = display()
    with log.shown(), log.stage("valuing", 8) as advance:
        now[0] = 30.0
        assert log._below() == "0:00:30"
        assert log._so_far().endswith("; too early to say how long")
        advance(2)
        assert log._below() == "0:00:30, about 2 min of this step left"
        assert log._so_far() == "valuing, 2 of 8 retrainings, for 30 s; about 2 min of this step left"
    assert "left" not in out.getvalue()


def test_a_log_that_speaks_for_itself_gets_no_lines_between() -> None:
    log, out = display(1.0)
    with log.run("mine", {SUMS: 4}) as answered:
        for k in range(40):
            with log.stage(f"stage {k}"):
                time.sleep(0.03)
        answered(SUMS, False)
    assert "answers;" not in out.getvalue()


def test_the_thread_that_speaks_ends_with_the_run_and_is_no_methods() -> None:
    before = threading.active_count()
    log, _ = display(0.05)
    with log.run("mine", {SUMS: 1}):
        assert threading.active_count() == before + 1
        assert Started().left() == []
    assert threading.active_count() == before


# --- a terminal, and who wants to hear nothing -------------------------------------------------------------


@pytest.mark.parametrize("width", [60, 100])
def test_on_a_terminal_there_are_bars_for_the_task_and_the_method(
    tmp_path: Path, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    console = Console(file=io.StringIO(), force_terminal=True, width=width, legacy_windows=False)
    told = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown(tmp_path, console))
    assert max(len(line) for part in told.splitlines() for line in part.split("\r")) <= width
    for part in ("tiny on cpu", "18/18 answers" if width == 100 else "18", "  size", "  mmd", "left", "USD "):
        assert part in told


def test_a_terminal_gets_no_thread_that_speaks() -> None:
    before = {thread.name for thread in threading.enumerate()}
    with ProgressDisplay(Console(file=io.StringIO(), force_terminal=True), 0.01).run("mine", {SUMS: 1}):
        assert "progress" not in {thread.name for thread in threading.enumerate()} - before


def test_quiet_prints_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("harness.cli.running.FEATURES", ())
    Path("asked.toml").write_text(to_toml(tiny_suite(["tiny-image-label"], ["size"], questions=("standalone",))))
    said = call("run", "--suite", "asked.toml", "--out", "out", "--quiet")
    assert (said.status, said.out) == (0, "")
    assert call("report", "--out", "out", "-q").out == ""


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (61, "61 s"), (95, "2 min"), (3_600, "1 h 0 min"), (9_000, "2 h 30 min")]
)
def test_a_stretch_of_time_is_said_as_people_do(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
