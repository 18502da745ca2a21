"""``dataworth publish`` alone changes what is published, after showing it and asking; what is not fit is refused."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

import harness.cli.publishing as publishing
import harness.cli.refusals as refusals
from harness.cli.running import against_published
from harness.config import load_suite, to_toml
from harness.records.results import Results, load, save
from harness.report.files import write_report
from harness.report.leaderboard import leaderboard
from harness.report.markdown import OURS
from harness.types import QUESTIONS
from tests.harness.commands import call
from tests.harness.small_runs import THIRD_PARTY, finished, tiny_suite

pytestmark = THIRD_PARTY
RUN, PUBLISHED = Path("runs/tiny"), Path("leaderboards/tiny")
VERSION_OF = refusals.version_of
COMMENT = "# as it was published\n"


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stored")
    finished(folder, questions=("standalone",))
    return folder


@pytest.fixture(autouse=True)
def place(stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A finished run, and its suite's published folder, still without results."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(refusals, "version_of", lambda suite, task: 1)  # the tiny task is in no table
    shutil.copytree(stored, RUN)
    PUBLISHED.mkdir(parents=True)
    (PUBLISHED / "suite.toml").write_text(COMMENT + to_toml(tiny_suite(questions=("standalone",))))


def content(folder: Path) -> dict[str, bytes]:
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}


def changed(change: Callable[[Results], None], folder: Path = RUN) -> None:
    """Change the stored results."""
    results = load(folder / "results")
    change(results)
    save(folder / "results", results)


def publish(*more: object) -> None:
    said = call("publish", "tiny", "--yes", *more)
    assert said.status == 0, said


def swap_values(results: Results) -> None:
    """Another truth's order, hence other scores."""
    for key, truth in results.truths.items():
        results.truths[key] = replace(truth, values=tuple(row[::-1] for row in truth.values))


def test_a_run_is_published_whole_and_its_suites_file_stays() -> None:
    said = call("publish", "tiny", "--yes")
    assert said.status == 0
    assert "First results of this suite: 3 rows." in said.out
    found, run = content(PUBLISHED), content(RUN)
    assert set(found) == {
        "suite.toml",
        "README.md",
        "index.html",
        "leaderboard.csv",
        "overall.csv",
        "results/tiny.jsonl",
    }
    assert all(found[name] == run[name] for name in set(found) - {"suite.toml"})
    assert found["suite.toml"].startswith(COMMENT.encode())


def test_publishing_the_same_again_changes_nothing() -> None:
    publish()
    before = content(PUBLISHED)
    said = call("publish", "tiny")
    assert (said.status, content(PUBLISHED)) == (0, before)
    assert "Same scores as published, in all 3 rows that both have." in said.out
    assert "Nothing would change" in said.out


def test_without_a_terminal_it_shows_what_would_change_and_needs_yes() -> None:
    publish()
    before = content(PUBLISHED)
    changed(swap_values)
    said = call("publish", "tiny")
    assert (said.status, content(PUBLISHED)) == (1, before)
    assert "Largest difference of any score" in said.out
    assert "on tiny, standalone" in said.out
    assert "Files that change: results/tiny.jsonl, leaderboard.csv, overall.csv, README.md, index.html" in said.out
    assert "--yes" in said.out


@pytest.mark.parametrize(("answer", "status"), [("n\n", 1), ("\n", 1), ("y\n", 0)])
def test_on_a_terminal_it_asks(monkeypatch: pytest.MonkeyPatch, answer: str, status: int) -> None:
    monkeypatch.setattr(publishing, "_can_ask", lambda: True)
    said = call("publish", "tiny", answer=answer)
    assert said.status == status
    assert (PUBLISHED / "README.md").exists() == (status == 0)


def test_costs_are_told_in_a_word_and_are_no_difference_of_scores() -> None:
    publish()

    def slower(results: Results) -> None:
        for key, found in results.valuations.items():
            results.valuations[key] = replace(found, cost=replace(found.cost, seconds=3 * found.cost.seconds + 1))

    changed(slower)
    said = call("publish", "tiny")
    assert "Same scores as published" in said.out
    assert "times the published seconds" in said.out


