"""Foreign results: honest ones may be merged, forged ones are refused with a sentence that says what is wrong."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import harness.submitting.origins as origins
from harness.config import load_suite, to_toml
from harness.records.keys import key_of
from harness.records.provenance import Commit, commit_of, provenance
from harness.records.results import Results, TruthRecord, ValuationRecord, load, save
from harness.records.seal import SEAL, seal
from harness.report.files import write_report
from harness.submitting import again as running_again
from harness.submitting.again import compared
from harness.submitting.beside import TOLERANCE, apart
from tests.harness.commands import Ended, call
from tests.harness.small_runs import THIRD_PARTY, tiny_suite

pytestmark = THIRD_PARTY
COMMIT, TASK = "a" * 40, "tiny-image-label"
SUITE = tiny_suite([TASK], ["size"], name="board", questions=("standalone", "leave-one-out"), pools=2, seeds=3)
OURS, THEIRS = Path("leaderboards/board"), Path("theirs")
ROW = ("tiny-image-label", 0, "standalone", "tracin")


def known(commit: str) -> Commit:
    """This checkout has one commit, made in 2020."""
    return Commit("known", datetime(2020, 1, 1, tzinfo=UTC)) if commit == COMMIT else Commit("unknown")


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published board of one method, and a run of somebody else with another one."""
    folder = tmp_path_factory.mktemp("stored")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("harness.records.provenance._commit", lambda: COMMIT)
        patch.setattr("harness.cli.running.FEATURES", ())
        OURS.mkdir(parents=True)
        (OURS / "suite.toml").write_text(to_toml(SUITE))
        for arguments in (["--by", "Us"], ["--methods", "size,tracin", "--by", "Them", "--out", THEIRS]):
            assert call("run", "--suite", "board", *arguments).status == 0
        assert call("publish", "board", "--yes").status == 0
    return folder


