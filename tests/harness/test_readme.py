"""What the README and the pages it leads to say is run."""

from __future__ import annotations

import csv
import importlib
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.config import load_suite
from harness.registry import task
from harness.types import Method
from methods import METHODS
from tasks.sources.description import Source, source_from
from tests.command import Command
from tests.harness.small_runs import THIRD_PARTY
from tests.readme import DOCS, PAGES, README, ROOT, SUITE, block, blocks, commands, drawn, is_baseline, redrawn
from tests.tiny import evaluator_of, tiny_pool
from tests.valuing.files import vendors

pytestmark = THIRD_PARTY
TEXT = PAGES[README.name]
COMMANDS = [line for page in DOCS for line in commands(PAGES[page.name])]
"""Of the pages that the README leads to: each runs by itself. Those of the README are journeys (``test_journeys``)."""


def test_the_readme_tells_both_ways_of_setting_up() -> None:
    assert blocks("sh", "README.md")[0] == "make leaderboard\nmake test\n"


def anchors(text: str) -> set[str]:
    """What GitHub lets a link to a heading end in."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_links_to_is_there(page: str) -> None:
    own = README if page == README.name else ROOT / "docs" / page
    missing = []
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)", PAGES[page]):
        place = own.parent / target if target else own
        if not place.exists() or (anchor and anchor not in anchors(place.read_text(encoding="utf-8"))):
            missing.append(f"{target}#{anchor}")
    assert missing == []


def test_every_page_is_found_from_the_readme() -> None:
    assert [page.name for page in DOCS if f"](docs/{page.name})" not in TEXT] == []


@pytest.mark.parametrize("line", blocks("sh", "README.md")[0].splitlines())
def test_make_knows_the_readme_s_targets(line: str) -> None:
    done = subprocess.run([*shlex.split(line), "--dry-run"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {"make leaderboard": "runall.py", "make test": "pytest"}[line] in done.stdout


def test_beside_a_clone_called_dataworth_python_finds_the_package(tmp_path: Path) -> None:
    """By a line of the environment that says where it lies: an editable install alone is looked for after folders."""
    told = subprocess.run(
        ["make", "--dry-run", "--always-make", "environment"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert f'echo "{ROOT}/harness/api" > ' in told
    assert "/dataworth.pth" in told
    (tmp_path / "beside" / "dataworth").mkdir(parents=True)
    (tmp_path / "dataworth.pth").write_text(f"{ROOT}/harness/api\n")
    program = f"import site; site.addsitedir({str(tmp_path)!r}); import dataworth; print(dataworth.Additive.family)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path / "beside", capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "additive", done.stderr


def own_data(folder: Path) -> None:
    """What the pages on own data describe: reviews, problems that people and a generator solved, photographs."""
    reviews = "".join(f"it was a film of {k} words and more;{1 + k % 5}\n" for k in range(60))
    (folder / "reviews.csv").write_text(f"review;stars\n{reviews}", encoding="utf-8")
    rows = [{"question": f"What is {k} and {k + 1}, say?", "solution": f"It is {2 * k + 1}"} for k in range(60)]
    for name in ("problems", "made"):
        (folder / f"{name}.json").write_text(json.dumps(rows), encoding="utf-8")
    (folder / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for kind, shade in (("cat", 60), ("dog", 180)):
        (folder / "photos" / kind).mkdir(parents=True)
        for k in range(4):
            Image.new("RGB", (20 + k, 24), (shade, shade, k)).save(folder / "photos" / kind / f"{k}.png")


@pytest.mark.parametrize("line", [c for c in COMMANDS if c.startswith("dataworth ")])
def test_the_commands_run(line: str, command: Command, tmp_path: Path) -> None:
    shutil.copytree(SUITE, tmp_path / "leaderboards" / SUITE.name, ignore=shutil.ignore_patterns("ledger*"))
    vendors(tmp_path)
    own_data(tmp_path)
    said = command(*shlex.split(line)[1:])
    assert said.status == 0, said.err
    assert said.out.strip()


def test_every_command_line_is_one_of_ours() -> None:
    assert {command.split()[0] for command in COMMANDS} == {"dataworth"}


def test_the_examples_of_reading_a_leaderboard_run(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = blocks("python", "running.md")
    exec(code, {})
    shown = capsys.readouterr().out
    assert "spearman" in shown
    assert any(name in shown for name in METHODS)


@pytest.mark.parametrize("name", ["leaderboard", "baselines"])
def test_what_is_drawn_is_what_the_stored_results_give(name: str) -> None:
    found = block(name).search(TEXT)
    assert found, f"the README has no place for {name}"
    assert found[0] == drawn()[name], "run: python -m tests.readme"
    assert redrawn(TEXT.replace(found[0], "\nold\n")) == TEXT


def test_where_a_simple_feature_is_first_is_what_the_published_table_says() -> None:
    """By the file that is published, and not by what the sentence is made of."""
    with (SUITE / "leaderboard.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["family"] != "truth" and row["spearman"]]
    columns: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in rows:
        columns.setdefault((row["task"], row["question"]), []).append(row)
    first = {place: max(found, key=lambda row: float(row["spearman"])) for place, found in columns.items()}
    simple = {place for place, row in first.items() if is_baseline(row["method"])}
    told = drawn()["baselines"]
    told_places = {place for place in columns if f"on {' '.join(place)}" in told}
    assert told_places == simple
    assert f"{len(simple) or 'none'} of the {len(columns)} tables" in told
    shares = [float(row["fraction_of_ceiling"]) for row in first.values()]
    assert f"{min(shares):.0%} to {max(shares):.0%} of its ceiling" in told


def test_baselines_are_those_that_look_at_one_feature() -> None:
    assert all(
        is_baseline(name) for name in ("size", "real-share", "class-balance", "initial-loss", "mmd", "perplexity")
    )
    assert not any(is_baseline(name) for name in ("tracin", "influence", "data-shapley", "ntk-mmd", "nobody-s-method"))


def test_the_example_of_a_method_is_a_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = blocks("python", "adding.md")
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
    source, suite = blocks("toml", "data.md")
    (tmp_path / "problems.toml").write_text(source, encoding="utf-8")
    made = source.replace('side = "real"', 'side = "synthetic"')
    (tmp_path / "made.toml").write_text(made, encoding="utf-8")
    (tmp_path / "mine.toml").write_text(suite, encoding="utf-8")
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    asked = load_suite(tmp_path / "mine.toml")
    assert set(asked.methods) <= set(METHODS)
    for name in asked.tasks:
        external = task(name, asked.data, asked.settings_of(name), tmp_path / "data")
        assert external.summary == "problems (real) and made (synthetic)."


def test_the_examples_of_descriptions_are_valid() -> None:
    """The whole one by itself, the others as changes of it."""
    whole, *parts = (tomllib.loads(block) for block in blocks("toml", "describing.md"))
    for part in ({}, *parts):
        found = source_from({"name": "mine", **whole, **part}, "describing.md", None)
        assert found.is_text
        assert all(key in Source.model_fields for key in part)
    assert len(parts) == 3


def test_every_key_of_a_description_is_told_of() -> None:
    table = re.findall(r"^\| (`.*?) \|", PAGES["describing.md"], re.MULTILINE)
    told = {name for cell in table for name in re.findall(r"`(\w+)`", cell)}
    told |= {"config", "split", "revision", "streaming"} & set(re.findall(r"`(\w+)`", PAGES["describing.md"]))
    assert told == set(Source.model_fields)


def test_every_method_is_told_of() -> None:
    named = set(re.findall(r"`([a-z:-]+)`", PAGES["methods.md"]))
    assert {name for name in METHODS if not name.startswith("ntk-mmd:")} <= named
