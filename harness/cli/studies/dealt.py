"""Pools that a study deals for itself, and what methods and retraining say of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from harness.cli.chosen import tasks_of
from harness.cli.devices import device_of
from harness.cli.places import Place, data_folder
from harness.cli.studies import STUDIED, Request
from harness.config import Suite
from harness.retraining.ledger import Ledger
from harness.running.pool_run import Ledgers, PoolRun
from harness.types import Pool, Task

FIRST = 100
"""The first pool where no suite is named: no suite publishes so many, so nothing that is chosen by what a study shows
was chosen on a published truth."""

POOLS = 2
"""Of each task, where nobody says how many."""


@dataclass(frozen=True, slots=True)
class Dealing:
    """Where a study deals its pools.

    Args:
        suite: whose tasks, seed and settings they have.
        tasks: by name.
        pools: which of each task.
    """

    suite: Suite
    tasks: dict[str, Task]
    pools: range
    ledgers: Ledgers
    device: str

    def run(self, task: Task, index: int, pool: Pool | None = None) -> PoolRun:
        """Answers about a pool as the task deals it, or about a changed one in its place."""
        if pool is not None:
            task = replace(task, deal=lambda _: pool, reference=None)
        return PoolRun(self.suite, task, index, self.ledgers, self.device, "study")


@contextmanager
def dealing(request: Request, seeds: int | None = None) -> Iterator[Dealing]:
    """The tasks and pools that were asked for, with ledgers beside the study's page: stopped, it can go on.

    Args:
        seeds: of every truth, where nobody says how many; None: the suite's.

    Raises:
        UserError: the suite, its data or a task cannot be had.
    """
    suite = Place.of_run(request.suite or STUDIED, None, request.seeds or seeds, None).suite
    tasks = tasks_of(suite, data_folder(suite, request.data), request.tasks)
    first, count = (0, min(request.pools or POOLS, suite.pools)) if request.suite else (FIRST, request.pools or POOLS)
    device = device_of(request.device)
    ledgers = Ledgers(Ledger(request.out / "truth.sqlite"), Ledger(request.out / "methods.sqlite"))
    try:
        yield Dealing(suite, tasks, range(first, first + count), ledgers, device)
    finally:
        ledgers.truth.close()
        ledgers.methods.close()
