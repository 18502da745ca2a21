"""Figures for papers: every format, the numbers of the view, and the same files from the same results."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from scipy import stats

from harness.report.figures.drawings import budgets, cost, forest, heat_map, scatter
from harness.report.figures.files import image, table, write_figures
from harness.report.figures.labels import Spot, name_spots
from harness.report.figures.style import row_of, styled, text_upon
from harness.report.leaderboard import leaderboard
from harness.report.markdown import escaped
from harness.report.view import TRUTH, View
from tests.harness.commands import call
from tests.harness.page_results import METHODS, results_of, suite_of

ROOT = Path(__file__).resolve().parents[2]
HEADS = {"svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG"}


@pytest.fixture(scope="module")
def view() -> View:
    suite = suite_of()
    return leaderboard(suite, results_of(suite))


def test_every_figure_is_written_in_every_format_and_the_same_again(view: View, tmp_path: Path) -> None:
    first = write_figures(tmp_path / "a", view, methods=("<i>poor</i>",))
    again = write_figures(tmp_path / "b", view, ["svg", "pdf"])
    stems = ["overall", "cost", "tasks", "budgets", "scatter--i-poor-i-"]
    assert [file.name for file in first] == [f"{stem}.{kind}" for stem in stems for kind in HEADS] + [
        "overall.md",
        "overall.tex",
    ]
    for file in first:
        assert file.read_bytes().startswith(HEADS.get(file.suffix[1:], b""))
    for file in again:
        assert file.read_bytes() == (tmp_path / "a" / file.name).read_bytes(), file.name


def test_a_figures_text_is_text_and_markup_in_names_is_too(view: View) -> None:
    with styled():
        figure = forest(view)
        assert figure is not None
        root = ElementTree.fromstring(image(figure, "svg"))
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"<i>poor</i>", "kernel", "retrained", "ceiling"} <= set(texts) | {"ceiling"}


def test_names_in_the_table_of_a_page_are_no_markup(view: View) -> None:
    drawn = table(view, "github")
    assert "&lt;i&gt;poor&lt;/i&gt;" in drawn
    assert "<i>" not in drawn
    assert escaped("a|b*c_d`[e](f)") == r"a\|b\*c\_d\`\[e\](f)"


@pytest.mark.parametrize("ceiling", [-0.1, 0.3, 0.9])
def test_what_the_ceiling_is_called_stands_within_the_axes_and_clear_of_their_title(view: View, ceiling: float) -> None:
    truth, *others = view.overall
    low = replace(truth, mean=replace(truth.mean, ceiling=ceiling))
    with styled():
        figure = forest(replace(view, overall=(low, *others)))
        assert figure is not None
        figure.draw_without_rendering()
        axes = figure.axes[0]
        (word,) = (text for text in axes.texts if text.get_text() == "ceiling")
        box = word.get_window_extent()
        assert axes.bbox.y0 <= box.y0
        assert box.y1 <= axes.bbox.y1


def test_the_forest_has_the_means_of_the_view(view: View) -> None:
    with styled():
        figure = forest(view)
        assert figure is not None
        scores, ranks = figure.axes
    points = [line.get_xdata()[0] for line in scores.lines if len(line.get_xdata()) == 1]
    means = [line.mean for line in view.overall if line.method != TRUTH and line.complete]
    assert sorted(points) == pytest.approx(sorted(mean.spearman for mean in means))
    assert [round(bar.get_width()) for bar in ranks.patches] == [
        mean.rank_high - mean.rank_low + 1
        for mean in sorted(means, key=lambda mean: -mean.spearman)  # type: ignore[operator]
    ]


def test_the_heat_map_is_the_share_of_the_ceiling(view: View) -> None:
    with styled():
        figure = heat_map(view)
        assert figure is not None
        shown = figure.axes[0].images[0].get_array()
    cell = next(c for c in view.cells if (c.method, c.task, c.question) == ("kernel", view.tasks[1], "shapley"))
    ceiling = cell.ceiling if cell.ceiling > 0 else 1
    row = [line.method for line in view.overall if line.method != TRUTH].index("kernel")
    assert shown[row, 5] == pytest.approx(cell.spearman / ceiling)


@given(st.tuples(*[st.floats(0, 1)] * 3))
def test_numbers_upon_colours_have_the_contrast_that_wcag_asks_for(colour: tuple[float, float, float]) -> None:
    def luminance(red: float, green: float, blue: float) -> float:
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
        return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))

    ink = 0.0 if text_upon(*colour) == "black" else 1.0
    dark, light = sorted((ink, luminance(*colour)))
    assert (light + 0.05) / (dark + 0.05) >= 4.5


@pytest.mark.parametrize("lines", [1, 7, 71, 200])
def test_rows_shrink_to_a_page_and_their_text_with_them(lines: int) -> None:
    row, size = row_of(lines, beside=1.0)
    assert 0.1 <= row <= 0.17
    assert size < row * 72
    assert 1.0 + row * lines <= 9.3 or row == pytest.approx(0.105)


def test_a_scatter_shows_every_contributor_by_rank(view: View) -> None:
    with styled():
        figure = scatter(view, "kernel")
        assert figure is not None
        panel = figure.axes[0]
    cell = next(c for c in view.cells if (c.method, c.task, c.question) == ("kernel", view.tasks[0], "standalone"))
    for line, point in zip(panel.lines, cell.points, strict=True):
        found = stats.spearmanr(line.get_xdata(), line.get_ydata()).statistic
        assert found == pytest.approx(point.spearman)
        assert len(line.get_xdata()) == 24


def test_the_front_is_drawn_through_its_steps(view: View) -> None:
    with styled():
        figure = cost(view)
        assert figure is not None
    front = next(verdict for verdict in reversed(view.verdicts) if verdict.task is None).fronts[0]
    (stairs,) = [line for line in figure.axes[0].lines if line.get_drawstyle() == "steps-post"]
    np.testing.assert_allclose(stairs.get_xydata(), [[step.cost, step.score] for step in front.steps])


def test_names_beside_costs_cover_no_other_name_and_no_mark() -> None:
    """Of eighty methods: the front's all have names, and those of the others that have room."""
    with styled():
        figure = Figure(figsize=(4, 3), layout="constrained")
        axes = figure.subplots()
        at = [(x, y) for x in np.linspace(0, 1, 8) for y in np.linspace(0, 1, 10)]
        axes.plot(*zip(*at, strict=True), "o", markersize=3)
        name_spots(figure, axes, [Spot(f"method of some words {k}", x, y, k >= 78) for k, (x, y) in enumerate(at)])
        figure.draw_without_rendering()
        boxes = [text.get_window_extent() for text in axes.texts]
        marks = axes.transData.transform(at)
    assert {"method of some words 78", "method of some words 79"} <= {text.get_text() for text in axes.texts}
    assert 10 < len(boxes) < 80
    assert not any(one.overlaps(other) for k, one in enumerate(boxes) for other in boxes[:k])
    assert not any(box.contains(*mark) for box in boxes for mark in marks)


