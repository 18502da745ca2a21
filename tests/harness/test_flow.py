"""A whole run, in this process, over tiny tasks: everything asked is answered, kept, and found again."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import harness.records.results as results_module
from harness.cli.places import Place
from harness.cli.running import FEATURES
from harness.files import write_atomically
from harness.records.results import Results, load
from harness.registry import method
from harness.report.files import write_report
from harness.running.progress import ProgressDisplay
from harness.types import QUESTIONS, Additive, Floats, Precedent, Problem, Scorer, Task
from methods.ntk_mmd import NtkMmd
from methods.ntk_mmd.weights import TERMS
from tests.harness.small_runs import THIRD_PARTY, finished, runner
from tests.tiny import tiny_mlp, tiny_pool, tiny_recipe, tiny_task

pytestmark = THIRD_PARTY


ASKED = (
    "random",
    "size",
    "mmd",
    *(f"ntk-mmd:single:{term}" for term in TERMS),
    "ntk-mmd:calibrated",
    "tracin",
    "data-shapley",
)
"""Of every family, with those that calibrated weights are fitted on; tests/slow/test_every_method.py asks them all."""


def other_task() -> Task:
    """Other data than tiny_task's, under another name."""
    return Task(
        "other", 1, "", "image-label", deal=lambda index: tiny_pool(4, 50 + index, task="other"), learner=tiny_mlp
    )


def rows_of(folder: Path, file: str = "truth.sqlite", table: str = "outcomes") -> list[tuple]:
    with sqlite3.connect(folder / "ledger" / file) as db:
        found = db.execute(f"select * from {table} order by 1, 2, 3").fetchall()
    db.close()
    return found


def board(folder: Path) -> list[dict[str, str]]:
    with (folder / "leaderboard.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@dataclass(frozen=True)
class Whole:
    """A finished run of some methods on two tasks, one pool each, and what calibrated weights were told in it."""

    folder: Path
    results: Results
    failures: list[str]
    told: list[tuple[str, str, list[Precedent]]]


def listened(folder: Path) -> Whole:
    told: list[tuple[str, str, list[Precedent]]] = []
    inner = NtkMmd.scorers

    def listening(self: NtkMmd, problem: Problem) -> Sequence[Scorer]:
        if self.scheme == "calibrated":
            told.append((problem.task, problem.question, list(problem.precedents)))
        return inner(self, problem)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NtkMmd, "scorers", listening)
        run = finished(folder, methods=list(ASKED), tasks=[tiny_task(), other_task()], features=FEATURES)
    return Whole(folder, run.results, run.failures, told)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return listened(tmp_path_factory.mktemp("whole"))


def test_the_methods_answer_every_question_about_every_pool(whole: Whole) -> None:
    expected = {(task, 0, question, method) for task in ("tiny", "other") for question in QUESTIONS for method in ASKED}
    assert set(whole.results.valuations) == expected
    assert set(whole.results.truths) == {key[:3] for key in expected}
    assert whole.failures == []
    answered = [record for record in whole.results.valuations.values() if record.status == "ok"]
    assert len(answered) == len(expected)
    for record in answered:
        assert np.isfinite(record.values).all()
        assert np.shape(record.values)[1] == 4


def test_the_leaderboard_has_a_row_for_each(whole: Whole) -> None:
    rows = board(whole.folder)
    assert len(rows) == 2 * len(QUESTIONS) * (1 + len(ASKED))
    assert {row["status"] for row in rows} == {"ok"}
    assert all(float(row["seconds"]) > 0 for row in rows)


def test_what_is_stored_is_what_was_found(whole: Whole) -> None:
    stored = load(whole.folder / "results")
    for there, found in ((stored.truths, whole.results.truths), (stored.valuations, whole.results.valuations)):
        assert {key: repr(there[key]) for key in there} == {key: repr(found[key]) for key in found}  # nan equals nan
    assert {record.run for record in stored.valuations.values()} <= set(stored.runs)


def test_a_second_run_retrains_nothing_and_says_the_same_bills_included(whole: Whole) -> None:
    ledgers = [rows_of(whole.folder, file) for file in ("truth.sqlite", "methods.sqlite")]
    answers = {row[0] for row in rows_of(whole.folder, "methods.sqlite", "answers")}
    before = (whole.folder / "leaderboard.csv").read_bytes()
    assert listened(whole.folder).told == []
    assert [rows_of(whole.folder, file) for file in ("truth.sqlite", "methods.sqlite")] == ledgers
    assert {row[0] for row in rows_of(whole.folder, "methods.sqlite", "answers")} == answers
    assert (whole.folder / "leaderboard.csv").read_bytes() == before