@pytest.fixture(autouse=True)
def place(stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (OURS, THEIRS):
        shutil.copytree(stored / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(origins, "commit_of", known)


def checked(*more: object) -> Ended:
    """One answer is asked again, always the same."""
    return call("submit-check", THEIRS, "--sample", 1, "--cells", 1, *more)


def refused(*parts: str) -> Ended:
    """Every part stands in one line, and the verdict is a no."""
    said = checked()
    assert said.status == 1
    lines = " ".join(said.out.split())
    for part in parts:
        assert part in lines
    assert "theirs may not be merged into board" in lines
    return said


def edited(change: Callable[[dict[str, Any]], None], **at: object) -> None:
    """Lines of the results that are so, changed as with an editor."""
    file = THEIRS / f"results/{TASK}.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    found = [line for line in lines if all(line.get(name) == value for name, value in at.items())]
    assert found
    for line in found:
        change(line)
    file.write_text("".join(json.dumps(line, sort_keys=True) + "\n" for line in lines))


def forged(change: Callable[[Results], None]) -> None:
    """The same by somebody who knows the program: tables are drawn again, and all of it is sealed anew."""
    results = load(THEIRS / "results")
    change(results)
    save(THEIRS / "results", results)
    write_report(THEIRS, load_suite(THEIRS / "suite.toml"), results)
    (THEIRS / SEAL).unlink()
    every = [*results.pools.values(), *results.truths.values(), *results.valuations.values()]
    seal(THEIRS, results, {key_of(record) for record in every})


def valuation(results: Results, **changes: Any) -> None:
    results.valuations[ROW] = replace(results.valuations[ROW], **changes)


def truth(results: Results, of: Callable[[TruthRecord], TruthRecord]) -> None:
    results.truths[ROW[:3]] = of(results.truths[ROW[:3]])


def told(results: Results, **changes: Any) -> None:
    """Another provenance of every run."""
    for name, run in results.runs.items():
        results.runs[name] = replace(run, provenance={**run.provenance, **changes})


# --- what is honest --------------------------------------------------------------------------------------


def test_an_honest_run_may_be_merged_and_the_board_marks_who_measured_what() -> None:
    said = checked()
    assert said.status == 0
    lines = " ".join(said.out.split())
    assert "theirs may be merged into board: tracin, measured by Them on " in lines
    assert "dataworth publish board --merge theirs" in lines
    assert "refused" not in lines
    before = (OURS / "leaderboard.csv").read_text()
    assert call("publish", "board", "--merge", THEIRS).status == 1  # it asks
    assert (OURS / "leaderboard.csv").read_text() == before
    merged = call("publish", "board", "--merge", THEIRS, "--yes")
    assert merged.status == 0
    assert "Only new: 2 rows" in merged.out
    page = (OURS / "README.md").read_text()
    machine = provenance("cpu", 1)["processor"]
    assert f"- (a) Us on {machine}" in page
    assert f"- (b) Them on {machine}" in page
    assert "| tracin (b) " in page
    assert "| size (a) " in page
    assert "Measured by (a) Us on" in page
    assert f"by Them on {machine}" in (OURS / "index.html").read_text()
    assert [load(OURS / "results").valuations[ROW]] == [load(THEIRS / "results").valuations[ROW]]
    assert ["merged" in run.provenance for run in load(OURS / "results").runs.values()].count(True) == 1
    assert "has all rows" in call("publish", "board", "--merge", THEIRS, "--yes").out


def test_merged_rows_stay_when_a_board_is_published_anew(stored: Path) -> None:
    assert call("publish", "board", "--merge", THEIRS, "--yes").status == 0
    merged = (OURS / "results" / f"{TASK}.jsonl").read_bytes()
    said = call("publish", "board", "--run", stored / "runs/board", "--yes")
    assert "Kept, as others measured them on the same pools: tracin." in said.out
    assert (OURS / "results" / f"{TASK}.jsonl").read_bytes() == merged


def test_merged_rows_about_an_older_truth_are_left_behind_and_told(stored: Path) -> None:
    assert call("publish", "board", "--merge", THEIRS, "--yes").status == 0
    results = load(OURS / "results")
    for key, record in results.valuations.items():
        if record.method == "tracin" and record.pool == 1:
            results.valuations[key] = replace(record, truth_key="older")
            results.truths[key[:3]] = replace(results.truths[key[:3]], truth_key="older")
            pool = results.pools[key[:2]]
            results.pools[key[:2]] = replace(pool, truth_keys={**pool.truth_keys, record.question: "older"})
    save(OURS / "results", results)
    said = call("publish", "board", "--run", stored / "runs/board", "--yes")
    assert "Left behind, since others measured them on older pools or truths: tracin." in " ".join(said.out.split())
    assert {record.method for record in load(OURS / "results").valuations.values()} == {"size"}


def test_the_same_in_json() -> None:
    said = checked("--json", "--quiet")
    found = json.loads(said.out)
    assert (said.status, found["may_be_merged"], found["new"], found["known"]) == (0, True, ["tracin"], ["size"])
    assert {one["check"] for one in found["checks"]} >= {"schema", "seal", "provenance", "scores", "run again"}
    (THEIRS / SEAL).unlink()
    found = json.loads(checked("--json", "--quiet").out)
    assert found["may_be_merged"] is False
    assert "seal.json is not there" in found["against"][0]


def test_scores_are_scipys_of_the_stored_values_and_truths() -> None:
    """A table with what scipy says passes; one that is off by a thousandth does not."""
    results, file = load(THEIRS / "results"), THEIRS / "leaderboard.csv"
    lines = list(csv.DictReader(io.StringIO(file.read_text())))
    scored = [line for line in lines if line["spearman"]]
    assert len(scored) == 4
    for line in scored:
        scores = [
            stats.spearmanr(np.mean(said.values, axis=0), np.mean(results.truths[key[:3]].values, axis=0)).statistic
            for key, said in results.valuations.items()
            if (said.question, said.method) == (line["question"], line["method"])
        ]
        line["spearman"] = f"{np.mean(scores):.6g}"
    written(file, lines)
    assert checked().status == 0
    scored[0]["spearman"] = f"{float(scored[0]['spearman']) + 0.001:.6g}"
    written(file, lines)
    refused(f"leaderboard.csv says {scored[0]['spearman']} of spearman for {TASK}, standalone")


def written(file: Path, lines: list[dict[str, str]]) -> None:
    text = io.StringIO()
    table = csv.DictWriter(text, lines[0], lineterminator="\n")
    table.writeheader()
    table.writerows(lines)
    file.write_text(text.getvalue())


# --- changed with an editor ------------------------------------------------------------------------------


def test_a_changed_score_is_refused() -> None:
    overall = THEIRS / "overall.csv"
    rows = list(csv.DictReader(io.StringIO(overall.read_text())))
    rows[0]["spearman"] = "0.99"
    written(overall, rows)
    refused("overall.csv says 0.99 of spearman for standalone, ", "its values and truths give ")


@pytest.mark.parametrize("name", ["README.md", "index.html"])
def test_a_changed_page_is_refused(name: str) -> None:
    page = THEIRS / name
    page.write_text(page.read_text().replace("tracin", "tracing"))
    refused(f"{name} is not what its results give; 'dataworth report --out theirs' draws it again.")


def test_nothing_is_run_again_where_what_costs_nothing_refuses_it_already(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running_again, "again", lambda *_: pytest.fail("an answer was asked again"))
    edited(lambda line: line.update(values=[row[::-1] for row in line["values"]]), method="tracin", pool=0)
    said = refused(f"The answer of tracin on {TASK}, pool 1, standalone, is not as the run wrote it.")
    assert "run again: not done. No answer was asked again" in " ".join(said.out.split())


def test_a_changed_value_is_refused() -> None:
    edited(lambda line: line["values"][0].reverse(), kind="valuation", method="tracin", pool=0, question="standalone")
    refused(f"The answer of tracin on {TASK}, pool 1, standalone, is not as the run wrote it.")


def test_a_changed_truth_is_refused() -> None:
    edited(lambda line: line["values"][0].reverse(), kind="truth", pool=1, question="leave-one-out")
    place = f"leave-one-out on {TASK}, pool 2"
    refused(
        f"The truth of {place}, is not as the run wrote it.",
        f"Truths that are not the mean of their held-out folds: the truth on {TASK}, pool 2, leave-one-out.",
        "1 truth with the key of a published one, and other values",
    )


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("processor", "A Faster One", "The machine (processor) of run"),
        ("cores", 64, "The machine (cores) of run"),
        ("commit", "b" * 40, "The commit of run"),
        ("by", "Somebody Famous", "The by of run"),
        ("packages", {"torch": "9"}, "The packages of run"),
    ],
)
def test_a_changed_machine_commit_or_name_is_refused(name: str, value: object, part: str) -> None:
    edited(lambda line: line["provenance"].update({name: value}), kind="run")
    refused(part, "is not as the run wrote it", f"{str(value)!r} where ")


