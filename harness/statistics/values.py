"""How sure contributors' values are: their errors over repeats and over the target's rows, and who is told apart.

S repeats (initialisations, permutations), G parts of the target, each left out once, C contributors, K pairs of them.
The variance of a value is that of its repeats over their number, plus the delete-a-group jackknife's over the target
(Kott 2001, Journal of Official Statistics 17(4), eq. 1): exact for a mean over target rows, and close for what is
nearly one. Variances from so few numbers are drawn towards what they have in common (Smyth 2004), as scores' are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from harness.statistics.intervals import LEVEL
from harness.statistics.jackknife import pairs
from harness.statistics.overdispersion import prior
from harness.statistics.ranks import DRAWS, RankRange, largest_t, rank_ranges
from harness.types import Bools, Floats

WIDEST = 1e-12
"""A spread of less than this share of the largest value is rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class Certainty:
    """Values with their errors.

    Args:
        mean_C: the values.
        error_C: standard errors; nan where neither repeats nor parts of the target tell any.
        df_C: degrees of freedom of each.
        repeats_C, target_C: the variance that comes of repeats, and of the target's rows; nan where it is not known.
        apart_CC: which contributors differ, all pairs compared at once.
        ranges: the ranks that each may have.
        share_C, share_error_C: of the sum of all values, nan where that sum may be nothing.
    """

    mean_C: Floats
    error_C: Floats
    df_C: Floats
    repeats_C: Floats
    target_C: Floats
    apart_CC: Bools
    ranges: tuple[RankRange, ...]
    share_C: Floats
    share_error_C: Floats

    def interval(self, c: int, level: float = LEVEL) -> tuple[float, float]:
        """Of one value, by Student's t; nan where no error is known."""
        return self._around(self.mean_C[c], self.error_C[c], self.df_C[c], level)

    def share_interval(self, c: int, level: float = LEVEL) -> tuple[float, float]:
        return self._around(self.share_C[c], self.share_error_C[c], self.df_C[c], level)

    @staticmethod
    def _around(middle: float, error: float, df: float, level: float) -> tuple[float, float]:
        if not math.isfinite(error):
            return math.nan, math.nan
        reach = float(stdtrit(df, (1 + level) / 2)) * error if error > 0 else 0.0
        return float(middle - reach), float(middle + reach)


def certainty(values_SC: Floats, parts_GC: Floats, rng: np.random.Generator, level: float = LEVEL) -> Certainty:
    """What repeats and parts of the target say of the values.

    Args:
        values_SC: independent repeats on the whole target; one alone tells nothing of repeats.
        parts_GC: values with each part of the target left out, mean over repeats; fewer than two tell nothing.
        rng: for the largest of many differences.
    """
    mean_C, contributors = values_SC.mean(axis=0), values_SC.shape[1]
    repeats_DC = _deviations_of_repeats(values_SC)
    target_DC = _deviations_of_parts(parts_GC)
    sources = [
        (found, df) for found, df in ((repeats_DC, len(values_SC) - 1), (target_DC, len(parts_GC) - 1)) if df > 0
    ]
    own = [_moderated((found_DC**2).sum(axis=0), df) for found_DC, df in sources]
    error_C, df_C = _together(own, contributors)
    first, second = pairs(contributors)
    of_pairs = [_moderated(((found[:, first] - found[:, second]) ** 2).sum(axis=0), df) for found, df in sources]
    error_K, df_K = _together(of_pairs, len(first))
    apart_CC = np.zeros((contributors, contributors), dtype=np.bool_)
    unsure = np.flatnonzero(np.nan_to_num(error_K) > WIDEST * np.abs(mean_C).max(initial=0.0))
    if len(unsure):
        covariance_CC = np.sum([found.T @ found for found, _ in sources], axis=0)
        seen_K = _spread(covariance_CC)[unsure]
        drawn = largest_t(covariance_CC, first[unsure], second[unsure], seen_K, float(df_K[unsure].min()), rng, DRAWS)
        far = np.abs(mean_C[first] - mean_C[second])[unsure] > np.quantile(drawn, level) * error_K[unsure]
        apart_CC[first[unsure][far], second[unsure][far]] = True
        apart_CC |= apart_CC.T
    total = float(mean_C.sum())
    share_C, share_error_C = np.full((2, contributors), np.nan)
    if sources:
        total_error, total_df = _together(
            [_moderated((f.sum(axis=1, keepdims=True) ** 2).sum(axis=0), d) for f, d in sources], 1
        )
        if total > stdtrit(total_df[0], (1 + level) / 2) * total_error[0]:
            share_C = mean_C / total
            linear = [(found - found.sum(axis=1, keepdims=True) * share_C) / total for found, _ in sources]
            share_error_C = np.sqrt(np.sum([(one**2).sum(axis=0) for one in linear], axis=0))
    variances = dict(zip([found_DC is repeats_DC for found_DC, _ in sources], [one[0] for one in own], strict=True))
    unknown_C = np.full(contributors, np.nan)
    return Certainty(
        mean_C=mean_C,
        error_C=error_C,
        df_C=df_C,
        repeats_C=variances.get(True, unknown_C),
        target_C=variances.get(False, unknown_C),
        apart_CC=apart_CC,
        ranges=tuple(rank_ranges(mean_C, apart_CC)),
        share_C=share_C,
        share_error_C=share_error_C,
    )


