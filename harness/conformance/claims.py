"""What a method claims of its values: it is held to that, and to nothing that it does not claim."""

from __future__ import annotations

import numpy as np

from harness.conformance.asking import EXACT, Breach, Skipped, answered, close, few, home
from harness.conformance.bench import COPIES, NULL, Bench, Kind, Subject, worth
from harness.types import Claim, Floats, Retraining

SAMPLED = 0.05
"""Of the largest value: how far what is sampled may be off."""


def gives_nothing_to_who_adds_nothing(subject: Subject, bench: Bench) -> str:
    """Blank images to a network without biases, or a player that adds nothing to any coalition."""
    _claims(subject, "null")
    values_C = _where_alike(subject, bench)
    bound = _bound(subject)
    if abs(values_C[NULL]) > bound * np.abs(values_C).max():
        raise Breach(f"contributor {NULL} adds nothing, and of {few(values_C)} it is given {values_C[NULL]:.3g}")
    return f"{values_C[NULL]:.3g} of {few(values_C)}"


def treats_copies_alike(subject: Subject, bench: Bench) -> str:
    """Two contributors with the same examples, or two players whose parts are the same."""
    _claims(subject, "copies")
    values_C = _where_alike(subject, bench)
    one, other = values_C[list(COPIES)]
    if abs(one - other) > _bound(subject) * np.abs(values_C).max():
        raise Breach(f"contributors {COPIES[0]} and {COPIES[1]} bring the same, and get {one:.3g} and {other:.3g}")
    return ""


def adds_up_over_contributors(subject: Subject, bench: Bench) -> str:
    """Two contributors that become one are worth their sum, so nothing is gained by splitting up."""
    _claims(subject, "additive")
    form = home(subject, bench)
    apart_C = answered(subject, bench, "shapley", form=form).values_C
    together_C = answered(subject, bench, "shapley", "merged", form).values_C
    expected_C = np.append(apart_C[:-2], apart_C[-2:].sum())
    if not close(together_C, expected_C, EXACT):
        raise Breach(f"apart the last two are worth {expected_C[-1]:.3g}, as one {together_C[-1]:.3g}")
    return ""


def shares_out_all_there_is(subject: Subject, bench: Bench) -> str:
    """Of a game: the values add up to what everyone gains together."""
    _claims(subject, "efficient")
    values_C = _where_alike(subject, bench)
    everyone = np.ones((1, len(values_C)), dtype=np.bool_)
    whole = float((worth(everyone) - worth(~everyone))[0])
    if abs(values_C.sum() - whole) > EXACT * abs(whole):
        raise Breach(f"everyone gains {whole:.3g} together, and {few(values_C)} add up to {values_C.sum():.3g}")
    return ""


def _claims(subject: Subject, claim: Claim) -> None:
    if claim not in subject.method.claims:
        raise Skipped("not claimed")


def _where_alike(subject: Subject, bench: Bench) -> Floats:
    kind: Kind = "game" if isinstance(subject.method, Retraining) else "blank"
    asked = bench.ask(subject, "shapley", kind)
    if isinstance(asked.answer, str):
        raise Skipped(asked.answer)
    return asked.values_C


def _bound(subject: Subject) -> float:
    return SAMPLED if isinstance(subject.method, Retraining) else EXACT
