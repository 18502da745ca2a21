"""From coalitions to outcomes: what the ledger knows is not trained again, the rest is trained many at a time."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import torch

from harness.coalitions import to_text
from harness.errors import UserError
from harness.metering.clock import Clock
from harness.metering.flops import FlopCounter
from harness.metering.memory import PeakMemory
from harness.retraining import training
from harness.retraining.ledger import Ledger
from harness.types import Bools, Cost, Examples, Fit, Learner, Outcome, Params

Advance = Callable[[int], None]


class Job(NamedTuple):
    """One retraining: who trains together ('0110...'), from which initialisation."""

    coalition: str
    seed: int


class Diverged(UserError):
    """A retraining's loss was not finite."""


@dataclass(frozen=True, slots=True)
class Stacking:
    """How many models train side by side on one worker, and how many workers there are.

    Args:
        jobs: most of them; 1: in turn.
        outputs: logits of one row; where they are many, fewer models go into a stack.
    """

    jobs: int
    workers: int
    outputs: int = 1

    def at_most(self, rows: int) -> int:
        """Models of a stack whose steps take so many rows each."""
        return int(np.clip(STACKED_OUTPUTS // (self.outputs * rows), 1, self.jobs))


STACKED_OUTPUTS = 3_000_000
"""Logits of a step's batches, of all models in a stack: beyond some megabytes caches hold too little of them."""


def stacking_for(learner: Learner, train: Examples, device: str) -> Stacking:
    """The rule, from measurements on two cores (README, "Speed"): stack small models, train large ones in turn.

    On a CPU one worker a core, each with one thread: faster than two threads in one stack, and the same numbers
    whatever the number of cores. On a GPU one worker, as many models as some GB of parameters and optimiser hold.
    """
    params = learner.initialise(0)
    parameters = sum(p.numel() for p in params.values())
    if not learner.stacks:
        return Stacking(jobs=1, workers=1 if device.startswith("cuda") else cores())
    if device.startswith("cuda"):
        return Stacking(jobs=int(np.clip(250_000_000 // max(1, parameters), 1, 256)), workers=1)
    if parameters > 50_000:
        return Stacking(jobs=1, workers=cores())
    with torch.no_grad():
        logits, _ = learner.predict(params, training.on_device(train.take(np.arange(1)), "cpu"))
    return Stacking(jobs=48, workers=cores(), outputs=logits.numel())


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Engine:
    """Retrains coalitions of one pool and scores them on one held-out split.

    Args:
        learner: what is trained, by its own recipe.
        train: the pool's examples; their owners make coalitions.
        held_out: the split that utility is measured on.
        ledger: where outcomes are kept; every retraining goes through it.
        device: torch device.
        stacking: None for the rule above.
    """

    def __init__(
        self,
        learner: Learner,
        train: Examples,
        held_out: Examples,
        ledger: Ledger,
        device: str = "cpu",
        stacking: Stacking | None = None,
    ) -> None:
        self.learner, self.device, self.ledger = learner, device, ledger
        self.owners_N = train.owners_N
        self.contributors = int(train.owners_N.max()) + 1
        self._data = training.on_device(train, device)
        self._held_out = training.on_device(held_out, device)
        self.stacking = stacking or stacking_for(learner, train, device)
        identity = self._identity(train, held_out)
        self.context = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
        ledger.describe(self.context, identity)
        self._known = cast(dict[Job, Outcome], ledger.outcomes(self.context))  # a Job equals its plain tuple
        self._initial: dict[int, Params] = {}
        self._stop = threading.Event()

    def _identity(self, train: Examples, held_out: Examples) -> dict[str, Any]:
        """Everything that can change a retraining, and nothing else. tests/harness/test_engine.py changes each."""
        return {
            "engine": training.VERSION,
            "learner": dict(self.learner.identity),
            "recipe": asdict(self.learner.recipe),
            "train": train.digest(),
            "held_out": held_out.digest(),
            "device": self.device.split(":")[0],
            "torch": torch.__version__.split("+")[0],
        }

    @property
    def tensors(self) -> dict[str, Params]:
        """What it trains on and scores on, by split and column."""
        return {"train": self._data, "held out": self._held_out}

    def missing(self, jobs: Sequence[Job]) -> int:
        """How many of these jobs are not in the ledger yet."""
        return len({job for job in jobs if job not in self._known})

    def outcomes(self, jobs: Sequence[Job], advance: Advance = lambda done: None) -> list[Outcome]:
        """The outcome of each job, in order; trains what the ledger does not know.

        Raises:
            Diverged: a loss was not finite; all finite outcomes are in the ledger by then.
        """
        asked = list(dict.fromkeys(jobs))  # stacks are of what is asked, so that a run which goes on has the same ones
        alike = 1 if self.device.startswith("cuda") else 2
        most = self.side_by_side(asked)
        stacks = [asked[part.start : part.stop] for part in stacks_of(len(asked), most, alike)]
        chunks = [left for stack in stacks if (left := [job for job in stack if job not in self._known])]
        broken: dict[Job, str] = {}
        for found, trouble in self._trained(chunks, stacked=most > 1):
            self.ledger.record(self.context, [(*job, outcome) for job, outcome in found.items()])
            self._known.update(found)
            broken |= trouble
            advance(len(found))
        if broken:
            first = next(job for job in asked if job in broken)  # of those asked, whichever worker ended first
            raise Diverged(f"{broken[first]}{f' (and {len(broken) - 1} more)' if len(broken) > 1 else ''}")
        return [self._known[job] for job in jobs]

    def side_by_side(self, jobs: Sequence[Job]) -> int:
        """How many of these train at once on one worker, by the rows that a pass of the largest coalition has."""
        recipe, sizes_C = self.learner.recipe, np.bincount(self.owners_N, minlength=self.contributors)
        largest = max((int(sizes_C[[mark == "1" for mark in job.coalition]].sum()) for job in jobs), default=0)
        return self.stacking.at_most(min(recipe.micro_batch or recipe.batch_size, max(1, largest)))

    def utilities(self, coalitions_KC: Bools, seed: int, advance: Advance = lambda done: None) -> list[Outcome]:
        """Outcomes of several coalitions from one initialisation."""
        return self.outcomes([Job(to_text(row), seed) for row in coalitions_KC], advance)

    def fit(self, seed: int) -> tuple[Fit, Outcome]:
        """One traced training run on the whole pool, with its outcome (at its first price)."""
        with _single_threaded(), ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as worker:
            fit, outcome = worker.submit(self._traced, seed).result()
        job = Job("1" * self.contributors, seed)
        self.ledger.record(self.context, [(*job, outcome)])
        return fit, self._known.setdefault(job, outcome)

    # --- training in workers -----------------------------------------------------------------------

    def _trained(
        self, chunks: list[list[Job]], *, stacked: bool
    ) -> Iterator[tuple[dict[Job, Outcome], dict[Job, str]]]:
        """Train chunks on the workers; results come as they finish, in this thread."""
        if not chunks:
            return
        workers = min(self.stacking.workers, len(chunks))
        self._stop.clear()
        waiting, running = iter(chunks), set[Future[tuple[dict[Job, Outcome], dict[Job, str]]]]()
        memory = PeakMemory(self.device)
        with _single_threaded(), ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            try:
                while True:
                    for chunk in waiting:
                        starts = [self._initialised(job.seed) for job in chunk]
                        running.add(pool.submit(self._train_chunk, chunk, starts, workers, memory, stacked))
                        if len(running) > workers:
                            break
                    if not running:
                        return
                    finished, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in finished:
                        yield future.result()
            except BaseException:
                self._stop.set()  # workers leave at their next step; nothing of theirs is kept
                pool.shutdown(wait=True, cancel_futures=True)
                raise

    def _train_chunk(
        self, chunk: list[Job], starts: list[Params], workers: int, memory: PeakMemory, stacked: bool
    ) -> tuple[dict[Job, Outcome], dict[Job, str]]:
        """One stack of jobs, from initialisation to outcomes; the cost is split evenly among them."""
        members_JC = np.array([[mark == "1" for mark in job.coalition] for job in chunk])
        trains_J = members_JC.any(axis=1)  # nobody's model is the initialisation
        flops = FlopCounter()
        with Clock(self.device) as clock:
            params = {name: torch.stack([start[name] for start in starts]) for name in starts[0]}
            broke_J = np.full(len(chunk), -1)
            if trains_J.any():
                chosen = np.flatnonzero(trains_J)
                trained = training.train(
                    self.learner,
                    self._data,
                    [starts[j] for j in chosen],
                    members_JC[chosen][:, self.owners_N],
                    [chunk[j].seed for j in chosen],
                    stacked=stacked,
                    flops=flops,
                    stopped=self._stop.is_set,
                )
                for name, stack in trained.params.items():
                    params[name][torch.from_numpy(chosen).to(stack.device)] = stack
                broke_J[chosen] = trained.broke_J
            utility_J, accuracy_J = training.evaluate(
                self.learner,
                params,
                self._held_out,
                stacked=stacked,
                flops=flops,
                outputs=self.stacking.outputs,
            )
        share = Cost(
            seconds=clock.seconds / workers / len(chunk),
            core_seconds=clock.core_seconds / len(chunk),
            gpu_seconds=clock.gpu_seconds / len(chunk),
            flops=flops.flops / len(chunk),
            peak_memory_mb=memory.so_far_mb(),
            retrainings=1,
        )
        found, broken = dict[Job, Outcome](), dict[Job, str]()
        for j, job in enumerate(chunk):
            if broke_J[j] >= 0 or not np.isfinite(utility_J[j]):
                broken[job] = self._broken(job, int(broke_J[j]))
            else:
                found[job] = Outcome(float(utility_J[j]), float(accuracy_J[j]), share)
        return found, broken

    def _traced(self, seed: int) -> tuple[Fit, Outcome]:
        flops = FlopCounter()
        memory = PeakMemory(self.device)
        with Clock(self.device) as clock:
            fit, trained = training.traced(
                self.learner, self._data, self._initialised(seed), seed, flops, self._stop.is_set
            )
            utility, accuracy = training.evaluate(
                self.learner, trained.params, self._held_out, stacked=False, flops=flops
            )
        if trained.broke_J[0] >= 0 or not np.isfinite(utility[0]):
            raise Diverged(self._broken(Job("1" * self.contributors, seed), int(trained.broke_J[0])))
        cost = Cost(clock.seconds, clock.core_seconds, clock.gpu_seconds, flops.flops, memory.so_far_mb(), 1)
        return fit, Outcome(float(utility[0]), float(accuracy[0]), cost)

    def _broken(self, job: Job, step: int) -> str:
        when = f"the loss was not finite at step {step + 1}" if step >= 0 else "the held-out loss is not finite"
        return (
            f"training diverged: {when} of {self.learner.recipe.steps} for coalition {job.coalition}, seed {job.seed}. "
            f"Lower the learning rate ({self.learner.recipe.rate}) of {self.learner.name}, or clip its gradients."
        )

    def _initialised(self, seed: int) -> Params:
        """Initial parameters of a seed, the same tensors for every coalition."""
        if seed not in self._initial:
            self._initial[seed] = self.learner.initialise(seed, self.device)
        return self._initial[seed]


def stacks_of(count: int, most: int, multiple: int) -> list[range]:
    """0..count-1 in consecutive stacks of at most ``most``, nearly alike in size, their number such a multiple.

    In twos, two workers end together. How many cores there are plays no part: a stack's size can change last digits.
    """
    if count < multiple or most == 1:
        return [range(k, k + 1) for k in range(count)]
    stacks = multiple * -(-count // (multiple * most))
    edges = [count * k // stacks for k in range(stacks + 1)]
    return [range(start, stop) for start, stop in itertools.pairwise(edges)]


@contextmanager
def _single_threaded() -> Iterator[None]:
    """One torch thread a worker while workers run: oversubscription costs up to fiftyfold."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