def test_a_run_that_goes_on_says_what_is_kept_and_writes_what_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []

    def listening(file: Path, text: str) -> None:
        written.append(file.name)
        write_atomically(file, text)

    asked = {"tasks": [tiny_task(), other_task()], "questions": ["standalone"], "pools": 2}
    finished(tmp_path, methods=["size"], **asked)
    monkeypatch.setattr(results_module, "write_atomically", listening)
    for methods, told in (
        (["size"], ["8 answers: 8 stored, 0 to find", "8 answers were kept, 0 found."]),
        (["size", "real-share"], ["12 answers: 8 stored, 4 to find", "8 answers were kept, 4 found."]),
    ):
        written.clear()
        shown = io.StringIO()
        again = runner(tmp_path, methods=methods, **asked)
        again.progress = ProgressDisplay(Console(file=shown, width=1_000))
        again.run()
        for text in told:
            assert text in shown.getvalue()
        new = ["tiny.jsonl", "tiny.jsonl", "other.jsonl", "other.jsonl"] if len(methods) > 1 else []
        both = ["other.jsonl", "tiny.jsonl"]
        assert written == [*both, *new, *both]  # at the start, after each pool that had something new, at the end


def test_the_truth_and_the_methods_keep_separate_ledgers(whole: Whole) -> None:
    truth, methods = rows_of(whole.folder), rows_of(whole.folder, "methods.sqlite")
    seeds = [{row[2] for row in rows} for rows in (truth, methods)]
    contexts = [{row[0] for row in rows} for rows in (truth, methods)]
    assert seeds[0]
    assert seeds[1]
    assert not seeds[0] & seeds[1]
    assert not contexts[0] & contexts[1]


def test_one_tasks_settings_are_its_own_truths(tmp_path: Path) -> None:
    """Each question takes its own number of seeds."""
    eleven = Task(
        "many", 1, "", "image-label", deal=lambda index: tiny_pool(11, index, each=2, task="many"), learner=tiny_mlp
    )
    run = finished(
        tmp_path,
        methods=["size"],
        tasks=[tiny_task(), eleven],
        questions=["standalone", "shapley"],
        settings={"many": {"seeds": {"standalone": 3, "shapley": 5}}},
    )
    repeats = {(task, question): len(record.values) for (task, _, question), record in run.results.truths.items()}
    assert repeats == {
        ("tiny", "standalone"): 2,
        ("tiny", "shapley"): 2,
        ("many", "standalone"): 3,
        ("many", "shapley"): 5,
    }


# --- a second method, another task, a fresh start -----------------------------------------------------


def test_a_method_added_later_leaves_what_was_there_as_it_was(tmp_path: Path) -> None:
    first = finished(tmp_path, methods=["size", "mmd"])
    kept = rows_of(tmp_path)
    again = finished(tmp_path, methods=["random"])
    assert rows_of(tmp_path) == kept
    assert {key[3] for key in again.results.valuations} == {"size", "mmd", "random"}
    assert {key: again.results.valuations[key] for key in first.results.valuations} == first.results.valuations


def test_the_same_data_under_another_name_is_answered_from_streams_of_its_own(tmp_path: Path) -> None:
    run = finished(tmp_path, methods=["random"], tasks=[tiny_task(), tiny_task(name="twin")], questions=["standalone"])
    values = [run.results.valuations[task, 0, "standalone", "random"].values for task in ("tiny", "twin")]
    assert values[0] != values[1]


def test_calibrated_weights_read_the_other_tasks_truths_alone(whole: Whole) -> None:
    other = {"tiny": "other", "other": "tiny"}
    assert {(task, question) for task, question, _ in whole.told} == {(t, q) for t in other for q in QUESTIONS}
    for task, question, precedents in whole.told:
        assert [precedent.task for precedent in precedents] == [other[task]]
        truth = whole.results.truths[other[task], 0, question]
        np.testing.assert_array_equal(precedents[0].truth_C, np.mean(truth.values, axis=0))
        assert set(precedents[0].values) == set(ASKED) - {"ntk-mmd:calibrated"}  # nothing fitted on truths itself


def test_retrainings_of_other_tasks_truths_are_told_by_task(whole: Whole) -> None:
    other = {"tiny": "other", "other": "tiny"}
    for (task, pool, question, name), record in whole.results.valuations.items():
        read = {other[task]: whole.results.truths[other[task], pool, question].cost.retrainings}
        assert record.borrowed == (read if name == "ntk-mmd:calibrated" else {})
        assert record.cost.retrainings >= sum(record.borrowed.values())