def test_a_pool_that_was_changed_and_a_line_that_is_gone_are_refused() -> None:
    edited(lambda line: line["facts"].update(coverage=0.5), kind="pool", pool=0)
    file = THEIRS / f"results/{TASK}.jsonl"
    lines = file.read_text().splitlines()
    file.write_text("".join(line + "\n" for line in lines if '"method": "size"' not in line))
    refused(f"What was dealt as {TASK}, pool 1, is not as the run wrote it.", f"into {TASK}.jsonl, 4 are gone.")


def test_results_without_a_seal_are_refused_and_the_same_command_seals_them(monkeypatch: pytest.MonkeyPatch) -> None:
    (THEIRS / SEAL).unlink()
    refused("seal.json is not there, which runs write when they end")
    monkeypatch.setattr("harness.records.provenance._commit", lambda: COMMIT)
    monkeypatch.setattr("harness.cli.running.FEATURES", ())
    again = call("run", "--suite", "board", "--methods", "size,tracin", "--out", THEIRS)
    assert "12 answers were kept, 0 found." in again.out
    assert checked().status == 0


def test_what_nobody_asked_again_is_not_sealed_anew() -> None:
    """Otherwise a change by hand would be sealed by the next run that looks elsewhere."""
    edited(lambda line: line["values"][0].reverse(), kind="valuation", method="tracin", pool=0, question="standalone")
    assert call("run", "--suite", "board", "--methods", "size", "--out", THEIRS).status == 0
    refused(f"The answer of tracin on {TASK}, pool 1, standalone, is not as the run wrote it.")


