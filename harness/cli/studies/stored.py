"""Pools of a suite whose truths are stored, dealt again so that further methods can be asked about them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from harness.cli.chosen import tasks_of
from harness.cli.devices import device_of
from harness.cli.places import Place, data_folder
from harness.cli.studies import STUDIED, Request
from harness.errors import UserError
from harness.records.results import PoolRecord, Results, load, mean_values
from harness.retraining.ledger import Ledger
from harness.running.dealt_again import is_dealt_again
from harness.running.pool_run import Ledgers, PoolRun
from harness.seeds import stream
from harness.types import Examples, Floats, Method, Pool, Question, Task

POOLS = 4
"""Of each task, where nobody says how many."""


@dataclass(frozen=True, slots=True)
class StoredPool:
    """One pool with its truths.

    Args:
        record: what was dealt.
        truths: question -> C.
        run: answers for methods on it.
        ledgers: that it keeps answers in.
    """

    record: PoolRecord
    truths: dict[Question, Floats]
    run: PoolRun
    ledgers: Ledgers

    def values(self, method: Method, question: Question) -> Floats:
        """A method's values, S x C.

        Raises:
            UserError: it failed, or does not suit.
        """
        found = self.run.valuation(repr(method), method, question)
        if found.status != "ok":
            raise UserError(f"{method!r} on {self.record.task}, pool {self.record.pool + 1}: {found.reason}")
        return np.array(found.values)


@contextmanager
def stored_pools(
    request: Request, questions: tuple[Question, ...], note: Callable[[str], None]
) -> Iterator[Iterator[StoredPool]]:
    """The suite's first pools, task by task, each let go of when the next is dealt.

    A truth is of the very pool that it was measured on: pools that are dealt otherwise here (a generator that was
    trained on another machine) are passed over, and noted.

    Raises:
        UserError: there are no results, or no such truth of a task that was asked for.
    """
    place = Place.of_results(request.suite or STUDIED, None)
    suite, results = place.suite, load(place.results)
    tasks = tasks_of(suite, data_folder(suite, request.data), request.tasks)
    device = device_of(request.device)
    with tempfile.TemporaryDirectory(prefix="dataworth-study-") as scratch:
        folder = Path(scratch)
        ledgers = Ledgers(Ledger(folder / "truth.sqlite"), Ledger(folder / "methods.sqlite"))

        def of_task(name: str, task: Task) -> Iterator[StoredPool]:
            with_truths = _with_truths(results, name, questions)
            if not with_truths:
                raise UserError(f"{place.folder} has no truth of {name} for {', '.join(questions)}; run it first.")
            for index in with_truths:
                record, run = results.pools[name, index], PoolRun(suite, task, index, ledgers, device, "study")
                if is_dealt_again(record, run):
                    truths = {q: mean_values(results.truths[name, index, q].values) for q in questions}
                    yield StoredPool(record, truths, run, ledgers)
                else:
                    note(f"{name}: pool {index + 1} is another one here than that of the stored truth; passed over")
                run.release()

        yield (pool for name, task in tasks.items() for pool in islice(of_task(name, task), request.pools or POOLS))


def _with_truths(results: Results, task: str, questions: tuple[Question, ...]) -> list[int]:
    """Pools whose truths of all these questions are known."""
    pools = sorted(pool for name, pool in results.pools if name == task)
    return [
        pool
        for pool in pools
        if all((found := results.truths.get((task, pool, q))) is not None and found.values for q in questions)
    ]


def halved(pool: StoredPool, draw: int) -> StoredPool:
    """The same pool with a random half of each contributor's examples: its truths are those of the whole."""

    def deal(index: int) -> Pool:
        dealt = pool.run.task.deal(index)
        rng = stream(pool.run.suite.seed, "halved", pool.record.task, index, draw)
        return replace(dealt, train=_half_of_each(dealt.train, rng))

    run = pool.run
    smaller: Task = replace(run.task, deal=deal, reference=None)
    return replace(pool, run=PoolRun(run.suite, smaller, run.index, pool.ledgers, run.device, run.run))


def _half_of_each(train: Examples, rng: np.random.Generator) -> Examples:
    """At least one example of each owner, in the order that they had."""
    kept = []
    for owner in np.unique(train.owners_N):
        own = np.flatnonzero(train.owners_N == owner)
        kept.append(rng.choice(own, (len(own) + 1) // 2, replace=False))
    return train.take(np.sort(np.concatenate(kept)))
