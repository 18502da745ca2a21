"""A pool without a truth at work: its ledger, its engine, its evaluator, and what timing one training told."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np

from harness.brought import Brought
from harness.metering.load import HERE
from harness.projection import Projection, ReferenceJob
from harness.retraining import training
from harness.retraining.chunks import Job
from harness.retraining.ledger import Ledger
from harness.running.evaluator import Evaluator
from harness.seeds import seed_of
from harness.types import Advance, Cost, JobSize, Outcome, Question
from harness.valuing.target import TargetEngine

LEDGER = "value.sqlite"
POOL = 0
"""Number of the only pool that there is."""


class Progress(Protocol):
    """What a person sees meanwhile (``harness.running.progress``)."""

    def shown(self) -> AbstractContextManager[None]: ...

    def stage(self, text: str, retrainings: int = 0) -> AbstractContextManager[Advance]: ...

    def note(self, text: str) -> None: ...


class Session:
    """Everything that trains on what was brought, while it is entered.

    Args:
        brought: the pool.
        root: of every random stream.
        device: torch device.
        kept: where retrainings and answers are kept, so that the next session goes on: a folder, whose ledger is the
            session's own to open and close, or one that is open.
        progress: shows what is under way.
    """

    def __init__(self, brought: Brought, root: int, device: str, kept: Path | Ledger, progress: Progress) -> None:
        self.brought, self.root, self.device, self.progress = brought, root, device, progress
        self.ledger = Ledger(kept / LEDGER, progress.note) if isinstance(kept, Path) else kept
        self._close = self.ledger.close if isinstance(kept, Path) else lambda: None
        self.load = HERE.start()
        self._timed: Outcome | None = None
        try:
            with progress.stage("making the model"):
                self.learner = brought.learner()
                training.warm_up(self.learner, brought.train, device)
            self.engine = TargetEngine(self.learner, brought.train, brought.target, self.ledger, device)
            place = (root, brought.task, POOL, brought.names, brought.train, brought.target)
            self.evaluator = Evaluator(*place, self.engine)
        except BaseException:
            self._close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    @property
    def everyone(self) -> str:
        return "1" * len(self.brought.names)

    def seed(self, purpose: str, k: int = 0) -> int:
        """One that no method trains with."""
        return seed_of(self.root, "value", purpose, k)

    def one_training(self) -> Outcome:
        """The training of everyone that tells how fast this machine is; an audit uses it too."""
        if self._timed is None:
            job = self.audit_job(self.everyone, 0)
            with self.progress.stage("timing one training", self.engine.missing([job])) as advance:
                self._timed = self.engine.outcomes([job], advance)[0]
        return self._timed

    def audit_job(self, coalition: str, repeat: int) -> Job:
        return Job(coalition, self.seed("audit", repeat))

    def size(self, question: Question) -> JobSize:
        """What a method's own algebra grows with here."""
        brought = self.brought
        params = self.learner.initialise(0)
        width = self.learner.predict(params, training.on_device(brought.train.take(np.arange(1)), "cpu"))[1].shape[1]
        parameters = sum(p.numel() for p in params.values())
        rows = len(brought.train), len(brought.target)
        features = width + max(2, len(brought.labels))
        return JobSize(
            question, len(brought.names), *rows, parameters, features, optimiser=self.learner.recipe.optimiser
        )

    def gpu_hours(self, cost: Cost) -> float:
        """Of the projection's GPU."""
        return Projection().hours(cost.flops, cost.bytes_moved, cost.launches, self.learner.recipe.precision)

    def reference(self, size: JobSize) -> ReferenceJob:
        """The job at hand, in the terms in which prices are worked out."""
        recipe, inputs = self.learner.recipe, self.brought.train.columns["inputs"]
        return ReferenceJob(
            model=self.learner.name,
            parameters=size.parameters,
            tokens=float(inputs.shape[-1]),
            features=size.features,
            contributors=size.contributors,
            examples_each=max(1, round(size.examples / size.contributors)),
            validation=size.validation,
            steps=recipe.steps,
            batch_size=recipe.batch_size,
        )

    def kept(self, key: str, find: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """A finished answer from the ledger, found and kept where it is not there."""
        if (found := self.ledger.answer(key)) is not None:
            return dict(found)
        found = find()
        self.ledger.keep_answer(key, found)
        return found


def minutes(seconds: float) -> str:
    """A stretch of time, to two digits."""
    return f"{seconds:.2g} s" if seconds < 99.5 else f"{float(f'{seconds / 60:.2g}'):g} minutes"


def key_of(*parts: object) -> str:
    """A hash of everything that can change an answer."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def cost_of(record: dict[str, Any]) -> Cost:
    """A cost as a record keeps it."""
    return Cost(**record)


def cost_record(cost: Cost) -> dict[str, Any]:
    return asdict(cost)
