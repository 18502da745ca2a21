"""What retrainings of one pool need on a device: its rows, one held-out split, and the learner.

A workspace has a context, the digest of everything that can change a retraining. Work is sent by context: a process
that holds the workspace uses it, another one rebuilds it from the pool's description and must come to the same digest.
"""

from __future__ import annotations

import hashlib
import json
import threading
import weakref
from collections import OrderedDict
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch

from harness import registry
from harness.errors import UserError
from harness.retraining import training
from harness.retraining.proxies import Cut, narrowed
from harness.types import Examples, Learner, Params, TaskReference

Split = Literal["validation", "test"]

KEPT = 2
"""Rebuilt workspaces that a worker process keeps: the chunks of one pool come one after another."""


@dataclass(frozen=True, slots=True)
class PoolReference:
    """Which pool of which task, scored on which split: enough to deal it again in another process.

    Args:
        cut: what is trained in place of the whole; None: the whole.
    """

    task: TaskReference
    index: int
    split: Split
    cut: Cut | None = None


class OtherPool(UserError):
    """A worker came to another pool, learner or version than the coordinator's."""


class Workspace:
    """One pool's rows and a held-out split as tensors, with the learner.

    Args:
        learner: what is trained, by its own recipe.
        train: the pool's examples; their owners make coalitions.
        held_out: the split that utility is measured on.
        device: torch device.
        validation: a second split that is scored too, None for none.
    """

    def __init__(
        self, learner: Learner, train: Examples, held_out: Examples, device: str, validation: Examples | None = None
    ) -> None:
        self.learner, self.device = learner, device
        self.owners_N = train.owners_N
        self.contributors = int(train.owners_N.max()) + 1
        self.train = training.on_device(train, device)
        self.held_out = training.on_device(held_out, device)
        self.validation = None if validation is None else training.on_device(validation, device)
        self.identity = _identity(learner, train, held_out, device, validation)
        self.context = hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()[:16]
        self._initial: dict[int, Params] = {}
        _HELD.setdefault((self.context, device), weakref.WeakSet()).add(self)

    def initial(self, seed: int) -> Params:
        """Initial parameters of a seed, the same tensors for every coalition."""
        with _INITIALISING:
            if seed not in self._initial:
                self._initial[seed] = self.learner.initialise(seed, self.device)
            return self._initial[seed]


def workspace(context: str, device: str, pool: PoolReference | None) -> Workspace:
    """The workspace of a context: this process's own, or one rebuilt from the pool's description.

    Raises:
        OtherPool: what was rebuilt has another digest, or there is nothing to rebuild it from.
    """
    for held in _HELD.get((context, device), ()):
        return held
    if pool is None:
        raise OtherPool(
            f"The pool of context {context} is not in this process, and its task gave no description to deal it again "
            "from. Make the task through harness.registry, or retrain in the process that dealt the pool."
        )
    rebuilt = _rebuilt(pool, device)
    if rebuilt.context != context:
        raise OtherPool(
            f"{pool.task.name}, pool {pool.index}, is another one here: its digest is {rebuilt.context}, expected "
            f"{context}. Expected the same data, the same dataworth and the same torch ({torch.__version__} here) as "
            "where the run was started."
        )
    _REBUILT[context, device] = rebuilt
    while len(_REBUILT) > KEPT:
        _REBUILT.popitem(last=False)
    return rebuilt


_HELD: dict[tuple[str, str], weakref.WeakSet[Workspace]] = {}
"""All workspaces of a context that are alive: when a later one goes, an earlier one still serves."""

_REBUILT: OrderedDict[tuple[str, str], Workspace] = OrderedDict()
_INITIALISING = threading.Lock()
"""Drawing parameters goes through torch's one global generator."""


def _rebuilt(pool: PoolReference, device: str) -> Workspace:
    task = registry.task_again(pool.task)
    dealt = task.deal(pool.index)
    beside = dealt.validation if pool.split == "test" else None
    learner, train = task.learner(), dealt.train
    if pool.cut is not None:
        share = pool.cut.shares.parameters
        learner = pool.cut.learner(learner if share == 1 else narrowed(learner, share))
        train = pool.cut.data(train)
    return Workspace(learner, train, getattr(dealt, pool.split), device, beside)


def _identity(
    learner: Learner, train: Examples, held_out: Examples, device: str, validation: Examples | None
) -> dict[str, Any]:
    """Everything that can change a retraining, and nothing else. tests/harness/test_engine.py changes each."""
    return {
        "engine": training.VERSION,
        "learner": dict(learner.identity),
        "recipe": asdict(learner.recipe),
        "train": train.digest(),
        "held_out": held_out.digest(),
        **({} if validation is None else {"validation": validation.digest()}),
        "device": device.split(":")[0],
        "torch": torch.__version__.split("+")[0],
    }
