"""What a buyer should look into before paying, told from looks: leakage, copies, labels, what is off target."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from harness.brought import Brought
from harness.statistics.values import Certainty
from harness.valuing.look import Crossed, Look

Kind = Literal["leakage", "copy", "duplicates", "labels", "off target", "balance", "target", "reading"]

COPY, MANY = 0.9, 0.05
"""Shares of a contributor's examples: from the first on it is a copy of another, from the second on it is told."""

CLEAR = 3.5
"""Modified z-scores from which on a contributor stands out among the others (Iglewicz & Hoaglin 1993, sec. 3)."""

CONTRADICTED, ERRORS = 0.08, 4.0
"""How far above the median contributor's share models must contradict one's answers, and by how many errors."""

LEARNT = 0.1
"""How far above the most frequent label's share models must be before their disagreement with labels is told."""

UNBALANCED = 0.25

FOREIGN = 0.5
"""Share of a contributor's examples whose labels the target has not, from which on its value is not to be read."""

ALIKE = 100
"""A target that would have to be so many times as large says that contributors are alike, and not that it is small."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look into.

    Args:
        who: the contributor; empty where it is about everyone or the target.
        loud: whether values cannot be read without it.
        also: another contributor that it is about.
    """

    kind: Kind
    who: str
    text: str
    loud: bool = False
    also: str = ""


def findings_of(brought: Brought, looks: Sequence[Look], crossed: Crossed, sure: Certainty) -> list[Finding]:
    """Everything, the loud ones first."""
    found = [
        *_leakage(looks, len(brought.target)),
        *_copies(looks),
        *_foreign(brought, looks),
        *_labels(looks, crossed),
        *_off_target(looks),
        *_balance(looks),
        *_target(brought, sure),
        *(Finding("reading", "", note) for note in brought.notes),
        *_left_out(brought),
    ]
    return sorted(found, key=lambda one: not one.loud)


def _leakage(looks: Sequence[Look], rows: int) -> Iterator[Finding]:
    for one in looks:
        if one.leaked:
            share = "under 1%" if one.leaked < one.examples / 100 else f"{one.leaked / one.examples:.0%}"
            yield Finding(
                "leakage",
                one.name,
                f"LEAKAGE: {one.leaked:,} of {one.name}'s {one.examples:,} examples ({share}) also stand in the "
                f"target, word for word or nearly ({one.leaked_first}): its value is in part what it copied. Take them "
                f"out of the target or of {one.name}.",
                loud=True,
            )


def _copies(looks: Sequence[Look]) -> Iterator[Finding]:
    sizes = {one.name: one.examples for one in looks}
    told: set[tuple[str, str]] = set()
    for one in looks:
        for other, count in one.shared_with:
            pair = (min(one.name, other), max(one.name, other))
            if count / one.examples < MANY or pair in told:
                continue
            told.add(pair)
            is_copy = count >= COPY * one.examples
            what = (
                f"{one.name} is a copy of {other}"
                if is_copy and sizes[other] <= one.examples / COPY
                else (f"{one.name} is contained in {other}" if is_copy else f"{one.name} and {other} share examples")
            )
            yield Finding(
                "copy",
                one.name,
                f"{what}: {count:,} of {one.name}'s {one.examples:,} examples also stand in {other}'s. What both "
                "bring is counted in both values; paying for both pays twice.",
                loud=is_copy,
                also=other,
            )
        if one.within / one.examples >= MANY:
            yield Finding(
                "duplicates",
                one.name,
                f"{one.name} repeats itself: {one.within:,} of its {one.examples:,} examples "
                f"({one.within / one.examples:.0%}) stand in its own files before. Methods that add up examples count "
                "each.",
            )


def _foreign(brought: Brought, looks: Sequence[Look]) -> Iterator[Finding]:
    """Whose labels the target mostly has not: where they are other spellings, what is valued is the spelling."""
    wanted = {brought.labels[label] for label in brought.target.targets.tolist()} if brought.labels else set()
    for one in looks:
        share = sum(part for part, label in zip(one.labels, brought.labels, strict=True) if label not in wanted)
        if share > FOREIGN:
            yield Finding(
                "labels",
                one.name,
                f"OTHER LABELS: the target has none of the labels of {share:.0%} of {one.name}'s examples, so that its "
                "value says nothing of what they are worth. If they are other spellings, say what is the same: "
                "--labels pos=positive,neg=negative.",
                loud=True,
            )


def _labels(looks: Sequence[Look], crossed: Crossed) -> Iterator[Finding]:
    """Whose labels models that were trained on others contradict more than everyone else's."""
    if not looks[0].labels:
        yield from _responses(looks)
        return
    if crossed.target_right < crossed.nobody + LEARNT:
        return
    middle, of_sure = (
        float(np.median(found)) if (found := [share for share in shares if math.isfinite(share)]) else math.nan
        for shares in ([one.disagree for one in looks], [one.sure_disagree for one in looks])
    )
    for one in looks:
        if _stands_out(one.disagree, middle, one.own):
            what = f"in {one.disagree:.0%} of its examples; of the median contributor in {middle:.0%}"
        elif _stands_out(one.sure_disagree, of_sure, one.sure):
            what = (
                f"in {one.sure_disagree:.0%} of the {one.sure:,} examples that they are surest of; of the median "
                f"contributor in {of_sure:.0%}"
            )
        else:
            continue
        yield Finding(
            "labels",
            one.name,
            f"{one.name}'s answers are contradicted by models trained on the others {what}. Wrong labels, another way "
            "of labelling, or another kind of text: look at its unusual examples.",
        )