def test_what_was_changed_by_hand_is_told() -> None:
    assert "Not as the run found it?" not in call("publish", "tiny").out
    changed(swap_values)
    said = call("publish", "tiny")
    assert "Truths that are not the mean of their held-out folds: standalone on tiny, pool 1." in said.out
    assert "The run's own leaderboard.csv tells otherwise: Largest difference of any score:" in said.out

    def better(results: Results) -> None:
        for key, found in results.valuations.items():
            if found.method == "size":
                results.valuations[key] = replace(found, values=((1.0, 2.0, 3.0, 4.0),))

    def swapped(results: Results) -> None:
        found = results.valuations
        size, mmd = (("tiny", 0, "standalone", name) for name in ("size", "mmd"))
        found[size], found[mmd] = (
            replace(found[size], values=found[mmd].values),
            replace(found[mmd], values=found[size].values),
        )

    changed(swapped)
    said = call("publish", "tiny").out
    both = "mmd on tiny, pool 1, standalone; size on tiny, pool 1, standalone"
    assert f"Other values than the method gave, by runs/tiny/ledger/methods.sqlite: {both}." in said
    with closing(sqlite3.connect(RUN / "ledger" / "methods.sqlite")) as db, db:
        whole = db.execute("select key, record from answers").fetchall()
        db.execute("update answers set record = json_remove(record, '$.of')")
    assert "Other values than the method gave" not in call("publish", "tiny").out  # an older ledger does not tell
    with closing(sqlite3.connect(RUN / "ledger" / "methods.sqlite")) as db, db:
        db.executemany("update answers set record = ?2 where key = ?1", whole)
    changed(swapped)  # back again
    assert "Other values than the method gave" not in call("publish", "tiny").out
    changed(better)
    told = "Other values than the method gave, by runs/tiny/ledger/methods.sqlite: size on tiny, pool 1, standalone."
    assert told in call("publish", "tiny").out
    shutil.rmtree(RUN / "ledger")
    assert (
        "Not held against what methods answered: runs/tiny/ledger/methods.sqlite is not" in call("publish", "tiny").out
    )


# --- refusals ---------------------------------------------------------------------------------------------


def refused(*parts: str) -> None:
    before = content(Path("leaderboards"))
    said = call("publish", "tiny", "--yes")
    assert said.status == 2
    for part in parts:
        assert part in said.mistake
    assert content(Path("leaderboards")) == before


def test_a_missing_answer_is_a_partial_run() -> None:
    changed(lambda results: results.valuations.pop(("tiny", 0, "standalone", "mmd")) and None)
    refused("it is partial: mmd on tiny, pool 1, standalone missing", "dataworth run --suite tiny")


def test_a_missing_truth_is_a_partial_run() -> None:
    changed(lambda results: results.truths.clear())
    refused("the truth on tiny, pool 1, standalone")


def test_answers_about_an_older_pool_are_refused() -> None:
    file = RUN / "results/tiny.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines:
        if line.get("method") == "mmd":
            line["pool_key"] = "older"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    refused("answers about an older pool or truth: mmd on tiny, pool 1, standalone")


def test_pools_that_the_task_deals_otherwise_now_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "version_of", lambda suite, task: 2)
    refused("the pools of tiny are of version 1, the task's is 2 now")

    def forget(results: Results) -> None:
        for key, pool in results.pools.items():
            results.pools[key] = replace(pool, task_version=0)

    changed(forget)  # as results of format 1 do, which do not tell it
    publish()


@pytest.mark.parametrize("suite", ["embedded-quick", "files-quick"])
def test_a_tasks_version_is_known_without_its_data(suite: str) -> None:
    asked = load_suite(Path(__file__).resolve().parents[2] / "leaderboards" / suite / "suite.toml")
    assert all(VERSION_OF(asked, task) >= 1 for task in asked.tasks)


