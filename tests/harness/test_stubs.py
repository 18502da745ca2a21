"""A new method as it is written: it works, it passes every check, and nothing that was there is lost."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import dataworth
import pytest

from harness.cli.stubs import METHOD, PROJECT, TEST
from tests.command import Command
from tests.harness.small_runs import THIRD_PARTY

pytestmark = THIRD_PARTY
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Modules of these tests' folders are no other's."""
    before = set(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - before[0]:
        if name.startswith(("mean_loss", "test_mean_loss")):
            del sys.modules[name]
    sys.path[:] = before[1]


def test_a_new_method_works_as_it_is_written(command: Command, tmp_path: Path) -> None:
    said = command("new-method", "mean-loss")
    assert said.status == 0, said.err
    assert sorted(file.name for file in tmp_path.iterdir()) == ["mean_loss.py", "test_mean_loss.py"]
    assert "dataworth check mean_loss:MeanLoss" in said.out
    checked = command("check", "mean_loss:MeanLoss")
    assert checked.status == 0, checked.out
    assert "failed" not in checked.out
    made = importlib.import_module("mean_loss").MeanLoss()
    assert (made.seeds, made.family) == (3, "additive")
    assert dataworth.failed_checks(made) == []


def test_a_folder_called_dataworth_is_not_taken_for_the_package(tmp_path: Path) -> None:
    """As where the command is run beside a clone."""
    (tmp_path / "dataworth").mkdir()
    for arguments in (["new-method", "mean-loss"], ["check", "mean_loss:MeanLoss"]):
        command = [sys.executable, str(ROOT / "runall.py"), *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_its_test_passes_and_its_files_are_clean(command: Command, tmp_path: Path) -> None:
    command("new-method", "mean-loss")
    ruff = [sys.executable, "-m", "ruff", "--config", "line-length = 120"]
    for arguments in ([*ruff, "check", "."], [*ruff, "format", "--check", "."]):
        done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    for template in (METHOD, TEST, PROJECT):
        for spelling in ("mean-loss", "mean_loss", "MeanLoss"):
            assert spelling not in template.template  # the name is nowhere but where it is put


def test_a_package_registers_its_method(command: Command, tmp_path: Path) -> None:
    said = command("new-method", "mean-loss", "--package")
    assert said.status == 0, said.err
    assert sorted(f.name for f in (tmp_path / "mean-loss").iterdir()) == [
        *("mean_loss.py", "pyproject.toml", "test_mean_loss.py"),
    ]
    told = tomllib.loads((tmp_path / "mean-loss" / "pyproject.toml").read_text(encoding="utf-8"))
    assert told["project"]["entry-points"]["dataworth.methods"] == {"mean-loss": "mean_loss:MeanLoss"}
    assert told["tool"]["setuptools"]["py-modules"] == ["mean_loss"]
    assert "pip install --editable mean-loss" in said.out


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("MeanLoss", "'MeanLoss' is no name for a method: words of small letters and digits with hyphens between them"),
        ("MeanLoss", "such as mean-loss."),
        ("mean_loss", "such as mean-loss."),
        ("-", "'-' is no"),
        ("", "'' is no name"),
        ("3d", "'3d' is no name"),
        ("../up", "such as up."),
        ("a" * 61, "at most 60 in all"),
        ("mean:loss", "such as mean-loss."),
        ("tracin", "A method is called tracin already (dataworth show tracin)"),
        ("json", "json is a word or a module of Python's, or of a package here"),
        ("class", "class is a word"),
        ("numpy", "numpy is a word or a module"),
        ("harness", "harness is a word or a module"),
        ("none", "none would give a class None in none.py"),
        ("exception", "would give a class Exception"),
        ("problem", "would give a class Problem"),
        ("job-size", "would give a class JobSize"),
        ("user-error", "would give a class UserError"),
        ("setup", "; choose another name."),
        ("conftest", "in conftest.py"),
    ],
)
def test_names_that_are_none(command: Command, tmp_path: Path, name: str, told: str) -> None:
    said = command("new-method", "--", name)
    assert (said.status, said.out) == (2, "")
    assert told in said.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("there", ["mean_loss.py", "test_mean_loss.py"])
def test_nothing_is_overwritten(command: Command, tmp_path: Path, there: str) -> None:
    (tmp_path / there).write_text("mine")
    said = command("new-method", "mean-loss")
    assert said.status == 2
    assert f"{there} is there already, and nothing was written" in said.err
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(there, "mine")]
    (tmp_path / "mean-loss").mkdir()
    assert "mean-loss is there already" in command("new-method", "mean-loss", "--package").err
    assert list((tmp_path / "mean-loss").iterdir()) == []


def test_an_unwritable_folder_is_told(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    said = command("new-method", "mean-loss")
    assert said.status == 2
    assert f"Cannot write to {tmp_path}: Permission denied." in said.err
