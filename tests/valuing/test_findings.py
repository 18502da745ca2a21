"""Whose labels are told to be odd: by how far models contradict them, and by how many examples say so."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from harness.valuing.findings import Finding, _labels, _leakage
from harness.valuing.look import Crossed, Look
from tests.valuing.outcomes import outcome

NONE = np.empty(0)
LEARNT = Crossed(NONE, NONE.astype(bool), NONE, target_right=0.7, nobody=0.5)


def told(odd: dict[str, float], crossed: Crossed = LEARNT) -> list[Finding]:
    """Of five alike, of which the last is otherwise."""
    alike = {"own": 500, "disagree": 0.3, "sure": 160, "sure_disagree": 0.15}
    looks: list[Look] = [replace(one, **alike) for one in outcome(5).looks]  # type: ignore[arg-type]
    looks[4] = replace(looks[4], **odd)  # type: ignore[arg-type]
    return list(_labels(looks, crossed))


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ({"disagree": 0.42}, "in 42% of its examples; of the median contributor in 30%"),
        ({"disagree": 0.42, "own": 100}, None),  # as many repeated five times say no more than once
        ({"disagree": 0.36}, None),
        (
            {"sure_disagree": 0.35},
            "in 35% of the 160 examples that they are surest of; of the median contributor in 15%",
        ),
        ({"sure_disagree": 0.35, "sure": 40}, None),
        ({"sure_disagree": math.nan, "sure": 0}, None),
        ({"disagree": 0.1, "sure_disagree": 0.0}, None),
    ],
)
def test_labels_are_odd_where_models_contradict_them_beyond_chance(odd: dict[str, float], said: str | None) -> None:
    found = told(odd)
    assert [one.who for one in found] == ([] if said is None else ["vendor-004"])
    assert said is None or f"contradicted by models trained on the others {said}. Wrong labels" in found[0].text


def test_models_that_have_learnt_nothing_contradict_nobody() -> None:
    ignorant = replace(LEARNT, target_right=0.55)
    assert told({"disagree": 0.9}, ignorant) == []
    assert len(told({"disagree": 0.9})) == 1


@pytest.mark.parametrize(("leaked", "share"), [(1, "under 1%"), (5, "1%"), (250, "50%")])
def test_a_single_leaked_example_is_loud_and_not_none_of_all(leaked: int, share: str) -> None:
    looks = [replace(outcome().looks[1], name="a", examples=500, leaked=leaked, leaked_first="x is y")]
    (found,) = _leakage(looks, 400)
    assert found.loud
    assert found.text.startswith(f"LEAKAGE: {leaked} of a's 500 examples ({share}) also stand in the target")