def test_a_failed_row_is_refused() -> None:
    key = ("tiny", 0, "standalone", "mmd")

    def fail(results: Results) -> None:
        results.valuations[key] = replace(results.valuations[key], status="failed", reason="it broke", values=())

    changed(fail)
    refused("it failed: mmd on tiny, standalone")


def test_a_failed_truth_is_refused() -> None:
    def fail(results: Results) -> None:
        for key, found in results.truths.items():
            results.truths[key] = replace(found, status="failed", reason="it diverged", values=())

    changed(fail)
    refused("it failed: retraining (truth) on tiny, standalone")


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"seeds": 3}, "seeds 2 (the run: 3)"),
        ({"settings": {"tiny": {"steps": 4}}}, "tiny.steps unset (the run: 4)"),
        ({"methods": ("size",)}, "its suite lacks the methods mmd"),
        ({"methods": ("size", "mmd", "random")}, "its suite has more methods: random"),
        ({"tasks": ("tiny", "other")}, "its suite has more tasks: other"),
    ],
)
def test_a_run_of_another_suite_is_refused(changes: dict[str, object], part: str) -> None:
    (RUN / "suite.toml").write_text(to_toml(tiny_suite(**{"questions": ("standalone",), **changes})))
    refused(part)


def test_other_mistakes_are_told() -> None:
    assert "published suite" in call("publish", "tinny").mistake
    assert "Did you mean tiny?" in call("publish", "tinny").mistake
    assert "There is no run in elsewhere" in call("publish", "tiny", "--run", "elsewhere").mistake
    assert "--run is empty" in call("publish", "tiny", "--run", "").mistake
    assert "no results to draw" in call("publish", "tiny", "--redraw").mistake
    assert "leave --run out" in call("publish", "tiny", "--redraw", "--run", RUN).mistake
    publish()
    assert "is published already" in call("publish", "tiny", "--run", PUBLISHED).mistake


def test_methods_that_the_suite_does_not_name_are_left_out_and_told() -> None:
    """Somebody tried a method of their own in the same folder."""

    def add(results: Results) -> None:
        (mmd,) = [found for key, found in results.valuations.items() if key[-1] == "mmd"]
        results.add(replace(mmd, method="mine"))

    changed(add)
    said = call("publish", "tiny", "--yes")
    assert said.status == 0
    assert "Left out, since the suite does not name them: mine." in said.out
    assert "mine" not in (PUBLISHED / "results/tiny.jsonl").read_text()
    assert "mine" not in (PUBLISHED / "README.md").read_text()


# --- drawing again, and half-written files ------------------------------------------------------------------


def test_tables_are_drawn_again_from_the_published_results_alone() -> None:
    publish()
    whole = content(PUBLISHED)
    shutil.rmtree("runs")
    table = PUBLISHED / "leaderboard.csv"
    lines = list(csv.DictReader(io.StringIO(table.read_text())))
    (size,) = [line for line in lines if line["method"] == "size"]
    table.write_text(table.read_text().replace(f",{size['spearman']},", ",0.123,", 1))
    (PUBLISHED / "README.md").unlink()
    said = call("publish", "tiny", "--redraw")
    assert said.status == 1
    assert "Largest difference of any score" in said.out
    assert "size on tiny, standalone" in said.out
    assert call("publish", "tiny", "--redraw", "--yes").status == 0
    assert content(PUBLISHED) == whole


