"""The page holds the numbers of the tables, whatever names are in them, and what is published is what results give."""

from __future__ import annotations

import csv
import io
import math
import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import harness.report.page
from harness.config import load_suite
from harness.records.results import load
from harness.report.files import drawn
from harness.report.leaderboard import leaderboard
from harness.report.leaderboard_csv import ALL
from harness.report.page.codes import ALPHABET, coded, digits, grid
from harness.report.page.document import SCRIPTS, html, safe_json
from harness.report.view import TRUTH, View
from harness.statistics.scores import levels
from tests.harness.page_results import EVIL, METHODS, NAMES, content_of, results_of, suite_of

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = sorted(file.parent for file in (ROOT / "leaderboards").glob("*/results"))
OWN = Path(harness.report.page.__file__).parent
MOST = 2_000_000
"""Bytes of a page."""


@pytest.fixture(scope="module")
def view() -> View:
    suite = suite_of()
    return leaderboard(suite, results_of(suite))


@pytest.fixture(scope="module")
def files(view: View) -> dict[str, str]:
    return drawn(view)


@pytest.fixture(scope="module")
def content(files: dict[str, str]) -> dict[str, Any]:
    return content_of(files["index.html"])


# --- the same numbers as the tables ----------------------------------------------------------------------


def rows_of(content: dict[str, Any], task: int, question: int) -> dict[str, dict[str, Any]]:
    """A table's rows by method."""
    (table,) = [one for one in content["tables"] if (one["task"], one["question"]) == (task, question)]
    named = [dict(zip(content["row"], row, strict=True)) for row in table["rows"]]
    return {content["methods"][row["method"]]["name"]: row for row in named}


def same(own: dict[str, Any], line: dict[str, str], costs: list[str]) -> None:
    """A row of the page and one of a CSV; what is empty in one is null in the other."""
    for name, column in {"score": "spearman", "low": "low", "high": "high"}.items():
        assert own[name] == (pytest.approx(float(line[column]), abs=6e-5) if line[column] else None)
    for name, column in {"first": "rank_low", "last": "rank_high"}.items():
        assert own[name] == (int(line[column]) if line[column] else None)
    for cost, value in zip(costs, own["costs"], strict=True):
        if cost in line:
            assert value == (pytest.approx(float(line[cost]), rel=1e-5) if line[cost] else None)


def test_every_row_of_the_leaderboard_is_on_the_page(files: dict[str, str], content: dict[str, Any]) -> None:
    lines = [line for line in csv.DictReader(io.StringIO(files["leaderboard.csv"])) if line["method"] != TRUTH]
    assert len(lines) == len(METHODS) * 2 * 3
    questions = [question["name"] for question in content["questions"]]
    for line in lines:
        rows = rows_of(content, content["tasks"].index(line["task"]), questions.index(line["question"]))
        same(rows[line["method"]], line, content["costs"])


def test_every_mean_over_tasks_is_on_the_page(files: dict[str, str], content: dict[str, Any]) -> None:
    lines = list(csv.DictReader(io.StringIO(files["overall.csv"])))
    questions = [question["name"] for question in content["questions"]]
    for line in lines:
        rows = rows_of(content, -1, -1 if line["question"] == ALL else questions.index(line["question"]))
        same(rows[line["method"]], line, content["costs"])


def test_ceilings_are_those_of_the_tables(content: dict[str, Any], view: View) -> None:
    for cell in (cell for cell in view.cells if cell.is_truth):
        place = view.tasks.index(cell.task), view.questions.index(cell.question)
        (table,) = [one for one in content["tables"] if (one["task"], one["question"]) == place]
        expected = [cell.ceiling, cell.ceiling_low, cell.ceiling_high]
        assert table["ceiling"] == [None if math.isnan(value) else pytest.approx(value, abs=6e-5) for value in expected]


def test_the_scores_of_pools_are_scipys_of_the_values_that_the_page_holds(content: dict[str, Any]) -> None:
    """So that a figure of contributors and the score above it cannot disagree."""
    seen = 0
    for points in content["points"]:
        for _, scores, codes, _, _ in points["rows"]:
            for place, score in enumerate(scores):
                values = decoded(content["codes"][codes][36 * place : 36 * (place + 1)])
                expected = stats.spearmanr(values, points["truths"][place]).statistic
                assert score / 1000 == pytest.approx(expected, abs=5.1e-4)
                seen += 1
    assert seen == (2 * len(METHODS) - 1) * 3 * 4


