"""A method asked of its values, on the whole target and with each part of it left out; every answer is kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.errors import UserError, reason_of
from harness.knobs import base_of
from harness.running.evaluator import Evaluator
from harness.running.fingerprint import library_versions, source_digest
from harness.types import Additive, Cost, Floats, Ints, Method, Problem, Question
from harness.valuing.session import Session, cost_of, cost_record, key_of, minutes
from harness.valuing.target import FEWEST_PARTS, parts_of

SHOWN = 10
"""Examples of each contributor that are named at either end."""


@dataclass(frozen=True, slots=True, eq=False)
class Extremes:
    """A contributor's most and least valuable examples, the most telling first: rows of the pool, and their values."""

    best: tuple[tuple[int, float], ...]
    worst: tuple[tuple[int, float], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What a method said.

    Args:
        values_SC: its repeats on the whole target.
        parts_GC: values with each part of the target left out, mean over repeats; no rows where none was asked.
        cost, parts_cost: of the one and the other.
        extremes: of each contributor, where the method scores examples; else empty.
        why: why no parts were asked, where none were.
    """

    values_SC: Floats
    parts_GC: Floats
    cost: Cost
    parts_cost: Cost
    extremes: tuple[Extremes, ...]
    why: str = ""


class Unsuitable(UserError):
    """The method cannot answer here."""


@dataclass(eq=False)
class Watched(Additive):
    """An additive method, whose scores of examples are looked at on their way.

    Args:
        inner: the method.
        seen: takes its values S x N.
    """

    inner: Additive
    seen: Callable[[Floats], None]

    def __post_init__(self) -> None:
        self.seed_scope, self.calibrates = self.inner.seed_scope, self.inner.calibrates  # type: ignore[misc]

    def unsuitable(self, problem: Problem) -> str | None:
        return self.inner.unsuitable(problem)

    def example_values(self, problem: Problem) -> Floats:
        found = self.inner.example_values(problem)
        self.seen(np.array(found, dtype=np.float64))
        return found


@dataclass(frozen=True, slots=True)
class Asking:
    """How values are asked for.

    Args:
        name, method: with its knobs.
        parts: into how many the target is cut; 0: its rows are taken as they are.
        seconds, gpu_hours: that parts may take together; infinite for as long as it takes.
    """

    name: str
    method: Method
    question: Question
    parts: int
    seconds: float = math.inf
    gpu_hours: float = math.inf


def ask(session: Session, asked: Asking) -> Answer:
    """The method's answer.

    Raises:
        Unsuitable: it says that it cannot; with its reason.
        UserError: it failed.
    """
    whole = _kept(session, asked, "whole")
    values_SC, contributors = np.array(whole["values"]), len(session.brought.names)
    extremes = tuple(Extremes(_pairs(best), _pairs(worst)) for best, worst in whole["extremes"])
    parts_GC, spent, why = np.empty((0, contributors)), Cost(), ""
    if asked.parts:
        parts_GC, spent, why = _parts(session, asked, whole)
    return Answer(values_SC, parts_GC, cost_of(whole["cost"]), spent, extremes, why)


def _parts(session: Session, asked: Asking, whole: dict[str, Any]) -> tuple[Floats, Cost, str]:
    """Values with each part left out; all parts, or none where they do not fit into the time.

    A method that says ``adds_over_target`` gives means over target rows, so what it says of a part alone tells what it
    says without that part, at a fraction of the work.

    Args:
        whole: what the method said of the whole target, whose time and GPU-hours tell what GPU-hours are in time here.
    """
    rows, contributors = len(session.brought.target), len(session.brought.names)
    parts = parts_of(rows, max(asked.parts, FEWEST_PARTS), session.root)
    found, spent, seconds = [], Cost(), asked.seconds
    if math.isfinite(asked.gpu_hours):
        hours = session.gpu_hours(cost_of(whole["cost"]))
        seconds = min(seconds, asked.gpu_hours * whole["seconds"] / hours) if hours > 0 else seconds
    alone, whole_C = asked.method.adds_over_target, np.mean(whole["values"], axis=0)
    for number, part in enumerate(parts):
        own = part if alone else np.setdiff1d(np.arange(rows), part)
        which = f"part {number + 1} of {len(parts)}"
        record = _kept(session, asked, f"{which} alone" if alone else f"the target without {which}", own)
        said_C = np.mean(record["values"], axis=0)
        found.append((rows * whole_C - len(part) * said_C) / (rows - len(part)) if alone else said_C)
        spent += cost_of(record["cost"])
        needed = record["seconds"] * len(parts)
        if number == 0 and needed > seconds:
            why = (
                f"asking again without each of {len(parts)} parts of the target would take {minutes(needed)}, and the "
                f"budget leaves {minutes(max(0.0, seconds))}"
            )
            return np.empty((0, contributors)), spent, why
    return np.array(found), spent, ""


def _kept(session: Session, asked: Asking, which: str, rows: Ints | None = None) -> dict[str, Any]:
    """One evaluation on the whole target or on some of its rows, from the ledger where it has been made before."""
    code = source_digest(type(asked.method).__module__, type(session.learner).__module__, "harness.valuing.asking")
    model = sorted(library_versions({*session.learner.packages} - {"harness", "methods", "tasks"}).items())
    place = (session.engine.context, session.root, session.brought.names)
    key = key_of(place, asked.name, base_of(asked.name), repr(asked.method), code, model, asked.question, which)
    what = f"asking {asked.name}" if rows is None else f"asking {asked.name}, {which}"
    stage = session.progress.stage

    def find() -> dict[str, Any]:
        with stage(what) as advance:
            one = session.evaluator if rows is None else _evaluator_on(session, rows)
            return _evaluated(session, asked, one, advance, with_examples=rows is None)

    return session.kept(key, find)


def _evaluator_on(session: Session, rows: Ints) -> Evaluator:
    return session.evaluator.on(session.brought.target.take(rows), session.engine.on(rows))


def _evaluated(
    session: Session, asked: Asking, evaluator: Evaluator, advance: Callable[[int], None], with_examples: bool
) -> dict[str, Any]:
    scores: list[Floats] = []
    method = asked.method
    if with_examples and isinstance(method, Additive):
        method = Watched(method, scores.append)
    started = time.perf_counter()
    try:
        found = evaluator.evaluate(asked.name, method, asked.question, (), advance)
    except UserError as error:
        raise UserError(f"{asked.name} failed: {error}") from error
    except (KeyboardInterrupt, SystemExit):
        raise
    except Exception as error:
        raise UserError(f"{asked.name} failed: {reason_of(error)}. Choose another method with --method.") from error
    if isinstance(found, str):
        raise Unsuitable(f"{asked.name} does not suit here: {found}. Choose another method with --method.")
    return {
        "values": found.values_SC.tolist(),
        "cost": cost_record(found.cost),
        "seconds": time.perf_counter() - started,
        "extremes": _extremes(session, scores[0].mean(axis=0)) if scores else [],
    }


def _extremes(session: Session, values_N: Floats) -> list[tuple[list[tuple[int, float]], list[tuple[int, float]]]]:
    """Each contributor's most and least valuable examples."""
    owners_N = session.brought.train.owners_N
    found = []
    for c in range(len(session.brought.names)):
        rows = np.flatnonzero(owners_N == c)
        order = rows[np.argsort(values_N[rows], kind="stable")]
        pairs = [(int(row), float(values_N[row])) for row in order]
        found.append((pairs[::-1][:SHOWN], pairs[:SHOWN]))
    return found


def _pairs(found: list[list[float]]) -> tuple[tuple[int, float], ...]:
    return tuple((int(row), float(value)) for row, value in found)
