"""How well a truth repeats, and what may agree with it at best. S seeds (or repeats), F held-out folds, C contributors.

The *reliability* over seeds is what another run of the truth, on the same held-out sample, would score against it. The
*ceiling* is what a method that knew the noiseless truth would score: the noise of seeds and of the held-out sample is
the truth's alone then. A second held-out sample, the validation split, tells how much of a truth's spread is neither.
Parts of one sample would tell too much noise: splits are dealt alike in their labels and topics, parts of them are not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from harness.statistics.intervals import LEVEL, estimate
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
    """Where the variance of a truth's values comes from; one number each, or one without each contributor.

    Unbiased, so that a small one can come out negative. What shifts all contributors alike, as a seed may, does not
    touch their order and is taken out.

    Args:
        total: variance over contributors of their values, which are means over S seeds on the test split.
        noiseless: of what other seeds and the validation split find too.
        shared: of what seeds bring to both splits, in the mean over S.
        seeds: of what seeds bring to the test split, in the mean over S: the shared and what only both together make.
        contributors: C.
    """

    total: Floats
    noiseless: Floats
    shared: Floats
    seeds: Floats
    contributors: int

    @property
    def held_out(self) -> Floats:
        """Of what the test split alone brings, whatever the seeds."""
        return np.asarray(self.total - self.noiseless - self.seeds)

    @property
    def generalizability(self) -> Floats:
        """Share of the values' variance that is not noise (Brennan 2001, eq. 1.12): its root is the pool's ceiling.

        The covariance with the other split over the variance is a slope of regression, which is unbiased. The shared
        noise over a variance of C - 1 degrees of freedom comes out too large by (C - 1) / (C - 3), which is taken off.
        So that its mean over pools is right, it may lie outside [0, 1].
        """
        shrink = max(self.contributors - 3, 1) / (self.contributors - 1)
        known = np.where(self.total > 0, self.total, 1.0)
        return np.where(self.total > 0, (self.noiseless + (1 - shrink) * self.shared) / known, np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Products:
    """What each contributor adds to sums of squares and products, C each: all that is needed to leave one out.

    Args:
        own_C, cross_C: the square of its mean value on the test split, and that times its mean on the validation split.
        by_seed_C, shared_C: the same of what each seed adds to these means, summed over seeds.
        seeds: S.
    """

    own_C: Floats
    cross_C: Floats
    by_seed_C: Floats
    shared_C: Floats
    seeds: int

    def components(self) -> Components:
        """The components of all contributors."""
        return self._components([own_C.sum() for own_C in self._all], len(self.own_C))

    def deletions(self) -> Components:
        """The components without each contributor, C each, exactly.

        Leaving one out moves the mean of the others by its share: a sum of products falls by C / (C - 1) times its own.
        """
        left = len(self.own_C) - 1
        return self._components([own_C.sum() - own_C * (left + 1) / left for own_C in self._all], left)

    @property
    def _all(self) -> tuple[Floats, ...]:
        return self.own_C, self.cross_C, self.by_seed_C, self.shared_C

    def _components(self, sums: Sequence[Floats], contributors: int) -> Components:
        means = contributors - 1
        seeds = means * (self.seeds - 1) * self.seeds
        total, covariance, by_seed, shared = (
            np.asarray(found / freedom) for found, freedom in zip(sums, (means, means, seeds, seeds), strict=True)
        )
        return Components(
            total=np.maximum(total, 0.0),
            noiseless=covariance - shared,
            shared=shared,
            seeds=by_seed,
            contributors=contributors,
        )

    def scores(self) -> PoolScores:
        """The generalizability as a single column, with what it is without each contributor."""
        return from_deletions(self.components().generalizability[None], self.deletions().generalizability[None])


def products(truth_SC: Floats, validation_SC: Floats) -> Products | None:
    """The sums of one truth; None from a single seed, which tells no noise.

    Args:
        truth_SC: values by seed, on the test split.
        validation_SC: the same trainings' on the validation split.
    """
    if len(truth_SC) < 2 or truth_SC.shape != validation_SC.shape or truth_SC.shape[1] < 4:
        return None
    return _products(truth_SC, validation_SC)


def _products(truth_SC: Floats, validation_SC: Floats) -> Products:
    truth_SC, validation_SC = _centred(truth_SC), _centred(validation_SC)
    truth_C, validation_C = truth_SC.mean(axis=0), validation_SC.mean(axis=0)
    return Products(
        own_C=truth_C**2,
        cross_C=truth_C * validation_C,
        by_seed_C=((truth_SC - truth_C) ** 2).sum(axis=0),
        shared_C=((truth_SC - truth_C) * (validation_SC - validation_C)).sum(axis=0),
        seeds=len(truth_SC),
    )


def ceiling(pools: Sequence[Products], prior: Moderation) -> tuple[float, float, float]:
    """The ceiling of a mean over pools, and its 95 % interval: what knowing the noiseless truths would score.

    The root of the mean generalizability, which is unbiased where each pool's own root is not; Student's t of the mean,
    at most 1.

    Args:
        prior: of the overdispersion of generalizabilities (``moderate`` on ``Products.scores``).
    """
    found = estimate([[pool.scores() for pool in pools]], prior)
    middle, error = float(found.mean_M[0]), float(found.error_M[0])
    reach = float(stdtrit(found.df_M[0], (1 + LEVEL) / 2)) * error
    return _root(middle), _root(middle - reach), _root(middle + reach)


def _root(share: float) -> float:
    return math.sqrt(min(1.0, max(0.0, share))) if math.isfinite(share) else math.nan


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
    if len(truth_SC) < 2 or values_SC.shape != truth_SC.shape:
        return math.nan
    found = _products(truth_SC, values_SC).components()
    covariance = float(found.noiseless + found.shared)
    if covariance == 0:
        return math.nan
    corrected = spearman(values_SC.mean(axis=0), truth_SC.mean(axis=0)) * float(found.noiseless) / covariance
    # A covariance that is hardly there is no divisor to trust.
    return max(-1.0, min(1.0, corrected)) if math.isfinite(corrected) else math.nan


def _centred(values: Floats) -> Floats:
    """Less the mean over contributors, the last axis."""
    return np.asarray(values - values.mean(axis=-1, keepdims=True))
