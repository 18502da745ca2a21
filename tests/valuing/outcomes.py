"""An outcome made by hand, for what draws it: any number of contributors, one with an evil name, one that leaks."""

from __future__ import annotations

import math

from harness.types import Cost
from harness.valuing.audit import Audit, LeftOut
from harness.valuing.findings import Finding
from harness.valuing.look import Look
from harness.valuing.valuation import Bill, Outcome, Value

EVIL = "<script>alert(1)</script>|[red]*"
SECRET = "what an example says"


def outcome(contributors: int = 5, texts: bool = True, shares: bool = True, leaking: int = 1) -> Outcome:
    """Values fall from the first contributor to the last; the first is the evil one, the last so many leak."""
    names = [EVIL, *(f"vendor-{k:03}" for k in range(1, contributors))]
    values = tuple(_value(name, k, contributors, texts, shares) for k, name in enumerate(names))
    leaks = [
        Finding("leakage", name, f"LEAKAGE: 9 of {name}'s examples also stand in the target.", loud=True)
        for name in names[contributors - leaking :]
    ]
    return Outcome(
        task="sentiment",
        question="shapley",
        method="tracin",
        model="small",
        why="tracin was chosen.",
        others=("influence", "mmd"),
        values=values,
        looks=tuple(_look(one) for one in values),
        findings=(*leaks, Finding("copy", names[0], f"{names[0]} and {names[1]} share examples.", also=names[1])),
        holds=("Intervals hold repeats.", "They hold the target's rows."),
        exact=("Half as wide takes four times as many.",),
        trust=("On real files: tracin agrees 0.50.",),
        bill=Bill(Cost(seconds=1.0), Cost(), 1e-5, "a GPU", 2.0, 0.0),
        audit=_audit(names),
        target_rows=50,
        labels=("bad", "good"),
        crossed=0.8,
        unusual=tuple((_example("unusual", k, texts),) for k in range(contributors)),
        seed=3,
        texts=texts,
        version="1.2.3",
    )


def _value(name: str, place: int, contributors: int, texts: bool, shares: bool) -> Value:
    value = 1.0 - 1.5 * place / contributors
    share = value / contributors if shares else math.nan
    best = tuple(_example("best", k, texts) for k in range(10))
    worst = tuple(_example("worst", k, texts) for k in range(10))
    spread = value - 0.2, value + 0.3
    return Value(name, value, *spread, place + 1, min(contributors, place + 2), share, share, share, best, worst)


def _example(what: str, k: int, texts: bool) -> tuple[str, str, str, float]:
    return (f"{SECRET}, {what} {k}" if texts else "", "good" if texts else "", f"file.csv, row {k}", 0.1 * k)


def _look(one: Value) -> Look:
    return Look(
        name=one.name,
        side="unknown",
        read=70,
        examples=60,
        left_out=(),
        within=1,
        elsewhere=2,
        shared_with=(("vendor-001", 2),),
        leaked=0,
        leaked_first="",
        distance=0.2,
        off_target=0.1,
        labels=(0.4, 0.6),
        label_distance=0.1,
        loss=0.6,
        own=58,
        disagree=0.3,
        sure=20,
        sure_disagree=0.1,
        unusual=((0, 0.9),),
    )


def _audit(names: list[str]) -> Audit:
    points = tuple((0.1 * k, -0.7 + 0.01 * k) for k in range(6))
    left_out = (LeftOut(names[0], 0.01, 0.001, 1.0),)
    return Audit(7, 6, points, 1.0, 0.5, 1.0, 0.1, 0.9, left_out, math.nan, 16, Cost())