def test_a_kill_while_publishing_leaves_whole_files_and_the_next_one_mends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    publish()
    old = content(PUBLISHED)
    changed(swap_values)
    write_report(RUN, load_suite(RUN / "suite.toml"), load(RUN / "results"))
    new = content(RUN)

    class Killed(BaseException):
        pass

    replaced: list[Path] = []

    def replace_one(source: Path, target: Path) -> None:
        if "leaderboards" in Path(target).parts and ".publish." not in str(target):  # not one that is being prepared
            if replaced:
                raise Killed
            replaced.append(target)
        Path(source).rename(target)

    with monkeypatch.context() as killed:
        killed.setattr(publishing.os, "replace", replace_one)
        killed.setattr(publishing.shutil, "rmtree", lambda *_, **__: None)  # a killed process cleans nothing up
        with pytest.raises(Killed):
            call("publish", "tiny", "--yes")
    assert any(".publish." in name for name in content(PUBLISHED))
    halfway = {name: text for name, text in content(PUBLISHED).items() if ".part" not in name}
    assert set(halfway) == set(old)
    assert all(text in (old[name], new.get(name)) for name, text in halfway.items())
    assert halfway != old
    publish()
    assert {name: text for name, text in content(PUBLISHED).items() if name != "suite.toml"} == {
        name: new[name] for name in old if name != "suite.toml"
    }


def test_results_of_a_task_that_is_gone_are_removed() -> None:
    publish()
    shutil.copy(PUBLISHED / "results/tiny.jsonl", PUBLISHED / "results/gone.jsonl")
    said = call("publish", "tiny", "--yes")
    assert "results/gone.jsonl (removed)" in said.out
    assert not (PUBLISHED / "results/gone.jsonl").exists()


# --- at the end of a run, and in a report -------------------------------------------------------------------


def told_at_the_end(**changes: object) -> str:
    suite = load_suite(RUN / "suite.toml").model_copy(update=changes)
    return " ".join(against_published(suite, leaderboard(suite, load(RUN / "results"))))


def test_a_run_says_how_it_compares_with_what_is_published() -> None:
    assert told_at_the_end() == ""  # nothing is published
    publish()
    assert told_at_the_end() == "Same scores as published, in all 3 rows that both have."
    assert (
        "Not compared with the published results, which have seeds of standalone 2 (this run: 3)."
        in told_at_the_end(seeds=dict.fromkeys(QUESTIONS, 3))
    )
    others = {"standalone": 2, "leave-one-out": 5, "shapley": 5}  # which nobody has asked
    assert told_at_the_end(seeds=others) == "Same scores as published, in all 3 rows that both have."
    assert told_at_the_end(name="another") == ""
    changed(lambda results: results.valuations.pop(("tiny", 0, "standalone", "mmd")) and None)
    partial = told_at_the_end()
    assert "Same scores as published, in the 2 rows that both have." in partial
    assert "Only published: 1 row (mmd on tiny, standalone)." in partial
    changed(swap_values)
    assert "Largest difference of any score" in told_at_the_end()


def test_damaged_published_results_do_not_end_a_finished_run() -> None:
    publish()
    (PUBLISHED / "results/tiny.jsonl").write_text("no record\n")
    assert "Not compared with the published results: " in told_at_the_end()


def test_a_report_draws_a_run_and_leaves_what_is_published_alone() -> None:
    publish()
    published = content(PUBLISHED)
    (RUN / "README.md").unlink()
    said = call("report", "--suite", "tiny")
    assert str(RUN / "README.md") in said.out.partition("Written: ")[2]
    assert (RUN / "README.md").read_text().startswith(OURS)
    shutil.rmtree("runs")
    (PUBLISHED / "README.md").unlink()
    for arguments in (["--suite", "tiny"], ["--out", PUBLISHED]):
        said = call("report", *arguments)
        assert said.status == 0
        assert "nothing was written" in said.out
        assert "standalone: Spearman with the truth" in said.out
    assert content(PUBLISHED) == {name: text for name, text in published.items() if name != "README.md"}
    assert not Path("runs").exists()


def test_help_tells_what_each_exit_status_means() -> None:
    said = " ".join(call("publish", "--help").out.split())
    for status in ("0 where it was published or nothing would change", "1 where it was not agreed", "2 where it was"):
        assert status in said
    assert "runs/SUITE" in said
    assert "runs/SUITE" in call("run", "--help").out
