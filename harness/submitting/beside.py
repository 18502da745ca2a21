"""Submitted results beside published ones: the same pools and truths, complete rows, and what both measured alike."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.config import Suite
from harness.records.keys import key_of, named, place
from harness.records.provenance import MERGED
from harness.records.results import Answer, Results, mean_values
from harness.report.phrases import counted, some
from harness.submitting.findings import Finding, finding

TOLERANCE = 0.01
"""Of the standard deviation over contributors: how far a mean over repeats may be from one that was measured with the
same seeds elsewhere. Measured between kernels of different instruction sets: 0.00025 at most (docs/submitting.md)."""

Values = Sequence[Sequence[float]]


def apart(one: Values, other: Values) -> float:
    """The largest difference of any contributor's mean, over the standard deviation of the other's means.

    Infinite where shapes differ, or where the other's are all alike and the one's are not these.
    """
    if not one or not other or len(one[0]) != len(other[0]):
        return math.inf
    means = [mean_values(one), mean_values(other)]
    largest, spread = float(np.abs(means[0] - means[1]).max()), float(means[1].std())
    if largest <= 1e-9 * float(np.abs(means[1]).max()):
        return 0.0
    return largest / spread if spread > 0 else math.inf


@dataclass(frozen=True, slots=True)
class Rows:
    """What merging would do.

    Args:
        new: methods that the board has not; known: those that it has.
    """

    new: tuple[str, ...]
    known: tuple[str, ...]


def rows(published: Results, results: Results) -> Rows:
    """The submitted methods by whether the board has them."""
    there = {key[-1] for key in published.valuations}
    own = list(dict.fromkeys(key[-1] for key in results.valuations))
    return Rows(tuple(m for m in own if m not in there), tuple(m for m in own if m in there))


def complete(suite: Suite, results: Results) -> Finding:
    """Every method has answered all that the published suite asks, and nothing failed.

    Args:
        suite: the published one.
    """
    methods = list(dict.fromkeys(key[-1] for key in results.valuations))
    against = [] if methods else ["No method has answered anything."]
    cells = [(task, pool, q) for task in suite.tasks for pool in suite.numbers for q in suite.questions]
    if gaps := [cell for cell in cells if cell not in results.truths]:
        against.append(f"It is partial: no truth of {_cells(gaps)}.")
    for method in methods:
        if gaps := [cell for cell in cells if (*cell, method) not in results.valuations]:
            against.append(f"The row of {method} is partial: nothing on {_cells(gaps)}.")
    answers: list[Answer] = [*results.truths.values(), *results.valuations.values()]
    against += [f"{named(key_of(answer))}, failed: {answer.reason}" for answer in answers if answer.status == "failed"]
    return finding("rows", f"{counted(len(methods), 'method')} on {len(cells)} pools and questions.", against)


def _cells(cells: Sequence[tuple[str, int, str]]) -> str:
    return some([f"{place(task, pool)}, {question}" for task, pool, question in cells])


def beside(published: Results, results: Results) -> Finding:
    """What both hold is the same: pools to the key, truths and values to ``TOLERANCE``."""
    against, compared = [*_taken_names(published, results), *_other_pools(published, results)], 0
    answers: Mapping[str, Sequence[Answer]] = {
        "truth": [*results.truths.values()],
        "answer": [*results.valuations.values()],
    }
    for kind, found in answers.items():
        far: list[tuple[float, str]] = []
        for record in found:
            known = published.held(record)
            if known is not None and _alike(known, record):
                compared += 1
                if (distance := apart(record.values, known.values)) > TOLERANCE:
                    far.append((distance, named(key_of(record))))
        if far:
            distance, worst = max(far)
            against.append(
                f"{counted(len(far), kind)} with the key of a published one, and other values: {worst}, by "
                f"{distance:.2g} of the spread over contributors, of which {TOLERANCE:g} is allowed."
            )
    return finding("beside the published", f"{compared} truths and answers that both have.", against)


def _alike(known: Answer, record: Answer) -> bool:
    """Whether the two ask the same, and both were answered."""
    keys = (known.pool_key, known.truth_key) == (record.pool_key, record.truth_key)
    return keys and known.status == record.status == "ok"


def _taken_names(published: Results, results: Results) -> Iterator[str]:
    """A run's name stands for one provenance, and for what it measured."""
    for name in sorted(set(published.runs) & set(results.runs)):
        there = {key: value for key, value in published.runs[name].provenance.items() if key != MERGED}
        if there != results.runs[name].provenance:
            yield f"The run {name} has another provenance on the board, where it is already."
    known = {record.method for record in published.valuations.values()}
    added = {
        (r.method, r.run) for r in results.valuations.values() if r.method not in known and r.run in published.runs
    }
    for method, name in sorted(added):
        yield f"{method} names the run {name}, which is on the board without it."


def _other_pools(published: Results, results: Results) -> Iterator[str]:
    other = [
        place(*key)
        for key, record in results.pools.items()
        if key in published.pools and published.pools[key].pool_key != record.pool_key
    ]
    if other:
        yield (
            f"Other pools than the published ones, by their keys: {some(other)}; rows stand side by side only on the "
            "same pools, from the same versions of the task and of torch and on the same kind of device."
        )
