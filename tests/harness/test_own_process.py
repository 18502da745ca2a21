"""Methods in processes of their own: the same values at the same cost, limits that hold, and nobody else is touched."""

from __future__ import annotations

import _thread
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from harness import registry
from harness.cli.running import Request
from harness.config import TaskSettings
from harness.errors import UserError
from harness.records.results import Results, ValuationRecord, load
from harness.registry import Known, method, methods_named
from harness.running import own_process
from harness.running.descendants import descendants, end_descendants
from harness.running.own_process import HeldMemory, Limits
from harness.types import QUESTIONS, Additive, Entry, Floats, Method, Problem, Question, Task
from tests.command import Command
from tests.harness import misbehaving
from tests.harness.misbehaving import Answers, Misbehaving
from tests.harness.small_runs import THIRD_PARTY, runner
from tests.tiny import tiny_task

pytestmark = THIRD_PARTY
TASK = registry.task("tiny-image-label", "embedded", TaskSettings(), None)
VICTIMS = ("tracin", "mmd", "data-shapley")
COUNTED = ("flops", "retrainings", "gradient_passes", "forward_passes", "bytes_moved", "launches")
"""What of a cost does not depend on the clock."""

FIRST_STEP = ("bytes_moved", "launches")
"""Of trainings these are those of the first step times the steps: what torch does once, such as to fill a cache, and in
the one process and not in the other, is counted as often (seen: one launch of 81)."""


def run(
    folder: Path,
    methods: Mapping[str, Method],
    limits: Limits | None,
    questions: Sequence[Question] = ("standalone",),
    tasks: Sequence[Task] = (TASK,),
    **changes: object,
) -> Results:
    asked = runner(folder, methods=methods, tasks=tasks, questions=questions, **changes)  # type: ignore[arg-type]
    asked.limits = limits
    return asked.run()


def valuations(results: Results, question: str = "standalone", task: str = TASK.name) -> dict[str, ValuationRecord]:
    return {key[3]: r for key, r in results.valuations.items() if key[:3] == (task, 0, question)}


def same(here: Results, there: Results) -> None:
    """All values and reasons, and what of costs no clock tells."""
    for key, record in here.valuations.items():
        theirs = there.valuations[key]
        assert (theirs.status, theirs.reason, theirs.values) == (record.status, record.reason, record.values), key
        for name in COUNTED:
            off = 0.02 if name in FIRST_STEP else 1e-12
            assert getattr(theirs.cost, name) == pytest.approx(getattr(record.cost, name), rel=off, abs=0), (key, name)
        assert (theirs.cost.seconds > 0) == (theirs.status == "ok")


# --- the same answers -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Results, Results]:
    """One run in this process, one in which each method has its own."""
    found = []
    for limits in (None, Limits(seconds=300.0)):
        found.append(run(tmp_path_factory.mktemp("run"), methods_named(["tracin:runs=1", *VICTIMS]), limits, QUESTIONS))
    return found[0], found[1]


def test_values_and_counted_costs_are_the_same_to_the_bit(both: tuple[Results, Results]) -> None:
    same(*both)


def test_operations_are_counted_on_the_same_pools_as_without(tmp_path: Path) -> None:
    found = run(tmp_path, methods_named(["size"]), Limits(), pools=2)
    flops = [record.cost.flops for _, record in sorted(found.valuations.items())]
    assert [math.isnan(number) for number in flops] == [False, True]


def test_a_run_s_provenance_tells_its_limits(both: tuple[Results, Results]) -> None:
    here, there = (next(iter(results.runs.values())).provenance for results in both)
    assert "isolated" not in here
    assert there["isolated"] == {"seconds": 300.0, "memory_mb": None}


# --- limits and other misbehaviour ----------------------------------------------------------------------

