"""What is told while a run is under way: by task and method, the time left, and the money."""

from __future__ import annotations

import io
import math
import re
import threading
import time
from pathlib import Path

import pytest
from rich.console import Console

import harness.running.progress as progress
from harness.config import load_suite, to_toml
from harness.projection import Projection
from harness.running.forecast import TRUTHS, Forecast, Spending, counts
from harness.running.progress import ProgressDisplay
from harness.types import Cost
from tests.harness.commands import call
from tests.harness.small_runs import THIRD_PARTY, runner, tiny_suite

pytestmark = THIRD_PARTY


# --- the time left -----------------------------------------------------------------------------------------


def test_what_is_left_takes_what_answers_of_its_kind_took() -> None:
    forecast = Forecast({("a", "size"): 4, ("a", "slow"): 2})
    assert math.isnan(forecast.seconds())
    forecast.answered(("a", "size"), 1.0, kept=False)
    forecast.answered(("a", "size"), 3.0, kept=False)
    forecast.answered(("a", "slow"), 100.0, kept=False)
    assert forecast.seconds() == pytest.approx(2 * 2.0 + 1 * 100.0)
    assert forecast.seconds(("a", "slow"), elapsed=40.0) == pytest.approx(2 * 2.0 + 60.0)
    assert forecast.seconds(("a", "slow"), elapsed=400.0) == pytest.approx(2 * 2.0)


def test_what_was_kept_says_nothing_of_what_is_not() -> None:
    forecast = Forecast({("a", "slow"): 3})
    forecast.answered(("a", "slow"), 0.001, kept=True)
    assert math.isnan(forecast.seconds())
    forecast.answered(("a", "slow"), 10.0, kept=False)
    assert forecast.seconds() == pytest.approx(10.0)
    forecast.answered(("a", "slow"), 10.0, kept=False)
    assert forecast.seconds() == 0.0


def test_what_was_never_seen_takes_what_is_most_like_it() -> None:
    forecast = Forecast(counts(["a", "b"], ["size", "slow"], 1))
    forecast.answered(("a", TRUTHS), 8.0, kept=False)
    forecast.answered(("a", "slow"), 5.0, kept=False)
    # b's truths as a's, b's slow as a's slow, both sizes as the only method that is known
    assert forecast.seconds() == pytest.approx(8.0 + 5.0 + 2 * 5.0)


def test_the_first_answer_is_told_by_its_own_retrainings() -> None:
    forecast = Forecast({("a", TRUTHS): 3})
    assert forecast.seconds(("a", TRUTHS), elapsed=10.0, share=0.25) == pytest.approx(3 * 40.0 - 10.0)


# --- the money ---------------------------------------------------------------------------------------------


def test_without_a_price_there_is_no_money() -> None:
    spent = Spending(Projection(), "cpu")
    spent.add(("a", "size"), "shapley", Cost(flops=1e15), "bf16")
    assert math.isnan(spent.so_far)
    assert spent.words == ""


def test_on_a_processor_it_is_what_the_answers_would_cost_on_the_gpu() -> None:
    projection = Projection(price_per_gpu_hour=3.0, currency="EUR")
    spent, counted = Spending(projection, "cpu"), Cost(flops=1e18, bytes_moved=1e9, launches=10)
    hours = projection.hours(1e18, 1e9, 10)
    spent.add(("a", "size"), "shapley", counted, "bf16")
    spent.add(("a", "size"), "shapley", Cost(flops=math.nan), "bf16")  # a pool where nothing was counted
    spent.add(("b", "size"), "shapley", Cost(flops=math.nan), "bf16")  # nothing is known of it
    assert spent.so_far == pytest.approx(2 * 3.0 * hours)
    assert spent.words == f"EUR {2 * 3.0 * hours:.2f} projected"


def test_on_a_gpu_every_hour_since_the_start_is_paid() -> None:
    now = iter([100.0, 100.0 + 1800.0])
    spent = Spending(Projection(price_per_gpu_hour=2.5), "cuda:0", lambda: next(now))
    assert spent.words == "USD 1.25"


def test_a_price_is_part_of_a_suite_and_stays_one(tmp_path: Path) -> None:
    priced = tiny_suite(projection={"price_per_gpu_hour": 2.5, "currency": "EUR"})
    for suite in (priced, tiny_suite()):
        (tmp_path / "suite.toml").write_text(to_toml(suite))
        assert load_suite(tmp_path / "suite.toml") == suite
    assert "price" not in to_toml(tiny_suite())


# --- what is shown -----------------------------------------------------------------------------------------


def shown(tmp_path: Path, console: Console, **changes: object) -> str:
    run = runner(tmp_path, methods=["size", "mmd"], pools=2, projection={"price_per_gpu_hour": 1e6}, **changes)
    run.progress = ProgressDisplay(console)
    run.run()
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


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


def test_in_a_log_every_stage_has_a_line_with_the_time_left_and_the_money(tmp_path: Path) -> None:
    told = shown(tmp_path, Console(file=io.StringIO(), width=300))
    assert "tiny on cpu: 18 answers to find" in told
    assert re.search(r"tiny, pool 1/2: truth of shapley, \d+ retrainings \(.* s\); about 0:00:\d\d left, USD ", told)
    assert re.search(r"0 answers were kept, 18 found\. USD [\d.]+ projected at USD 1e\+06 an hour\.", told)


def test_a_long_stage_says_in_a_log_that_it_is_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is busy with: a method that trains nothing for a quarter of an hour was silent so long."""
    monkeypatch.setattr(progress, "SILENT", 0.05)
    monkeypatch.setattr(progress, "BEAT", 0.01)
    console = Console(file=io.StringIO(), width=300)
    display, kind = ProgressDisplay(console), ("a", "slow")
    with display.run("suite", {kind: 3}) as answered:
        with display.stage("pool 1: slow", kind=kind):
            time.sleep(0.12)
            answered(kind, False)
        with display.stage("pool 2: truth", 8, kind) as advance:
            advance(2)
            time.sleep(0.12)
    alive = {thread.name for thread in threading.enumerate()}
    assert "progress" not in alive
    assert isinstance(console.file, io.StringIO)
    told = console.file.getvalue()
    assert 1 <= told.count("pool 1: slow: at work") <= 3
    assert re.search(r"pool 2: truth: 2 of 8 retrainings; about 0:00:00 left", told)


def test_a_stage_outside_of_a_run_tells_what_is_left_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    display = ProgressDisplay(Console(file=io.StringIO(), width=300))
    with display.shown(), display.stage("valuing", 8) as advance:
        now[0] = 30.0
        assert display.time_and_money() == "0:00:30"
        advance(2)
        assert display.time_and_money() == "0:00:30, about 0:01:30 of this step left"
    assert isinstance(display._console.file, io.StringIO)
    assert "left" not in display._console.file.getvalue()


def test_a_run_that_is_gone_through_again_counts_what_is_kept(tmp_path: Path) -> None:
    shown(tmp_path, Console(file=io.StringIO(), width=300))
    told = shown(tmp_path, Console(file=io.StringIO(), width=300))
    assert "tiny on cpu: 18 answers: 18 stored, 0 to find" in told
    assert "18 answers were kept, 0 found." in told


def test_quiet_prints_nothing_and_json_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("harness.cli.running.FEATURES", ())
    Path("asked.toml").write_text(to_toml(tiny_suite(["tiny-image-label"], ["size"], questions=("standalone",))))
    said = call("run", "--suite", "asked.toml", "--out", "out", "--quiet")
    assert (said.status, said.out) == (0, "")
    assert call("report", "--out", "out", "-q").out == ""
