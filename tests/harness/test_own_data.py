"""Own data in two steps, by the command line: a description beside its files, and a suite that names it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.config import load_suite
from harness.records.results import load
from tests.command import Command
from tests.harness.small_runs import THIRD_PARTY
from tests.tasks.test_external import image_source

pytestmark = THIRD_PARTY

SUITE = """
data = "files"
tasks = ["image-classification"]
methods = ["size", "real-share"]
questions = ["standalone"]
pools = 1
seeds = {standalone = 2}

[settings.image-classification]
real = ["real-source.toml"]
synthetic = []
contributors = 4
size = [4, 8]
steps = 2
"""
"""It asks standalone alone, and so needs no seeds of another question; it has no name, and so its file's."""


@pytest.fixture
def own(command: Command, tmp_path: Path) -> Command:
    """The command line in a folder with a suite, its description, and the files beside that."""
    image_source(tmp_path, "real", 300, 0)
    (tmp_path / "mine.toml").write_text(SUITE, encoding="utf-8")
    return command


def test_a_suite_on_files_beside_their_descriptions_runs_without_a_data_folder(own: Command, tmp_path: Path) -> None:
    said = own("run", "--suite", "mine.toml", "--device", "cpu")
    assert said.status == 0
    assert re.search(r"real-source \(real\): 300 rows read; 120 generator, 120 contributors, 60 held out\.", said.out)
    results = load(tmp_path / "runs" / "mine" / "results")
    (pool,) = results.pools.values()
    assert pool.facts["rows_read"] == 300
    assert {planted["real_share"] for planted in pool.planted} == {1.0}
    assert own("report", "--suite", "mine.toml").status == 0
    assert load_suite(tmp_path / "runs" / "mine" / "suite.toml").settings["image-classification"].synthetic == ()


def test_a_second_suite_without_a_name_goes_to_a_folder_of_its_own(own: Command, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text(SUITE, encoding="utf-8")
    for name in ("mine", "other"):
        assert own("run", "--suite", f"{name}.toml", "--device", "cpu", "--methods", "size").status == 0
    assert {folder.name for folder in (tmp_path / "runs").iterdir()} == {"mine", "other"}


def test_a_task_is_told_as_a_suite_has_it(own: Command) -> None:
    said = own("show", "image-classification", "--suite", "mine.toml").out
    for part in ("real-source (real), and nothing synthetic", "4 a pool, of 4-8 examples", "2 steps"):
        assert part in said
    assert "No task of mine.toml is called 'sentiment'" in own("show", "sentiment", "--suite", "mine.toml").err
    assert "--suite is for a task" in own("show", "mine.toml", "--suite", "mine.toml").err
    assert "No task of mine.toml is called 'tracin'" in own("show", "tracin", "--suite", "mine.toml").err


def test_a_plan_tells_what_was_read_and_the_memory_that_was_taken(own: Command) -> None:
    said = " ".join(own("show", "mine.toml", "--measure", "--device", "cpu").out.split())
    assert "real-source (real): 300 rows read; " in said
    assert re.search(r"image-classification 10 .* \d+\.\d GB", said)
    assert "so many models trained at once: 10 of image-classification;" in said  # 4 contributors and nobody, twice
    assert "files real-source.toml none" in said


def test_a_file_that_lies_nowhere_is_told_with_both_places(own: Command, tmp_path: Path) -> None:
    (tmp_path / "real.npz").unlink()
    said = own("run", "--suite", "mine.toml", "--device", "cpu")
    assert said.status == 2
    assert "there is no file real.npz beside its description" in said.err
    assert "give --data DIR" in said.err