GONE = registry._made("gone", Known(Entry("tests.no_such_module:Gone", "")))
BAD: dict[str, tuple[Method, str]] = {
    "ends_at_once": (
        Misbehaving(misbehaving.ends_at_once),
        "its process ended with status 3, without an answer; a method returns its values",
    ),
    "crashes": (Misbehaving(misbehaving.crashes), "its process was ended by SIGSEGV, without an answer"),
    "raises": (Misbehaving(misbehaving.raises), "RuntimeError: out of luck"),
    "exits": (Misbehaving(misbehaving.exits), "asked to end the whole process (SystemExit: bye)"),
    "patches": (Misbehaving(misbehaving.patches), "changed harness.types.Additive.unsuitable; restore it before"),
    "gone": (GONE, "The method gone (tests.no_such_module:Gone) does not load: ModuleNotFoundError"),
    "shape": (Answers(short_by=2), "expected values of shape repeats x 27 examples, got (1, 25)."),
    "nan": (Answers(defined=False), "expected one finite value per contributor"),
    "none": (Answers(repeats=0), "it gave no repeats; one or more were expected, each a value for everyone."),
    "stops": (Misbehaving(misbehaving.stops), "KeyboardInterrupt: no message"),
    "leaves_a_daemon": (Misbehaving(misbehaving.leaves_a_daemon), "its process ended with status 3, without an answer"),
    "closes_all": (Misbehaving(misbehaving.closes_all), "it closed the pipe by which its process answers; a method"),
    "closes_output": (Misbehaving(misbehaving.closes_output), "changed the files of standard input, output or error"),
}
TIMED = ("sleeps", "ignores_signals", "sleeps_beside_a_daemon", "stops_its_guard")
HELD = ("hoards", "lets_a_child_hoard", "lets_a_daemon_hoard")


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """The victims alone, in this process."""
    return run(tmp_path_factory.mktemp("calm"), methods_named(VICTIMS), None)


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Everybody who misbehaves before each of the victims."""
    bad = {name: one for name, (one, _) in BAD.items()}
    return run(tmp_path_factory.mktemp("troubled"), {**bad, **methods_named(VICTIMS)}, Limits())


@pytest.mark.parametrize("name", BAD)
def test_a_method_that_misbehaves_is_a_row_that_says_so(troubled: Results, name: str) -> None:
    record = valuations(troubled)[name]
    assert (record.status, record.values) == ("failed", ())
    assert BAD[name][1] in record.reason


def test_nobody_else_s_answer_and_no_truth_is_touched(troubled: Results, calm: Results) -> None:
    untouched(troubled, calm)


HERE_TOO = ("raises", "exits", "patches", "gone", "shape", "nan", "none", "stops", "closes_output")
"""What needs no process of its own to be a row."""


def test_in_this_process_nobody_else_is_touched_either(tmp_path: Path, calm: Results) -> None:
    bad = {name: BAD[name][0] for name in HERE_TOO}
    found = run(tmp_path, {**bad, **methods_named(VICTIMS)}, None)
    for name in HERE_TOO:
        assert valuations(found)[name].status == "failed"
        assert BAD[name][1] in valuations(found)[name].reason
    untouched(found, calm)


def untouched(one: Results, calm: Results, victims: Sequence[str] = VICTIMS) -> None:
    assert {key: r.values for key, r in one.truths.items()} == {key: r.values for key, r in calm.truths.items()}
    for name in victims:
        found = valuations(one)[name]
        assert (found.status, found.values) == ("ok", valuations(calm)[name].values)


def test_after_a_method_that_leaves_a_thread_others_work_in_processes_of_their_own(
    tmp_path: Path, calm: Results
) -> None:
    """The thread changes what all of this process use, over and over."""
    done = threading.Event()

    def meddles() -> None:
        while not done.wait(0.001):
            os.environ["LATE"] = str(time.monotonic())

    def leaves(problem: Problem) -> None:
        threading.Thread(target=meddles, name="late").start()

    def leaves_a_raw_one(problem: Problem) -> None:
        _thread.start_new_thread(done.wait, ())

    def ends_in_time(problem: Problem) -> None:
        threading.Thread(target=time.sleep, args=(0.2,)).start()

    in_time: dict[str, Method] = {"in time": Misbehaving(ends_in_time)}
    late: dict[str, Method] = {"raw": Misbehaving(leaves_a_raw_one), "late": Misbehaving(leaves)}
    try:
        found = run(tmp_path, {**in_time, **late, **methods_named(VICTIMS)}, None)
    finally:
        done.set()
        os.environ.pop("LATE", None)
    untouched(found, calm)
    assert valuations(found)["in time"].status == "ok"
    assert "the process's threads (one without a name still running); join what you" in valuations(found)["raw"].reason
    assert "cannot be sent to a process of its own" in valuations(found)["late"].reason  # for the raw one runs on


def test_a_method_that_takes_too_long_is_stopped_and_the_run_goes_on(tmp_path: Path, calm: Results) -> None:
    bad: dict[str, Method] = {name: Misbehaving(getattr(misbehaving, name)) for name in TIMED}
    results = run(tmp_path, {**bad, "mmd": method("mmd")}, Limits(seconds=1.0))
    untouched(results, calm, ["mmd"])
    found = valuations(results)
    for name in TIMED:
        assert (found[name].status, found[name].values) == ("failed", ())
        told = "took longer than the 1 seconds that --method-timeout gives it, and was stopped; give it more, or leave"
        assert told in found[name].reason
    assert left_behind() == []


@pytest.mark.parametrize("name", HELD)
def test_a_method_that_holds_too_much_is_stopped_with_its_children(tmp_path: Path, calm: Results, name: str) -> None:
    bad = Misbehaving(getattr(misbehaving, name))
    started = time.monotonic()
    results = run(tmp_path, {name: bad, **methods_named(VICTIMS)}, Limits(memory_mb=300.0))
    untouched(results, calm)
    record = valuations(results)
    assert time.monotonic() - started < 60
    assert record[name].status == "failed"
    assert "beyond the 300 MB that --memory allows it, and was stopped; allow it more" in record[name].reason
    assert left_behind() == []


def test_what_a_stopped_method_retrained_is_kept_for_when_it_is_given_longer(tmp_path: Path) -> None:
    bad = {"bad": Misbehaving(misbehaving.spins_after_retraining)}
    run(tmp_path, bad, Limits(seconds=1.0))
    from harness.retraining.ledger import Ledger

    ledger = Ledger(tmp_path / "ledger" / "methods.sqlite")
    (context,) = {row[0] for row in ledger._db.execute("select context from outcomes")}
    assert len(ledger.outcomes(context)) == 4
    ledger.close()


def test_no_process_is_left(troubled: Results) -> None:
    """Nor any that a method has started, in whatever session."""
    assert left_behind() == []


def left_behind() -> list[int]:
    """Processes of these tests, wherever they are; dying ones may take a moment."""
    end = time.monotonic() + 2
    while (found := [p for p in map(int, filter(str.isdigit, os.listdir("/proc"))) if MARK in _command(p)]) and (
        time.monotonic() < end
    ):
        time.sleep(0.05)
    return found


MARK = "time.sleep(600)"


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


# --- what a process is told -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Looks(Additive):
    """Answers whether anything of a run's files or of the test split can be found from its process."""

    def example_values(self, problem: Problem) -> Floats:
        import gc

        from harness.retraining.ledger import Ledger
        from harness.types import Contributor, Examples, Pool

        held = [item for item in gc.get_objects() if isinstance(item, Pool | Contributor)]
        links = [Path("/proc/self/fd") / fd for fd in os.listdir("/proc/self/fd")]
        files = [os.readlink(link) for link in links if link.is_symlink()]
        ledgers = [item.path.name for item in gc.get_objects() if isinstance(item, Ledger)]
        splits = {len(item) for item in gc.get_objects() if isinstance(item, Examples)}
        if held or ledgers != [":memory:"] or [file for file in files if file.endswith(("sqlite", "jsonl"))]:
            raise RuntimeError(f"found {held}, {ledgers}, {files}")
        if splits - {len(problem.train), len(problem.validation)}:
            raise RuntimeError(f"found examples of other sizes: {splits}")
        return np.ones((1, len(problem.train)))