def test_calibrated_weights_without_another_task_are_unsuitable_not_failed(tmp_path: Path) -> None:
    run = finished(tmp_path, methods=["size", "ntk-mmd:calibrated"], questions=["standalone"])
    record = run.results.valuations["tiny", 0, "standalone", "ntk-mmd:calibrated"]
    assert record.status == "unsuitable"
    assert "no other task" in record.reason
    assert run.failures == []


def test_a_fresh_start_moves_the_ledger_aside_and_keeps_it(tmp_path: Path) -> None:
    run = finished(tmp_path, questions=["standalone"])
    first = rows_of(tmp_path)
    content = (tmp_path / "ledger" / "truth.sqlite").read_bytes()
    Place(run.suite, tmp_path).prepare(fresh=True)
    (aside,) = tmp_path.glob("ledger-until-*")
    assert (aside / "truth.sqlite").read_bytes() == content
    finished(tmp_path, questions=["standalone"])
    again = rows_of(tmp_path)
    assert [row[:5] for row in again] == [row[:5] for row in first]  # the same numbers ...
    assert min(row[12] for row in again) > max(row[12] for row in first)  # ... finished later


# --- rows that fail -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Breaks(Additive):
    """Always raises."""

    message: str = "out of luck"
    source: str = "none"
    passes: str = "none"

    def example_values(self, problem: Problem) -> Floats:
        raise RuntimeError(self.message)


@dataclass(frozen=True)
class Unsound(Additive):
    """Answers with what is not a finite number for each example."""

    kind: str = "nan"
    source: str = "none"
    passes: str = "none"

    def example_values(self, problem: Problem) -> Floats:
        count = len(problem.train)
        return {"nan": np.full((1, count), np.nan), "short": np.ones((1, count - 1)), "flat": np.ones(count)}[self.kind]


@pytest.mark.parametrize("message", ["out of luck", "", "two\nlines", "[/red] [bold]markup[/bold]"])
def test_a_method_that_raises_is_a_failed_row_with_its_reason(tmp_path: Path, message: str) -> None:
    methods = {"breaks": Breaks(message), "size": method("size")}
    run = finished(tmp_path, methods=methods, questions=["standalone"])
    record = run.results.valuations["tiny", 0, "standalone", "breaks"]
    assert record.status == "failed"
    assert record.reason == f"RuntimeError: {' '.join(message.split()) or 'no message'}"
    assert len(run.failures) == 1
    rows = {row["method"]: row for row in board(tmp_path)}
    assert (rows["breaks"]["status"], rows["breaks"]["spearman"]) == ("failed", "")
    assert record.reason in rows["breaks"]["reason"]
    assert rows["size"]["status"] == "ok"
    assert rows["size"]["spearman"]


@pytest.mark.parametrize(
    ("kind", "told"),
    [("nan", "one finite value"), ("short", "repeats x 27 examples"), ("flat", "repeats x 27 examples")],
)
def test_an_unsound_answer_is_a_failed_row_that_says_what_was_expected(tmp_path: Path, kind: str, told: str) -> None:
    assert len(tiny_pool().train) == 27
    run = finished(tmp_path, methods={"unsound": Unsound(kind)}, questions=["standalone"])
    record = run.results.valuations["tiny", 0, "standalone", "unsound"]
    assert record.status == "failed"
    assert told in record.reason


def test_a_failed_answer_is_asked_again_next_time(tmp_path: Path) -> None:
    finished(tmp_path, methods={"weather": Breaks()}, questions=["standalone"])
    run = finished(tmp_path, methods={"weather": method("size")}, questions=["standalone"])
    assert run.results.valuations["tiny", 0, "standalone", "weather"].status == "ok"
    assert run.failures == []


def test_a_diverging_recipe_is_told_in_its_rows_and_the_others_are_there(tmp_path: Path) -> None:
    wild = tiny_task(name="wild", recipe=tiny_recipe(rate=1e30))
    run = finished(tmp_path, methods=["size", "tracin"], tasks=[wild, tiny_task()], questions=["standalone"])
    truth = run.results.truths["wild", 0, "standalone"]
    assert truth.status == "failed"
    assert "training diverged" in truth.reason
    assert "Lower the learning rate (1e+30)" in truth.reason
    rows = {(row["task"], row["method"]): row for row in board(tmp_path)}
    assert rows["wild", "size"]["status"] == "failed"
    assert "training diverged" in rows["wild", "size"]["reason"]
    assert "training diverged" in rows["wild", "tracin"]["reason"]
    assert rows["tiny", "size"]["status"] == rows["tiny", "tracin"]["status"] == "ok"
    assert any(failure.startswith("wild, pool 1/1, truth of standalone: training diverged") for failure in run.failures)


