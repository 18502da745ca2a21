"""Metagradients: how the utility of the trained model moves with the weights of what it was trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.types import (
    Additive,
    Batch,
    Budget,
    Count,
    Fit,
    Floats,
    Ints,
    JobSize,
    Learner,
    NotNegative,
    Params,
    Problem,
    Retraining,
)

REPLAYS = 4
"""Passes over what a run draws, at most: two forth (one where all states are kept), two back."""


@dataclass(frozen=True)
class Metagradient(Additive):
    """Derivative of utility in the weight of each example, backward through every step of training.

    Args:
        runs: independent training runs averaged over.
        smoothing: AdamW's slope is taken over this many times the width by which one contributor moves a step's
            gradient; 0: at the very point.
    """

    runs: Count = 3
    smoothing: NotNegative = 1.0
    source = (
        "Ilyas & Engstrom (2025), MAGIC, arXiv 2504.16430, sec. 3; Engstrom et al. (2025), arXiv 2503.13751 (REPLAY)"
    )
    passes = "1 retraining a run; 2 replays of it, one forth and one back, 1 more where not all states can be kept"
    choices = (
        "an example's weight is its share in each drawn batch's mean, which is not divided anew when it leaves; "
        "after SGD the derivative is exact, AdamW's slope at gradients near 0 is smoothed over what 1 of C "
        "contributors moves: variance 2 / C of the batch gradient's own, from the halves of the drawn batches; "
        "clipping is differentiated through"
    )
    claims = frozenset({"null", "additive"})

    def budget(self, contributors: int, examples: int) -> Budget:
        return Budget(fits=self.runs, validation_passes=self.runs, replays=(REPLAYS - 1) * self.runs)

    def algebra(self, size: JobSize) -> float:
        return 0.0

    def example_values(self, problem: Problem) -> Floats:
        values_SN = np.zeros((self.runs, len(problem.train)))
        for run, values_N in enumerate(values_SN):
            fit = problem.fit(run)
            np.add.at(values_N, fit.batches_TB, _of_rows(problem, fit, fit.batch_size, self.smoothing))
        return values_SN


@dataclass(frozen=True)
class MetagradientSwaps(Retraining):
    """Derivative of utility as a contributor's rows begin to be swapped for those drawn if it left.

    Args:
        runs, smoothing: as ``Metagradient`` has them.
    """

    runs: Count = 3
    smoothing: NotNegative = 1.0
    source = "Ilyas & Engstrom (2025), MAGIC, arXiv 2504.16430, sec. 3, for the weights of coupled leave-one-out"
    passes = "1 retraining a run; 2 to 3 replays of it, the last with the rows that come in when a contributor leaves"
    choices = (
        "the batch's loss is (1 - x) times everyone's plus x times that of everyone but the contributor, each with its "
        "own batch in one order of priorities, at x = 0; AdamW's slope is smoothed as in metagradient"
    )

    def budget(self, contributors: int, examples: int) -> Budget:
        return Budget(fits=self.runs, validation_passes=self.runs, replays=REPLAYS * self.runs)

    def algebra(self, size: JobSize) -> float:
        return 0.0

    def contributor_values(self, problem: Problem) -> Floats:
        return np.stack([self._one_run(problem, run) for run in range(self.runs)])

    def _one_run(self, problem: Problem, run: int) -> Floats:
        fit = problem.fit(run)
        owed_TK = _of_rows(problem, fit, fit.order_TK.shape[1], self.smoothing)
        swaps_CTK = swaps(problem.train.owners_N[fit.order_TK], fit.batch_size, len(problem.contributors))
        return np.asarray(np.einsum("ctk,tk->c", swaps_CTK, owed_TK))


def swaps(owners_TK: Ints, width: int, contributors: int) -> Floats:
    """What each contributor's presence changes in the weights of every batch, C x T x K, where 1 is a row of the batch.

    Where it leaves, the first ``width`` others in the order make the batch, or all there are, alike in weight.
    """
    drawn_TK = np.arange(owners_TK.shape[1]) < width
    found = []
    for contributor in range(contributors):
        others_TK = owners_TK != contributor
        left_TK = others_TK & (np.cumsum(others_TK, axis=1) <= width)
        found.append(drawn_TK - left_TK * (width / np.maximum(1, left_TK.sum(axis=1, keepdims=True))))
    return np.array(found)


def _of_rows(problem: Problem, fit: Fit, depth: int, smoothing: float) -> Floats:
    from methods.gradients.directional import tensors

    train, validation = tensors(problem.train, problem.device), tensors(problem.validation, problem.device)
    share = smoothing**2 * 2 / len(problem.contributors)
    return of_rows(problem.learner, fit, train, validation, depth, share)


def of_rows(learner: Learner, fit: Fit, train: Batch, validation: Batch, depth: int, smoothed: float) -> Floats:
    """Derivative of validation utility in the weight of each of the first ``depth`` rows of each step, T x depth.

    Args:
        smoothed: squared width over which AdamW's slope is taken, in variances of a batch's gradient; 0: exact.
    """
    from methods.gradients.directional import mean_gradient
    from methods.gradients.replay import Replay
    from methods.gradients.unrolled import hessian, pulls
    from methods.gradients.vectors import times

    replay = Replay(learner, fit, train)

    def widths() -> Params:
        return times(replay.noise(), smoothed)

    target = times(mean_gradient(learner, fit.params, validation), -1.0)
    return pulls(replay, target, hessian, depth, widths if smoothed else None)
