"""One function a figure, from a view alone; None where a view has nothing to draw."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from harness.errors import plain
from harness.knobs import base_of
from harness.report import frontier, numbers, sentences
from harness.report.figures.labels import PLATE, SIZE, Spot, name_spots
from harness.report.figures.style import FAINT, INK, MUTED, SOLID, WIDTH, colour, row_of, shape, text_upon
from harness.report.view import TRUTH, Cell, Overall, Verdict, View
from harness.statistics.scores import ranks
from harness.types import Floats

SHARES = LinearSegmentedColormap.from_list("shares", ["#a34a00", "#ffffff", "#08457e"])
"""Of the ceiling: orange below 0, blue above."""
EMPTY = "#eceef1"
"""Of a cell without a score: 0 is white."""

Drawing = Callable[[View], Figure | None]


def forest(view: View) -> Figure | None:
    """Every method's mean score with its interval, and its rank range, over all tasks."""
    verdict, lines = _means(view)
    if not lines:
        return None
    row, size = row_of(len(lines), beside=0.9)
    figure = Figure(figsize=(WIDTH, 0.9 + row * len(lines)))
    scores, rank = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
    found = frontier.standings(view, verdict)
    for y, line in enumerate(lines):
        mean = found[line.method]
        is_sure = mean.above_zero
        scores.plot([mean.low, mean.high], [y, y], color=colour(line.family), linewidth=1)
        face = colour(line.family) if is_sure else "white"
        scores.plot(mean.spearman, y, shape(line.family), color=colour(line.family), markerfacecolor=face, markersize=4)
        if mean.rank_low is not None and mean.rank_high is not None:
            rank.barh(y, mean.rank_high - mean.rank_low + 1, left=mean.rank_low - 0.5, height=0.45, color=SOLID)
    _ceiling(scores, found[TRUTH].ceiling if TRUTH in found else math.nan)
    scores.axvline(0, color=FAINT, linewidth=0.6, zorder=0)
    scores.set_yticks(range(len(lines)), [plain(line.method) for line in lines], color=INK, fontsize=size)
    scores.grid(axis="y", color=FAINT, linewidth=0.4, linestyle=(0, (1, 3)))  # from a name to its mark
    scores.set_axisbelow(True)
    scores.set_ylim(len(lines) - 0.4, -0.6)
    scores.set_xlabel("Spearman with the truth, 95 % interval")
    rank.set_xlabel("rank range")
    rank.set_xlim(0.4, max(len(lines), 2) + 0.6)
    rank.tick_params(left=False)
    scores.set_title(_where(view, verdict))
    _key(figure, lines)
    return figure


def cost(view: View) -> Figure | None:
    """Cost against score, with the front, over all tasks."""
    verdict, lines = _means(view)
    chosen = frontier.cost_of(view)
    if chosen is None or not lines:
        return None
    figure = Figure(figsize=(WIDTH, 4.2 if len(lines) < 30 else 5.4))
    axes = figure.subplots()
    found = frontier.standings(view, verdict)
    front = frontier.front_of(verdict, chosen)
    on_front = {step.method for step in front.steps} if front else set()
    lines = [line for line in lines if math.isfinite(getattr(line.cost, chosen))]
    for line in lines:
        mean, price, is_on = found[line.method], getattr(line.cost, chosen), line.method in on_front
        if is_on:
            axes.plot([price, price], [mean.low, mean.high], color=colour(line.family), linewidth=1)
        axes.plot(
            price,
            mean.spearman,
            shape(line.family),
            color=colour(line.family),
            markerfacecolor=colour(line.family) if mean.above_zero else "white",
            markersize=5.5 if is_on else 3.5,
            zorder=4 if is_on else 3,  # no other covers the front
        )
    if front and front.steps:
        axes.step(
            [s.cost for s in front.steps],
            [s.score for s in front.steps],
            where="post",
            color=SOLID,
            linewidth=1,
            zorder=0,
        )
    _cost_scale(axes, [getattr(line.cost, chosen) for line in lines])
    axes.set_xlabel(sentences.UNITS[chosen])
    axes.set_ylabel("Spearman with the truth")
    axes.set_title(_where(view, verdict))
    _key(figure, lines)
    spots = [
        Spot(line.method, getattr(line.cost, chosen), found[line.method].spearman, line.method in on_front)
        for line in lines
    ]
    name_spots(figure, axes, spots)
    return figure


