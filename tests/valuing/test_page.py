"""What pages, terminals and notebooks draw of an outcome: what is loud first, figures true, texts told or not."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from harness.errors import UserError
from harness.valuing.files import CSV, HTML, JSON, PAGE, to_csv, to_markdown, write
from harness.valuing.page import to_fragment, to_html
from harness.valuing.sections import sections
from harness.valuing.stored import read
from harness.valuing.terminal import print_outcome
from harness.valuing.valuation import Outcome
from tests.valuing.outcomes import EVIL, SECRET, outcome


class Page(HTMLParser):
    """Elements with their attributes, and all text."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def printed(found: Outcome, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    print_outcome(console, found)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_what_is_loud_comes_first_everywhere() -> None:
    found = outcome()
    told = [to_html(found), to_fragment(found), to_markdown(found), "\n".join(printed(found, 100))]
    for content in told:
        assert content.index("LEAKAGE") < content.index("tracin was chosen")
    assert sections(outcome(leaking=0))[0].title == "Values"


def test_each_row_s_figure_is_its_value_and_interval_on_one_axis() -> None:
    found = outcome(12)
    page = Page(to_html(found))
    circles = [float(str(one["cx"])[:-1]) for one in page.all("circle") if str(one["cx"]).endswith("%")]
    reaches = [one for one in page.all("line") if one.get("class") == "reach"]
    ends = np.array([[float(str(one[name])[:-1]) for name in ("x1", "x2")] for one in reaches])
    values = [one.value for one in found.ordered]
    slope, start = np.polyfit(values, circles, 1)
    np.testing.assert_allclose(circles, start + slope * np.array(values), atol=0.01)
    expected = [[start + slope * one.low, start + slope * one.high] for one in found.ordered]
    np.testing.assert_allclose(ends, expected, atol=0.02)
    zero = next(float(str(one["x1"])[:-1]) for one in page.all("line") if str(one["x1"]).endswith("%"))
    assert zero == pytest.approx(start, abs=0.01)
    assert 0 <= min(zero, *ends.ravel()) < max(zero, *ends.ravel()) <= 100


def test_an_audit_s_halves_are_drawn_where_they_lie() -> None:
    found = outcome()
    assert found.audit is not None
    dots = [one for one in Page(to_html(found)).all("circle") if not str(one["cx"]).endswith("%")]
    places = np.array([[float(str(one["cx"])), float(str(one["cy"]))] for one in dots])
    points = np.array(found.audit.points)
    assert len(places) == found.audit.halves
    assert np.corrcoef(places[:, 0], points[:, 0])[0, 1] == pytest.approx(1)
    assert np.corrcoef(places[:, 1], points[:, 1])[0, 1] == pytest.approx(-1)  # up is less


def test_names_are_text_and_the_page_asks_for_nothing() -> None:
    for content in (to_html(outcome()), to_fragment(outcome())):
        page = Page(content)
        assert "script" not in [name for name, _ in page.elements]
        assert EVIL in page.text
        asking = {"src", "href", "srcset", "onclick", "onload", "action"}
        assert not asking & {name for _, attributes in page.elements for name in attributes}
        assert "url(" not in content
        assert "@import" not in content
    assert EVIL in "".join(printed(outcome(), 200))


def test_two_hundred_contributors_stay_readable(tmp_path: Path) -> None:
    found = outcome(200, leaking=150)
    write(tmp_path, found)
    page = Page((tmp_path / HTML).read_text(encoding="utf-8"))
    leaks = re.findall("LEAKAGE", page.text)
    assert len(leaks) == 8
    assert "142 more of this kind (leakage), which values.json tells: vendor-058, " in page.text
    assert "and 130 more." in page.text
    assert len(page.all("tr")) > 600
    assert (tmp_path / HTML).stat().st_size < 2_000_000
    assert json.dumps(json.loads((tmp_path / JSON).read_text(encoding="utf-8"))).count("LEAKAGE") == 150


def test_a_narrow_terminal_cuts_no_figure() -> None:
    found = outcome(3)
    for width in (48, 60, 100):
        lines = printed(found, width)
        assert max(map(len, lines)) <= width
        for one in found.values:
            figures = f"{one.value:.3g}", f"[{one.low:.2g}, {one.high:.2g}]"
            assert all(any(figure in line for line in lines) for figure in figures)


def test_examples_are_named_and_not_told_where_that_is_asked(tmp_path: Path) -> None:
    for texts in (True, False):
        write(tmp_path, outcome(texts=texts))
        for name in (CSV, JSON, PAGE, HTML):
            content = (tmp_path / name).read_text(encoding="utf-8")
            assert (SECRET in content) == (texts and name != CSV)
            assert ("file.csv, row 2" in content) == (name != CSV)


def test_all_ten_examples_of_either_end_are_on_the_page() -> None:
    page = Page(to_html(outcome(2)))
    for end in ("best", "worst"):
        assert all(page.text.count(f"{SECRET}, {end} {k}") == 2 for k in range(10))


def test_no_contributor_s_name_is_a_formula_of_a_spreadsheet() -> None:
    found = outcome()
    names = ['=HYPERLINK("http://x","y")', "+1", "-1", "@SUM(A1)", "a=b"]
    renamed = {one.name: name for one, name in zip(found.values, names, strict=True)}
    values = tuple(replace(one, name=renamed[one.name]) for one in found.values)
    looks = tuple(replace(one, name=renamed[one.name]) for one in found.looks)
    rows = list(csv.reader(io.StringIO(to_csv(replace(found, values=values, looks=looks)))))
    assert [row[0] for row in rows[1:]] == ["'" + name for name in names[:4]] + ["a=b"]


def test_what_is_kept_draws_every_page_again(tmp_path: Path) -> None:
    """Of what is undefined too; and what is no such file is told."""
    for found in (outcome(3, shares=False), replace(outcome(), audit=None)):
        first = write(tmp_path / "first", found)
        again = write(tmp_path / "again", read(tmp_path / "first" / JSON))
        assert [file.read_bytes() for file in again] == [file.read_bytes() for file in first]
    content = json.loads(first[1].read_text(encoding="utf-8"))
    for name, wrong in (("format", "of somebody else"), ("target_rows", "many"), ("texts", None), ("bill", {})):
        (tmp_path / "wrong.json").write_text(json.dumps({**content, name: wrong}), encoding="utf-8")
        with pytest.raises(UserError, match=r"wrong\.json does not hold the values of a valuation: .*Value the data"):
            read(tmp_path / "wrong.json")


def test_shares_that_nobody_has_take_no_room() -> None:
    assert "of all" in Page(to_html(outcome())).text
    missing = outcome(shares=False)
    assert all(math.isnan(one.share) for one in missing.values)
    assert "of all" not in Page(to_html(missing)).text
