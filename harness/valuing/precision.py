"""What the intervals of values hold, and what narrower ones would take, in words."""

from __future__ import annotations

import numpy as np

from harness.knobs import base_of, knobs_of, spelt, split
from harness.report import numbers
from harness.statistics.values import Certainty
from harness.valuing.asking import Answer
from harness.valuing.choosing import Choice
from harness.valuing.session import minutes
from harness.valuing.target import PARTS

REPEATED = ("runs", "seeds")
"""Knobs that tell how many repeats a method gives."""


def holds(answer: Answer, sure: Certainty) -> list[str]:
    """What the intervals hold, and what not."""
    repeats, parts = len(answer.values_SC), len(answer.parts_GC)
    lines = []
    if repeats > 1:
        lines.append(f"Intervals hold what {repeats} repeats of the method (initialisations, draws) differ by.")
    else:
        lines.append(
            "The method gave a single repeat, so intervals do not hold what another initialisation or draw would "
            "change."
        )
    if parts:
        lines.append(
            f"They hold what other target rows would change, told by leaving out each of {parts} parts of the target."
        )
    elif answer.why:
        lines.append(f"They do not hold what other target rows would change: {answer.why}.")
    else:
        lines.append("They do not hold what other target rows would change: none of it was left out (--parts 0).")
    if repeats == 1 and not parts:
        lines = ["There is no interval: the method gave a single repeat, and no part of the target was left out."]
        lines += [f"No part was, for {answer.why}."] if answer.why else []
    if not np.isfinite(sure.share_C).any():
        lines.append("There are no shares: the sum of all values may as well be nothing.")
    lines.append(
        "They do not hold how far the method is from what retraining would say: the lines on trust and the audit "
        "tell that."
    )
    return lines


def exact(choice: Choice, answer: Answer, sure: Certainty, hours: float, rows: int) -> list[str]:
    """What intervals half as wide would take.

    Args:
        hours: GPU-hours of the answer; rows: of the target.
    """
    lines = []
    repeats, target = float(np.nansum(sure.repeats_C)), float(np.nansum(sure.target_C))
    total = repeats + target
    if total <= 0:
        return [
            f"A more exact answer takes repeats ({_more(choice)}) or parts of the target (--parts {PARTS}), which tell "
            "how exact this one is."
        ]
    if repeats > 0:
        lines.append(
            f"{repeats / total:.0%} of the variance is of the method's {len(answer.values_SC)} repeats: half as wide "
            f"in that takes four times as many ({_more(choice)}), about {minutes(3 * answer.cost.seconds)} here or "
            f"{numbers.hours(3 * hours)} GPU-hours more."
        )
    if target > 0:
        lines.append(
            f"{target / total:.0%} is of the target's rows: half as wide in that takes {4 * rows:,} of them instead of "
            f"{rows:,}, and no retraining more."
        )
    return lines


def _more(choice: Choice) -> str:
    """Four times as many repeats, and how the method is asked for them where a knob of its own says how many."""
    knobs = {knob.name for knob in knobs_of(choice.method)}
    knob = next((name for name in REPEATED if name in knobs), None)
    if knob is None:
        return f"by its own knobs, which dataworth show {base_of(choice.name)} tells"
    base, given = split(choice.name)
    asked = {**dict(given), knob: f"{4 * getattr(choice.method, knob)}"}
    return f"--method {spelt(base, tuple(sorted(asked.items())))}"