def test_the_front_of_the_page_is_that_of_its_rows(content: dict[str, Any]) -> None:
    names = [method["name"] for method in content["methods"]]
    for table in content["tables"]:
        rows = rows_of(content, table["task"], table["question"])
        for front in table["fronts"]:
            scored = {
                n: (row["costs"][front["cost"]], row["score"]) for n, row in rows.items() if row["score"] is not None
            }
            scored["random"] = scored["random"][0], 0.0  # compared at what random orders score on average
            expected = {
                name
                for name, (cost, score) in scored.items()
                if not any(c <= cost and s >= score and (c, s) != (cost, score) for c, s in scored.values())
            }
            assert {names[method] for method in front["methods"]} == expected
            shares = {names[method]: share for method, share in front["shares"]}
            assert set(shares) == set(scored)
            assert all(0 <= share <= 1 for share in shares.values())
            assert min(shares[name] for name in expected) > 0.05


# --- values as text -----------------------------------------------------------------------------------------


def decoded(text: str, count: int = 3) -> list[int]:
    """The places of all values, and a 0 behind an odd number of them."""
    found: list[int] = []
    for at in range(0, len(text), count):
        pair = 0
        for character in text[at : at + count]:
            pair = pair * 64 + ALPHABET.index(character)
        found += divmod(pair, 8**count)
    return found


VALUES = st.lists(st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0, 1.0 + 1e-7, 2.0]), min_size=1, max_size=40)


@given(VALUES)
def test_codes_keep_order_and_ties_exactly(values: list[float]) -> None:
    places = np.array(decoded(coded([values])[0])[: len(values)], dtype=float)
    np.testing.assert_array_equal(levels(places), levels(np.array(values)))


@given(VALUES)
def test_codes_say_where_values_stand_in_their_range(values: list[float]) -> None:
    low, high = min(values), max(values)
    found = low + np.array(decoded(coded([values])[0])[: len(values)]) / 511 * (high - low)
    assert np.abs(found - values).max() <= (high - low) * (len(values) + 1) / 511 + 1e-9 * max(map(abs, values))


def test_rows_are_coded_each_on_its_own_grid() -> None:
    rows = [[0.0, 1.0, 3.0], [5.0, 5.0, 5.0], [-1e6, 0.0, 1.0]]
    assert [decoded(text) for text in coded(rows)] == [[0, 170, 511, 0], [0, 0, 0, 0], [0, 510, 511, 0]]