@pytest.mark.parametrize("text", ["{", '{"version": 2}', '{"version": 1, "lines": [], "runs": {}}'])
def test_a_seal_that_is_none_is_refused(text: str) -> None:
    (THEIRS / SEAL).write_text(text)
    refused("seal.json is no seal of ours")


def test_an_older_format_is_refused_in_one_sentence() -> None:
    edited(lambda line: line.update(format=3) or (line.pop("pass_scale") and line.pop("borrowed")), kind="valuation")
    said = refused(f"results/{TASK}.jsonl is in format 3, of an older version; a submission is in format 4")
    assert "provenance" not in said.out  # what cannot be read is not looked into


# --- changed by somebody who seals it anew ---------------------------------------------------------------


def test_a_value_that_no_method_gave_is_found_by_asking_again() -> None:
    forged(lambda results: valuation(results, values=tuple(row[::-1] for row in results.valuations[ROW].values)))
    said = call("submit-check", THEIRS, "--sample", 1, "--cells", 4)
    assert said.status == 1
    lines = " ".join(said.out.split())
    assert f"tracin on {TASK}, pool 1, standalone, comes out otherwise here: up to " in lines
    assert "seal: ok" in lines


def test_a_cost_that_was_not_paid_is_found_by_asking_again() -> None:
    def cheaper(results: Results) -> None:
        for key, said in results.valuations.items():
            if said.method == "tracin":
                results.valuations[key] = replace(said, cost=replace(said.cost, gradient_passes=0.5))

    forged(cheaper)
    refused("counts its cost otherwise here: ", "gradient passes, not 0.5")


def test_tied_values_put_in_the_truth_s_order_within_the_tolerance_are_no_answer_of_the_method() -> None:
    """Of nearly tied values the tolerance alone would leave any order, and so any score."""
    results = load(THEIRS / "results")
    truth_C = np.random.default_rng(0).normal(size=24)
    found, said = replace(results.truths[ROW[:3]], values=(tuple(truth_C.tolist()),)), results.valuations[ROW]
    tied_C = (truth_C == truth_C.min()).astype(float) * -1
    near_C = tied_C + 0.005 * tied_C.std() * stats.rankdata(truth_C) / len(truth_C)
    asked, forged = (replace(said, values=(tuple(row_C.tolist()),)) for row_C in (tied_C, near_C))
    assert apart(forged.values, asked.values) < TOLERANCE
    assert stats.spearmanr(near_C, truth_C).statistic == pytest.approx(1)
    (reason,) = compared(forged, asked, found)
    score = stats.spearmanr(tied_C, truth_C).statistic
    assert f"tracin on {TASK}, pool 1, standalone, scores 1.000 as submitted and {score:.3f} as it comes out" in reason
    swapped_C = np.arange(len(truth_C), dtype=float)
    swapped_C[[0, 1]] = 1e-6, 0.0  # which kernels of another processor may tell the other way round
    plain, swapped = (replace(said, values=(tuple(row_C),)) for row_C in (np.sort(swapped_C).tolist(), swapped_C))
    assert list(compared(plain, swapped, found)) == []


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"algebra": -1.0}, "operations of its own, not -1"),
        ({"pass_scale": 0.001}, "gradient passes there for each one here, not 0.001"),
        ({"borrowed": {TASK: 9.0}}, "retrainings of other tasks {}, not"),
        ({"family": "set function"}, "of the family additive, not set function"),
    ],
)
def test_a_price_at_reference_scale_that_is_not_the_method_s_is_found_by_asking_again(
    changes: dict[str, Any], part: str
) -> None:
    def cheaper(results: Results) -> None:
        for key, said in results.valuations.items():
            if said.method == "tracin":
                results.valuations[key] = replace(said, **changes)

    forged(cheaper)
    refused("counts its cost otherwise here: ", part)


