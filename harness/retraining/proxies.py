"""What stands for a whole training: a share of its steps, of its examples, of its model's parameters."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, fields

import numpy as np

from harness.errors import UserError
from harness.seeds import stream
from harness.types import Examples, Ints, Learner, Recipe, part_of


@dataclass(frozen=True, slots=True)
class Shares:
    """What is left of a whole training; 1 is all of it.

    Args:
        steps: of the optimiser's steps.
        examples: of each contributor's examples, and of a step's batch.
        parameters: of the model's.
    """

    steps: float = 1.0
    examples: float = 1.0
    parameters: float = 1.0

    def __post_init__(self) -> None:
        for field in fields(self):
            share = getattr(self, field.name)
            if not (math.isfinite(share) and 0 < share <= 1):
                raise UserError(f"A proxy takes a share of {field.name} above 0 and up to 1, got {share}.")

    def recipe(self, whole: Recipe) -> Recipe:
        """The recipe that is left.

        Raises:
            UserError: none is.
        """
        left = whole.cut(steps=self.steps, batch=self.examples)
        if left is None:
            raise UserError(
                f"A proxy of {self.steps:g} of {whole.steps} steps of {self.examples:g} of {whole.batch_size} examples "
                "is no training; raise its share."
            )
        return left


@dataclass(frozen=True, slots=True)
class Cut:
    """What is trained in place of the whole.

    Args:
        shares: how much of it.
        seed: draws which examples are kept.
    """

    shares: Shares
    seed: int

    def data(self, train: Examples) -> Examples:
        """The examples that are kept, in their order; the pool itself where all are."""
        return train if self.shares.examples == 1 else train.take(kept(train.owners_N, self.shares.examples, self.seed))

    def learner(self, whole: Learner) -> Learner:
        """The same learner by the shorter recipe; its model is the caller's to choose."""
        shorter = copy.copy(whole)
        shorter.recipe = self.shares.recipe(whole.recipe)
        return shorter


def kept(owners_N: Ints, share: float, seed: int) -> Ints:
    """Rows of the examples of highest priority among each owner's: the share rounded down, at least one each.

    Priorities are of rows, so that owners' numbers play no part, and a larger share keeps what a smaller one does.
    """
    priority_N = stream(seed, "kept").random(len(owners_N))
    rows = []
    for owner in np.unique(owners_N):
        own = np.flatnonzero(owners_N == owner)
        rows.append(own[np.argsort(-priority_N[own], kind="stable")[: max(1, part_of(len(own), share))]])
    return np.sort(np.concatenate(rows))


def narrowed(learner: Learner, share: float) -> Learner:
    """The learner's narrower self, made anew.

    Raises:
        UserError: it has none, or a larger one.
    """
    make = learner.narrower(share)
    if make is None:
        raise UserError(f"{learner.name} has no narrower model with {share:g} of its parameters.")
    made = make()
    if (found := parameters_of(made) / parameters_of(learner)) > share:
        raise UserError(
            f"{learner.name}: its narrower model for a share of {share:g} has {found:.2f} of its parameters; let "
            "narrower() give one of fewer, or None."
        )
    return made


def parameters_of(learner: Learner) -> int:
    """How many numbers are trained."""
    return sum(tensor.numel() for tensor in learner.initialise(0).values())
