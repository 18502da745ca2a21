"""One-feature baselines: what a method must beat to mean anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.types import Additive, Bools, Count, Floats, JobSize, Problem, Scorer, SetFunction
from methods import algebra


@dataclass(frozen=True)
class Random(Additive):
    """A random number for each contributor: what an order costs that knows nothing."""

    source = "baseline"
    passes = "none"

    def algebra(self, size: JobSize) -> float:
        return 0.0

    def example_values(self, problem: Problem) -> Floats:
        draws_C = problem.stream("values").standard_normal(len(problem.contributors))
        sizes_C = np.bincount(problem.train.owners_N, minlength=len(problem.contributors))
        return (draws_C / sizes_C)[problem.train.owners_N][None]


@dataclass(frozen=True)
class Size(Additive):
    """Number of examples."""

    source = "baseline"
    passes = "none"
    claims = frozenset({"copies", "additive"})

    def algebra(self, size: JobSize) -> float:
        return 0.0

    def example_values(self, problem: Problem) -> Floats:
        return np.ones((1, len(problem.train)))


@dataclass(frozen=True)
class RealShare(SetFunction):
    """Share of real examples in a coalition."""

    source = "baseline"
    passes = "none"
    claims = frozenset({"copies"})
    reads_sides = True

    def algebra(self, size: JobSize) -> float:
        return 0.0

    def scorers(self, problem: Problem) -> Sequence[Scorer]:
        return [coalition_mean(problem.train.real_N.astype(np.float64), problem)]


@dataclass(frozen=True)
class ClassBalance(SetFunction):
    """How alike a coalition's labels are to validation's: 1 - their total variation distance, 0 for nobody."""

    source = "baseline"
    passes = "none"
    claims = frozenset({"copies"})

    def algebra(self, size: JobSize) -> float:
        return 0.0

    def unsuitable(self, problem: Problem) -> str | None:
        if not problem.learner.one_label:
            return f"its examples need a label each, and those of {problem.task} are answered in words"
        return None

    def scorers(self, problem: Problem) -> Sequence[Scorer]:
        train_N, wanted_N = problem.train.targets, problem.validation.targets
        labels = int(max(train_N.max(), wanted_N.max())) + 1
        counts_CL = np.zeros((len(problem.contributors), labels))
        np.add.at(counts_CL, (problem.train.owners_N, train_N), 1)
        wanted_L = np.bincount(wanted_N, minlength=labels) / len(wanted_N)

        def score(coalitions_KC: Bools) -> Floats:
            counts_KL = coalitions_KC @ counts_CL
            sizes_K = counts_KL.sum(axis=1)
            shares_KL = counts_KL / np.maximum(sizes_K, 1)[:, None]
            return np.asarray(np.where(sizes_K > 0, 1 - np.abs(shares_KL - wanted_L).sum(axis=1) / 2, 0.0))

        return [score]


@dataclass(frozen=True)
class InitialLoss(SetFunction):
    """Minus a coalition's mean loss at the initialisation.

    Args:
        seeds: initialisations averaged over.
    """

    seeds: Count = 3
    source = "baseline; the loss term of NTK-MMD alone"
    passes = "1 forward pass a seed"
    choices = "nobody is worth 0, as if at no loss"
    claims = frozenset({"copies"})

    def algebra(self, size: JobSize) -> float:
        return 0.0

    def scorers(self, problem: Problem) -> Sequence[Scorer]:
        from methods.gradients.directional import example_losses, tensors

        train = tensors(problem.train, problem.device)
        losses = [example_losses(problem.learner, problem.initial(seed), train) for seed in range(self.seeds)]
        return [coalition_mean(-losses_N, problem) for losses_N in losses]


@dataclass(frozen=True)
class Mmd(SetFunction):
    """Minus the multi-kernel MMD between a coalition and the validation split, on joint features.

    Args:
        seeds: initialisations, over whose features values are averaged.
    """

    seeds: Count = 3
    source = "Gretton et al. (2012), JMLR 13, eq. 5, with the kernels of NTK-MMD"
    passes = "1 forward pass a seed, kernels of all pairs (n <= 5,000) or 2,048 Fourier features"
    choices = (
        "the biased estimate, which falls with a coalition's size too: about as the root of 1 / n near validation; "
        "nobody is worth 0, as if at no distance"
    )
    claims = frozenset({"copies"})

    def algebra(self, size: JobSize) -> float:
        return self.seeds * algebra.mmd(size, size.examples)

    def scorers(self, problem: Problem) -> Sequence[Scorer]:
        from methods.kernels import CoalitionMmd, joint_features

        found = []
        for seed in range(self.seeds):
            params = problem.initial(seed)
            mmd = CoalitionMmd(joint_features(problem, params), problem)
            found.append(lambda coalitions_KC, mmd=mmd: -mmd.distances(coalitions_KC))
        return found


def coalition_mean(values_N: Floats, problem: Problem) -> Scorer:
    """The mean of a per-example number over a coalition's examples, 0 for nobody."""
    owners_N, contributors = problem.train.owners_N, len(problem.contributors)
    sums_C = np.bincount(owners_N, weights=values_N, minlength=contributors)
    sizes_C = np.bincount(owners_N, minlength=contributors)

    def score(coalitions_KC: Bools) -> Floats:
        return np.asarray((coalitions_KC @ sums_C) / np.maximum(coalitions_KC @ sizes_C, 1))

    return score