def _stands_out(share: float, middle: float, count: int) -> bool:
    """Whether a share of so many is clearly above the others'; never where there is none."""
    if not count or not math.isfinite(share - middle):
        return False
    error = math.sqrt(max(share * (1 - share), 1e-9) / count)
    return share - middle > max(CONTRADICTED, ERRORS * error)


def _responses(looks: Sequence[Look]) -> Iterator[Finding]:
    """Whose responses models that were trained on others find less likely than everyone else's."""
    middle = float(np.median([one.loss for one in looks]))
    for one, z in zip(looks, standing_out([one.loss for one in looks]), strict=True):
        if z > CLEAR:
            yield Finding(
                "labels",
                one.name,
                f"{one.name}'s responses are unlikely to models trained on the others: {one.loss:.2f} nats a token, "
                f"of the median contributor {middle:.2f}. Answers that do not belong to their prompts, or another "
                "kind of text: look at its unusual examples.",
            )


def _off_target(looks: Sequence[Look]) -> Iterator[Finding]:
    middle = float(np.median([one.off_target for one in looks]))
    distance = float(np.median([one.distance for one in looks]))
    # Of n examples the square is too large by chance alone, by at most 1/n (Gretton et al. 2012): few are no far ones.
    beyond = [one.distance**2 - 1 / one.examples for one in looks]
    for one, z in zip(looks, standing_out(beyond), strict=True):
        if one.off_target > max(MANY, 2 * middle):
            yield Finding(
                "off target",
                one.name,
                f"{one.name} lies off the target: {one.off_target:.0%} of its examples are farther from it than 99 % "
                f"of the target from itself; of the median contributor's {middle:.0%}.",
            )
        elif z > CLEAR:
            yield Finding(
                "off target",
                one.name,
                f"{one.name}'s examples are shared out unlike the target's, answers included: their distance (MMD) is "
                f"{one.distance:.3f}, the median contributor's {distance:.3f}.",
            )


def _balance(looks: Sequence[Look]) -> Iterator[Finding]:
    for one in looks:
        if one.label_distance > UNBALANCED:
            yield Finding(
                "balance",
                one.name,
                f"{one.name}'s labels are shared out unlike the target's: {one.label_distance:.0%} of them would "
                "have to change.",
            )


def _target(brought: Brought, sure: Certainty) -> Iterator[Finding]:
    have, needed = len(brought.target), rows_needed(len(brought.target), sure)
    if needed is None:
        return
    untold = "leave the highest and the lowest value untold apart"
    if needed > ALIKE * have:
        text = (
            f"The target's {have:,} rows alone {untold}, and so would {ALIKE} times as many: these contributors may as "
            "well be worth the same."
        )
    else:
        text = (
            f"The target is small: its {have:,} rows alone {untold}; about {two_digits(needed):,} rows would tell them "
            "apart."
        )
    yield Finding("target", "", text, loud=True)


def two_digits(count: int) -> int:
    """Not less, and told to two digits: an error is known to no more."""
    unit: int = 10 ** max(0, len(str(count)) - 2)
    return -(-count // unit) * unit


def rows_needed(rows: int, sure: Certainty) -> int | None:
    """Target rows at which the highest and the lowest value would be told apart; None where they are, or where repeats
    decide, or where the target does not move them.

    The part of the variance that comes of the target falls as 1 / rows; four standard errors tell two apart of many.
    """
    first, last = int(np.argmax(sure.mean_C)), int(np.argmin(sure.mean_C))
    if sure.apart_CC[first, last] or not np.isfinite(sure.target_C).all() or not sure.target_C[[first, last]].sum() > 0:
        return None
    far = float(sure.mean_C[first] - sure.mean_C[last])
    repeats = float(np.nan_to_num(sure.repeats_C[[first, last]]).sum())
    left = (far / 4) ** 2 - repeats
    return math.ceil(rows * float(sure.target_C[[first, last]].sum()) / left) if left > 0 else None


def _left_out(brought: Brought) -> Iterator[Finding]:
    for name, reasons in brought.left_out.items():
        count = sum(reasons.values())
        why = ", ".join(f"{number:,} {reason}" for reason, number in reasons.items())
        yield Finding("reading", name, f"{count:,} rows of {name} are left out: {why}.")


def standing_out(figures: Sequence[float]) -> list[float]:
    """Modified z-scores: 0.6745 (x - median) / the median absolute deviation; 0 where that is nothing."""
    found = np.asarray(figures, dtype=np.float64)
    away = found - np.median(found)
    deviation = float(np.median(np.abs(away)))
    return [float(z) for z in 0.6745 * away / deviation] if deviation > 0 else [0.0] * len(found)
