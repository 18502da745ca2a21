"""Wall, processor and device seconds of a stretch of work."""

from __future__ import annotations

import resource
import time
from types import TracebackType

import torch


def process_seconds() -> float:
    """Core-seconds of this process so far, its children's included once they have ended and were waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


class Clock:
    """Times a stretch; on a GPU it synchronises before each reading.

    ``core_seconds`` counts this thread alone, or, with ``whole_process``, every thread of the process and those of its
    children that have ended and were waited for.
    """

    def __init__(self, device: str, whole_process: bool = False) -> None:
        self.device = device
        self._core_time = process_seconds if whole_process else time.thread_time
        self.seconds = self.core_seconds = self.gpu_seconds = 0.0

    def start(self) -> Clock:
        self._synchronise()
        self._wall, self._core = time.perf_counter(), self._core_time()
        return self

    def stop(self) -> None:
        self._synchronise()
        self.seconds = time.perf_counter() - self._wall
        self.core_seconds = self._core_time() - self._core
        self.gpu_seconds = self.seconds if self.device.startswith("cuda") else 0.0

    def __enter__(self) -> Clock:
        return self.start()

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()

    def _synchronise(self) -> None:
        if self.device.startswith("cuda"):
            torch.cuda.synchronize(self.device)
