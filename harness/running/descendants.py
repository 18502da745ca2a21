"""What a process has started, wherever it has gone: read off /proc, where the orphans of an adopting process stay.

A process that leaves its session, or whose parent ends, is still below the nearest one that adopts orphans
(prctl(2), PR_SET_CHILD_SUBREAPER, Linux 3.4). Without Linux nothing is found here.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
PATIENCE, PAUSE = 5.0, 0.01
"""Seconds for which processes that don't die are killed again, and between two looks at them."""

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36


def adopt_orphans() -> None:
    """From now on what this process's descendants leave behind becomes its child, and not the machine's first one's."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def end_with_parent() -> None:
    """Let this process be killed when its parent ends, however that ends."""
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def descendants(pid: int) -> list[int]:
    """Living processes below this one, children before theirs; none where /proc does not tell."""
    children: dict[int, list[int]] = {}
    for place in PROC.iterdir() if PROC.is_dir() else ():
        if place.name.isdigit():
            with suppress(OSError, IndexError, ValueError):  # it may be gone by now
                state, parent = _fields(place)[:2]
                if state not in "ZX":
                    children.setdefault(int(parent), []).append(int(place.name))
    found = list(children.get(pid, ()))
    for one in found:  # which grows
        found += children.get(one, ())
    return found


def _fields(place: Path) -> list[str]:
    """A process's status from its state on: its name may hold anything."""
    return (place / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


def end_descendants(pid: int, patience: float = PATIENCE) -> None:
    """Kill all of them; what they start meanwhile is found at the next look.

    Args:
        patience: seconds after which those that are still there are left: this may not kill them, or a device has them.
    """
    end, before = time.monotonic() + patience, list[int]()
    while (found := descendants(pid)) and time.monotonic() < end:
        for one in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(one, signal.SIGKILL)
        if set(found) <= set(before):  # nothing new; the dying take a moment
            time.sleep(PAUSE)
        before = found


def resident_mb(pid: int) -> tuple[float, float]:
    """Resident memory, and what of it is shared with files and other processes; nothing for one that is gone."""
    try:
        _, resident, shared, *_ = (PROC / str(pid) / "statm").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return 0.0, 0.0
    page = os.sysconf("SC_PAGE_SIZE") / 1e6
    return int(resident) * page, int(shared) * page
