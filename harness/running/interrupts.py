"""Whether somebody asked the run to stop: a KeyboardInterrupt that no signal brought is a method's own."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

_noting, _came = threading.Event(), threading.Event()


@contextmanager
def noted() -> Iterator[None]:
    """Note SIGINT and SIGTERM as they come; both end the run as Ctrl-C does, and whoever heard them before still does.
    One that is ignored stays so.
    """
    _came.clear()
    mine: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():  # signals come to that one alone
        before = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
        mine = {name: handler for name, handler in before.items() if handler not in (signal.SIG_IGN, None)}

    def stop(number: int, frame: FrameType | None) -> None:
        _came.set()
        heard = mine[signal.Signals(number)]
        if callable(heard):
            heard(number, frame)
        raise KeyboardInterrupt

    for name in mine:
        signal.signal(name, stop)
    _noting.set()
    try:
        yield
    finally:
        _noting.clear()
        for name, handler in mine.items():
            signal.signal(name, handler)


def came() -> bool:
    """Whether one was noted."""
    return _noting.is_set() and _came.is_set()


def is_a_persons(error: BaseException | None) -> bool:
    """Whether this is somebody's wish to stop; where nobody notes signals, every KeyboardInterrupt is."""
    return isinstance(error, KeyboardInterrupt) and (came() or not _noting.is_set())
