"""Where methods are asked: evaluators on small pools, and what is noted of each answer."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import torch

from harness import registry
from harness.config import TaskSettings
from harness.conformance import pools
from harness.conformance.sources import LISTENER
from harness.metering.meter import NO_OVERHEAD, rows_passed
from harness.retraining.chunks import Job, members
from harness.retraining.engine import Engine
from harness.retraining.ledger import IN_MEMORY, Ledger
from harness.retraining.proxies import Cut
from harness.retraining.training import on_device
from harness.running.evaluator import Evaluator
from harness.seeds import stream
from harness.types import (
    Advance,
    Array,
    Batch,
    Bools,
    Cost,
    Examples,
    Fit,
    Floats,
    Form,
    Learner,
    Method,
    Outcome,
    Params,
    Pool,
    Precedent,
    Question,
    Recipe,
    Task,
    Valuation,
)

Kind: TypeAlias = Literal["plain", "relabelled", "merged", "larger", "wider", "blank", "game"]
"""What pool: as dealt, or changed in one thing; of which some is blank and some is twice there; that, with a game in
place of retraining.
"""

NULL, COPIES = 3, (0, 2)
"""Of the blank pool, and of the game: who adds nothing, and who are alike."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A method under check.

    Args:
        again: makes it anew.
    """

    name: str
    method: Method
    again: Callable[[], Method]


@dataclass(frozen=True, slots=True)
class Asked:
    """An answer, and what was noted beside it.

    Args:
        answer: the valuation, or why the method does not suit.
        examples: of the pool.
        passed: rows that went through the model, billed or not, as many times as they did.
        retrained: models that were trained, but for proxies.
        training_flops: what training took, of what the answer's cost holds.
        heard: what the method did that none has a reason to do.
    """

    answer: Valuation | str
    examples: int
    passed: float
    retrained: float
    training_flops: float
    heard: tuple[str, ...]

    @property
    def values_C(self) -> Floats:
        assert isinstance(self.answer, Valuation)
        return self.answer.values_C


class Bench:
    """Asks methods about small pools. What methods share is made once, as in a run.

    Args:
        thorough: also ask what takes many evaluations.
    """

    def __init__(self, thorough: bool = True) -> None:
        self.thorough = thorough
        self._tasks: dict[str, Task] = {}
        self._places: dict[tuple[Kind, Form], _Place] = {}
        self._known: dict[tuple[str, Kind, Form, Question], Asked | Exception] = {}

    def ask(self, subject: Subject, question: Question, kind: Kind = "plain", form: Form = "image-label") -> Asked:
        """What a method says, asked once.

        Raises:
            Exception: what it raised; every time.
        """
        key = (subject.name, kind, form, question)
        if key not in self._known:
            if (kind, form) not in self._places:
                self._places[kind, form] = self._place(kind, form)
            try:
                self._known[key] = self._places[kind, form].ask(subject, question)
            except Exception as error:
                self._places.pop((kind, form))  # it may hold what was changed
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, Exception):
            raise found
        return found

    def ask_afresh(
        self, subject: Subject, question: Question, kind: Kind = "plain", form: Form = "image-label", root: int = 0
    ) -> Asked:
        """The same with nothing that is known yet.

        Args:
            root: of all random streams.
        """
        return self._place(kind, form, root).ask(subject, question)

    def pool(self, kind: Kind, form: Form) -> Pool:
        deal = self._task(kind, form).deal
        if kind in ("larger", "wider"):
            return getattr(pools, kind)([deal(index) for index in range(3 if kind == "larger" else 2)])  # type: ignore[no-any-return]
        return getattr(pools, kind)(deal(0)) if kind in ("relabelled", "merged") else deal(0)

    def recipe(self, form: Form) -> Recipe:
        return self._task("plain", form).learner().recipe

    def width(self, kind: Kind, form: Form) -> tuple[int, int]:
        """Parameters of the learner, and the width of its features and its targets together."""
        learner, pool = self._task(kind, form).learner(), self.pool(kind, form)
        params, rows = learner.initialise(0), on_device(pool.train.take(np.arange(1)), "cpu")
        with torch.no_grad():
            features = learner.features(params, rows).shape[1] + learner.target_features(rows).shape[1]
        return sum(p.numel() for p in params.values()), int(features)

    def _task(self, kind: Kind, form: Form) -> Task:
        name = "tiny-blank" if kind in ("blank", "game") else f"tiny-{form}"
        if name not in self._tasks:
            self._tasks[name] = registry.task(name, "embedded", TaskSettings(), None)
        return self._tasks[name]

    def _place(self, kind: Kind, form: Form, root: int = 0) -> _Place:
        return _Place(self.pool(kind, form), self._task(kind, form).learner(), root, kind == "game")


class _Place:
    """An evaluator whose learner and engine are noted."""

    def __init__(self, pool: Pool, learner: Learner, root: int, is_game: bool) -> None:
        self.pool, self._passed = pool, [0.0]
        ledger = Ledger(IN_MEMORY)
        make = GameEngine if is_game else NotedEngine
        self._engine = make(counting(learner, self._passed), pool.train, pool.validation, ledger)
        self._engine.notes = Notes()  # one object, for a part of the engine that is another one would be found
        self._evaluator = Evaluator(
            root, pool.task, pool.index, pool.names, pool.train, pool.validation, self._engine, NO_OVERHEAD
        )

    def ask(self, subject: Subject, question: Question) -> Asked:
        method = subject.method
        notes, self._passed[0] = self._engine.notes, 0.0
        notes.trained = notes.flops = 0.0
        given = precedents(len(self.pool.contributors)) if method.calibrates else ()
        with LISTENER.listening() as heard:
            found = self._evaluator.evaluate(subject.name, method, question, given)
        return Asked(found, len(self.pool.train), self._passed[0], notes.trained, notes.flops, tuple(heard))


def precedents(contributors: int) -> list[Precedent]:
    """What a method that reads other tasks' truths is shown: a value of every known method, and a truth beside them."""
    rng = stream(0, "precedents")
    values = {name: rng.standard_normal(3 * contributors) for name in registry.methods()}
    return [Precedent("another", values, sum(values.values()) + rng.standard_normal(3 * contributors))]