def test_another_projection_than_the_published_one_is_refused() -> None:
    suite = load_suite(THEIRS / "suite.toml")
    cheap = suite.projection.model_copy(update={"peak_tflops": 3e5})
    (THEIRS / "suite.toml").write_text(to_toml(suite.model_copy(update={"projection": cheap})))
    forged(lambda results: None)
    refused("Its suite has another [projection] than the published one")


def test_a_truth_that_was_not_found_is_refused_by_its_parts_and_by_the_published_one() -> None:
    def other(found: TruthRecord) -> TruthRecord:
        return replace(found, values=tuple(tuple(map(float, range(len(row)))) for row in found.values))

    forged(lambda results: truth(results, other))
    refused(
        f"Truths that are not the mean of their held-out folds: the truth on {TASK}, pool 1, standalone.",
        "Truths whose reliability is not that of their values",
        "1 truth with the key of a published one, and other values",
    )


def test_a_reliability_that_its_values_do_not_have_is_refused() -> None:
    forged(lambda results: truth(results, lambda t: replace(t, reliability=0.999)))
    refused(f"Truths whose reliability is not that of their values: the truth on {TASK}, pool 1, standalone.")


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"commit": "b" * 40}, "names the commit bbbbbbbbbbbb, which this checkout has not"),
        ({"commit": f"{COMMIT} (changed)"}, "made by code that is not that of its commit aaaaaaaaaaaa"),
        ({"commit": "HEAD"}, "names no commit: 'HEAD'"),
        ({"commit": None}, "does not tell its commit"),
        ({"started": "2019-12-31T00:00:00+00:00"}, "before its commit aaaaaaaaaaaa was made (2020-01-01 00:00)"),
        ({"started": "2200-01-01T00:00:00+00:00"}, "which is still to come"),
        ({"started": "yesterday"}, "has a start that is no time"),
        ({"by": " "}, "does not say who measured"),
        ({"processor": ""}, "does not tell its processor"),
        ({"cores": 2, "threads": 64}, "trained on 64 threads at once, with 2 cores"),
        ({"cores": -1}, "-1 cores"),
        ({"by": "<script>", "processor": "a | b"}, "has more than plain text in its by, processor."),
        ({"device": "cuda:0 (NVIDIA H100)"}, "ran on cuda:0 (NVIDIA H100), by its provenance, and its answers say cpu"),
    ],
)
def test_a_provenance_that_cannot_be_is_refused(changes: dict[str, object], part: str) -> None:
    forged(lambda results: told(results, **changes))
    refused(part)


def test_a_run_that_tells_nothing_of_itself_is_refused_and_ends_no_check() -> None:
    def silent(results: Results) -> None:
        for name, run in results.runs.items():
            results.runs[name] = replace(run, provenance={})

    forged(silent)
    refused("does not tell its started, command, commit, packages, ")


def test_answers_of_a_run_that_is_not_told_are_refused() -> None:
    forged(lambda results: valuation(results, run="nowhere"))
    refused("Answers name the run nowhere, of which nothing is told.")


def test_rows_in_the_name_of_a_published_run_are_refused() -> None:
    """Else they would be the board's own."""
    published = load(OURS / "results").runs

    def claim(results: Results) -> None:
        (name,) = published
        results.runs[name] = published[name]
        for key, said in results.valuations.items():
            if said.method == "tracin":
                results.valuations[key] = replace(said, run=name)

    forged(claim)
    refused(f"tracin names the run {next(iter(published))}, which is on the board without it.")
    forged(lambda results: told(results, by="Them"))
    refused(f"The run {next(iter(published))} has another provenance on the board, where it is already.")


def test_what_was_planted_otherwise_is_refused() -> None:
    def other(results: Results) -> None:
        for key, pool in results.pools.items():
            planted = [{**found, "size": 1} for found in pool.planted]
            results.pools[key] = replace(pool, planted=tuple(planted))

    forged(other)
    refused(f"{TASK}, pool 1: its feature size is not what was planted.")


