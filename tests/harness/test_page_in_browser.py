"""The page in a real browser: it draws, sorts, filters, answers pointer and keyboard, saves, and asks for nothing."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from harness.report import numbers
from harness.report.leaderboard import leaderboard
from harness.report.page.document import html
from tests.harness.page_results import EVIL, METHODS, results_of, suite_of

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'dataworth[browser]'")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if BROWSER is None:
    pytest.skip("needs Chromium on the path", allow_module_level=True)

VIEWS = ("overall", "cost", "tasks", "pools", "contributors", "planted", "provenance")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    suite = suite_of()
    found = tmp_path_factory.mktemp("page") / "index.html"
    found.write_text(html(leaderboard(suite, results_of(suite))), encoding="utf-8")
    return found


@pytest.fixture
def page(browser: Any, file: Path) -> Iterator[Any]:
    """The page at its top; a test fails if anything was said on the console or asked of another file."""
    yield from opened(browser, file)


def opened(browser: Any, file: Path, address: str = "", **options: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1400, "height": 900}, **options)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: said.append(request.url) if not known(request.url, file) else None)
    page.goto(file.as_uri() + address)
    yield page
    assert said == []
    context.close()


def known(url: str, file: Path) -> bool:
    return url.partition("#")[0] == file.as_uri() or url.startswith(("data:", f"blob:{file.as_uri()}", "blob:null"))


def first_column(page: Any, view: str) -> list[str]:
    return page.locator(f"#{view} tbody tr th").all_inner_texts()  # type: ignore[no-any-return]


def column(page: Any, view: str, place: int) -> list[str]:
    return page.locator(f"#{view} tbody tr td:nth-child({place})").all_inner_texts()  # type: ignore[no-any-return]


def test_every_view_is_drawn_with_its_table(page: Any) -> None:
    for view in VIEWS:
        section = page.locator(f"#{view}")
        assert section.locator("h2").count() == 1
        if view != "provenance":
            assert section.locator(".drawing svg").first.bounding_box()["height"] > 60
            assert section.locator(".drawing .mark").count() > 4
        if view != "overall":
            section.locator("summary").click()
        section.locator("tbody tr").first.wait_for(state="attached")  # made when it is opened


def test_numbers_are_written_as_in_the_tables(page: Any) -> None:
    suite = suite_of()
    lines = {line.method: line for line in leaderboard(suite, results_of(suite)).overall if line.complete}
    shown = dict(zip(first_column(page, "overall"), column(page, "overall", 3), strict=True))
    for method in METHODS:
        if method in lines:
            mean = lines[method].mean
            assert shown[method].partition(" ")[0] == numbers.correlation(mean.spearman).replace("-", "−")
    hours = dict(zip(first_column(page, "overall"), column(page, "overall", 7), strict=True))
    assert hours["gradient"] == numbers.hours(lines["gradient"].cost.reference_gpu_hours)


def test_a_click_on_a_heading_sorts_and_another_turns_it_round(page: Any) -> None:
    heading = page.locator("#overall thead button", has_text="seconds here")
    heading.click()
    down = [float(text) for text in column(page, "overall", 8) if text != "–"]
    assert down == sorted(down, reverse=True)
    assert len(set(down)) > 3
    assert page.locator('#overall th[aria-sort="descending"]').inner_text() == "seconds here"
    page.locator("#overall thead button", has_text="seconds here").click()
    assert [float(text) for text in column(page, "overall", 8) if text != "–"] == down[::-1]
    assert column(page, "overall", 8)[-1] == "–"  # what is unknown comes last either way


def test_families_cost_and_name_filter_methods_in_every_view(page: Any) -> None:
    page.locator('[data-key="family-additive"]').uncheck()
    assert sorted(first_column(page, "overall")) == ["<i>poor</i>", "kernel", "retrained"]
    assert page.locator("#overall .mark").count() == 3
    page.locator('[data-key="choose-limit"]').select_option("100")
    assert first_column(page, "overall") == ["kernel"]
    assert page.locator("#cost .mark").count() == 1
    page.locator('[data-key="reset"]').click()
    assert page.locator("#cost .budget").count() == 1  # the gradient's two settings
    page.locator('[data-key="find"]').type("gradient:")
    assert first_column(page, "overall") == ["gradient:runs=1"]
    assert page.evaluate("document.activeElement.dataset.key") == "find"  # typing goes on
    assert "1 of 7 methods shown" in page.locator("#status").inner_text()


def test_a_task_shows_its_own_table(page: Any) -> None:
    page.locator('[data-key="choose-task"]').select_option("1")
    assert page.locator('[data-key="choose-question"] option').all_inner_texts() == [
        "standalone",
        "leave-one-out",
        "shapley",
    ]
    row = page.locator("#overall tbody tr", has_text="size")
    assert row.locator("td").nth(1).inner_text() == f"unsuitable: no {EVIL} here"
    assert page.locator("#pools .mark").count() == 4


def test_pointing_at_a_mark_tells_its_numbers(page: Any) -> None:
    tip = page.locator("#tip")
    assert tip.is_hidden()
    mark = page.locator("#cost .mark", has_text="retrained").first
    mark.scroll_into_view_if_needed()
    mark.hover()
    assert tip.inner_text().splitlines()[0] == "retrained"
    assert "on the front in" in tip.inner_text()
    page.mouse.move(0, 0)
    assert tip.is_hidden()


def test_marks_are_reached_read_and_picked_by_keyboard(page: Any) -> None:
    marks = page.locator("#overall .mark")
    assert page.locator('#overall .mark[tabindex="0"]').count() == 1  # one stop of the tabulator
    first, second = (marks.nth(k).get_attribute("aria-label").split(",")[0] for k in (0, 1))
    marks.nth(0).focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith(second)
    assert page.locator("#tip").inner_text().startswith(second)
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith(second)
    assert page.locator("#overall tr.picked th").inner_text() == second
    page.keyboard.press("Home")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith(first)
    page.keyboard.press("Escape")
    assert page.locator("#tip").is_hidden()


def test_picking_a_pool_shows_its_contributors(page: Any) -> None:
    page.locator("#pools .mark").nth(5).click()
    chosen = page.locator('[data-key="contributors-choose-pool"]').input_value()
    name = page.locator('[data-key="contributors-choose-pool"]').locator(f'option[value="{chosen}"]').inner_text()
    assert name in page.locator("#contributors p").first.inner_text()
    assert page.locator("#contributors .mark").count() == 3 * 24
    page.locator("#contributors .mark").last.hover()
    assert "size" in page.locator("#tip").inner_text()


def test_the_address_keeps_what_is_chosen(page: Any, browser: Any, file: Path) -> None:
    page.locator('[data-key="choose-task"]').select_option("0")
    page.locator('[data-key="choose-question"]').select_option("1")
    page.locator('[data-key="cost-choose-axis"]').select_option("1")
    page.locator('[data-key="choose-method"]').select_option(label="kernel")
    page.locator('[data-key="family-retraining"]').uncheck()
    page.locator("#overall thead button", has_text="family").click()
    address = page.locator("#cost h2 .link").get_attribute("href")
    rows = first_column(page, "overall")
    for again in opened(browser, file, address):
        assert again.locator('[data-key="choose-question"] option:checked').inner_text() == "leave-one-out"
        assert again.locator('[data-key="cost-choose-axis"] option:checked').inner_text().startswith("seconds")
        assert again.locator("#overall tr.picked th").inner_text() == "kernel"
        assert first_column(again, "overall") == rows
        assert abs(again.locator("#cost h2").bounding_box()["y"]) < 300  # it scrolled there


def test_going_to_another_view_keeps_what_is_chosen(page: Any) -> None:
    page.locator('[data-key="family-additive"]').uncheck()
    page.locator("nav a", has_text="Pools").click()
    assert not page.locator('[data-key="family-additive"]').is_checked()
    assert page.evaluate("location.hash").startswith("#pools?")
    assert page.locator("#pools h2").bounding_box()["y"] < 300


def test_an_address_that_names_what_is_not_here_is_no_mistake(browser: Any, file: Path) -> None:
    for page in opened(browser, file, "#cost?task=nobody&method=gone&axis=%3Cscript%3E&pool=x.9&sort=overall.99.down"):
        assert page.locator("#cost .mark").count() > 3


def test_markup_in_names_stays_text(page: Any) -> None:
    for view in VIEWS[1:]:
        page.locator(f"#{view} summary").click()
    assert page.evaluate("window.hacked") is None
    assert page.locator("img, #views b, #views i, #views script").count() == 0
    assert EVIL in page.locator("#contributors tbody").inner_text()
    assert EVIL in page.locator("#planted").inner_text()
    assert page.locator("h1").inner_text() == "hand-made <b>"


@pytest.mark.parametrize("kind", ["SVG", "PNG"])  # each on a page of its own: ten downloads a second are let through
def test_figures_are_saved(page: Any, tmp_path: Path, kind: str) -> None:
    for view in VIEWS[:-1]:
        with page.expect_download() as waiting:
            page.locator(f"#{view} .saves button", has_text=kind).first.click()
        saved = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(saved)
        check_image(saved, kind)


def check_image(file: Path, kind: str) -> None:
    """A drawing that stands by itself: text, shapes and a size; pixels of twice that."""
    if kind == "PNG":
        head = file.read_bytes()[:24]
        assert head.startswith(b"\x89PNG\r\n\x1a\n")
        width, height = struct.unpack(">II", head[16:24])
        assert width in (900, 1800)
        assert height > 100
        return
    root = ElementTree.fromstring(file.read_text(encoding="utf-8"))
    assert root.tag == f"{SVG}svg"
    assert root.get("width") in ("450", "900")
    assert len(root.findall(f".//{SVG}text")) > 5
    assert "var(" not in file.read_text(encoding="utf-8")


def test_following_a_link_leads_the_keyboard_and_the_reader_there(page: Any) -> None:
    page.locator('[data-key="family-additive"]').uncheck()  # from then on a link names more than a view
    page.locator("nav a", has_text="Pools").press("Enter")
    assert page.evaluate("document.activeElement.textContent").startswith("Pool by pool")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('section').id") == "pools"


def contrast(one: str, other: str) -> float:
    """Of two colours, as WCAG 2 counts it: from 1 to 21."""

    def luminance(colour: str) -> float:
        shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_shapes_have_the_contrast_that_wcag_asks_for(browser: Any, file: Path, scheme: str) -> None:
    for page in opened(browser, file, color_scheme=scheme):
        cells = page.locator("#tasks .mark:has(text)").evaluate_all(
            "all => all.map((one) => ['rect', 'text'].map((tag) => one.querySelector(tag).getAttribute('fill')))"
        )
        assert len(cells) > 20
        assert min(contrast(*cell) for cell in cells) >= 4.5
        names = ["paper", "band", "ink", "muted", "link", "edge"]
        style = "(names) => names.map((one) => getComputedStyle(document.documentElement).getPropertyValue(`--${one}`))"
        paper, band, *inks, edge = (found.strip() for found in page.evaluate(style, names))
        assert min(contrast(ink, ground) for ink in inks for ground in (paper, band)) >= 4.5
        palette = page.evaluate(f"PALETTES.{scheme}")
        assert palette["paper"] == paper
        assert min(contrast(palette[ink], paper) for ink in ("ink", "muted")) >= 4.5
        assert min(contrast(seen, paper) for seen in (edge, palette["solid"], *palette["families"])) >= 3


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_without_scrolling_sideways(browser: Any, file: Path, scheme: str) -> None:
    for page in opened(browser, file, color_scheme=scheme):
        page.set_viewport_size({"width": 390, "height": 844})
        for view in VIEWS[1:]:
            page.locator(f"#{view} summary").click()
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        widths = page.locator(".drawing svg").evaluate_all("all => all.map((one) => one.getBoundingClientRect().right)")
        assert max(widths) <= 390
        boxes = page.locator(".glance, .scroll")
        assert boxes.count() > 8
        assert max(boxes.evaluate_all("all => all.map((one) => one.getBoundingClientRect().right)")) <= 390


def test_light_and_dark_differ_and_printing_is_light(browser: Any, file: Path) -> None:
    inks = {}
    for scheme in ("light", "dark"):
        for page in opened(browser, file, color_scheme=scheme):
            inks[scheme] = page.locator("#overall svg").get_attribute("fill")
            page.evaluate("dispatchEvent(new Event('beforeprint'))")
            assert page.locator("details:not([open])").count() == 0  # paper has no buttons
            assert page.locator("#overall svg").get_attribute("fill") == inks["light"]
    assert inks["light"] != inks["dark"]


@pytest.mark.parametrize("pools", [1, 2])
def test_a_suite_of_one_task_and_few_pools_draws(browser: Any, tmp_path: Path, pools: int) -> None:
    suite = suite_of(tasks=("sums",), questions=("standalone",), pools=pools)
    file = tmp_path / "small.html"
    file.write_text(html(leaderboard(suite, results_of(suite))), encoding="utf-8")
    for page in opened(browser, file):
        assert page.locator("#overall .mark").count() == 7
        assert page.locator("#pools .mark").count() == pools


def test_results_without_a_truth_draw(browser: Any, tmp_path: Path) -> None:
    suite = suite_of(pools=1)
    results = results_of(suite)
    results.truths.clear()
    file = tmp_path / "none.html"
    file.write_text(html(leaderboard(suite, results)), encoding="utf-8")
    for page in opened(browser, file):
        assert "No method with a score" in page.locator("#overall .drawing").inner_text()
        assert page.locator("#overall tbody tr").count() == 7
