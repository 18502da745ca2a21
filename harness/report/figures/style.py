"""How figures look: one face, thin lines, and families told apart by colour and shape (Okabe and Ito's colours)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl

INK, MUTED, FAINT = "#1b1c1e", "#5c6066", "#b4b8be"
COLOURS: Mapping[str, str] = {
    "set function": "#0072b2",
    "additive": "#c4540a",
    "retraining": "#00795a",
    "unknown": MUTED,
}
SHAPES: Mapping[str, str] = {"set function": "o", "additive": "^", "retraining": "s", "unknown": "D"}
WIDTH = 6.9
"""Inches: the text of a page with one column."""
ROW = 0.17
"""Inches of a method's line."""

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


def colour(family: str) -> str:
    return COLOURS.get(family, MUTED)


def shape(family: str) -> str:
    return SHAPES.get(family, "D")
