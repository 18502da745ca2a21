"""From coalitions to outcomes: what the ledger knows is not trained again, the rest is trained many at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import cast

import numpy as np
import torch

from harness.retraining.chunks import Chunk, ChunkResult, Diverged, Job, fit_traced, members
from harness.retraining.executors import MakeExecutor, Threads
from harness.retraining.ledger import Ledger
from harness.retraining.proxies import Cut
from harness.retraining.stacking import Stacking, stacking_for, stacks_of
from harness.retraining.workspace import PoolReference, Workspace
from harness.types import Advance, Array, Batch, Examples, Fit, Learner, Outcome


class Engine:
    """Retrains coalitions of one pool and scores them on one held-out split.

    Args:
        learner: what is trained, by its own recipe.
        train: the pool's examples; their owners make coalitions.
        held_out: the split that utility is measured on.
        ledger: where outcomes are kept; every retraining goes through it.
        device: torch device.
        stacking: None for the rule of ``stacking_for``.
        executor: where chunks of retrainings run.
        pool: how another process deals the pool again; None where only this one can.
        validation: a second split that outcomes are scored on, for truths alone; None for none.
    """

    def __init__(
        self,
        learner: Learner,
        train: Examples,
        held_out: Examples,
        ledger: Ledger,
        device: str = "cpu",
        stacking: Stacking | None = None,
        executor: MakeExecutor = Threads,
        pool: PoolReference | None = None,
        validation: Examples | None = None,
    ) -> None:
        self.learner, self.device, self.ledger = learner, device, ledger
        self.workspace = Workspace(learner, train, held_out, device, validation)
        self.context, self.contributors = self.workspace.context, self.workspace.contributors
        self.stacking = stacking or stacking_for(learner, train, device)
        self._executor, self._pool, self._held_out = executor, pool, held_out
        ledger.describe(self.context, self.workspace.identity)
        self._known = cast(dict[Job, Outcome], ledger.outcomes(self.context))  # a Job equals its plain tuple

    def cut(self, cut: Cut, model: Learner, train: Examples, held_out: Examples) -> Engine:
        """An engine of what stands for this one's trainings: same split, ledger and executor, a context of its own.

        Args:
            model: the learner, or its narrower self, by the whole recipe.
            train, held_out: this engine's.
        """
        return type(self)(
            cut.learner(model),
            cut.data(train),
            held_out,
            self.ledger,
            self.device,
            self.stacking if model is self.learner else None,
            self._executor,
            None if self._pool is None else replace(self._pool, cut=cut),
        )

    @property
    def tensors(self) -> dict[str, Batch]:
        """What it trains on and scores on, by split and column."""
        return {"train": self.workspace.train, "held out": self.workspace.held_out}

    def missing(self, jobs: Sequence[Job]) -> int:
        """How many of these jobs are not in the ledger yet."""
        return len({job for job in jobs if job not in self._known})

    def outcomes(self, jobs: Sequence[Job], advance: Advance = lambda done: None) -> list[Outcome]:
        """The outcome of each job, in order; trains what the ledger does not know.

        Raises:
            Diverged: a loss was not finite; all finite outcomes are in the ledger by then.
        """
        self._train(jobs, lambda job: job not in self._known, advance)
        return [self._known[job] for job in jobs]

    def log_likelihoods(self, jobs: Sequence[Job], advance: Advance = lambda done: None) -> tuple[list[Outcome], Array]:
        """Outcomes, and the log-likelihood of each held-out example, K x N in float32.

        What the ledger knows by its mean alone is trained again, and its examples are kept from then on.

        Raises:
            Diverged: as ``outcomes``.
        """
        stored = cast(dict[Job, Array], self.ledger.log_likelihoods(self.context, jobs))
        examples = len(self.workspace.held_out["targets"])
        kept = {job: row for job, row in stored.items() if len(row) == examples and np.isfinite(row).all()}
        known = {*kept} & {*self._known}
        self._train(jobs, lambda job: job not in known, advance, kept)
        return [self._known[job] for job in jobs], np.stack([kept[job] for job in jobs])

    def fit(self, seed: int, coalition: str | None = None) -> tuple[Fit, Outcome]:
        """One traced training run, on the whole pool or on a coalition, with its outcome (at its first cost).

        Raises:
            UserError: the coalition is empty.
            Diverged: the loss was not finite.
        """
        job, threads = Job(coalition or "1" * self.contributors, seed), torch.get_num_threads()
        try:  # one torch thread, as retrainings have: the same numbers whatever the number of cores
            with ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(1,)) as worker:
                fit, found = worker.submit(fit_traced, self.workspace, job).result()
        finally:
            torch.set_num_threads(threads)
        self._keep(found)
        return fit, self._known[job]

    def side_by_side(self, jobs: Sequence[Job]) -> int:
        """How many of these train at once on one worker, by the rows that a pass of the largest coalition has."""
        recipe = self.learner.recipe
        sizes_C = np.bincount(self.workspace.owners_N, minlength=self.contributors)
        largest = max((int(sizes_C[members(job.coalition)].sum()) for job in jobs), default=0)
        return self.stacking.at_most(min(recipe.micro_batch or recipe.batch_size, max(1, largest)))

    def _train(
        self,
        jobs: Sequence[Job],
        needed: Callable[[Job], bool],
        advance: Advance,
        by_example: dict[Job, Array] | None = None,
    ) -> None:
        """Train the jobs that are needed; where ``by_example`` is given, put each example's log-likelihood there."""
        wanted = list(dict.fromkeys(jobs))  # stacks are of what is wanted, so that a resumed run has the same ones
        alike = 1 if self.device.startswith("cuda") else 2
        most = self.side_by_side(wanted)
        stacks = [wanted[part.start : part.stop] for part in stacks_of(len(wanted), most, alike)]
        left = [tuple(job for job in stack if needed(job)) for stack in stacks]
        chunks = [
            Chunk(self.context, self.device, stack, most > 1, self.stacking.outputs, by_example is not None, self._pool)
            for stack in left
            if stack
        ]
        broken: dict[Job, str] = {}
        if chunks:
            with self._executor(min(self.stacking.workers, len(chunks)), self.device) as executor:
                for chunk in chunks:
                    executor.submit(chunk)
                for found in executor.completed():
                    self._keep(found, executor.workers)
                    if by_example is not None:
                        by_example.update(found.log_likelihoods)
                    broken |= found.broken
                    advance(len(found.outcomes))
        if broken:
            first = next(job for job in wanted if job in broken)  # of those wanted, whichever worker ended first
            raise Diverged(f"{broken[first]}{f' (and {len(broken) - 1} more)' if len(broken) > 1 else ''}")

    def _keep(self, found: ChunkResult, workers: int = 1) -> None:
        """Write outcomes to the ledger; what it knows already stays as it was first."""
        shared = {job: _shared(outcome, workers) for job, outcome in found.outcomes.items()}
        rows = {(*job,): row for job, row in found.log_likelihoods.items()}
        self.ledger.record(self.context, [(*job, outcome) for job, outcome in shared.items()], rows)
        self._known.update({job: outcome for job, outcome in shared.items() if job not in self._known})


def _shared(outcome: Outcome, workers: int) -> Outcome:
    """The outcome at its share of the wall clock, which several workers used at once."""
    return replace(outcome, cost=replace(outcome.cost, seconds=outcome.cost.seconds / workers))
