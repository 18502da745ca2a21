"""What the README says is run."""

from __future__ import annotations

import importlib
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.config import load_suite
from harness.registry import task
from harness.types import Method
from methods import METHODS
from tests.readme import BLOCK, README, ROOT, SUITE, drawn
from tests.tiny import evaluator_of, tiny_pool

TEXT = README.read_text(encoding="utf-8")
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]


def test_the_readme_tells_both_ways_of_setting_up() -> None:
    assert {"make leaderboard", "make test"} <= set(COMMANDS)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make ")])
def test_make_knows_the_readme_s_targets(command: str) -> None:
    done = subprocess.run([*shlex.split(command), "--dry-run"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {"make leaderboard": "runall.py", "make test": "pytest"}[command] in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("dataworth ")])
def test_the_readme_s_commands_run(command: str, tmp_path: Path) -> None:
    (tmp_path / "leaderboards").mkdir()
    shutil.copytree(SUITE, tmp_path / "leaderboards" / SUITE.name, ignore=shutil.ignore_patterns("ledger*"))
    arguments = shlex.split(command)[1:]
    done = subprocess.run(
        [sys.executable, str(ROOT / "runall.py"), *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_every_command_line_of_the_readme_is_one_of_ours() -> None:
    assert {command.split()[0] for command in COMMANDS} == {"make", "dataworth"}


def test_the_table_is_what_the_stored_results_give() -> None:
    found = BLOCK.search(TEXT)
    assert found, "the README has no place for the table"
    assert found[0] == drawn(), "run: python -m tests.readme"


def test_the_example_of_a_method_is_a_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = next(block for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if "(Additive)" in block)
    (tmp_path / "readme_example.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    method = importlib.import_module("readme_example").MeanInput()
    assert isinstance(method, Method)
    pool = tiny_pool()
    valuation = evaluator_of(tmp_path, pool).evaluate("mean-input", method, "standalone")
    assert not isinstance(valuation, str)
    pixels = pool.train.columns["inputs"].reshape(len(pool.train), -1).mean(axis=1)
    expected = [pixels[pool.train.owners_N == c].sum() for c in range(len(pool.contributors))]
    np.testing.assert_allclose(valuation.values_C, expected, rtol=1e-5)


def test_the_examples_of_a_data_set_and_a_suite_are_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, suite = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    (tmp_path / "problems.toml").write_text(source, encoding="utf-8")
    (tmp_path / "mine.toml").write_text(suite, encoding="utf-8")
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    asked = load_suite(tmp_path / "mine.toml")
    assert set(asked.methods) <= set(METHODS)
    for name in asked.tasks:
        made = task(name, asked.data, asked.settings_of(name), tmp_path / "data")
        assert "problems" in made.summary
        assert "svamp-cot" in made.summary


def test_the_readme_names_every_method() -> None:
    named = set(re.findall(r"`([a-z:-]+)`", TEXT.split("## Methods")[1].split("## Add a method")[0]))
    assert {name for name in METHODS if not name.startswith("ntk-mmd:")} <= named
