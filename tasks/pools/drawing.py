"""Drawing real (or prepared synthetic) rows for contributors: each row at most once a pool."""

from __future__ import annotations

import numpy as np

from harness.errors import UserError
from harness.types import Array, Bools
from tasks.pools.dealing import Rows, row_count


class TooFewRows(UserError):
    """More rows are needed than are left.

    Args:
        what: who needs what, a sentence.
        kind: of the rows.
    """

    def __init__(self, what: str, kind: str) -> None:
        super().__init__(
            f"{what} Give more {kind}, or make contributors fewer or smaller (contributors and size: settings of a "
            "task on files, axes of an embedded one)."
        )
        self.what, self.kind = what, kind


class UndrawnRows:
    """Rows of which each is drawn at most once.

    Args:
        task, kind: for errors, such as "sentiment" and "real rows".
        rows: all of them.
    """

    def __init__(self, task: str, kind: str, rows: Rows) -> None:
        self.task, self.kind, self.rows = task, kind, rows
        self._undrawn_N: Bools = np.ones(row_count(rows), dtype=np.bool_)

    def sample_without_replacement(
        self, count: int, weights_N: Array, rng: np.random.Generator, subset: str = ""
    ) -> Rows:
        """``count`` rows not drawn before, by weight; rows of no weight are never drawn.

        Args:
            subset: which rows have weight, for an error: "of the 3 most frequent classes".

        Raises:
            TooFewRows: too few are left.
        """
        left = np.flatnonzero(self._undrawn_N & (weights_N > 0))
        if count > len(left):
            kind = f"{self.kind} {subset}" if subset else self.kind
            raise TooFewRows(f"{self.task}: a contributor needs {count} more {kind}, {len(left)} are left.", self.kind)
        chosen = np.zeros(0, dtype=np.int64)
        if count:
            chosen = rng.choice(left, size=count, replace=False, p=weights_N[left] / weights_N[left].sum())
        self._undrawn_N[chosen] = False
        return {name: column[chosen] for name, column in self.rows.items()}


def topic_weights(topics_N: Array, topics: int, skew: float, rng: np.random.Generator) -> Array:
    """Weight of each row for a contributor who leans to topics in an order of its own.

    The topic at place r of that order weighs e^(-skew r).
    """
    place = rng.permutation(topics)
    return np.asarray(np.exp(-skew * place[topics_N]))
