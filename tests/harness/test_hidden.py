"""Hidden pools: other data, marked wherever they are shown, and rows that they confirm or not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from harness.config import FIRST_HIDDEN, load_suite, to_toml
from harness.records.provenance import Commit
from harness.records.results import Results, load
from harness.report.leaderboard import leaderboard
from harness.running.pool_run import COUNTED_EVERY
from harness.submitting.hidden import confirmations
from harness.types import MOST, Question
from tests.harness.commands import call
from tests.harness.small_runs import THIRD_PARTY, tiny_suite

pytestmark = THIRD_PARTY
TASK, SEED, COMMIT = "tiny-image-label", 41, "a" * 40
ASKED: tuple[Question, ...] = ("standalone", "leave-one-out")
SUITE = tiny_suite([TASK], ["size", "mmd"], name="board", questions=ASKED, pools=2)
SEEN, HIDDEN = Path("runs/board"), Path(f"runs/board-hidden-{SEED}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on the suite's own pools, and one on hidden ones."""
    folder = tmp_path_factory.mktemp("hidden")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("harness.records.provenance._commit", lambda: COMMIT)
        patch.setattr("harness.cli.running.FEATURES", ())
        Path("leaderboards/board").mkdir(parents=True)
        Path("leaderboards/board/suite.toml").write_text(to_toml(SUITE))
        assert call("run", "--suite", "board", "--by", "Us").status == 0
        assert call("publish", "board", "--yes").status == 0
        said = call("run", "--suite", "board", "--by", "Us", "--hidden", SEED)
        assert said.status == 0
        Path("said.txt").write_text(said.out)
    return folder


@pytest.fixture(autouse=True)
def place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr("harness.submitting.origins.commit_of", lambda commit: Commit("known"))


def test_hidden_pools_are_others_and_numbered_by_their_seed() -> None:
    seen, hidden = load(SEEN / "results"), load(HIDDEN / "results")
    assert {pool for _, pool in seen.pools} == {0, 1}
    assert {pool for _, pool in hidden.pools} == {FIRST_HIDDEN * (1 + SEED), FIRST_HIDDEN * (1 + SEED) + 1}
    keys = [record.pool_key for results in (seen, hidden) for record in results.pools.values()]
    assert len(set(keys)) == 4
    truths = [record.values for results in (seen, hidden) for record in results.truths.values()]
    assert len(set(truths)) == 8
    assert load_suite(HIDDEN / "suite.toml").hidden == SEED


def test_their_results_are_marked_wherever_they_are_shown() -> None:
    told = f"On hidden pools, which the seed {SEED} deals"
    assert told in Path("said.txt").read_text()
    assert told in (HIDDEN / "README.md").read_text()
    assert told in (HIDDEN / "index.html").read_text()
    assert json.loads(call("report", "--out", HIDDEN, "--json", "--quiet").out)["hidden"] == SEED
    assert "On hidden pools" not in (SEEN / "README.md").read_text()
    assert json.loads(call("report", "--out", SEEN, "--json", "--quiet").out)["hidden"] is None


def test_they_are_compared_with_nothing_and_published_nowhere() -> None:
    said = " ".join(Path("said.txt").read_text().split())
    assert f"Not compared with the published results, which have hidden unset (this run: {SEED})." in said
    assert f"hidden unset (the run: {SEED})" in call("publish", "board", "--run", HIDDEN, "--yes").mistake
    assert "pool 1/2" in said  # not the number that the seed gives
    told = " ".join(call("submit-check", HIDDEN, "--cells", 0).out.split())
    assert f"Its suite is another than the published one: hidden unset (here: {SEED})." in told


def test_a_check_tells_which_rows_they_confirm() -> None:
    said = call("submit-check", SEEN, "--hidden", HIDDEN, "--cells", 1, "--json", "--quiet")
    assert said.status == 0
    found = json.loads(said.out)["confirmed"]
    assert {(one["method"], one["question"]) for one in found} == {
        (method, question) for method in ("size", "mmd") for question in (*ASKED, None)
    }
    views = [leaderboard(load_suite(f / "suite.toml"), load(f / "results")) for f in (SEEN, HIDDEN)]
    for one in found:
        for view, mean in zip(views, (one["seen"], one["hidden"]), strict=True):
            cells = [c for c in view.cells if c.method == one["method"] and one["question"] in (None, c.question)]
            assert mean == pytest.approx(np.mean([cell.spearman for cell in cells]))
    lines = " ".join(call("submit-check", SEEN, "--hidden", HIDDEN, "--cells", 1).out.split())
    assert "On hidden pools a row is confirmed where a loss of 0.1 or more is ruled out" in lines
    assert "mean over questions" in lines


def test_rows_that_lack_a_score_somewhere_are_judged_by_none() -> None:
    suite, results = load_suite(SEEN / "suite.toml"), load(SEEN / "results")
    hidden = leaderboard(load_suite(HIDDEN / "suite.toml"), load(HIDDEN / "results"))
    lacking = Results(results.runs, results.pools, results.truths, dict(results.valuations))
    lacking.valuations = {k: v for k, v in results.valuations.items() if k[1:] != (1, "standalone", "mmd")}
    found = confirmations(leaderboard(suite, lacking), hidden)
    assert {(one.method, one.question) for one in found if one.method == "mmd"} == {("mmd", "leave-one-out")}
    assert len([one for one in found if one.method == "size"]) == 3


def test_a_folder_without_hidden_pools_and_one_of_another_suite_are_told(tmp_path: Path) -> None:
    assert "has no hidden pools" in call("submit-check", SEEN, "--hidden", SEEN).mistake
    other = replace_suite(tmp_path, seed=5)
    said = " ".join(call("submit-check", SEEN, "--hidden", other, "--cells", 1).out.split())
    assert "It is of another suite: seed 0 (there: 5)." in said
    assert "is confirmed" not in said


def replace_suite(folder: Path, **changes: object) -> Path:
    """The hidden run, as if it had answered another suite."""
    copy = Path(shutil.copytree(HIDDEN, folder / "other"))
    suite = load_suite(copy / "suite.toml").model_copy(update=changes)
    (copy / "suite.toml").write_text(to_toml(suite))
    return copy


@pytest.mark.parametrize("seed", ["-1", str(10**13)])
def test_a_seed_that_is_none_is_refused(seed: str) -> None:
    assert "--hidden must be a whole number from 0" in call("run", "--suite", "board", f"--hidden={seed}").mistake


def test_every_seed_has_room_for_all_pools_and_counts_as_every_pool_from_0() -> None:
    suites = [SUITE.model_copy(update={"hidden": seed, "pools": MOST}) for seed in (0, 1)]
    assert suites[0].numbers[-1] < suites[1].numbers[0]
    assert SUITE.numbers[-1] < suites[0].numbers[0]
    assert suites[0].numbers[0] % COUNTED_EVERY == 0
