"""How well a truth repeats, and what may agree with it at best. S seeds (or repeats), F held-out folds, C contributors.

The *reliability* over seeds is what another run of the truth, on the same held-out sample, would score against it. The
*ceiling* is what a method that knew the noiseless truth would score: the noise of seeds and of the held-out sample is
the truth's alone then.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.statistics.intervals import estimate
from harness.statistics.jackknife import PoolScores, from_deletions
from harness.statistics.overdispersion import Moderation
from harness.statistics.scores import spearman
from harness.types import Floats, Ints


def spearman_brown(reliability: float, factor: float) -> float:
    """Reliability of ``factor`` times as many repeats (Spearman 1910; Brown 1910); nan at or below -1/factor."""
    if not reliability > -1 / max(factor, 1):
        return math.nan
    return factor * reliability / (1 + (factor - 1) * reliability)


def repeats_needed(reliability: float, repeats: int, target: float) -> int | None:
    """Repeats at which the reliability would reach ``target``, None where none can be told from these."""
    if not (0 < reliability < 1 and 0 < target < 1):
        return None
    needed = repeats * target * (1 - reliability) / (reliability * (1 - target))
    return math.ceil(needed * (1 - 1e-12))  # a whole number stays itself under rounding


def split_half_reliability(
    mean_of: Callable[[Ints], Floats], repeats: int, rng: np.random.Generator, splits: int = 100
) -> float:
    """What another run of the truth, with as many new seeds, would score against this one.

    The means of two random halves of the repeats are correlated (Spearman), averaged over many splits and
    corrected to the full number of repeats (Spearman-Brown). A method that knew the noiseless truth would score about
    the root of it, so a fraction of the ceiling can pass 1.

    Args:
        mean_of: values of the truth computed from the chosen repeats alone, C.
        repeats: S; below 2 it is nan.
    """
    if repeats < 2:
        return math.nan
    half = repeats // 2
    found = []
    for _ in range(splits):
        order = rng.permutation(repeats)
        found.append(spearman(mean_of(order[:half]), mean_of(order[half : 2 * half])))
    return spearman_brown(float(np.mean(found)), repeats / half)


@dataclass(frozen=True, slots=True, eq=False)
class Components:
    """Where the variance of a truth's values comes from: a crossed design of contributors, seeds and held-out folds.

    Two-way random effects with contributors as the objects of measurement (Brennan 2001, Generalizability Theory,
    sec. 3.3). What shifts all contributors alike, a seed's or a fold's own effect, does not touch their order and is
    taken out.

    Args:
        contributor, by_seed, by_fold, residual: variance of the noiseless values, of what a seed and a fold add to a
            contributor's value, and of what only both together do; unbiased, so that a small one can come out negative.
            One number each, or an array of them, such as one without each contributor.
        contributors, seeds, folds: C, S and F.
    """

    contributor: Floats
    by_seed: Floats
    by_fold: Floats
    residual: Floats
    contributors: int
    seeds: int
    folds: int

    @property
    def noise(self) -> Floats:
        """Variance of a contributor's mean value around its noiseless one."""
        both = self.residual / (self.seeds * self.folds)
        return np.asarray(self.by_seed / self.seeds + self.by_fold / self.folds + both)

    @property
    def generalizability(self) -> Floats:
        """Share of the values' variance that is not noise (Brennan 2001, eq. 1.12): its root is the pool's ceiling.

        Dividing by an observed variance of C - 1 degrees of freedom makes the noise's share too large by
        (C - 1) / (C - 3), which is taken off; so that its mean over pools is right, it may lie outside [0, 1].
        """
        total = self.contributor + self.noise
        shrink = max(self.contributors - 3, 1) / (self.contributors - 1)
        return np.where(total > 0, 1 - shrink * self.noise / np.where(total > 0, total, 1.0), np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Squares:
    """What each contributor adds to the four sums of squares, C each: all that is needed to leave one out.

    Args:
        contributor_C, by_seed_C, by_fold_C, residual_C: of the crossed design's effects.
        seeds, folds: S and F.
    """

    contributor_C: Floats
    by_seed_C: Floats
    by_fold_C: Floats
    residual_C: Floats
    seeds: int
    folds: int

    def components(self) -> Components:
        """The components of all contributors."""
        return self._components([own_C.sum() for own_C in self._all], len(self.contributor_C))

    def deletions(self) -> Components:
        """The components without each contributor, C each, exactly.

        Leaving one out moves the mean of the others by its share: a sum of squares falls by C / (C - 1) times its own.
        """
        left = len(self.contributor_C) - 1
        return self._components([np.maximum(0.0, own.sum() - own * (left + 1) / left) for own in self._all], left)

    @property
    def _all(self) -> tuple[Floats, ...]:
        return self.contributor_C, self.by_seed_C, self.by_fold_C, self.residual_C

    def _components(self, sums: Sequence[Floats], contributors: int) -> Components:
        """From the sums of squares of contributors, seeds, folds, and both."""
        seeds, folds = self.seeds, self.folds
        freedom = 1, seeds - 1, folds - 1, (seeds - 1) * (folds - 1)
        contributor, by_seed, by_fold, residual = (
            np.asarray(total / (own * (contributors - 1))) for total, own in zip(sums, freedom, strict=True)
        )
        return Components(
            contributor=(contributor - by_seed - by_fold + residual) / (seeds * folds),
            by_seed=(by_seed - residual) / folds,
            by_fold=(by_fold - residual) / seeds,
            residual=residual,
            contributors=contributors,
            seeds=seeds,
            folds=folds,
        )

    def scores(self) -> PoolScores:
        """The generalizability as a single column, with what it is without each contributor."""
        return from_deletions(self.components().generalizability[None], self.deletions().generalizability[None])


def ceiling(pools: Sequence[Squares], prior: Moderation) -> tuple[float, float, float]:
    """The ceiling of a mean over pools, and its 95 % interval: what knowing the noiseless truths would score.

    The root of the mean generalizability, which is unbiased where each pool's own root is not.

    Args:
        prior: of the overdispersion of generalizabilities (``moderate`` on ``Squares.scores``).
    """
    found = estimate([[pool.scores() for pool in pools]], prior)
    low, high = found.interval(0)
    return _root(float(found.mean_M[0])), _root(low), _root(high)


def _root(share: float) -> float:
    return math.sqrt(min(1.0, max(0.0, share))) if math.isfinite(share) else math.nan


def squares(values_SC: Floats, by_fold_FC: Floats, residual_C: Floats) -> Squares | None:
    """The sums of squares of one truth; None from a single seed or fold, which tell no noise.

    Args:
        values_SC: by seed, mean over folds.
        by_fold_FC: by fold, mean over seeds.
        residual_C: sum over seeds and folds of the squares of ``residual`` (``residual_squares``).
    """
    seeds, folds = len(values_SC), len(by_fold_FC)
    if min(seeds, folds) < 2 or values_SC.shape[1] < 4:
        return None
    seed_SC, fold_FC = _centred(values_SC), _centred(by_fold_FC)
    return Squares(
        contributor_C=seeds * folds * seed_SC.mean(axis=0) ** 2,
        by_seed_C=folds * ((seed_SC - seed_SC.mean(axis=0)) ** 2).sum(axis=0),
        by_fold_C=seeds * ((fold_FC - fold_FC.mean(axis=0)) ** 2).sum(axis=0),
        residual_C=residual_C,
        seeds=seeds,
        folds=folds,
    )


def residual_squares(values_SFC: Floats) -> Floats:
    """Each contributor's sum of squares of what neither its seed nor its fold alone explains, C."""
    values_SFC = _centred(values_SFC)
    of_seed, of_fold = values_SFC.mean(axis=1, keepdims=True), values_SFC.mean(axis=0, keepdims=True)
    residual_SFC = values_SFC - of_seed - of_fold + values_SFC.mean(axis=(0, 1))
    return np.asarray((residual_SFC**2).sum(axis=(0, 1)))


def agreement(values_SC: Floats, truth_SC: Floats) -> float:
    """Spearman of values with a truth found on the same seeds, as it would be on other seeds; nan from a single one.

    The rank correlation of the means, times the share of their covariance that is not of seeds which both share: the
    covariance between contributors less the mean cross product within seeds over their number; within [-1, 1].
    """
    seeds, contributors = truth_SC.shape
    if seeds < 2 or values_SC.shape != truth_SC.shape:
        return math.nan
    a_SC, b_SC = _centred(values_SC), _centred(truth_SC)
    a_C, b_C = a_SC.mean(axis=0), b_SC.mean(axis=0)
    covariance = float(a_C @ b_C) / (contributors - 1)
    shared = float(((a_SC - a_C) * (b_SC - b_C)).sum()) / ((contributors - 1) * (seeds - 1) * seeds)
    if covariance == 0:
        return math.nan
    corrected = spearman(values_SC.mean(axis=0), truth_SC.mean(axis=0)) * (covariance - shared) / covariance
    # A covariance that is hardly there is no divisor to trust.
    return max(-1.0, min(1.0, corrected)) if math.isfinite(corrected) else math.nan


def _centred(values: Floats) -> Floats:
    """Less the mean over contributors, the last axis."""
    return np.asarray(values - values.mean(axis=-1, keepdims=True))