def heat_map(view: View) -> Figure | None:
    """Every method on every task and question, as a share of the ceiling where there is one."""
    methods = [line for line in view.overall if line.method != TRUTH]
    places = [(task, question) for question in view.questions for task in view.tasks]
    cells = {(cell.method, cell.task, cell.question): cell for cell in view.cells}
    scores_MP = np.array([[_spearman(cells.get((line.method, *place))) for place in places] for line in methods])
    if not np.isfinite(scores_MP).any():
        return None
    ceilings_P = np.array([_ceiling_of(cells.get((TRUTH, *place))) for place in places])
    row, size = row_of(len(methods), beside=1.6)
    figure = Figure(figsize=(WIDTH, 1.6 + row * len(methods)))
    axes = figure.subplots()
    axes.set_facecolor(EMPTY)
    shares_MP = scores_MP / np.where(ceilings_P > 0, ceilings_P, 1.0)
    axes.imshow(shares_MP, cmap=SHARES, vmin=-1, vmax=1, aspect="auto")
    for (m, p), score in np.ndenumerate(scores_MP):
        if math.isfinite(score):
            ink = text_upon(*SHARES((shares_MP[m, p] + 1) / 2)[:3])
            told = numbers.correlation(float(score))
            cell = axes.text(p, m, told, ha="center", va="center", fontsize=min(6, size), color=ink)
            cell.set_in_layout(False)  # it is within the axes: to measure thousands takes seconds
    labels = [
        f"{plain(task)}\nceiling {numbers.correlation(c)}"
        for (task, _), c in zip(places, ceilings_P.tolist(), strict=True)
    ]
    axes.set_xticks(range(len(places)), labels, rotation=60, ha="left", rotation_mode="anchor", fontsize=6, color=INK)
    axes.set_yticks(range(len(methods)), [plain(line.method) for line in methods], color=INK, fontsize=size)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    for k, question in enumerate(view.questions):
        axes.text(k * len(view.tasks) - 0.5, len(methods), question, fontsize=8, va="top")
        axes.axvline(k * len(view.tasks) - 0.5, color="white", linewidth=3)
    axes.spines[:].set_visible(False)
    return figure


def budgets(view: View) -> Figure | None:
    """Score against cost of methods that the suite asks with several settings, joined from the cheapest up."""
    verdict, lines = _means(view)
    chosen = frontier.cost_of(view)
    curves: dict[str, list[Overall]] = {}
    for line in lines:
        curves.setdefault(base_of(line.method), []).append(line)
    curves = {base: own for base, own in curves.items() if len(own) > 1}
    if chosen is None or not curves:
        return None
    figure = Figure(figsize=(WIDTH, 3.6))
    axes = figure.subplots()
    found = frontier.standings(view, verdict)
    for base, own in curves.items():
        rising = sorted(own, key=lambda line: getattr(line.cost, chosen))
        prices = [getattr(line.cost, chosen) for line in rising]
        middle = np.array([found[line.method].spearman for line in rising])
        ends = np.array([[found[line.method].low, found[line.method].high] for line in rising]).T
        family = own[0].family
        axes.errorbar(
            prices,
            middle,
            np.abs(ends - middle),
            linewidth=1,
            markersize=4,
            elinewidth=0.8,
            color=colour(family),
            marker=shape(family),
        )
        axes.annotate(
            plain(base),
            (prices[-1], middle[-1]),
            (5, 0),
            textcoords="offset points",
            fontsize=SIZE,
            va="center",
            bbox=PLATE,
        )
    _cost_scale(axes, [getattr(line.cost, chosen) for own in curves.values() for line in own])
    axes.set_xlabel(sentences.UNITS[chosen])
    axes.set_ylabel("Spearman with the truth")
    axes.set_title(_where(view, verdict))
    _key(figure, [own[0] for own in curves.values()])
    return figure