def test_another_suite_and_another_version_of_a_task_are_refused() -> None:
    suite = load_suite(THEIRS / "suite.toml")
    (THEIRS / "suite.toml").write_text(to_toml(suite.model_copy(update={"seed": 3})))
    forged(lambda results: results.pools.update({k: replace(p, task_version=7) for k, p in results.pools.items()}))
    refused(
        "Its suite is another than the published one: seed 0 (here: 3).",
        f"{TASK}, pool 1, is of version 7 of its task, which deals version 1 now",
        "the keys of its truths of",
    )


def test_a_partial_row_and_a_failed_one_are_refused() -> None:
    def spoil(results: Results) -> None:
        del results.valuations[ROW]
        key = (*ROW[:2], "leave-one-out", "tracin")
        results.valuations[key] = replace(results.valuations[key], status="failed", reason="it broke", values=())

    forged(spoil)
    refused(
        f"The row of tracin is partial: nothing on {TASK}, pool 1, standalone.",
        f"tracin on {TASK}, pool 1, leave-one-out, failed: it broke",
    )


def test_a_row_of_a_method_that_nobody_has_here_is_refused() -> None:
    def rename(results: Results) -> None:
        for key, said in list(results.valuations.items()):
            if said.method == "tracin":
                results.valuations[*key[:3], "theirs-alone"] = replace(said, method="theirs-alone")

    forged(rename)
    refused("theirs-alone is in no table here, so nothing of it can be run again; install its package.")


def test_without_asking_anything_again_nothing_may_be_merged() -> None:
    said = checked("--cells", 0)
    assert said.status == 1
    assert "Nothing was run again" in said.out


def test_a_merge_is_refused_with_every_reason_and_changes_nothing() -> None:
    edited(lambda line: line["values"][0].reverse(), kind="valuation", method="tracin", pool=0, question="standalone")
    before = {file: file.read_bytes() for file in OURS.rglob("*") if file.is_file()}
    said = call("publish", "board", "--merge", THEIRS, "--yes")
    assert said.status == 2
    assert "is not as the run wrote it. " in said.mistake
    assert {file: file.read_bytes() for file in OURS.rglob("*") if file.is_file()} == before


def test_mistakes_are_told() -> None:
    assert "nowhere is no folder" in call("submit-check", "nowhere").mistake
    assert "holds no suite.toml" in call("submit-check", "leaderboards").mistake
    assert "leave --redraw and --run out" in call("publish", "board", "--merge", THEIRS, "--redraw").mistake
    assert "--data is for --merge" in call("publish", "board", "--data", ".").mistake
    shutil.rmtree(OURS)
    refused("No suite called board is published here: there is no board to merge into.")


def test_a_commit_is_looked_up_in_this_checkout() -> None:
    if commit_of("0" * 40).state == "no checkout":
        pytest.skip("not in a checkout")
    assert commit_of("0" * 40) == Commit("unknown")
    commit = provenance("cpu", 1)["commit"].removesuffix(" (changed)")
    found = commit_of(commit)
    assert found.state == "known"
    assert found.made is not None
    assert found.made <= datetime.now(UTC)


# --- who measures ----------------------------------------------------------------------------------------


def test_whoever_goes_on_with_a_run_can_say_who_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("harness.cli.running.FEATURES", ())
    asked = ("run", "--suite", "board", "--out", "mine")
    assert call(*asked).status == 0
    assert call(*asked, "--by", "Me").status == 0
    assert {run.provenance["by"] for run in load(Path("mine/results")).runs.values()} == {"Me"}
    assert call(*asked, "--by", "You").status == 0  # what somebody else measured stays theirs
    assert {run.provenance["by"] for run in load(Path("mine/results")).runs.values()} == {"Me"}
    assert isinstance(next(iter(load(Path("mine/results")).valuations.values())), ValuationRecord)


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "x" * 81, "<b>Me</b>", "a | b"])
def test_a_name_that_no_table_can_show_is_refused(name: str) -> None:
    assert "is no name" in call("run", "--suite", "board", "--by", name).mistake
