"""The target in parts, at no retraining: every model is scored on each target row once, and that is kept."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import numpy as np

from harness.retraining.chunks import Job
from harness.retraining.engine import Engine
from harness.retraining.proxies import Cut
from harness.seeds import stream
from harness.types import Advance, Array, Examples, Ints, Learner, Outcome

PARTS = 10
"""Parts that the target is cut into, each left out once."""

FEWEST_PARTS = 4
"""With fewer the error that they tell is hardly one."""


class TargetEngine(Engine):
    """An engine that keeps the log-likelihood of every target row, so that other rows of it ask for no retraining."""

    _rows: Ints | None = None
    """Of the target, on which it scores; None: on all."""

    def on(self, rows: Ints) -> Self:
        """The same engine, scored on these rows of the target alone."""
        other = copy.copy(self)
        other._rows = rows
        return other

    def outcomes(self, jobs: Sequence[Job], advance: Advance = lambda done: None) -> list[Outcome]:
        return self.log_likelihoods(jobs, advance)[0]

    def log_likelihoods(self, jobs: Sequence[Job], advance: Advance = lambda done: None) -> tuple[list[Outcome], Array]:
        if not jobs:
            return [], np.empty((0, len(self._held_out if self._rows is None else self._rows)), dtype=np.float32)
        found, every_KN = super().log_likelihoods(jobs, advance)
        if self._rows is None:
            return found, every_KN
        own_KN = every_KN[:, self._rows]
        scored = own_KN.mean(axis=1, dtype=np.float64)
        return [replace(one, utility=float(u), folds=b"") for one, u in zip(found, scored, strict=True)], own_KN

    def cut(self, cut: Cut, model: Learner, train: Examples, held_out: Examples) -> Self:
        """Of the whole target, whatever rows are scored here."""
        other = super().cut(cut, model, train, self._held_out)
        assert isinstance(other, type(self))
        return other if self._rows is None else other.on(self._rows)


def parts_of(rows: int, parts: int, root: int) -> list[Ints]:
    """The target's rows in parts, drawn at random and as alike in size as may be."""
    order = stream(root, "target", "parts").permutation(rows)
    return [np.sort(part) for part in np.array_split(order, min(parts, rows))]
