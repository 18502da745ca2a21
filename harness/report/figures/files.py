"""Figures and tables as files: each drawing in every format asked, the overall table as Markdown and LaTeX."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure
from tabulate import tabulate

from harness.errors import plain
from harness.files import write_atomically
from harness.report import numbers, sentences
from harness.report.figures.drawings import DRAWINGS, scatter
from harness.report.figures.style import styled
from harness.report.markdown import escaped
from harness.report.view import TRUTH, Overall, TasksMean, View

FORMATS = ("svg", "pdf", "png")
NO_DATES = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
"""So that the same results give the same files."""
MARKDOWN = "github"
TABLES = {"overall.md": MARKDOWN, "overall.tex": "latex_booktabs"}


def write_figures(
    folder: Path, view: View, formats: Sequence[str] = FORMATS, methods: Sequence[str] = ()
) -> list[Path]:
    """Everything that the view has something to draw for; what was written.

    Args:
        methods: those that get a scatter of their own.

    Raises:
        UserError: a file cannot be written.
    """
    written = []
    with styled():
        for name, figure in _drawn(view, methods):
            for kind in formats:
                written.append(folder / f"{name}.{kind}")
                write_atomically(written[-1], image(figure, kind))
    for name, kind in TABLES.items():
        written.append(folder / name)
        write_atomically(written[-1], table(view, kind) + "\n")
    return written


def _drawn(view: View, methods: Iterable[str]) -> Iterator[tuple[str, Figure]]:
    for name, draw in DRAWINGS.items():
        if (figure := draw(view)) is not None:
            yield name, figure
    for method in methods:
        if (figure := scatter(view, method)) is not None:
            yield f"scatter-{file_name(method)}", figure


def file_name(method: str) -> str:
    """A method's name as part of a file's: what file systems may not have is a dash."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", plain(method))


def image(figure: Figure, kind: str) -> bytes:
    found = io.BytesIO()
    figure.savefig(found, format=kind, metadata=NO_DATES[kind])
    return found.getvalue()


def table(view: View, kind: str) -> str:
    """The overall table, the numbers of README.md, in one of tabulate's formats; a method's name is no markup there."""
    headers = ["method", *view.questions, "mean", "GPU-hours", "seconds", "retrainings"]
    rows = [_line(view, line) for line in view.overall]
    if kind == MARKDOWN:  # the others escape by themselves
        rows = [[escaped(name), *rest] for name, *rest in rows]
    return str(tabulate(rows, headers=headers, tablefmt=kind, disable_numparse=True))


def _line(view: View, line: Overall) -> list[str]:
    if line.method == TRUTH:
        scores = [f"ceiling {numbers.correlation(mean.ceiling)}" for mean in (*line.by_question, line.mean)]
    else:
        scores = [_score(mean, len(view.tasks)) for mean in (*line.by_question, line.mean)]
    cost = line.cost
    prices = [numbers.hours(cost.reference_gpu_hours), numbers.seconds(cost.seconds), numbers.count(cost.retrainings)]
    return [plain(line.method), *scores, *prices]


def _score(mean: TasksMean, tasks: int) -> str:
    if math.isnan(mean.spearman):
        return sentences.on_tasks(mean, tasks)
    ranks = numbers.ranks(mean.rank_low, mean.rank_high)
    return f"{numbers.correlation(mean.spearman)}{numbers.interval(mean.spearman, mean.low, mean.high)}{ranks}"
