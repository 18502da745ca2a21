"""What a person sees while a run is under way: bars on a terminal, lines in a log, of which one a minute at least."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from harness.running.forecast import Forecast, Kind
from harness.types import Advance

SILENCE = 60.0
"""Seconds without a line after which a log gets one that says how far the run is."""

ROOMY, BAR, SHORT_BAR = 100, 24, 6
"""Columns from which on bars have their whole length; that length, and the one below."""

COUNT = 22
"""Columns for how many of how many, with the unit and what parts them from the bar; what is left is for the names."""

ALONE = ("", "")
"""The kind of a stage that is no run's: a forecast of one answer."""


@dataclass(slots=True)
class _Whole:
    """A run's answers.

    Args:
        money: what was spent so far, in words.
    """

    title: str
    answers: int
    forecast: Forecast
    money: Callable[[], str]

    def so_far(self) -> str:
        return f"{self.title}: {self.answers - sum(self.forecast.left.values()):,} of {self.answers:,} answers"


@dataclass(slots=True)
class _Stage:
    """What is at hand: so many retrainings of so many that are known to come, 0 where nobody knows."""

    text: str
    retrainings: int
    kind: Kind | None
    started: float
    done: int = 0

    @property
    def share(self) -> float:
        return min(1.0, self.done / self.retrainings) if self.retrainings else 0.0

    def so_far(self, now: float) -> str:
        count = f"{self.done:,} of {self.retrainings:,}" if self.retrainings else f"{self.done:,}"
        trained = f", {count} retrainings" if self.retrainings or self.done else ""
        return f"{self.text}{trained}, for {in_words(now - self.started)}"


def in_words(seconds: float) -> str:
    """A stretch of time: 40 s, 3 min, 1 h 20 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


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

    On a terminal or in a notebook these are bars; elsewhere one line for each finished stage, and where a stage takes
    long, one a minute.

    Args:
        silence: seconds after which a log gets a line.
    """

    def __init__(self, console: Console, silence: float = SILENCE) -> None:
        self._console, self._silence = console, silence
        self._draws = console.is_terminal or console.is_jupyter
        self._started = self._since = self._printed = time.monotonic()
        self._whole: _Whole | None = None
        self._stage: _Stage | None = None
        self._bars = _Bars(console, self._below)

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
        self._whole = _Whole(title, answers, Forecast(dict(asked)), money)
        try:
            if self._draws:
                with self._bars:
                    yield self._rows(title, asked)
            else:
                left = f"{stored} stored, {answers - stored} to find" if stored else "to find"
                self.note(f"{title}: {answers} answers{':' if stored else ''} {left}")
                with self._lines():
                    yield self._answered
        finally:
            self._whole = None

    def _rows(self, title: str, asked: Mapping[Kind, int]) -> Callable[[Kind, bool], None]:
        """Bars of all answers, of each task's, and of the method's at work."""
        add, tasks = self._bars.add_task, dict.fromkeys((task for task, _ in asked), 0)
        for (task, _), count in asked.items():
            tasks[task] += count
        whole = add(f"[bold]{title}", total=sum(tasks.values()), unit="answers")
        rows = {task: add(f"  {escape(task)}", total=count, unit="") for task, count in tasks.items()}
        methods: dict[str, TaskID] = {}

        def answered(kind: Kind, kept: bool) -> None:
            self._answered(kind, kept)
            task, who = kind
            if who not in methods:
                every = sum(count for (_, name), count in asked.items() if name == who)
                methods[who] = add(f"  {escape(who)}", total=every, unit="")
            for row in (whole, rows[task], methods[who]):
                self._bars.advance(row, 1)
            for name, row in methods.items():
                self._bars.update(row, visible=name == who)

        return answered

    def _answered(self, kind: Kind, kept: bool) -> None:
        assert self._whole is not None, "answers are a run's"
        now = time.monotonic()
        self._whole.forecast.answered(kind, now - self._since, kept)
        self._since = now

    @contextmanager
    def _lines(self) -> Iterator[None]:
        """A line whenever the log was silent for long. The thread is there before any method is, and is no method's."""
        ended = threading.Event()

        def speak() -> None:
            while not ended.wait(max(0.0, self._printed + self._silence - time.monotonic())):
                if time.monotonic() >= self._printed + self._silence:
                    self.note(self._so_far())

        thread = threading.Thread(target=speak, name="progress", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _so_far(self) -> str:
        """How far the run is, what is at hand, what is left: the line of a log that was silent for long."""
        now, whole, stage = time.monotonic(), self._whole, self._stage
        known = whole is not None or (stage is not None and stage.retrainings > 0)
        parts = [
            whole.so_far() if whole else "",
            stage.so_far(now) if stage else "",
            (self._left(now) or "too early to say how long") if known else "",
            whole.money() if whole else "",
        ]
        return "; ".join(filter(None, parts)) or "at work"

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Stages alone, where nobody knows how many answers there will be."""
        with self._bars if self._draws else self._lines():
            yield

    @contextmanager
    def stage(self, text: str, retrainings: int = 0, kind: Kind | None = None) -> Iterator[Advance]:
        """One stage; the function given notes finished retrainings, of which so many are known to come.

        Args:
            kind: of the answer, or answers, that it finds.
        """
        self._since = time.monotonic()
        own = _Stage(escape(text), retrainings, kind, self._since)  # it holds names, which may look like markup
        self._stage, bar = own, None
        if self._draws:
            bar = self._bars.add_task(own.text, total=retrainings or None, unit="retrainings" if retrainings else "")

        def advance(finished: int) -> None:
            own.done += finished
            if bar is not None:
                self._bars.update(bar, advance=finished, unit="retrainings")

        try:
            yield advance
        finally:
            self._stage = None
            if bar is not None:
                self._bars.remove_task(bar)
        if not self._draws:
            now = time.monotonic()
            trained = f", {own.done} retrainings" if own.done else ""
            more = ", ".join(filter(None, [self._left(now), self._whole.money()])) if self._whole else ""
            self.note(f"{own.text}{trained} ({now - own.started:.1f} s){'; ' if more else ''}{more}")

    def _left(self, now: float) -> str:
        """About how much longer the run takes, or the stage at hand where it is no run's; empty while nobody knows."""
        stage, elapsed = self._stage, now - self._since
        kind, share = (stage.kind, stage.share) if stage else (None, 0.0)
        if self._whole:
            seconds, of = self._whole.forecast.seconds(kind, elapsed, share), ""
        else:
            seconds, of = Forecast({ALONE: 1}).seconds(ALONE, elapsed, share), " of this step"
        return "" if math.isnan(seconds) else f"about {in_words(seconds)}{of} left"

    def _below(self) -> str:
        """The line below the bars: the time since the start, the time left and the money, as far as they are known."""
        now = time.monotonic()
        clock = str(timedelta(seconds=int(now - self._started)))
        return ", ".join(filter(None, [clock, self._left(now), self._whole.money() if self._whole else ""]))

    def note(self, text: str) -> None:
        """A line that stays, with the time since the start."""
        self._printed = time.monotonic()
        line = f"[dim]{time.monotonic() - self._started:6.1f} s[/dim]  {text}"
        self._console.print(line, highlight=False, soft_wrap=not self._console.is_terminal)
