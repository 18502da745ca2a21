"""The most memory held during a stretch of work, above what was held at its start."""

from __future__ import annotations

import contextlib
import re
import resource
import sys
from pathlib import Path

import torch

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class PeakMemory:
    """Peak resident memory of the process on a CPU, peak allocated device memory on a GPU, since it was made.

    On Linux the kernel's own high-water mark is reset and read. Elsewhere the mark cannot be reset, so a peak
    below an earlier one reads as 0. Work running beside it on other threads is included. One at a time: a new
    one resets the mark of those before it.
    """

    def __init__(self, device: str) -> None:
        self.device = device
        if device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats(device)
            self._start_mb = torch.cuda.memory_allocated(device) / 1e6
        else:
            _lower_mark()
            self._start_mb = _mark_mb()

    def so_far_mb(self) -> float:
        if self.device.startswith("cuda"):
            peak_mb = torch.cuda.max_memory_allocated(self.device) / 1e6
        else:
            peak_mb = _mark_mb()
        return max(0.0, peak_mb - self._start_mb)

    def most_mb(self) -> float:
        """The same with what was held at the start."""
        return self._start_mb + self.so_far_mb()


def _lower_mark() -> None:
    """Bring the high-water mark down to what is held now, where the system allows it."""
    with contextlib.suppress(OSError):
        _RESET.write_text("5")


def _mark_mb() -> float:
    if _STATUS.exists():
        found = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())
        if found:
            return int(found[1]) * 1024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
