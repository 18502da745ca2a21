"""Asking a method so that a check fails with a sentence where there is no answer."""

from __future__ import annotations

import numpy as np

from harness.conformance.bench import Asked, Bench, Kind, Subject
from harness.types import FORMS, Floats, Form, Question, Valuation

EXACT = 1e-3
"""Of the largest value: how far what must be equal may differ, by rounding."""


class Breach(Exception):
    """The method does not keep to it, and how."""


class Skipped(Exception):
    """Nothing to check, and why."""


def home(subject: Subject, bench: Bench) -> Form:
    """The first form of task that suits the method.

    Raises:
        Breach: none does.
    """
    reasons = []
    for form in FORMS:
        answer = bench.ask(subject, "shapley", form=form).answer
        if isinstance(answer, Valuation):
            return form
        reasons.append(f"{form}: {answer}")
    raise Breach(f"it suits none of the tiny tasks: {'; '.join(reasons)}")


def answered(
    subject: Subject, bench: Bench, question: Question, kind: Kind = "plain", form: Form = "image-label"
) -> Asked:
    asked = bench.ask(subject, question, kind, form)
    if isinstance(asked.answer, str):
        raise Breach(f"it answers another question about {form}, and of {question} it says: {asked.answer}")
    return asked


def close(found_C: Floats, expected_C: Floats, share: float) -> bool:
    return bool(np.abs(found_C - expected_C).max() <= share * max(np.abs(expected_C).max(), 1e-12))


def few(values_C: Floats) -> str:
    return f"[{', '.join(f'{value:.3g}' for value in values_C)}]"
