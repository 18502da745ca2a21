"""The page of values in a real browser: wide and on a phone, light and dark, by keyboard; it asks for nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.valuing.page import to_html
from tests.valuing.outcomes import EVIL, outcome

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'dataworth[browser]'")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if BROWSER is None:
    pytest.skip("needs Chromium on the path", allow_module_level=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("page") / "values.html"
    found.write_text(to_html(outcome(12)), encoding="utf-8")
    return found


@pytest.fixture(params=[(1400, "light"), (1400, "dark"), (390, "light"), (390, "dark")], ids=str)
def page(request: pytest.FixtureRequest, browser: Any, file: Path) -> Iterator[Any]:
    """The page at its top; a test fails if anything was said on the console or asked of another file."""
    width, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url) if request.url != file.as_uri() else None)
    page.goto(file.as_uri())
    yield page
    assert said == []
    context.close()


def test_the_page_is_as_wide_as_the_window_and_warnings_come_first(page: Any) -> None:
    width = page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth") == width
    values = page.locator("table.values")
    assert page.locator(".warnings").bounding_box()["y"] < values.bounding_box()["y"]
    assert "LEAKAGE" in page.locator(".warnings").inner_text()
    assert page.evaluate("document.querySelector('.values').scrollWidth") <= width
    assert EVIL in values.inner_text()


def test_each_figure_stands_in_the_row_of_its_value(page: Any) -> None:
    rows = page.locator("table.values tbody tr")
    assert rows.count() == 12
    middles = []
    for k in range(12):
        row, circle = rows.nth(k).bounding_box(), rows.nth(k).locator("circle").bounding_box()
        assert row["y"] < circle["y"] < circle["y"] + circle["height"] < row["y"] + row["height"]
        assert circle["width"] == pytest.approx(circle["height"], abs=0.5)  # not stretched
        middles.append(circle["x"])
    assert middles == sorted(middles, reverse=True)
    assert middles[0] - middles[-1] > 40


def test_text_stands_out_from_its_ground(page: Any) -> None:
    """Contrast of 4.5 or more (WCAG 2.2, 1.4.3), on light ground and on dark."""
    script = """selector => {
      const parse = c => c.match(/[\\d.]+/g).map(Number);
      const light = c => { const [r, g, b] = parse(c).slice(0, 3).map(v => v / 255).map(
        v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
      const own = light(getComputedStyle(document.querySelector(selector)).color);
      const dark = matchMedia('(prefers-color-scheme: dark)').matches;
      const ground = dark ? light('rgb(18, 18, 18)') : 1;
      return (Math.max(own, ground) + .05) / (Math.min(own, ground) + .05);
    }"""
    for selector in (".warnings li", ".values td", ".mark.loud", "summary"):
        assert page.evaluate(script, selector) >= 4.5


def test_examples_open_by_keyboard(page: Any) -> None:
    first = page.locator("details").last
    first.locator("summary").focus()
    page.keyboard.press("Enter")
    assert first.get_attribute("open") is not None
    assert "best 9" in first.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") == page.viewport_size["width"]
