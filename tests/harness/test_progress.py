"""What a log says while a run takes long: how far it is, what is at hand, and the time that is left."""

from __future__ import annotations

import io
import re
import threading
import time

import pytest
from rich.console import Console

from harness.running.progress import ProgressDisplay, _Stage, _Whole, in_words
from harness.running.threads import Started


def display(silence: float) -> tuple[ProgressDisplay, io.StringIO]:
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


def test_a_long_stage_says_how_far_it_is_and_what_is_left() -> None:
    progress, out = display(0.05)
    with progress.run("mine on cpu", 10, stored=2) as answered:
        for _ in range(4):  # two were stored, two found
            answered()
        with progress.stage("sums, pool 1/2: truth of shapley", 40) as advance:
            assert until(out, "too early|left")
            advance(20)
            line = until(out, "20 of 40 retrainings")
    assert "mine on cpu: 4 of 10 answers; sums, pool 1/2: truth of shapley, 20 of 40 retrainings, for" in line
    assert re.search(r"about \S+ s left at this pace$", line)


def test_time_left_is_what_the_pace_so_far_says() -> None:
    """After 100 s a quarter of what is to be found is there, three answers and the one at hand: 300 s are left."""
    assert _Whole("mine", 18, 2, started=0.0, done=5).left(1.0, now=100.0) == "about 5 min left at this pace"
    assert _Stage("a stage", 80, started=20.0, done=20).left(now=40.0) == "about 60 s left at this pace"
    assert _Whole("mine", 18, 18, started=0.0, done=5).left(0.0, now=9.0) == "too early to say how long"


def test_nothing_is_said_of_the_time_before_there_is_a_pace() -> None:
    progress, out = display(0.05)
    with progress.run("mine", 100), progress.stage("dealing"):
        line = until(out, "dealing, for")
    assert line.endswith("too early to say how long")


def test_a_log_that_speaks_for_itself_gets_no_lines_between() -> None:
    progress, out = display(0.3)
    with progress.run("mine", 4) as answered:
        for k in range(40):
            with progress.stage(f"stage {k}"):
                time.sleep(0.01)
        answered()
    assert "answers;" not in out.getvalue()


def test_the_thread_that_speaks_ends_with_the_run_and_is_no_methods() -> None:
    before = threading.active_count()
    progress, _ = display(0.05)
    with progress.run("mine", 1):
        assert threading.active_count() == before + 1
        assert Started().left() == []
    assert threading.active_count() == before


def test_a_terminal_gets_bars_and_no_thread() -> None:
    out = io.StringIO()
    before = {thread.name for thread in threading.enumerate()}
    with ProgressDisplay(Console(file=out, force_terminal=True), 0.01).run("mine", 1):
        assert "progress" not in {thread.name for thread in threading.enumerate()} - before


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (61, "61 s"), (95, "2 min"), (3_600, "1 h 0 min"), (9_000, "2 h 30 min")]
)
def test_a_stretch_of_time_is_said_as_people_do(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
