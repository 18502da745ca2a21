"""One thread, whatever the machine: numbers and costs do not depend on how many cores it has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for torch, and for the linear algebra of numpy and scipy, while this is open.

    Sums are then taken in one order, too, and many small solves take a tenth of the time that threads make of it which
    wait for each other. Retrainings that a method asks for still train on as many workers as there are cores, one
    thread each.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)
