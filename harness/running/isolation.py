"""Each method works on copies of its own, and a change to what others use fails its row and nobody else's.

Before a method's code runs, the process's settings and the functions that training rests on are noted. They are
compared again before anything trains on its behalf, so that no retraining enters the ledger from a process that was
changed; and once more at the end, with the pool's data, the learner and all that it was handed, before its answer is
kept. Then all is put back.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from harness.errors import UserError, said
from harness.metering.meter import Meter, MeteredShared, SharedWork
from harness.retraining.engine import Engine
from harness.retraining.ledger import LedgerError
from harness.running import interrupts
from harness.running.contents import Contents, contents, contents_of_learner, difference, modules_of
from harness.running.leftover_threads import Started
from harness.running.patches import Namespace, Namespaces
from harness.running.process_state import ProcessState, RandomState
from harness.types import Checkpoint, Examples, Fit, Params

T = TypeVar("T")

JOIN = "join what you start; until it ends, others work in processes of their own"

COPIED_UP_TO = 1_000_000_000
"""Bytes; what is larger is handed out itself. A change to it is found all the same, and it is made anew."""


class Interference(UserError):
    """A method changed what others use. The process is as it was again; what the pool's evaluator holds may not be."""


class Given:
    """What one evaluation is given, with what it held when it was handed out.

    Args:
        train, validation: the pool's; the method gets copies.
        check: called before anything trains on the method's behalf.
    """

    def __init__(self, train: Examples, validation: Examples, check: Callable[[], None] = lambda: None) -> None:
        self.check = check
        self._held: dict[str, tuple[object, Contents]] = {}
        self._fits: dict[str, Fit] = {}
        self.train = self.note("problem.train", copy_of_examples(train))
        self.validation = self.note("problem.validation", copy_of_examples(validation))

    def note(self, name: str, value: T, held: Contents | None = None) -> T:
        """Hand out a value that holds this much (worked out if not given)."""
        self._held[name] = (value, contents(value) if held is None else held)
        return value

    def fit(self, name: str, original: Fit) -> Fit:
        """This evaluation's copy of a fit, the same one however often it asks."""
        if name not in self._fits:
            self._fits[name] = self.note(name, copy_of_fit(original))
        return self._fits[name]

    def changes(self) -> list[str]:
        """What of it is not as it was handed out, and where."""
        found = [(name, difference(before, contents(value))) for name, (value, before) in self._held.items()]
        return [f"{name}{path}" for name, path in found if path is not None]


class GivenShared:
    """``problem.shared`` of one evaluation: metered; every method gets the same value, so it must stay what it was.

    Args:
        metered: shared work on this method's account.
        work: what is shared.
        built: what each value held when it was built; one that holds something else is built anew.
    """

    def __init__(
        self, metered: MeteredShared, work: SharedWork, built: dict[str, Contents], given: Given, meter: Meter
    ) -> None:
        self._metered, self._work, self._built, self._given, self._meter = metered, work, built, given, meter
        self._noted: set[str] = set()

    def __call__(self, key: str, build: Callable[[], T]) -> T:
        name, key = key, f"{_package_of(build)}: {key}"  # packages do not know of each other's keys
        if key in self._noted:
            return self._metered(key, build)
        with self._meter.paused():
            if key in self._work.done and difference(self._built[key], contents(self._work.done[key][0])):
                del self._work.done[key]  # somebody kept it and has changed it since
            is_new = key not in self._work.done
        value = self._metered(key, build)
        with self._meter.paused():
            if is_new:
                self._built[key] = contents(value)
            self._given.note(f"the shared value {name!r}", value, self._built[key])
        self._noted.add(key)
        return value


class Parts:
    """What some objects are made of: their attributes, by identity, so that one put in another's place is found."""

    def __init__(self, **objects: object) -> None:
        self._objects = objects
        self._before = {name: dict(vars(one)) for name, one in objects.items()}

    def changes(self) -> list[str]:
        """Attributes that are other objects now, or are new or gone."""
        return [
            f"the {name}'s {part}"
            for name, one in self._objects.items()
            for part in sorted(self._before[name].keys() | vars(one).keys())
            if self._before[name].get(part, self) is not vars(one).get(part, self)
        ]

    def restore(self) -> None:
        for name, one in self._objects.items():
            vars(one).clear()
            vars(one).update(self._before[name])


