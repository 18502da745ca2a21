"""Threads that a method leaves running: nothing can end them, and what they do falls on whoever comes next."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from types import FrameType

from harness.errors import plain

GRACE = 0.5
"""Seconds that a thread has to end once its method has answered."""

LIBRARIES_OWN = {"tqdm", "joblib"}
"""Packages that keep a thread of their own from their first use on."""

_left: set[int] = set()


class Started:
    """The threads that were not there when this was made, those without a Thread object too."""

    def __init__(self) -> None:
        self._before = set(sys._current_frames())

    def left(self) -> list[str]:
        """Names of those that still run, after a moment in which to end."""
        end = time.monotonic() + GRACE
        while (found := self._running()) and time.monotonic() < end:
            time.sleep(0.01)
        _left.update(found)
        return [_name(ident) for ident in found]

    def _running(self) -> list[int]:
        now = sys._current_frames()
        return sorted(i for i, frame in now.items() if i not in self._before and not _is_a_library_s(frame))


def still_running() -> list[str]:
    """Names of those that methods have left and that have not ended since."""
    _left.intersection_update(sys._current_frames())
    return [_name(ident) for ident in sorted(_left)]


def _name(ident: int) -> str:
    return plain(next((thread.name for thread in threading.enumerate() if thread.ident == ident), "one without a name"))


def _is_a_library_s(frame: FrameType | None) -> bool:
    while frame is not None:
        if LIBRARIES_OWN & set(Path(frame.f_code.co_filename).parts):
            return True
        frame = frame.f_back
    return False
