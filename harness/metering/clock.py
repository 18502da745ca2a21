"""Wall, processor and device seconds of a stretch of work."""

from __future__ import annotations

import time
from types import TracebackType

import torch


class Clock:
    """Times a stretch; on a GPU it synchronises before each reading.

    ``core_seconds`` counts this thread alone, or every thread of the process with ``whole_process``.
    """

    def __init__(self, device: str, whole_process: bool = False) -> None:
        self.device = device
        self._core_time = time.process_time if whole_process else time.thread_time
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
