"""What is told of a truth: how well it repeats, its ceiling, its weakness, and whether its pools tell anything."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.records.results import TruthRecord
from harness.report.matters import Matter
from harness.report.view import RULE, WEAK, Discrimination, Weakness
from harness.statistics.ceilings import Products, agreement, ceiling, products, repeats_needed
from harness.statistics.gains import gain
from harness.statistics.means import finite_mean
from harness.statistics.overdispersion import moderate
from harness.statistics.scores import spearmans
from harness.types import Floats

ADVICE = 6
"""From fewer repeats it is too unsure how many would do: of one truth, three seeds have said 0.18 and twelve 0.70."""


@dataclass(frozen=True, slots=True)
class Truth:
    """Of one task and question; fields as of the truth's cell (``view.Cell``)."""

    reliability: float
    ceiling: float
    ceiling_low: float
    ceiling_high: float
    validation: float
    weakness: Weakness | None
    discrimination: Discrimination | None


def truths(found: Sequence[Matter]) -> list[Truth]:
    """Of each task and question; how much pools differ is told from all of them at once."""
    parts = [_products(matter) for matter in found]
    prior = moderate([one.scores() for one in own] for own in parts if own)
    ceilings = [ceiling(own, prior) if own else (math.nan,) * 3 for own in parts]
    gains = {matter.task: _gains([one for one in found if one.task == matter.task]) for matter in found}
    return [_truth(matter, *of_it, gains[matter.task]) for matter, of_it in zip(found, ceilings, strict=True)]


def _truth(matter: Matter, middle: float, low: float, high: float, gains: Mapping[int, tuple[float, float]]) -> Truth:
    answered = [matter.truths[pool] for pool in matter.pools]
    reliability = _mean([truth.reliability for truth in answered])
    validation = [agreement(np.array(one.validation), np.array(one.values)) for one in answered]
    return Truth(
        reliability=reliability,
        ceiling=middle,
        ceiling_low=low,
        ceiling_high=high,
        validation=_mean(validation),
        weakness=_weakness(matter, middle, reliability),
        discrimination=_discrimination(matter, middle, reliability, gains),
    )


def _mean(numbers: Sequence[float]) -> float:
    """Over all pools; nan where one of them has none, since a mean over fewer would be another's."""
    return float(np.mean(numbers)) if numbers else math.nan


def _products(matter: Matter) -> list[Products]:
    """Of every pool; none where a pool's values on the validation split were not recorded, or come from one seed."""
    found = []
    for pool in matter.pools:
        truth = matter.truths[pool]
        one = products(np.array(truth.values), np.array(truth.validation))
        if one is None:
            return []
        found.append(one)
    return found


def _weakness(matter: Matter, middle: float, reliability: float) -> Weakness | None:
    """What is weak about a truth and what would mend it, None if it is not.

    Where the noise of the held-out sample is not known, the ceiling can be the root of the reliability at most.
    """
    most = middle if math.isfinite(middle) else math.sqrt(max(reliability, 0.0))
    if not matter.pools or most >= WEAK:
        return None
    repeats = min(len(matter.truths[pool].values) for pool in matter.pools)
    # With other repeats the squared ceiling and the reliability change in proportion: both have one denominator.
    target = WEAK**2 * (reliability / most**2 if most > 0 else math.nan)
    return Weakness(
        ceiling=middle,
        reliability=reliability,
        repeats=repeats,
        unit="repeats" if matter.question == "shapley" else "seeds",
        needed=repeats_needed(reliability, repeats, target) if repeats >= ADVICE else None,
        held_out=repeats >= ADVICE and target >= 1,
    )


def _discrimination(
    matter: Matter, middle: float, reliability: float, gains: Mapping[int, tuple[float, float]]
) -> Discrimination | None:
    """The one-feature baselines of every pool against its truth, and what was learned; None where neither is known."""
    scores: dict[str, list[float]] = {}
    for pool in matter.pools:
        dealt = dict(sorted(matter.dealt[pool].features.items()))
        truth_C = matter.truths_C[pool]
        whole = {name: values for name, values in dealt.items() if None not in values}  # else it does not apply here
        values_MC = np.array(list(whole.values())).reshape(len(whole), len(truth_C))
        for name, score in zip(whole, spearmans(values_MC, truth_C), strict=True):
            scores.setdefault(name, []).append(float(score))
    means = {name: abs(finite_mean(row)) for name, row in scores.items()}
    features = {name: value for name, value in means.items() if math.isfinite(value)}
    asked = [truth.pool for truth in matter.answered]
    learned = {pool: gains[pool] for pool in asked if pool in gains}
    if not (features or learned):
        return None
    best = max(features, key=lambda name: features[name], default="")
    planted = {name for pool in matter.pools for found in matter.dealt[pool].planted for name in found}
    return Discrimination(
        task=matter.task,
        question=matter.question,
        reliability=reliability,
        ceiling=middle,
        features=features,
        feature=best,
        spearman=features.get(best, math.nan),
        planted=best in planted,
        discriminates=features.get(best, 0.0) < RULE,
        gain=finite_mean(value for value, _ in learned.values()),
        gain_error=math.sqrt(sum(error**2 for _, error in learned.values())) / len(learned) if learned else math.nan,
        unlearned=tuple(pool for pool, (value, error) in learned.items() if value <= 2 * error),
        pools=len(asked),
    )


def _gains(of_task: Sequence[Matter]) -> dict[int, tuple[float, float]]:
    """U(everyone) - U(nobody) with its standard error, by pool: from whichever questions train these."""
    everyone = _utilities(of_task, lambda truth: truth.everyone)
    nobody = _utilities(of_task, lambda truth: truth.nobody)
    return {pool: gain(everyone[pool], nobody[pool]) for pool in sorted(everyone) if pool in nobody}


def _utilities(of_task: Sequence[Matter], of: Callable[[TruthRecord], Sequence[Sequence[float]]]) -> dict[int, Floats]:
    """By pool, from the first question whose truth has them, seeds x folds."""
    found: dict[int, Floats] = {}
    for matter in of_task:
        for truth in matter.answered:
            if len(of(truth)):
                found.setdefault(truth.pool, np.array(of(truth)))
    return found
