"""How figures look: one face, thin lines, and families told apart by colour and shape (Okabe and Ito's colours)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl

INK, MUTED, SOLID, FAINT = "#1b1c1e", "#5c6066", "#868b93", "#b4b8be"
"""Text and what is beside it, shapes that must be seen (3:1 on white), and lines that only guide the eye."""
COLOURS: Mapping[str, str] = {
    "set function": "#0072b2",
    "additive": "#c4540a",
    "retraining": "#00795a",
    "unknown": MUTED,
}
SHAPES: Mapping[str, str] = {"set function": "o", "additive": "^", "retraining": "s", "unknown": "D"}
WIDTH = 6.9
"""Inches: the text of a page with one column."""
ROW, LEAST_ROW = 0.17, 0.105
"""Inches of a method's line, and of one where there are many."""
TALL = 9.2
"""Inches that a page has for a figure: lines shrink before it outgrows one."""

SETTINGS: Mapping[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "text.color": INK,
    "axes.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 300,
    "svg.fonttype": "none",
    "svg.hashsalt": "dataworth",
    "pdf.fonttype": 42,
    "text.parse_math": False,
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw on no screen and in this manner, whatever a user's own settings are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(SETTINGS)
        yield


def row_of(lines: int, beside: float) -> tuple[float, float]:
    """Inches of a line and points of its text, for so many to fit on a page beside that many inches of all else."""
    row = max(min(ROW, (TALL - beside) / max(lines, 1)), LEAST_ROW)
    return row, min(float(SETTINGS["ytick.labelsize"]), 0.8 * row * 72)


def text_upon(red: float, green: float, blue: float) -> str:
    """Black or white, whichever has more contrast with a colour (each channel from 0 to 1): always 4.5:1, by WCAG."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return "black" if (luminance + 0.05) ** 2 > 0.05 * 1.05 else "white"


def colour(family: str) -> str:
    return COLOURS.get(family, MUTED)


def shape(family: str) -> str:
    return SHAPES.get(family, "D")
