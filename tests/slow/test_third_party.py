"""A package of somebody else's, built and installed as one: its method is listed, checked, run, and gets its row."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.records.results import load

ROOT = Path(__file__).resolve().parents[2]
SUITE = 'tasks = ["tiny-image-label", "tiny-text-response"]\nmethods = ["size"]\npools = 2\nseeds = 2\n'


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where it was installed to: written by ``dataworth new-method``, built as a wheel, without any network."""
    folder = tmp_path_factory.mktemp("third-party")
    dataworth(folder, None, "new-method", "mean-loss", "--package")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-cache-dir"]
    options = ["--no-index", "--no-deps"]
    told(folder, None, *pip, "wheel", *options, "--no-build-isolation", "--wheel-dir", "wheels", "./mean-loss")
    (wheel,) = (folder / "wheels").iterdir()
    assert wheel.name == "dataworth_mean_loss-0.1.0-py3-none-any.whl"
    told(folder, None, *pip, "install", *options, "--target", "site", str(wheel))
    return folder / "site"


def told(folder: Path, site: Path | None, *command: str) -> str:
    """What a command prints; it must end well. What these tests are asked for, such as coverage, its tests aren't."""
    paths = [ROOT, ROOT / "harness" / "api", *([site] if site else [])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "COLUMNS": "200"}
    environment.pop("PYTEST_ADDOPTS", None)
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def dataworth(folder: Path, site: Path | None, *arguments: str) -> str:
    return told(folder, site, sys.executable, str(ROOT / "runall.py"), *arguments)


def test_it_is_listed_shown_and_checked(installed: Path, tmp_path: Path) -> None:
    (line,) = (line for line in dataworth(tmp_path, installed, "list").splitlines() if "mean-loss" in line)
    assert "mean_loss:MeanLoss of dataworth-mean-loss 0.1.0" in line
    shown = dataworth(tmp_path, installed, "show", "mean-loss")
    assert "dataworth-mean-loss 0.1.0" in shown
    assert "initialisations averaged over." in shown
    assert "mean-loss: keeps to all" in dataworth(tmp_path, installed, "check", "mean-loss")
    assert "mean-loss" not in dataworth(tmp_path, None, "list")


@pytest.mark.parametrize("options", [[], ["--method-timeout", "100", "--memory", "1000"]])
def test_it_gets_its_rows_in_a_run(installed: Path, tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "mine.toml").write_text(SUITE, encoding="utf-8")
    asked = ("run", "--suite", "mine.toml", "--out", "out", "--methods", "mean-loss,mean-loss:seeds=1,size", *options)
    dataworth(tmp_path, installed, *asked)
    with (tmp_path / "out" / "leaderboard.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["method"].startswith("mean-loss")]
    assert len(rows) == 2 * 2 * 3
    assert {row["status"] for row in rows} == {"ok"}
    stored = load(tmp_path / "out" / "results").valuations
    for name, repeats in (("mean-loss", 3), ("mean-loss:seeds=1", 1)):
        assert len(stored["tiny-image-label", 0, "shapley", name].values) == repeats


def test_its_own_tests_pass(installed: Path) -> None:
    source = installed.parent / "mean-loss"
    told(source, installed, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, ".")
