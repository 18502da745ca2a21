"""Progress in a notebook: one cell output that is drawn anew, with a bar; needs no widgets."""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.text import Text

from harness.types import Advance

Draw = Callable[[str], None]
"""Puts HTML in the place of what it put there before."""

PAUSE = 0.2
"""Seconds between two drawings of a bar, at least."""


def new_output() -> Draw:
    """An output of the cell at work."""
    from IPython.display import HTML, display  # a notebook has it

    handle = display(HTML(""), display_id=True)
    return lambda content: handle.update(HTML(content))


class NotebookProgress:
    """What ``harness.running.progress`` shows on a terminal.

    Args:
        output: gives the place to draw in, a new one for each call from a cell.
    """

    def __init__(self, output: Callable[[], Draw] = new_output) -> None:
        self._output = output
        self._draw: Draw = lambda content: None
        self._lines: list[str] = []
        self._started = self._drawn = 0.0

    @contextmanager
    def shown(self) -> Iterator[None]:
        self._draw, self._lines, self._started = self._output(), [], time.monotonic()
        try:
            yield
        finally:
            self._redraw()

    @contextmanager
    def stage(self, text: str, retrainings: int = 0) -> Iterator[Advance]:
        done, started = 0, time.monotonic()

        def advance(finished: int) -> None:
            nonlocal done
            done += finished
            if time.monotonic() - self._drawn >= PAUSE:
                self._redraw(_bar(text, done, retrainings))

        self._redraw(_bar(text, done, retrainings))
        yield advance
        trained = f", {done} retrainings" if done else ""
        self._lines.append(f"{text}{trained} ({time.monotonic() - started:.1f} s)")

    def note(self, text: str) -> None:
        """A line that stays; it is marked up as for a terminal."""
        self._lines.append(Text.from_markup(text).plain)
        self._redraw()

    def _redraw(self, bar: str = "") -> None:
        self._drawn = time.monotonic()
        lines = "<br>".join(map(html.escape, self._lines))
        folded = f"<details><summary>{self._drawn - self._started:.0f} s</summary>{lines}</details>"
        self._draw(f"<div>{bar}{folded}</div>")


def _bar(text: str, done: int, retrainings: int) -> str:
    """The stage at hand; a bar that only moves where nobody knows how long it is."""
    known = f' value="{done}" max="{retrainings}"' if retrainings else ""
    counted = f" {done} of {retrainings} retrainings" if retrainings else f" {done} retrainings" if done else ""
    return f"<progress{known}></progress> {html.escape(text)}{counted}"
