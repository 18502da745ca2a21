"""What a person sees while a run is under way: bars on a terminal, lines in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from harness.types import Advance


class ProgressDisplay:
    """Shows a whole run's answers and the retrainings of the stage at hand.

    On a terminal or in a notebook these are two bars with the time left; elsewhere one line for each finished stage.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._draws = console.is_terminal or console.is_jupyter
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn("{task.fields[unit]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._started = time.monotonic()

    @contextmanager
    def run(self, title: str, answers: int, stored: int = 0) -> Iterator[Callable[[], None]]:
        """A whole run of so many answers, of which so many are stored; the function given notes that one is there."""
        left = (
            f"{answers} answers: {stored} stored, {answers - stored} to find"
            if stored
            else f"{answers} answers to find"
        )
        if not self._draws:
            self.note(f"{title}: {left}")
            yield lambda: None
            return
        with self._bars:
            bar = self._bars.add_task(f"[bold]{title}", total=answers, unit="answers")
            yield lambda: self._bars.advance(bar, 1)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Stages alone, where nobody knows how many answers there will be."""
        with self._bars if self._draws else nullcontext():
            yield

    @contextmanager
    def stage(self, text: str, retrainings: int = 0) -> Iterator[Advance]:
        """One stage; the function given notes finished retrainings, of which so many are known to come."""
        text, done = escape(text), 0  # it holds names, which may look like markup
        started = time.monotonic()
        bar = None
        if self._draws:
            bar = self._bars.add_task(text, total=retrainings or None, unit="retrainings" if retrainings else "")

        def advance(finished: int) -> None:
            nonlocal done
            done += finished
            if bar is not None:
                self._bars.update(bar, advance=finished, unit="retrainings")

        try:
            yield advance
        finally:
            if bar is not None:
                self._bars.remove_task(bar)
        if not self._draws:
            trained = f", {done} retrainings" if done else ""
            self.note(f"{text}{trained} ({time.monotonic() - started:.1f} s)")

    def note(self, text: str) -> None:
        """A line that stays, with the time since the start."""
        self._console.print(f"[dim]{time.monotonic() - self._started:6.1f} s[/dim]  {text}", highlight=False)