# --- being stopped ------------------------------------------------------------------------------------


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A run that was stopped while its second method was at work."""

    @dataclass(frozen=True)
    class Stops(Breaks):
        def example_values(self, problem: Problem) -> Floats:
            os.kill(os.getpid(), signal.SIGINT)
            return super().example_values(problem)

    methods = {"size": method("size"), "stops": Stops(), "mmd": method("mmd")}
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored, where tests run in the background
    with pytest.raises(KeyboardInterrupt):
        runner(tmp_path, methods=methods, questions=["standalone"]).run()
    signal.signal(signal.SIGINT, before)
    return tmp_path


def test_a_stopped_run_leaves_its_results_so_far_and_its_ledgers_free(stopped: Path) -> None:
    stored = load(stopped / "results")
    assert set(stored.truths) == {("tiny", 0, "standalone")}
    assert {key[3] for key in stored.valuations} == {"size"}
    kept = rows_of(stopped)
    run = finished(stopped, methods=["size", "mmd"], questions=["standalone"])
    assert rows_of(stopped) == kept
    assert {key[3] for key in run.results.valuations} == {"size", "mmd"}


def test_a_stop_that_a_method_keeps_to_itself_stops_the_run_all_the_same(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Keeps(Breaks):
        def example_values(self, problem: Problem) -> Floats:
            with suppress(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(5)
            return np.ones((1, len(problem.train)))

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        runner(tmp_path, methods={"keeps": Keeps(), "size": method("size")}, questions=["standalone"]).run()
    assert load(tmp_path / "results").valuations == {}
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_interrupt_that_nobody_sent_is_a_row(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Raises(Breaks):
        def example_values(self, problem: Problem) -> Floats:
            raise KeyboardInterrupt

    asked = {"raises": Raises(), "size": method("size")}
    found = runner(tmp_path, methods=asked, questions=["standalone"]).run().valuations
    assert {key[3]: record.status for key, record in found.items()} == {"raises": "failed", "size": "ok"}


# --- retrainings of truths that are others' now ---------------------------------------------------------


def test_a_truth_whose_retrainings_were_changed_is_refused_when_the_run_goes_on(tmp_path: Path) -> None:
    finished(tmp_path)
    db = sqlite3.connect(tmp_path / "ledger" / "truth.sqlite")
    db.execute("update outcomes set utility = -utility")
    db.commit()
    db.close()
    found = runner(tmp_path).run().truths
    assert {record.status for record in found.values()} == {"failed"}
    for record in found.values():
        assert "its retrainings in truth.sqlite are not those that it was found from before" in record.reason
        assert "--fresh" in record.reason


def test_retrainings_that_are_no_numbers_are_trained_again_and_the_truth_stands(tmp_path: Path) -> None:
    first = finished(tmp_path).results.truths
    db = sqlite3.connect(tmp_path / "ledger" / "truth.sqlite")
    db.execute("update outcomes set accuracy = 2")
    db.commit()
    db.close()
    again = runner(tmp_path).run().truths
    assert {key: record.values for key, record in again.items()} == {key: r.values for key, r in first.items()}


def test_answers_of_a_killed_run_keep_their_provenance(tmp_path: Path) -> None:
    """Killed at the worst moment: answers are in the ledger, results were never written."""
    first = finished(tmp_path, questions=["standalone"])
    for file in (tmp_path / "results").iterdir():
        file.unlink()
    second = finished(tmp_path, questions=["standalone"])
    named = {record.run for record in second.results.valuations.values()}
    assert named == {first.run_name}
    assert first.run_name in load(tmp_path / "results").runs
    assert first.run_name in (tmp_path / "README.md").read_text()


def test_answers_kept_in_the_ledger_are_plain_json(whole: Whole) -> None:
    for key, record, _ in rows_of(whole.folder, "methods.sqlite", "answers"):
        if key.startswith("outcomes/"):
            assert set(json.loads(record)) == {"digest"}
        elif key != "runs":
            assert set(json.loads(record)) == {"values", "cost", "of", "run"}


def test_the_report_is_a_pure_function_of_the_stored_results(whole: Whole) -> None:
    place = Place.of_results("", whole.folder)
    drawn = [(whole.folder / name).read_bytes() for name in ("README.md", "leaderboard.csv")]
    write_report(whole.folder, place.suite, load(place.results))
    write_report(whole.folder, place.suite, load(place.results))
    assert (whole.folder / "leaderboard.csv").read_bytes() == drawn[1]
    assert (whole.folder / "README.md").read_bytes() == drawn[0]