@pytest.mark.parametrize(("contributors", "count"), [(2, 3), (512, 3), (513, 4), (4_096, 4), (4_097, 5)])
def test_the_grid_has_a_place_for_every_contributor(contributors: int, count: int) -> None:
    (text,) = coded([list(map(float, range(contributors)))])
    assert len(text) == count * ((contributors + 1) // 2)
    places = decoded(text, count)[:contributors]
    assert places == sorted(set(places))
    assert (places[0], places[-1]) == (0, 8**count - 1)
    assert (digits(contributors), grid(count)) == (count, 8**count)


# --- names that would be markup -------------------------------------------------------------------------------


def test_no_name_can_end_the_data_or_begin_an_element(files: dict[str, str], content: dict[str, Any]) -> None:
    page = files["index.html"]
    assert len(re.findall("<script", page)) == 2  # the data and the script
    assert EVIL not in page
    assert "<b>" not in page
    assert "\u2028" not in page
    assert content["pools"][0]["contributors"][: len(NAMES)] == [name.replace("\u2028", "\\u2028") for name in NAMES]
    assert content["tasks"][1] == "<b>products</b>"
    assert any(EVIL in note[3] for note in content["notes"])


def test_data_in_a_script_element_hold_no_markup() -> None:
    assert safe_json({"</script><!--": "\u2028&"}) == '{"\\u003c/script\\u003e\\u003c!--":"\\u2028\\u0026"}'


def test_the_page_lets_in_nothing_but_its_own_script_and_style(files: dict[str, str]) -> None:
    page = files["index.html"]
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert re.findall(r'(?:src|href)="(?!#|data:,)[^"]*"', page.partition("<script")[0]) == []


# --- small suites ----------------------------------------------------------------------------------------------


def test_one_task_one_question_and_one_pool_make_a_page() -> None:
    suite = suite_of(tasks=("sums",), questions=("shapley",), pools=1)
    content = content_of(html(leaderboard(suite, results_of(suite))))
    assert [(table["task"], table["question"]) for table in content["tables"]] == [(-1, 0), (0, 0)]
    assert "not enough signal: 1 pool" in content["tables"][0]["verdict"]
    assert rows_of(content, 0, 0)["kernel"]["first"] is None


def test_a_suite_without_any_truth_makes_a_page() -> None:
    suite = suite_of(pools=1)
    results = results_of(suite)
    results.truths.clear()
    content = content_of(html(leaderboard(suite, results)))
    assert content["points"] == []
    assert all(row["score"] is None for row in rows_of(content, 0, 0).values())


# --- files ------------------------------------------------------------------------------------------------------


def test_every_file_of_the_page_is_used_and_installed() -> None:
    found = {str(file.relative_to(OWN)) for file in OWN.rglob("*") if file.suffix in (".html", ".css", ".js")}
    assert found == {"template.html", "page.css", *(f"scripts/{name}.js" for name in SCRIPTS)}
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert all(any(fnmatch(name, pattern) for pattern in patterns["harness.report.page"]) for name in found)


def test_a_page_of_eighty_methods_has_room_to_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of whose values differ, over four tasks of 24 pools: more than any suite that is published."""
    methods = {f"method-{m}:setting={m}": ("additive", m, 0.1 * (m + 1)) for m in range(80)}
    monkeypatch.setattr("tests.harness.page_results.METHODS", methods)
    suite = suite_of(tasks=("one", "two", "three", "four"), pools=24)
    page = html(leaderboard(suite, results_of(suite)))
    assert len(content_of(page)["methods"]) == 80
    assert len(page.encode()) < 0.85 * MOST


@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda folder: folder.name)
def test_a_published_page_is_what_its_results_give(folder: Path) -> None:
    """Numbers may differ in their last digit: machines round differently."""
    page = (folder / "index.html").read_text(encoding="utf-8")
    again = html(leaderboard(load_suite(folder / "suite.toml"), load(folder / "results")))
    assert without_data(page) == without_data(again), f"run: dataworth publish {folder.name} --redraw"
    close(content_of(page), content_of(again), folder.name)
    assert len(page.encode()) < MOST


def without_data(page: str) -> str:
    return re.sub(r'(id="content">).*?(</script>)', r"\1\2", page, flags=re.DOTALL)


def close(was: object, now: object, where: str) -> None:
    """Both hold the same, numbers to a unit of their last digit, coded values to one place."""
    for key, one, other in pairs(was, now, where):
        if isinstance(one, float | int) and isinstance(other, float | int):
            assert one == pytest.approx(other, rel=1.1e-3, abs=1.1e-3), key
        elif ".codes[" in key:
            assert np.abs(np.array(decoded(str(one))) - decoded(str(other))).max() <= 1, key
        else:
            assert one == other, key


def pairs(was: object, now: object, where: str) -> Iterator[tuple[str, object, object]]:
    """What stands at the same place in both."""
    if isinstance(was, dict) and isinstance(now, dict):
        assert list(was) == list(now), where
        for key in was:
            yield from pairs(was[key], now[key], f"{where}.{key}")
    elif isinstance(was, list) and isinstance(now, list):
        assert len(was) == len(now), where
        for place, (one, other) in enumerate(zip(was, now, strict=True)):
            yield from pairs(one, other, f"{where}[{place}]")
    else:
        yield where, was, now


def test_a_changed_number_of_a_published_page_is_found(content: dict[str, Any], files: dict[str, str]) -> None:
    changed = content_of(files["index.html"])
    close(content, changed, "page")
    changed["tables"][0]["rows"][0][1] += 0.01
    with pytest.raises(AssertionError):
        close(content, changed, "page")