def _deviations_of_repeats(values_SC: Floats) -> Floats:
    """Scaled so that the sum of their squares is the variance of the mean over repeats."""
    repeats = len(values_SC)
    return np.asarray((values_SC - values_SC.mean(axis=0)) / math.sqrt(max(1, repeats * (repeats - 1))))


def _deviations_of_parts(parts_GC: Floats) -> Floats:
    """Scaled so that the sum of their squares is the jackknife's variance."""
    parts = len(parts_GC)
    if not parts:
        return parts_GC
    return np.asarray((parts_GC - parts_GC.mean(axis=0)) * math.sqrt((parts - 1) / parts))


def _moderated(variances: Floats, df: int) -> tuple[Floats, float]:
    """Variances drawn towards what they have in common, and their degrees of freedom then."""
    positive = variances[variances > 0]
    if len(positive) < 3:
        return variances, float(df)
    common = prior(positive, np.full(len(positive), float(df)))
    drawn = (common.d0 * common.phi0 + df * variances) / (common.d0 + df)
    return np.where(variances > 0, drawn, 0.0), common.d0 + df


def _together(parts: list[tuple[Floats, float]], count: int) -> tuple[Floats, Floats]:
    """Standard errors of what has several sources of variance, and degrees of freedom by Satterthwaite (1946)."""
    if not parts:
        return np.full(count, np.nan), np.full(count, np.nan)
    total = np.sum([variances for variances, _ in parts], axis=0)
    weight = np.sum([variances**2 / df for variances, df in parts], axis=0)
    return np.sqrt(total), np.where(
        weight > 0, total**2 / np.where(weight > 0, weight, 1.0), min(df for _, df in parts)
    )


def _spread(covariance_CC: Floats) -> Floats:
    """Standard deviation of the difference of every pair, as the covariance has it."""
    first, second = pairs(len(covariance_CC))
    variance_C = np.diag(covariance_CC)
    found = variance_C[first] + variance_C[second] - 2 * covariance_CC[first, second]
    return np.asarray(np.sqrt(np.maximum(found, 1e-300)))


def spearman_interval(found: float, count: int, level: float = LEVEL) -> tuple[float, float]:
    """Of a rank correlation of so many pairs, on Fisher's scale (Bonett & Wright 2000, Psychometrika 65(1), eq. 3)."""
    if not math.isfinite(found) or count < 4:
        return math.nan, math.nan
    if abs(found) >= 1:  # of so few pairs a perfect order is no certainty: as sure as of the next best one
        next_best = math.copysign(1 - 12 / (count**3 - count), found)
        inner = spearman_interval(next_best, count, level)
        return (inner[0], found) if found > 0 else (found, inner[1])
    error = math.sqrt((1 + found**2 / 2) / (count - 3))
    reach = float(ndtri((1 + level) / 2)) * error
    return math.tanh(math.atanh(found) - reach), math.tanh(math.atanh(found) + reach)
