"""``import dataworth``: the public words without torch, results as frames, and a package that brings all it needs."""

from __future__ import annotations

import ast
import csv
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import dataworth
import numpy as np
import pytest
from dataworth import UserError, load_leaderboard, load_overall, load_values, spearman
from setuptools.discovery import PEP420PackageFinder

import harness.types
from harness.report.leaderboard_csv import HEADER, OVERALL_HEADER
from tests.harness.small_runs import THIRD_PARTY, finished

pytestmark = THIRD_PARTY
ROOT = Path(__file__).resolve().parents[2]
QUICK = ROOT / "leaderboards" / "embedded-quick"


# --- the public words -----------------------------------------------------------------------------------


def test_the_public_words_are_the_harness_s_own() -> None:
    for name in dataworth.__all__:
        assert hasattr(dataworth, name), name
    for name in ("Method", "SetFunction", "Additive", "Retraining", "Problem", "Examples", "Task", "Budget", "Scorer"):
        assert getattr(dataworth, name) is getattr(harness.types, name)
    assert dataworth.__version__ == version("dataworth")


def test_everything_that_a_problem_names_is_public() -> None:
    """An author can annotate whatever a method is given or gives."""
    source = ast.parse(Path(harness.types.__file__).read_text(encoding="utf-8"))
    named = {"Problem", "Method", "SetFunction", "Additive", "Retraining", "Task", "Pool", "Learner", "Fit"}
    classes = [node for node in source.body if isinstance(node, ast.ClassDef) and node.name in named]
    defined = {node.name for node in source.body if isinstance(node, ast.ClassDef)}
    defined |= {node.target.id for node in source.body if isinstance(node, ast.AnnAssign)}  # type: ignore[union-attr]
    notes = [node.annotation for one in classes for node in ast.walk(one) if isinstance(node, ast.AnnAssign | ast.arg)]
    notes += [node.returns for one in classes for node in ast.walk(one) if isinstance(node, ast.FunctionDef)]
    used = {name.id for note in notes if note for name in ast.walk(note) if isinstance(name, ast.Name)}
    assert len(classes) == len(named)
    assert used & defined <= set(dataworth.__all__)


def test_importing_the_public_words_takes_half_a_second_and_no_torch() -> None:
    """The best of three fresh processes."""
    program = (
        "import sys, time\nstarted = time.process_time()\nimport dataworth\n"
        "print(time.process_time() - started, sorted({'torch', 'pandas', 'sklearn', 'scipy'} & set(sys.modules)))"
    )
    took = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONPATH": f"{ROOT}:{ROOT / 'harness' / 'api'}"},
        )
        seconds, heavy = done.stdout.split(maxsplit=1)
        assert heavy.strip() == "[]"
        took.append(float(seconds))
        if took[-1] < 0.5:
            break
    assert min(took) < 0.5


# --- results as frames ----------------------------------------------------------------------------------


def test_a_published_leaderboard_is_a_frame_of_its_file() -> None:
    board = load_leaderboard("embedded-quick")
    with (QUICK / "leaderboard.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(board.columns) == tuple(rows[0])
    assert len(board) == len(rows)
    name = "rank_low" if "rank_low" in board else "rank"  # as older versions wrote
    ranks = board[name].astype("string").fillna("")
    for found, rank, row in zip(board.to_dict("records"), ranks, rows, strict=True):
        assert (found["task"], found["method"], found["reason"]) == (row["task"], row["method"], row["reason"])
        np.testing.assert_equal(found["spearman"], float(row["spearman"] or "nan"))
        assert rank == row[name]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    finished(folder, methods=["size", "initial-loss", "ntk-mmd:calibrated"], questions=["standalone"], pools=2)
    return folder


def test_a_run_s_leaderboard_is_found_by_its_folder_and_by_its_file(run: Path) -> None:
    board = load_leaderboard(run)
    assert set(board["method"]) == {"retraining (truth)", "size", "initial-loss", "ntk-mmd:calibrated"}
    assert ",".join(board.columns) == HEADER
    assert load_leaderboard(str(run / "leaderboard.csv")).equals(board)
    means = load_overall(run)
    assert ",".join(means.columns) == OVERALL_HEADER
    assert list(means["question"]) == ["standalone"] * 3 + ["all"] * 3
    assert load_overall(str(run / "overall.csv")).equals(means)


def test_values_stand_beside_the_truth_that_they_are_scored_against(run: Path) -> None:
    """Scored again from the frame, each method has the Spearman correlation of its row."""
    values, board = load_values(run), load_leaderboard(run).set_index("method")
    assert len(values) == 2 * 2 * 4  # methods that answered, pools, contributors
    assert set(values["contributor"]) == {"c0", "c1", "c2", "c3"}
    for name, said in values.groupby("method"):
        scores = [spearman(p["value"].to_numpy(), p["truth"].to_numpy()) for _, p in said.groupby("pool")]
        assert np.mean(scores) == pytest.approx(board["spearman"][name], abs=1e-5)
    assert values.query("method == 'size'")["value_sd"].isna().all()  # one repeat
    assert (values.query("method == 'initial-loss'")["value_sd"] > 0).all()
    assert (values["truth_sd"] > 0).all()


@pytest.mark.parametrize("load", [load_leaderboard, load_values])
def test_what_is_no_leaderboard_is_answered_with_those_that_are(load: object, tmp_path: Path) -> None:
    assert callable(load)
    with pytest.raises(UserError, match=r"called 'embeded-quick'. Did you mean embedded-quick"):
        load("embeded-quick")
    with pytest.raises(UserError, match=r"No .* called 'paper'.*There are: embedded, embedded-quick"):
        load("paper")
    with pytest.raises(UserError, match=r"holds no (leaderboard.csv|results); name the folder of a finished run"):
        load(tmp_path)


# --- the package ----------------------------------------------------------------------------------------


def test_every_package_and_every_file_that_is_read_is_built() -> None:
    """By setuptools' own discovery: what ``pip install`` brings is what the program needs."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    find, data = told["packages"]["find"], told["package-data"]
    built = {
        package: ROOT / where / package.replace(".", "/")
        for where in find["where"]
        for package in PEP420PackageFinder.find(str(ROOT / where), find["exclude"], find["include"])
    }
    wanted = [file.parent for top in ("harness", "methods", "tasks") for file in (ROOT / top).rglob("__init__.py")]
    assert set(wanted) <= set(built.values())
    assert built["dataworth"] == ROOT / "harness" / "api" / "dataworth"
    assert len(set(built.values())) == len(built)  # nothing under two names
    taken = {file for package, place in built.items() for file in matching(place, [*data["*"], *data.get(package, ())])}
    assert set((ROOT / "tasks" / "sources" / "catalogue").glob("*.toml")) <= taken
    for suite in (ROOT / "leaderboards").glob("*/suite.toml"):
        assert {suite, *suite.parent.glob("results/*.jsonl"), *suite.parent.glob("*.csv")} <= taken


def matching(place: Path, patterns: list[str]) -> set[Path]:
    return {file for pattern in patterns for file in place.glob(pattern)}
