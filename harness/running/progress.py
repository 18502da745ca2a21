"""What a person sees while a run is under way: bars on a terminal, lines in a log, of which one a minute at least."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from harness.types import Advance

SILENCE = 60.0
"""Seconds without a line after which a log gets one that says how far the run is."""

ENOUGH = 0.02
"""Share of what is to be found below which a pace says nothing."""


@dataclass(slots=True)
class _Whole:
    """A run's answers.

    Args:
        answers, stored: that are asked for, and those of them that were there before.
        done: answers so far, stored ones among them.
    """

    title: str
    answers: int
    stored: int
    started: float
    done: int = 0

    def left(self, part: float, now: float) -> str:
        """The time that is left at the pace so far.

        Args:
            part: of the answer at hand that is found.
        """
        return _left(now - self.started, self.done - self.stored + part, self.answers - self.stored)


@dataclass(slots=True)
class _Stage:
    """What is at hand: so many retrainings of so many that are known to come, 0 where nobody knows."""

    text: str
    retrainings: int
    started: float
    done: int = 0

    @property
    def part(self) -> float:
        return min(1.0, self.done / self.retrainings) if self.retrainings else 0.0

    def left(self, now: float) -> str:
        return _left(now - self.started, self.done, self.retrainings)

    def so_far(self, now: float) -> str:
        count = f"{self.done:,} of {self.retrainings:,}" if self.retrainings else f"{self.done:,}"
        trained = f", {count} retrainings" if self.retrainings or self.done else ""
        return f"{self.text}{trained}, for {in_words(now - self.started)}"


def _left(seconds: float, found: float, wanted: float) -> str:
    if found <= 0 or found < ENOUGH * wanted:
        return "too early to say how long"
    return f"about {in_words(seconds / found * max(0.0, wanted - found))} left at this pace"


def in_words(seconds: float) -> str:
    """A stretch of time: 40 s, 3 min, 1 h 20 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


class ProgressDisplay:
    """Shows a whole run's answers and the retrainings of the stage at hand.

    On a terminal or in a notebook these are two bars with the time left; elsewhere one line for each finished stage,
    and where a stage takes long, one a minute with the time left.

    Args:
        silence: seconds after which a log gets a line.
    """

    def __init__(self, console: Console, silence: float = SILENCE) -> None:
        self._console, self._silence = console, silence
        self._whole: _Whole | None = None
        self._stage: _Stage | None = None
        self._printed = time.monotonic()
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
            with self._lines(_Whole(title, answers, stored, time.monotonic())) as answered:
                yield answered
            return
        with self._bars:
            bar = self._bars.add_task(f"[bold]{title}", total=answers, unit="answers")
            yield lambda: self._bars.advance(bar, 1)

    @contextmanager
    def _lines(self, whole: _Whole | None) -> Iterator[Callable[[], None]]:
        """A line whenever the log was silent for long. The thread is there before any method is, and is no method's."""
        ended = threading.Event()

        def speak() -> None:
            while not ended.wait(max(0.0, self._printed + self._silence - time.monotonic())):
                if time.monotonic() >= self._printed + self._silence:
                    self.note(self._so_far(whole))

        def answered() -> None:
            if whole is not None:
                whole.done += 1

        thread = threading.Thread(target=speak, name="progress", daemon=True)
        thread.start()
        try:
            yield answered
        finally:
            ended.set()
            thread.join()

    def _so_far(self, whole: _Whole | None) -> str:
        now, stage = time.monotonic(), self._stage
        at_hand = [stage.so_far(now)] if stage else []
        if whole is None:
            return "; ".join([*at_hand, *([f"{stage.left(now)}"] if stage and stage.retrainings else [])]) or "at work"
        answers = f"{whole.title}: {whole.done:,} of {whole.answers:,} answers"
        return "; ".join([answers, *at_hand, whole.left(stage.part if stage else 0.0, now)])

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Stages alone, where nobody knows how many answers there will be."""
        with self._bars if self._draws else self._lines(None):
            yield

    @contextmanager
    def stage(self, text: str, retrainings: int = 0) -> Iterator[Advance]:
        """One stage; the function given notes finished retrainings, of which so many are known to come."""
        own = _Stage(escape(text), retrainings, time.monotonic())  # it holds names, which may look like markup
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
            trained = f", {own.done} retrainings" if own.done else ""
            self.note(f"{own.text}{trained} ({time.monotonic() - own.started:.1f} s)")

    def note(self, text: str) -> None:
        """A line that stays, with the time since the start."""
        self._printed = time.monotonic()
        self._console.print(f"[dim]{time.monotonic() - self._started:6.1f} s[/dim]  {text}", highlight=False)