def test_settings_of_a_method_are_joined_from_the_cheapest_up(view: View) -> None:
    with styled():
        figure = budgets(view)
        assert figure is not None
    lines = {line.method: line for line in view.overall}
    expected = [
        (own.cost.reference_gpu_hours, own.mean.spearman) for own in (lines["gradient:runs=1"], lines["gradient"])
    ]
    (curve,) = [line for line in figure.axes[0].lines if len(line.get_xdata()) > 1]
    np.testing.assert_allclose(curve.get_xydata(), expected)
    assert expected[0][0] < expected[1][0]


def test_without_settings_there_are_no_budget_curves(view: View) -> None:
    assert budgets(replace(view, overall=tuple(line for line in view.overall if ":" not in line.method))) is None


def test_tables_have_the_numbers_of_the_view(view: View) -> None:
    latex = table(view, "latex_booktabs")
    assert latex.count(r"\\") == len(METHODS) + 2
    assert r"\toprule" in latex
    best = next(line for line in view.overall if line.method != TRUTH)
    assert f"{best.mean.spearman:.2f} [{best.mean.low:.2f}, {best.mean.high:.2f}]" in latex


def test_the_users_own_settings_of_matplotlib_stay(view: View, tmp_path: Path) -> None:
    with plt.rc_context({"font.size": 31.0}):
        write_figures(tmp_path, view, ["svg"])
        assert plt.rcParams["font.size"] == 31.0


def test_the_command_writes_what_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = call("figures", "--suite", "embedded-quick", "--formats", "svg", "--methods", "mmd")
    assert said.status == 0
    found = sorted(file.name for file in Path("runs/embedded-quick/figures").iterdir())
    assert found == ["cost.svg", "overall.md", "overall.svg", "overall.tex", "scatter-mmd.svg", "tasks.svg"]
    assert (
        "No format of figures is called 'gif'"
        in call("figures", "--suite", "embedded-quick", "--formats", "gif").mistake
    )
    assert "is called 'mmm'" in call("figures", "--suite", "embedded-quick", "--methods", "mmm").mistake
    shutil.copytree(ROOT / "leaderboards" / "embedded-quick", "run")
    assert call("figures", "--out", "run", "--formats", "svg").status == 0
    assert Path("run/figures/overall.svg").exists()  # beside the results that they draw