class Isolation:
    """Hands out what methods of one pool see, and tells whether they left it, and all else, as it was.

    Args:
        train, validation: the pool's examples.
        engine: retrains for the methods.
    """

    def __init__(self, train: Examples, validation: Examples, engine: Engine) -> None:
        self._train, self._validation, self._engine = train, validation, engine
        self._learner = contents_of_learner(engine.learner)
        self._data = self._contents_of_data()
        self._code_of_learner = _code_of(engine)
        self._now: tuple[ProcessState, Namespaces, Parts] | None = None

    @contextmanager
    def evaluation(self) -> Iterator[Given]:
        """One method's turn.

        Raises:
            Interference: it changed what others use, whether or not it answered; everything is put back by then.
        """
        given = Given(self._train, self._validation, self._check)
        state, namespaces, generators = ProcessState(), Namespaces(self._code_of_learner), RandomState()
        parts = Parts(engine=self._engine, workspace=self._engine.workspace, ledger=self._engine.ledger)
        started = Started()
        self._now = (state, namespaces, parts)
        failure: BaseException | None = None
        process = os.getpid()
        try:
            yield given
        except BaseException as error:  # of a library, too: panics of Rust code are no Exception
            if interrupts.is_a_persons(error):
                raise
            failure = error
        finally:
            if os.getpid() != process:  # a copy of this process that a method made must not go on with the run
                os._exit(1)
            self._now = None
            if changed := namespaces.changes():  # first, for settings are read and written by functions
                namespaces.restore()
            if other := state.changes():
                state.restore()
            if replaced := parts.changes():
                parts.restore()
            changed += other + replaced
            generators.restore()
        if interrupts.came():  # and the method kept it to itself
            raise KeyboardInterrupt
        if isinstance(failure, LedgerError):
            raise failure
        if left := started.left():
            raise _interference([*changed, f"the process's threads ({', '.join(left)} still running)"], JOIN, failure)
        if changed:
            raise _interference(changed, "restore it before returning", failure) from failure
        if changed := [*given.changes(), *self._changes_of_pool()]:
            raise _interference(changed, "work on a copy of it", failure) from failure
        if failure is not None:
            raise failure

    def _check(self) -> None:
        """Refuse to train in a process, on data or with a learner that are not what they were."""
        if self._now is None:  # no evaluation is under way
            return
        state, namespaces, parts = self._now
        if changed := [*namespaces.changes(), *state.changes(numeric=True), *parts.changes()]:
            raise _interference(changed, "restore it before anything is trained")
        if changed := self._changes_of_pool():
            raise _interference(changed, "work on a copy of it")

    def _changes_of_pool(self) -> list[str]:
        """What of the pool's data and of the learner is not as it was."""
        data = difference(self._data, self._contents_of_data())
        learner = difference(self._learner, contents_of_learner(self._engine.learner))
        found = [("the pool's data at ", data), ("the learner's ", learner)]
        return [f"{name}{path}" for name, path in found if path is not None]

    def _contents_of_data(self) -> Contents:
        return contents({"train": self._train, "validation": self._validation, "engine": self._engine.tensors})


def copy_of_examples(examples: Examples) -> Examples:
    if sum(column.nbytes for column in examples.columns.values()) > COPIED_UP_TO:
        return examples
    return Examples(examples.columns, examples.owners_N, examples.real_N)


def copy_of_fit(fit: Fit) -> Fit:
    held = [fit.initial, *(mark.params for mark in fit.checkpoints)]
    if sum(tensor.nbytes for params in held for tensor in params.values()) > COPIED_UP_TO:
        return fit
    marks = tuple(Checkpoint(mark.step, mark.rate_sum, _clones(mark.params)) for mark in fit.checkpoints)
    return Fit(_clones(fit.initial), marks, fit.order_TK, fit.batch_size)


def _clones(params: Params) -> Params:
    return {name: tensor.detach().clone() for name, tensor in params.items()}


def _package_of(build: Callable[[], object]) -> str:
    """The package that a function was written in."""
    inner = build.func if isinstance(build, partial) else build
    return (getattr(inner, "__module__", None) or type(inner).__module__).partition(".")[0]


def _interference(changed: list[str], advice: str, failure: BaseException | None = None) -> Interference:
    *others, last = changed
    text = f"changed {', '.join(others)}{' and ' if others else ''}{last}; {advice}"
    if failure is not None and not isinstance(failure, Interference):
        text += f" (it failed, too: {type(failure).__name__}: {said(failure)})"
    return Interference(text)


def _code_of(engine: Engine) -> list[Namespace]:
    """Classes of the learner and of its modules, and the files that they are in: its answers rest on them."""
    kinds = [*type(engine.learner).__mro__, *(type(found) for found in modules_of(vars(engine.learner)))]
    files = [sys.modules[kind.__module__] for kind in kinds if kind.__module__ in sys.modules]
    return [*kinds, *(file for file in files if not file.__name__.startswith("torch"))]
