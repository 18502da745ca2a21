"""``dataworth study agreement``: its numbers are those of the members' values, and whoever is missing is told."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from harness import registry
from harness.cli.studies import agreement
from harness.cli.studies.groups import GROUPS, Group, Member, methods
from harness.config import to_toml
from harness.errors import UserError
from harness.types import Entry, Floats
from tests.command import Command
from tests.harness.small_runs import THIRD_PARTY, tiny_suite
from tests.tiny import evaluator_of, tiny_pool

pytestmark = THIRD_PARTY
POOLS = 2
FEW = (
    Group("gradients", "Of a kind.", "leave-one-out", methods("tracin", "influence", "not-yet"), {"runs": 1}),
    Group("few", "Few of them.", "shapley", methods("mmd", "size"), contributors=3),
    Group("one", "Alone.", "shapley", methods("size", "not-yet")),
)


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny suite's file, and two small groups."""
    monkeypatch.setattr("tasks.TASKS", {"tiny": Entry("tests.tiny:tiny_task", "Noisy patterns.")})
    monkeypatch.setattr(agreement, "GROUPS", FEW)
    file = tmp_path / "asked" / "suite.toml"
    file.parent.mkdir()
    file.write_text(to_toml(tiny_suite(pools=POOLS)), encoding="utf-8")
    return file


def lines_of(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))


def values(folder: Path, name: str, index: int, **knobs: object) -> Floats:
    """What a method says of a tiny pool."""
    made = agreement.made_of(Member(name, name, knobs=knobs), {})  # type: ignore[arg-type]
    assert not isinstance(made, str)
    found = evaluator_of(folder, tiny_pool(4, index)).evaluate(name, made, "leave-one-out")
    return found.values_C  # type: ignore[union-attr]


def test_a_pair_is_the_spearman_of_both_methods_values(command: Command, suite: Path, tmp_path: Path) -> None:
    said = command("study", "agreement", "--suite", suite, "--out", "told")
    assert said.status == 0, said.err
    lines = lines_of(tmp_path / "told" / "agreement.csv")
    found = [float(line["spearman"]) for line in lines if (line["a"], line["b"]) == ("tracin", "influence")]
    expected = [
        spearmanr(values(tmp_path, "tracin", index, runs=1), values(tmp_path, "influence", index, runs=1))[0]
        for index in range(POOLS)
    ]
    assert found == pytest.approx(expected)
    assert f"{np.mean(expected):.2f}" in said.out
    assert f"not-yet: {agreement.NO_SUCH}" in said.out
    assert "tiny, pool 2: gradients" in said.err


def test_an_overview_comes_first_and_who_answers_alone_has_no_table(
    command: Command, suite: Path, tmp_path: Path
) -> None:
    command("study", "agreement", "--suite", suite, "--out", "told")
    page = (tmp_path / "told" / "README.md").read_text(encoding="utf-8")
    assert "\n# Study: agreement\n" in page
    overview, first, *_, last = page.split("\n## ")[1:]
    rows = {cells[0]: cells[1] for cells in _cells(overview)}
    found = [float(line["spearman"]) for line in lines_of(tmp_path / "told" / "agreement.csv")]
    gradients, few = np.mean(found[:POOLS]), np.mean(found[POOLS:])
    assert rows["gradients"] == f"{gradients:.2f} to {gradients:.2f}"
    assert rows["few"] == f"{few:.2f} to {few:.2f}"
    assert rows["one"] == "–"
    assert first.startswith("tiny: gradients\n")
    assert last.startswith("tiny: one\n")
    assert "Only size answers, so there is nothing to compare. Alone." in last
    assert "|" not in last


def _cells(section: str) -> list[list[str]]:
    """The table's rows."""
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_a_group_of_few_contributors_is_asked_about_these_alone(command: Command, suite: Path, tmp_path: Path) -> None:
    command("study", "agreement", "--suite", suite, "--pools", 1, "--out", "told")
    lines = lines_of(tmp_path / "told" / "members.csv")
    (size,) = [line for line in lines if (line["group"], line["member"]) == ("few", "size")]
    assert [float(value) for value in size["values"].split()] == [6, 7, 8]
    assert float(size["seconds"]) >= 0


def test_what_was_answered_is_not_asked_again(command: Command, suite: Path, tmp_path: Path) -> None:
    """The seconds are those of the first time."""
    files = []
    for _ in range(2):
        command("study", "agreement", "--suite", suite, "--pools", 1, "--out", "told")
        files.append((tmp_path / "told" / "members.csv").read_bytes())
    assert files[0] == files[1]
    assert b"tracin" in files[0]


def test_without_a_suite_pools_come_from_beyond_those_that_are_published(command: Command, suite: Path) -> None:
    said = command("study", "agreement", "--pools", 1, "--tasks", "tiny")
    assert said.status == 0, said.err
    assert "tiny, pool 101" in said.err
    assert "tiny, pool 1:" not in said.err


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--methods", "tracim"], "Did you mean tracin?"),
        (["--seeds", "2"], "no use for --seeds"),
        (["--tasks", "tyni"], "'tyni'"),
    ],
)
def test_mistakes_are_told_in_one_line(command: Command, suite: Path, arguments: list[str], part: str) -> None:
    said = command("study", "agreement", "--suite", suite, *arguments)
    assert said.status == 2
    assert part in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.name)
def test_every_member_of_the_table_can_be_made_or_is_not_there_yet(group: Group) -> None:
    made = {member.name: agreement.made_of(member, group.common) for member in group.members}
    assert len(made) == len(group.members)
    absent = [member.method for member in group.members if made[member.name] == agreement.NO_SUCH]
    assert all(name not in registry.methods() for name in absent)
    if "runs" in group.common:
        assert all(getattr(found, "runs", 1) == 1 for found in made.values())


def test_a_knob_that_a_member_lacks_is_a_mistake() -> None:
    with pytest.raises(UserError, match="has no knob trees"):
        agreement.made_of(Member("size", "size", knobs={"trees": 2}), {})
