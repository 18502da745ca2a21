"""Pools of a suite whose truths are stored, dealt again so that further methods can be asked about them."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness.cli.places import Place, data_folder
from harness.cli.running import device_of, tasks_of
from harness.cli.studies import STUDIED, Request
from harness.errors import UserError
from harness.records.results import PoolRecord, Results, load
from harness.retraining.ledger import Ledger
from harness.running.pool_run import Ledgers, PoolRun, mean
from harness.seeds import stream
from harness.types import Examples, Floats, Method, Plain, Pool, Question, Task

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
def stored_pools(request: Request, questions: tuple[Question, ...]) -> Iterator[Iterator[StoredPool]]:
    """The suite's first pools, task by task, each let go of when the next is dealt.

    Raises:
        UserError: there are no results, or none with such truths of a task that was asked for.
    """
    place = Place.of_results(request.suite or STUDIED, None)
    suite, results = place.suite, load(place.results)
    tasks = tasks_of(suite, data_folder(suite, request.data), request.tasks)
    device = device_of(request.device)
    with tempfile.TemporaryDirectory(prefix="dataworth-study-") as scratch:
        folder = Path(scratch)
        ledgers = Ledgers(Ledger(folder / "truth.sqlite"), Ledger(folder / "methods.sqlite"))

        def each() -> Iterator[StoredPool]:
            for name, task in tasks.items():
                with_truths = _with_truths(results, name, questions)
                if not with_truths:
                    raise UserError(f"{place.folder} has no truth of {name} for {', '.join(questions)}; run it first.")
                for index in with_truths[: request.pools or POOLS]:
                    record, run = results.pools[name, index], PoolRun(suite, task, index, ledgers, device, "study")
                    _refuse_another(record, run)
                    truths = {q: mean(results.truths[name, index, q].values) for q in questions}
                    yield StoredPool(record, truths, run, ledgers)
                    run.release()

        yield each()


def _with_truths(results: Results, task: str, questions: tuple[Question, ...]) -> list[int]:
    """Pools whose truths of all these questions are known."""
    pools = sorted(pool for name, pool in results.pools if name == task)
    return [
        pool
        for pool in pools
        if all((found := results.truths.get((task, pool, q))) is not None and found.values for q in questions)
    ]


def _refuse_another(record: PoolRecord, run: PoolRun) -> None:
    """A truth is of the very pool that it was measured on; last digits may differ by machine.

    Raises:
        UserError: the task deals another one now.
    """
    dealt = [contributor.planted for contributor in run.pool.contributors]
    same = len(dealt) == len(record.planted) and all(map(_alike, dealt, record.planted))
    if record.task_version != run.task.version or not same:
        raise UserError(
            f"{record.task} deals another pool {record.pool + 1} now than the one whose truth is stored; run the suite "
            "again."
        )


def _alike(one: Mapping[str, Plain], other: Mapping[str, Plain]) -> bool:
    def equal(a: Plain, b: Plain) -> bool:
        return math.isclose(a, b, rel_tol=1e-9) if isinstance(a, float) and isinstance(b, float) else a == b

    return one.keys() == other.keys() and all(equal(value, other[name]) for name, value in one.items())


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