def test_neither_test_split_nor_truth_nor_files_are_in_a_method_s_process(tmp_path: Path) -> None:
    record = valuations(run(tmp_path, {"looks": Looks()}, Limits()))["looks"]
    assert record.status == "ok", record.reason


@dataclass(frozen=True)
class Unsuited(Additive):
    """Answers nothing."""

    parent: int

    def unsuitable(self, problem: Problem) -> str | None:
        return f"not in another process: {os.getpid() == self.parent}"

    def example_values(self, problem: Problem) -> Floats:
        raise NotImplementedError


def test_a_method_that_does_not_suit_says_why(tmp_path: Path) -> None:
    record = valuations(run(tmp_path, {"unsuited": Unsuited(os.getpid())}, Limits()))["unsuited"]
    assert (record.status, record.reason) == ("unsuitable", "not in another process: False")


def test_what_cannot_be_sent_is_a_row(tmp_path: Path) -> None:
    bad = Misbehaving(lambda problem: None)
    found = valuations(run(tmp_path, {"bad": bad, "size": method("size")}, Limits()))
    assert "cannot be sent to a process of its own" in found["bad"].reason
    assert "run without --isolated" in found["bad"].reason
    assert found["size"].status == "ok"


def test_a_task_that_only_this_process_has_is_rows_that_say_so(tmp_path: Path) -> None:
    found = valuations(run(tmp_path, {"size": method("size")}, Limits(), tasks=[tiny_task()]), task="tiny")
    assert "tiny cannot be made in a process of its own" in found["size"].reason


