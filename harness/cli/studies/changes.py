"""What a contributor may do to be paid more, each as the pool that comes of it.

The contributor keeps its place; what it adds is the pool's last contributor, and what both are worth is what it takes
home. Whoever joins brings as many examples as the contributor has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch

from harness.retraining.training import on_device
from harness.types import Array, Bools, Contributor, Examples, Floats, Ints, Learner, Pool


@dataclass(frozen=True)
class Scene:
    """A pool, who plays in it, and what it may lay its hands on.

    Args:
        pool: as it was dealt.
        attacker: the contributor's index; it has at least two examples.
        other: another pool of the task, whose examples are new to this one.
        learner: whose features at an initialisation tell what lies near.
        rng: draws halves, rows and labels.
    """

    pool: Pool
    attacker: int
    other: Pool
    learner: Learner
    rng: np.random.Generator

    @property
    def own(self) -> Ints:
        """Rows of the contributor."""
        return np.flatnonzero(self.pool.train.owners_N == self.attacker)

    @cached_property
    def new(self) -> Examples:
        """The other pool's training examples, without those that are held out here, by what goes into the model."""
        held_out = {row for split in (self.pool.validation, self.pool.test) for row in _inputs(split)}
        fresh = np.array([row not in held_out for row in _inputs(self.other.train)])
        return self.other.train.take(fresh)

    @cached_property
    def strangers(self) -> Examples:
        """As many of the new examples as the contributor has, drawn at random."""
        return self.new.take(self.rng.permutation(len(self.new))[: len(self.own)])

    def joined_by(self, examples: Examples) -> Pool:
        """The pool with one contributor more, who brings these."""
        count, train = len(self.pool.contributors), self.pool.train
        joining = replace(examples, owners_N=np.full(len(examples), count))
        columns = {name: np.concatenate([column, joining.columns[name]]) for name, column in train.columns.items()}
        owners_N = np.concatenate([train.owners_N, joining.owners_N])
        real_N = np.concatenate([train.real_N, joining.real_N])
        return self._with(Examples(columns, owners_N, real_N))

    def split(self) -> Pool:
        """The same examples, a random half of the contributor's under another name."""
        owners_N = self.pool.train.owners_N.copy()
        owners_N[self.rng.permutation(self.own)[: len(self.own) // 2]] = len(self.pool.contributors)
        return self._with(replace(self.pool.train, owners_N=owners_N))

    def _with(self, train: Examples) -> Pool:
        names = set(self.pool.names)
        name = next(name for name in (f"newcomer{'+' * k}" for k in range(len(names) + 1)) if name not in names)
        return replace(self.pool, contributors=(*self.pool.contributors, Contributor(name, {})), train=train)


@dataclass(frozen=True, slots=True)
class Change:
    """Something that a contributor may do.

    Args:
        about: in words.
        made: the pool that comes of it.
    """

    about: str
    made: Callable[[Scene], Pool]


def scrambled(examples: Examples, rng: np.random.Generator) -> Examples:
    """The examples with their targets dealt out among each other at random: labels, or the tokens of responses.

    Where the inputs hold the tokens of the response too, as a language model reads them, they follow. Prompts and the
    lengths of responses stay.
    """
    targets = examples.targets.copy()
    learnt = targets >= 0  # what is below is not a target: prompts and padding
    targets[learnt] = rng.permutation(targets[learnt])
    columns = {name: _following(column, examples.targets, targets, learnt) for name, column in examples.columns.items()}
    return replace(examples, columns={**columns, "targets": targets})


def _following(column: Array, before: Array, after: Array, learnt: Bools) -> Array:
    if column.ndim < 2 or column.shape != before.shape or not np.array_equal(column[learnt], before[learnt]):
        return column
    return np.where(learnt, after, column)


def nearest(scene: Scene) -> Examples:
    """Of the new examples those whose features lie nearest to one of validation's."""
    gap_N = gaps(scene.learner, scene.new, scene.pool.validation)
    return scene.new.take(np.sort(np.argsort(gap_N, kind="stable")[: len(scene.own)]))


@torch.no_grad()
def gaps(learner: Learner, examples: Examples, validation: Examples) -> Floats:
    """Distance of each example's penultimate features, at an initialisation, to the nearest of validation's, N."""
    params = learner.initialise(0)
    own, asked = (learner.features(params, on_device(part, "cpu")).double() for part in (examples, validation))
    return np.asarray(torch.cdist(own, asked).min(dim=1).values.numpy())


def leaked(scene: Scene) -> Examples:
    """Validation's own examples."""
    validation = scene.pool.validation
    return validation.take(scene.rng.permutation(len(validation))[: len(scene.own)])


CHANGES: Mapping[str, Change] = {
    "split": Change("half of its examples under a second name", Scene.split),
    "copy": Change("an exact copy of it joins", lambda scene: scene.joined_by(scene.pool.train.take(scene.own))),
    "new": Change(
        "honest work, to compare with: new examples join, drawn at random from another pool",
        lambda scene: scene.joined_by(scene.strangers),
    ),
    "noise": Change(
        "the same new examples join, their labels or responses scrambled",
        lambda scene: scene.joined_by(scrambled(scene.strangers, scene.rng)),
    ),
    "near": Change(
        "of the other pool's examples those nearest to validation by features join",
        lambda scene: scene.joined_by(nearest(scene)),
    ),
    "leak": Change("validation's own examples join", lambda scene: scene.joined_by(leaked(scene))),
}


def _inputs(examples: Examples) -> list[bytes]:
    """What goes into the model of each example, as something to compare by."""
    columns = [column for name, column in sorted(examples.columns.items()) if name != "targets"]
    return [b"".join(np.ascontiguousarray(column[n]).tobytes() for column in columns) for n in range(len(examples))]
