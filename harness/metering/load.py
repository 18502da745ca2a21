"""How busy others keep the machine while something is measured here, so that a cost is read with that in mind."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from harness.metering.clock import process_seconds

STAT = Path("/proc/stat")
SHORTEST = 1.0
"""Seconds: the kernel tells busy time in hundredths of a second, so of what takes less the load is that of about the
last second."""

KEPT = 64
"""Readings looked back upon."""


class Reading(NamedTuple):
    """Seconds on the clock, core-seconds that all of the machine and that this process have worked so far."""

    clock: float
    machine: float
    own: float
    cores: int


def busy_seconds(stat: str, ticks: int) -> tuple[float, int]:
    """Core-seconds that a machine has worked by its ``/proc/stat``, and how many cores it has.

    Of a line's user, nice, system, idle, iowait, irq, softirq, steal (guest time is in user time already), all but the
    two that wait count.
    """
    first, *others = stat.splitlines()
    user, nice, system, _, _, irq, softirq, steal = map(int, first.split()[1:9])
    cores = sum(line.startswith("cpu") for line in others)
    return (user + nice + system + irq + softirq + steal) / ticks, cores


def read() -> Reading | None:
    """Now; None where the system does not tell."""
    try:
        machine, cores = busy_seconds(STAT.read_text(encoding="ascii"), os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError):
        return None
    return Reading(time.perf_counter(), machine, process_seconds(), cores)


def share_of_others(before: Reading, after: Reading) -> float:
    """Share of the machine's cores that other processes kept busy between two readings, 0 to 1."""
    elapsed = after.clock - before.clock
    if elapsed <= 0:
        return 0.0
    others = (after.machine - before.machine) - (after.own - before.own)
    return min(1.0, max(0.0, others / (elapsed * after.cores)))


class LoadGauge:
    """Tells the load during a stretch; 0 where the system does not tell it.

    This process's own children that are still running count among the others: their time is known when they end.
    """

    def __init__(self, reading: Callable[[], Reading | None] = read) -> None:
        self._read = reading
        self._readings: deque[Reading] = deque(maxlen=KEPT)
        self.start()

    def start(self) -> Reading | None:
        """The reading at a stretch's start, for ``since``."""
        now = self._read()
        if now is not None and (not self._readings or now.clock - self._readings[-1].clock >= SHORTEST / 10):
            self._readings.append(now)
        return now

    def since(self, start: Reading | None) -> float:
        """The load from ``start`` to now, or over about the last second where that is longer."""
        now = self._read()
        if now is None or start is None:
            return 0.0
        old_enough = [r for r in tuple(self._readings) if now.clock - r.clock >= SHORTEST]
        earlier = old_enough[-1] if old_enough else self._readings[0]
        return share_of_others(min(start, earlier, key=lambda reading: reading.clock), now)


HERE = LoadGauge()
"""This machine's, from when the program started."""