def counting(learner: Learner, passed: list[float]) -> Learner:
    """The learner, noting in ``passed`` every row that this thread sends through its model; training has threads of
    its own.
    """
    thread, kind = threading.get_ident(), type(learner)

    def predict(self: Learner, params: Params, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        if threading.get_ident() == thread:
            passed[0] += rows_passed(batch["targets"], next(iter(params.values())))
        return kind.predict(self, params, batch)

    noted = copy.copy(learner)
    noted.__class__ = type(kind.__name__, (kind,), {"__module__": kind.__module__, "predict": predict})
    return noted


@dataclass(slots=True)
class Notes:
    """How much of whole trainings was done, and what of operations was charged for training."""

    trained: float = 0.0
    flops: float = 0.0


class NotedEngine(Engine):
    """An engine that notes what it trained."""

    notes = Notes()
    part = 1.0
    """Of a whole training, what one of its own is."""

    def cut(self, cut: Cut, model: Learner, train: Examples, held_out: Examples) -> Engine:
        found = super().cut(cut, model, train, held_out)
        found.__class__ = type(self)
        assert isinstance(found, NotedEngine)
        found.notes, found.part = self.notes, 0.0  # proxies are billed by their operations
        return found

    def outcomes(self, jobs: Sequence[Job], advance: Advance = lambda done: None) -> list[Outcome]:
        self._note(jobs)
        found = super().outcomes(jobs, advance)
        return self._charged(jobs, found)

    def log_likelihoods(self, jobs: Sequence[Job], advance: Advance = lambda done: None) -> tuple[list[Outcome], Array]:
        self._note(jobs)
        found, rows_KN = super().log_likelihoods(jobs, advance)
        return self._charged(jobs, found), rows_KN

    def fit(self, seed: int, coalition: str | None = None) -> tuple[Fit, Outcome]:
        self.notes.trained += 1
        fit, outcome = super().fit(seed, coalition)
        self.notes.flops += outcome.cost.flops
        return fit, outcome

    def _note(self, jobs: Sequence[Job]) -> None:
        self.notes.trained += self.part * self.missing(jobs)

    def _charged(self, jobs: Sequence[Job], found: list[Outcome]) -> list[Outcome]:
        self.notes.flops += sum(outcome.cost.flops for outcome in dict(zip(jobs, found, strict=True)).values())
        return found


class GameEngine(NotedEngine):
    """Where retraining should be, a game: contributor 3 adds nothing, 0 and 2 are alike, 1 goes well with either."""

    def outcomes(self, jobs: Sequence[Job], advance: Advance = lambda done: None) -> list[Outcome]:
        worths_K = worth(np.array([members(job.coalition) for job in jobs]))
        return [Outcome(float(value), 0.5, Cost(retrainings=1)) for value in worths_K]

    def log_likelihoods(self, jobs: Sequence[Job], advance: Advance = lambda done: None) -> tuple[list[Outcome], Array]:
        found = self.outcomes(jobs)
        rows = len(self.workspace.held_out["targets"])
        return found, np.repeat(np.array([[outcome.utility] for outcome in found]), rows, axis=1)


def worth(coalitions_KC: Bools) -> Floats:
    """Of each coalition in the game, K."""
    alike_K = coalitions_KC[:, list(COPIES)].sum(axis=1)
    other_K = coalitions_KC[:, 1]
    return np.asarray(-1.0 + alike_K - 0.4 * (alike_K == 2) + 0.7 * other_K + 0.2 * other_K * alike_K)
