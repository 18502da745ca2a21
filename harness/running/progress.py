"""What a person sees while a run is under way: bars on a terminal, lines in a log."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from harness.running.forecast import Forecast, Kind
from harness.types import Advance

SILENT, BEAT = 60.0, 2.0
"""Seconds after which a log gets a line from a stage that is still at work; and between two looks at that."""

ROOMY, BAR, SHORT_BAR = 100, 24, 6
"""Columns from which on bars have their whole length; that length, and the one below."""

COUNT = 22
"""Columns for how many of how many, with the unit and what parts them from the bar; what is left is for the names."""


class _Count(ProgressColumn):
    """How many of how many, and of what."""

    def render(self, task: Task) -> Text:
        total = "?" if task.total is None else f"{task.total:.0f}"
        return Text(f"{task.completed:.0f}/{total} {task.fields['unit']}", style="green", no_wrap=True)


class _Bars(Progress):
    """Bars with a line below them that is written anew each time.

    Args:
        line: what it says; nothing where that is empty.
    """

    def __init__(self, console: Console, line: Callable[[], str]) -> None:
        self._line = line
        bar = BAR if console.width >= ROOMY else SHORT_BAR
        names = Column(overflow="fold", max_width=max(SHORT_BAR, console.width - bar - COUNT))
        columns = TextColumn("{task.description}", table_column=names), BarColumn(bar), _Count()
        super().__init__(*columns, console=console, transient=True)

    def get_renderables(self) -> Iterator[RenderableType]:
        yield from super().get_renderables()
        if line := self._line():
            yield Text(line, style="cyan")


class ProgressDisplay:
    """Shows a whole run's answers by task and by the method at work, the stage at hand, the time left and the money.

    On a terminal or in a notebook these are bars; elsewhere one line for each finished stage, and one a minute from a
    stage that takes longer.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._draws = console.is_terminal or console.is_jupyter
        self._started = self._since = self._said = time.monotonic()
        self._forecast = Forecast({})
        self._at: Kind | None = None
        self._where: Callable[[], str] | None = None
        self._share = 0.0
        self._money: Callable[[], str] = str
        self._bars = _Bars(console, self.time_and_money)

    @contextmanager
    def run(
        self, title: str, asked: Mapping[Kind, int], stored: int = 0, money: Callable[[], str] = str
    ) -> Iterator[Callable[[Kind, bool], None]]:
        """A whole run; the function given notes that an answer of a kind is there, and whether it was kept from before.

        Args:
            asked: answers of every kind; stored: how many of all of them are stored.
            money: what was spent so far, in words; nothing where that is not to be told.
        """
        answers = sum(asked.values())
        self._forecast, self._money = Forecast(dict(asked)), money
        left = f"{stored} stored, {answers - stored} to find" if stored else "to find"
        if not self._draws:
            self.note(f"{title}: {answers} answers{':' if stored else ''} {left}")
            with self._heard():
                yield self._answered
            return
        tasks: dict[str, int] = {}
        for (task, _), count in asked.items():
            tasks[task] = tasks.get(task, 0) + count
        add = self._bars.add_task
        with self._bars:
            whole = add(f"[bold]{title}", total=answers, unit="answers")
            rows = {task: add(f"  {escape(task)}", total=count, unit="") for task, count in tasks.items()}
            methods: dict[str, TaskID] = {}

            def answered(kind: Kind, kept: bool) -> None:
                self._answered(kind, kept)
                task, who = kind
                if who not in methods:  # the row of the method at work: the one before has gone
                    for row in methods.values():
                        self._bars.update(row, visible=False)
                    every = sum(count for (_, name), count in asked.items() if name == who)
                    methods[who] = add(f"  {escape(who)}", total=every, unit="")
                for row in (whole, rows[task], methods[who]):
                    self._bars.advance(row, 1)
                for name, row in methods.items():
                    self._bars.update(row, visible=name == who)

            yield answered

    def _answered(self, kind: Kind, kept: bool) -> None:
        now = time.monotonic()
        self._forecast.answered(kind, now - self._since, kept)
        self._since, self._share = now, 0.0

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Stages alone, where nobody knows how many answers there will be."""
        with self._bars if self._draws else self._heard():
            yield

    @contextmanager
    def _heard(self) -> Iterator[None]:
        """Meanwhile a stage that is silent for long says in the log that it is at work, whatever it is busy with."""
        ended = threading.Event()

        def look() -> None:
            while not ended.wait(BEAT):
                if self._where and time.monotonic() - self._said >= SILENT:
                    self.note(f"{self._where()}{self._more()}")

        watch = threading.Thread(target=look, name="progress", daemon=True)
        watch.start()
        try:
            yield
        finally:
            ended.set()
            watch.join()

    @contextmanager
    def stage(self, text: str, retrainings: int = 0, kind: Kind | None = None) -> Iterator[Advance]:
        """One stage; the function given notes finished retrainings, of which so many are known to come.

        Args:
            kind: of the answer, or answers, that it finds.
        """
        text, done = escape(text), 0  # it holds names, which may look like markup
        started = self._since = time.monotonic()
        self._at, self._share, bar = kind, 0.0, None
        if self._draws:
            unit = "retrainings" if retrainings else ""
            bar = self._bars.add_task(text, total=retrainings or None, unit=unit)

        def advance(finished: int) -> None:
            nonlocal done
            done += finished
            self._share = done / retrainings if retrainings else 0.0
            if bar is not None:
                self._bars.update(bar, advance=finished, unit="retrainings")

        def where() -> str:
            of = f"{done} of {retrainings}" if retrainings else str(done)
            return f"{text}: {f'{of} retrainings' if retrainings or done else 'at work'}"

        self._where = where
        try:
            yield advance
        finally:
            self._at = self._where = None
            if bar is not None:
                self._bars.remove_task(bar)
        if not self._draws:
            trained = f", {done} retrainings" if done else ""
            self.note(f"{text}{trained} ({time.monotonic() - started:.1f} s){self._more()}")

    def time_and_money(self) -> str:
        """Time since the start, time left and money so far, as far as they are known; of a stage that is no run's, what
        is left of it.
        """
        now = time.monotonic()
        elapsed = now - self._since
        if self._forecast.left:
            seconds, of = self._forecast.seconds(self._at, elapsed, self._share), ""
        else:
            seconds, of = elapsed / self._share - elapsed if self._share else math.nan, " of this step"
        left = "" if math.isnan(seconds) else f", about {_clock(seconds)}{of} left"
        money = self._money()
        return f"{_clock(now - self._started)}{left}{', ' if money else ''}{money}"

    def _more(self) -> str:
        """The same without the time since the start, which every line begins with."""
        _, _, more = self.time_and_money().partition(", ")
        return f"; {more}" if more and self._forecast.left else ""

    def note(self, text: str) -> None:
        """A line that stays, with the time since the start."""
        self._said = time.monotonic()
        self._console.print(f"[dim]{time.monotonic() - self._started:6.1f} s[/dim]  {text}", highlight=False)


def _clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    return str(timedelta(seconds=round(seconds)))
