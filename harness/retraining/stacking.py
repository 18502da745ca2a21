"""How many models train side by side on one worker, and how many workers there are."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import joblib
import numpy as np
import torch

from harness.retraining import training
from harness.types import Examples, Learner

STACKED_OUTPUTS = 3_000_000
"""Logits of a step's batches, of all models in a stack: beyond some megabytes caches hold too little of them."""


@dataclass(frozen=True, slots=True)
class Stacking:
    """The layout of retraining on one machine.

    Args:
        jobs: most models in a stack; 1: in turn.
        workers: stacks that train at the same time.
        outputs: logits of one row; where they are many, fewer models go into a stack.
    """

    jobs: int
    workers: int
    outputs: int = 1

    def at_most(self, rows: int) -> int:
        """Models of a stack whose steps take so many rows each."""
        return int(np.clip(STACKED_OUTPUTS // (self.outputs * rows), 1, self.jobs))


def stacking_for(learner: Learner, train: Examples, device: str) -> Stacking:
    """The rule, from measurements on two cores (docs/speed.md): stack small models, train large ones in turn.

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
    """Processor cores that this process may use: its affinity, and its container's quota of processor time."""
    return int(joblib.cpu_count())


def stacks_of(count: int, most: int, multiple: int) -> list[range]:
    """0..count-1 in consecutive stacks of at most ``most``, nearly alike in size, their number such a multiple.

    In twos, two workers end together. How many cores there are plays no part: a stack's size can change last digits.
    """
    if count < multiple or most == 1:
        return [range(k, k + 1) for k in range(count)]
    stacks = multiple * -(-count // (multiple * most))
    edges = [count * k // stacks for k in range(stacks + 1)]
    return [range(start, stop) for start, stop in itertools.pairwise(edges)]
