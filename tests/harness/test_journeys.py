"""The README's three journeys, each run from its first command to its last in a folder with small files."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import Command
from tests.harness.small_runs import THIRD_PARTY
from tests.readme import PAGES, README, SUITE, commands
from tests.valuing.files import vendors

pytestmark = THIRD_PARTY
TEXT = PAGES[README.name]
SECTIONS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.DOTALL | re.MULTILINE))
JOURNEYS = {heading: lines for heading, text in SECTIONS.items() if (lines := commands(text))}
"""The commands under each heading of the README, in their order."""
PURPOSES = {
    "Read the board": ["make", "make", "report", "frontier", "show"],
    "Value your own data": ["value", "value"],
    "Add a method": ["new-method", "pip", "check", "run"],
}
"""What a reader, a buyer and an author do."""


@pytest.fixture
def small_files(tmp_path: Path) -> Iterator[Path]:
    """A folder with a published suite, vendors' files and a target; what is installed from it is gone afterwards."""
    shutil.copytree(SUITE, tmp_path / "leaderboards" / SUITE.name, ignore=shutil.ignore_patterns("ledger*"))
    vendors(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def install(project: Path, place: Path) -> None:
    """What ``pip install --editable`` leaves: metadata with the project's own entry points. (pip: ``tests/slow``.)"""
    told = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = place / f"{told['name'].replace('-', '_')}-{told['version']}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {told['name']}\nVersion: {told['version']}\n")
    points = [
        line
        for group, names in told["entry-points"].items()
        for line in (f"[{group}]", *(f"{name} = {where}" for name, where in names.items()))
    ]
    (info / "entry_points.txt").write_text("\n".join(points) + "\n")


@pytest.mark.parametrize("heading", JOURNEYS)
def test_a_journey_runs(heading: str, command: Command, small_files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for line in JOURNEYS[heading]:
        program, *arguments = shlex.split(line)
        if program == "pip":
            project, place = small_files / arguments[-1], small_files / "installed"
            install(project, place)
            monkeypatch.syspath_prepend(str(place))
            monkeypatch.syspath_prepend(str(project))
        elif program == "dataworth":
            said = command(*arguments)
            assert said.status == 0, f"{line}: {said.err}"
            assert said.out.strip(), line


def test_there_is_one_for_who_reads_who_buys_and_who_writes_a_method() -> None:
    words = {heading: [shlex.split(line) for line in lines] for heading, lines in JOURNEYS.items()}
    ran = {heading: [w[1] if w[0] == "dataworth" else w[0] for w in lines] for heading, lines in words.items()}
    assert ran == PURPOSES
    assert [w[1:3] for lines in words.values() for w in lines if w[0] == "pip"] == [["install", "--editable"]]


def test_they_fit_two_screens() -> None:
    """Apart from what is drawn, which is as long as the results make it."""
    own = re.sub(r"(<!-- (\w+) -->).*?(<!-- /\2 -->)", "", TEXT.split("## Read more")[0], flags=re.DOTALL)
    assert len(own.splitlines()) <= 80