def scatter(view: View, method: str) -> Figure | None:
    """Ranks of a method's values against ranks of the truth, contributors of all pools together."""
    cells = [cell for cell in view.cells if cell.method == method and cell.points]
    if not cells:
        return None
    figure = Figure(figsize=(WIDTH, 1.75 * len(view.questions) + 0.3))
    grid = figure.subplots(len(view.questions), len(view.tasks), squeeze=False, sharex=True, sharey=True)
    for row, question in enumerate(view.questions):
        for column, task in enumerate(view.tasks):
            axes = grid[row][column]
            found = next((cell for cell in cells if (cell.task, cell.question) == (task, question)), None)
            _panel(axes, found)
            axes.set_title(plain(task) if row == 0 else "", fontsize=7)
            axes.set_xlabel("value's rank" if row == len(view.questions) - 1 else "")
            axes.set_ylabel(f"{question}\ntruth's rank" if column == 0 else "")
    figure.suptitle(plain(method), x=0.01, ha="left", fontsize=9)
    return figure


# --- parts -------------------------------------------------------------------------------------------


def _means(view: View) -> tuple[Verdict, Sequence[Overall]]:
    """The last table over all tasks (the mean over questions, where there are several), and its methods, best first."""
    verdict = frontier.over_tasks(view)[-1]
    found = frontier.standings(view, verdict)
    lines = [line for line in view.overall if line.method != TRUTH and math.isfinite(found[line.method].spearman)]
    return verdict, sorted(lines, key=lambda line: -found[line.method].spearman)


def _where(view: View, verdict: Verdict) -> str:
    asked = verdict.question or "mean over questions"
    return f"{plain(view.suite.name)}: mean over {sentences.tasks(len(view.tasks))}, {asked}"


def _ceiling(axes: Axes, ceiling: float) -> None:
    if math.isfinite(ceiling):
        axes.axvline(ceiling, color=MUTED, linewidth=0.8, linestyle=(0, (3, 3)))
        axes.annotate(
            "ceiling",
            (ceiling, 0),
            (-3, 2),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="right",  # beside the lowest scores, where there is room; above the axes stands the title
            bbox=PLATE,
            fontsize=7,
            color=MUTED,
        )


def _key(figure: Figure, lines: Sequence[Overall]) -> None:
    """What colours and shapes stand for, above the axes."""
    marks = [
        Line2D([], [], linestyle="", marker=shape(family), color=colour(family), markersize=4, label=family)
        for family in dict.fromkeys(line.family for line in lines)
    ]
    figure.legend(handles=marks, loc="outside upper right", ncols=len(marks), handletextpad=0.1, columnspacing=1)


def _cost_scale(axes: Axes, prices: Sequence[float]) -> None:
    """Logarithmic, with room for what costs nothing."""
    positive = [price for price in prices if price > 0]
    if not positive:
        return
    formatter = FuncFormatter(lambda value, _: f"{value:,g}")
    if len(positive) == len([price for price in prices if math.isfinite(price)]):
        axes.set_xscale("log")
    else:
        axes.set_xscale("symlog", linthresh=10 ** math.floor(math.log10(min(positive))))
        axes.set_xlim(left=-0.15 * 10 ** math.floor(math.log10(min(positive))))
    axes.xaxis.set_major_formatter(formatter)


def _spearman(cell: Cell | None) -> float:
    return math.nan if cell is None else cell.spearman


def _ceiling_of(cell: Cell | None) -> float:
    return math.nan if cell is None else cell.ceiling


def _panel(axes: Axes, cell: Cell | None) -> None:
    if cell is None:
        axes.text(0.5, 0.5, "no values", ha="center", color=MUTED, fontsize=7)
        return
    for point in cell.points:
        axes.plot(
            _shares(point.values),
            _shares(point.truth),
            ".",
            color=colour(cell.family),
            alpha=0.25,
            markersize=3,
            markeredgewidth=0,
        )
    axes.text(
        0.03,
        0.97,
        f"{numbers.correlation(cell.spearman)}{numbers.interval(cell.spearman, cell.low, cell.high)}",
        va="top",
        fontsize=6.5,
    )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xticks([0, 1])
    axes.set_yticks([0, 1])


def _shares(values: Sequence[float]) -> Floats:
    """Average ranks as shares of the number of contributors, from 0 for the least to 1."""
    return ranks(np.asarray(values)) / len(values)


DRAWINGS: Mapping[str, Drawing] = {"overall": forest, "cost": cost, "tasks": heat_map, "budgets": budgets}
"""By the name of the file; beside them one ``scatter`` a method."""
