"""Where chunks run: the seam for other processes and machines. Threads of this process are the first way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Protocol, Self, TypeAlias

import torch

from harness.metering.memory import PeakMemory
from harness.retraining.chunks import Chunk, ChunkResult, retrain_chunk


class Executor(Protocol):
    """Runs chunks and gives their results as they finish.

    The coordinator enters it, submits chunks, takes results, and leaves; only the coordinator writes the ledger. A
    chunk may run anywhere and more than once (a worker that died): its result does not depend on where. Leaving with an
    error cancels.
    """

    @property
    def workers(self) -> int:
        """Chunks that run at the same time."""
        ...

    def submit(self, chunk: Chunk) -> None:
        """Take a chunk; returns at once."""
        ...

    def completed(self) -> Iterator[ChunkResult]:
        """Results in the order in which they finish, until nothing that was submitted is left.

        Raises:
            Exception: what a chunk raised; the others go on until ``cancel``.
        """
        ...

    def cancel(self) -> None:
        """Start no further chunk and stop those that run; nothing of theirs is kept."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


MakeExecutor: TypeAlias = Callable[[int, str], Executor]
"""Most workers that are of use, torch device -> an executor to be entered."""


class Threads:
    """Worker threads of this process, one torch thread each: oversubscription costs up to fiftyfold."""

    def __init__(self, workers: int, device: str) -> None:
        self.workers = workers
        self._device = device
        self._stop = threading.Event()
        self._running: set[Future[ChunkResult]] = set()

    def submit(self, chunk: Chunk) -> None:
        self._running.add(self._pool.submit(retrain_chunk, chunk, self._stop.is_set, self._memory))

    def completed(self) -> Iterator[ChunkResult]:
        while self._running:
            finished, self._running = wait(self._running, return_when=FIRST_COMPLETED)
            for future in finished:
                yield future.result()

    def cancel(self) -> None:
        self._stop.set()  # workers leave at their next step
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._running.clear()

    def __enter__(self) -> Self:
        self._threads = torch.get_num_threads()
        self._memory = PeakMemory(self._device)
        self._pool = ThreadPoolExecutor(self.workers, initializer=torch.set_num_threads, initargs=(1,))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is not None:
                self.cancel()
            self._pool.shutdown(wait=True)
        finally:
            torch.set_num_threads(self._threads)