def test_another_learner_there_is_refused(tmp_path: Path) -> None:
    """The process makes the task by its reference; what it comes to is held against what this one has."""
    assert TASK.reference is not None
    wrong = replace(TASK, reference=replace(TASK.reference, settings={"steps": 3}))
    found = valuations(run(tmp_path, {"size": method("size")}, Limits(), tasks=[wrong]))
    assert "is another one in a process of its own: its digest is" in found["size"].reason


# --- memory ---------------------------------------------------------------------------------------------


def test_memory_is_what_came_on_top_since_the_start() -> None:
    nobody = 2**22 + 1
    before = HeldMemory(os.getpid(), nobody)
    assert abs(before.mb()) < 30
    held = np.ones(10_000_000)
    assert 60 < before.mb() < 140
    assert held[0] == 1
    assert os.getpid() not in descendants(os.getpid())
    assert HeldMemory(nobody, nobody).mb() == 0


@pytest.fixture
def two_sleepers() -> Iterator[tuple[int, int]]:
    """A process and one that it started, which has left its session."""
    program = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], "
    program += "start_new_session=True); print(flush=True); time.sleep(60)"
    started = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, start_new_session=True)
    assert started.stdout is not None
    started.stdout.readline()
    (inner,) = descendants(started.pid)
    yield started.pid, inner
    with suppress(ProcessLookupError):
        os.kill(inner, signal.SIGKILL)
    started.kill()
    started.wait()
    started.stdout.close()
    assert started.pid not in descendants(os.getpid())  # a zombie is nobody


def test_descendants_are_children_and_theirs_in_any_session(two_sleepers: tuple[int, int]) -> None:
    outer, inner = two_sleepers
    assert {outer, inner} <= set(descendants(os.getpid()))
    assert os.getsid(inner) == inner


def test_what_does_not_die_is_left_after_a_while_and_killed_no_more_often_than_it_is_looked_at(
    two_sleepers: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    outer, inner = two_sleepers
    killed = list[int]()

    def may_not(pid: int, number: int) -> None:
        killed.append(pid)
        raise PermissionError

    began = time.monotonic()
    with monkeypatch.context() as patched:
        patched.setattr(os, "kill", may_not)
        end_descendants(outer, patience=0.2)
    assert 0.2 <= time.monotonic() - began < 2
    assert descendants(outer) == [inner]
    assert set(killed) == {inner}
    assert 2 <= len(killed) <= 22  # with pauses of a hundredth of a second
    end_descendants(outer)
    assert descendants(outer) == []


# --- the command line -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--method-timeout", 0], "--method-timeout must be more than 0, got 0"),
        (["--memory", -5], "--memory must be more than 0, got -5"),
        (["--memory", "nan"], "--memory must be more than 0, got nan"),
        (["--method-timeout", "soon"], "'soon' is not a valid float"),
    ],
)
def test_limits_that_are_none(command: Command, tmp_path: Path, options: list[object], told: str) -> None:
    said = command("run", *options)
    assert (said.status, said.out) == (2, "")
    assert told in said.err
    assert list(tmp_path.iterdir()) == []


def test_limits_need_processes_of_their_own() -> None:
    asked = Request("s", None, None, None, None, None, None, "cpu", None, True)
    assert asked.limits is None
    assert replace(asked, isolated=True).limits == Limits()
    assert replace(asked, method_timeout=2.5).limits == Limits(seconds=2.5)
    assert replace(asked, memory=100.0).limits == Limits(memory_mb=100.0)


def test_where_memory_cannot_be_read_a_limit_on_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_process, "PROC", Path("/nowhere"))
    assert Limits(seconds=1.0).memory_mb is None
    with pytest.raises(UserError, match="--memory reads how much a process holds from /proc, which this system"):
        Limits(memory_mb=1.0)


def test_an_isolated_run_from_the_command_line(command: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('tasks=["tiny-text-label"]\nmethods=["size"]\npools=1\nseeds=2\n')
    asked = ("run", "--suite", "mine.toml", "--out", "out", "--questions", "standalone")
    said = command(*asked, "--method-timeout", 100, "--memory", 2000, "--methods", "size,mmd:seeds=1")
    assert said.status == 0, said.err + said.out
    assert {r.status for r in load(tmp_path / "out" / "results").valuations.values()} == {"ok"}
