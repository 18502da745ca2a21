"""Whether somebody asked the run to stop: a KeyboardInterrupt that no signal brought is a method's own."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn, TypeAlias

_noting, _came = threading.Event(), threading.Event()

Stop: TypeAlias = Callable[[Callable[[], None]], NoReturn]
"""What answers a signal; it is given what answered it before, to be called or not."""


@contextmanager
def answered(stop: Stop) -> Iterator[None]:
    """Let a function answer SIGINT and SIGTERM; one that is ignored stays so."""
    mine: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():  # signals come to that one alone
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        mine = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}

    def answer(number: int, frame: FrameType | None) -> NoReturn:
        before = mine[number]
        stop(lambda: before(number, frame) if callable(before) else None)

    for number in mine:
        signal.signal(number, answer)
    try:
        yield
    finally:
        for number, handler in mine.items():
            signal.signal(number, handler)


@contextmanager
def noted() -> Iterator[None]:
    """Note SIGINT and SIGTERM as they come; both end the run as Ctrl-C does, and whoever answered before still does."""
    _came.clear()

    def stop(before: Callable[[], None]) -> NoReturn:
        _came.set()
        before()
        raise KeyboardInterrupt

    with answered(stop):
        _noting.set()
        try:
            yield
        finally:
            _noting.clear()


def came() -> bool:
    """Whether one was noted."""
    return _noting.is_set() and _came.is_set()


def is_a_persons(error: BaseException | None) -> bool:
    """Whether this is somebody's wish to stop; where nobody notes signals, every KeyboardInterrupt is."""
    return isinstance(error, KeyboardInterrupt) and (came() or not _noting.is_set())
