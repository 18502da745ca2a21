"""A run that is killed again and again ends where an undisturbed one ends, and trains nothing twice that was kept."""

from __future__ import annotations

import csv
import os
import re
import shutil
import signal
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from harness.records.results import load
from tests.processes import dataworth, import_first, start

SUITE = """
tasks = ["image-classification"]
methods = ["size", "mmd", "tracin", "data-shapley"]
questions = ["standalone", "shapley"]
pools = 1
seeds = 2
"""
MEASURED = {"seconds", "core_hours", "gpu_hours", "peak_memory_mb", "load"}
"""Columns that another run measures anew; all others, operations included, must be the same."""

Rows = dict[tuple[str, str, int], float]
"""When each (context, coalition, seed) of a ledger was finished."""


def started(folder: Path, log: Path) -> ForkServerProcess:
    """``dataworth run`` into a folder, its output in a file."""
    return start(log, dataworth, "run", "--suite", str(folder.parent / "suite.toml"), "--out", str(folder))


def wait_for(condition: Callable[[], bool], process: ForkServerProcess, log: Path) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert process.is_alive(), f"ended before it could be stopped:\n{log.read_text()}"
        assert time.monotonic() < deadline, f"took too long:\n{log.read_text()}"
        time.sleep(0.01)


def kept(folder: Path, name: str) -> Rows:
    """What a ledger holds, read from a copy so that the file stays as the dead process left it."""
    copy = folder.parent / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder / "ledger", copy)
    db = sqlite3.connect(copy / f"{name}.sqlite")
    found = db.execute("select context, coalition, seed, finished_at from outcomes").fetchall()
    db.close()
    return {row[:3]: row[3] for row in found}


def ended(process: ForkServerProcess) -> int | None:
    """How it ended: its status, or less than zero by a signal."""
    process.join(300)
    return process.exitcode


@dataclass
class Told:
    """One process of a run: what it printed, how it ended, what the ledgers held afterwards."""

    text: str
    status: int | None
    truth: Rows
    methods: Rows

    def retrainings(self, stage: str) -> int | None:
        """How many retrainings a finished stage says it took; None where it was not finished."""
        found = re.search(rf": {stage}(?:, (\d+) retrainings)? \(", self.text)
        return None if found is None else int(found[1] or 0)


@dataclass
class Story:
    """The processes of one run, in order, and where it ended."""

    folder: Path
    processes: list[Told] = field(default_factory=list)

    def go(self, after: str = "", growing: str = "", with_signal: int = 0) -> None:
        """Start or go on; stop when the line ``after`` was printed and the ledger ``growing`` has grown since."""
        log = self.folder.parent / f"{self.folder.name}-{len(self.processes)}.log"
        process = started(self.folder, log)
        try:
            if with_signal:
                wait_for(lambda: after in log.read_text(), process, log)
                ahead = self.folder / "ledger" / f"{growing}.sqlite-wal"
                size = ahead.stat().st_size
                wait_for(lambda: ahead.stat().st_size > size, process, log)
                os.kill(process.pid, with_signal)
            status = ended(process)
        finally:
            process.kill()
        self.processes.append(Told(log.read_text(), status, kept(self.folder, "truth"), kept(self.folder, "methods")))


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> tuple[Story, Story]:
    """An undisturbed run, and beside it one that is killed three times and interrupted once."""
    place = tmp_path_factory.mktemp("durability")
    import_first("methods.semivalues.pydvl_game", "torch._decomp.decompositions_for_jvp", "torch._dynamo")
    (place / "suite.toml").write_text(SUITE)
    log = place / "calm.log"
    process = started(place / "calm", log)
    try:
        killed = Story(place / "killed")
        killed.go("dealing (", "truth", signal.SIGKILL)  # the first batch of the first truth is kept
        killed.go("truth of standalone", "truth", signal.SIGKILL)  # as is one of the second
        killed.go(": mmd (", "methods", signal.SIGINT)  # inside a method that trains model by model
        killed.go(": tracin (", "methods", signal.SIGKILL)  # inside a method that trains in batches
        killed.go()
        status = ended(process)
    finally:
        process.kill()
    calm = Story(place / "calm")
    calm.processes.append(Told(log.read_text(), status, kept(calm.folder, "truth"), kept(calm.folder, "methods")))
    return calm, killed


def test_every_process_ended_as_it_was_made_to(stories: tuple[Story, Story]) -> None:
    calm, killed = stories
    assert [told.status for told in calm.processes] == [0], calm.processes[0].text
    expected = [-signal.SIGKILL, -signal.SIGKILL, 130, -signal.SIGKILL, 0]
    assert [told.status for told in killed.processes] == expected, killed.processes[-1].text


def test_the_leaderboard_is_that_of_an_undisturbed_run(stories: tuple[Story, Story]) -> None:
    boards = []
    for story in stories:
        with (story.folder / "leaderboard.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        boards.append([{name: value for name, value in row.items() if name not in MEASURED} for row in rows])
    assert len(boards[0]) == 10
    assert boards[1] == boards[0]


def test_nothing_that_was_kept_is_lost_or_trained_again(stories: tuple[Story, Story]) -> None:
    for name in ("truth", "methods"):
        held: list[Rows] = [getattr(told, name) for told in stories[1].processes]
        for before, after in pairwise(held):
            assert {job: after.get(job) for job in before} == before  # there still, finished when it was
        (undisturbed,) = [getattr(told, name) for told in stories[0].processes]
        assert set(held[-1]) == set(undisturbed)


def test_each_process_trained_what_the_ledger_did_not_hold_and_no_more(stories: tuple[Story, Story]) -> None:
    first, second, third, fourth, last = stories[1].processes
    whole = stories[0].processes[0]
    assert len(first.truth) > 0
    standalone, shapley = (whole.retrainings(f"truth of {question}") for question in ("standalone", "shapley"))
    assert standalone == 50  # 2 seeds of nobody and 24 contributors
    assert second.retrainings("truth of standalone") == standalone - len(first.truth)
    assert third.retrainings("truth of shapley") == standalone + shapley - len(second.truth)
    assert last.retrainings("truth of standalone") == last.retrainings("truth of shapley") == 0
    assert len(fourth.methods) > len(third.methods)
    assert last.retrainings("data-shapley") == len(last.methods) - len(fourth.methods)
    assert last.retrainings("data-shapley") < whole.retrainings("data-shapley")


def test_an_interrupted_run_tells_how_to_go_on(stories: tuple[Story, Story]) -> None:
    folder = stories[1].folder
    told = stories[1].processes[2].text
    again = f"To go on: dataworth run --suite {folder.parent / 'suite.toml'} --out {folder}\n"
    assert f"Stopped. Everything finished is kept in {folder}." in told
    assert again in told
    assert "Traceback" not in told


def test_results_of_a_finished_run_are_whole_and_name_where_they_came_from(stories: tuple[Story, Story]) -> None:
    for story in stories:
        results = load(story.folder / "results")
        assert {key[2] for key in results.truths} == {"standalone", "shapley"}
        assert len(results.valuations) == 8
        named = {record.run for record in results.valuations.values()} | {r.run for r in results.truths.values()}
        assert named <= set(results.runs)
        assert not list(story.folder.rglob("*.part"))
    assert len({record.run for record in load(stories[1].folder / "results").valuations.values()}) > 1
