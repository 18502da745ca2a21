"""A sampled answer is asked again here, and its pool's truth retrained: nobody can know beforehand which."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import cast

import numpy as np

from harness.config import Suite
from harness.records.keys import key_of, named, place
from harness.records.results import PoolRecord, Results, TruthRecord, ValuationRecord, mean_values, without_nan
from harness.report.phrases import counted
from harness.retraining.ledger import IN_MEMORY, Ledger
from harness.running.dealt_again import alike, is_dealt_again
from harness.running.own_process import Limits
from harness.running.pool_run import Ledgers, PoolRun
from harness.running.precedents import precedents
from harness.statistics.scores import spearman
from harness.submitting.beside import TOLERANCE, apart
from harness.submitting.findings import Finding, finding
from harness.types import Advance, Cost, Method, Question, Task

COUNTED = {"retrainings": "retrainings", "gradient_passes": "gradient passes", "forward_passes": "forward passes"}
"""What of a cost is the same wherever it is counted."""

PRICED = {"algebra": "operations of its own", "pass_scale": "gradient passes there for each one here"}
"""What else its hours at reference scale are worked out from."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """An answer that is asked again."""

    task: str
    pool: int
    question: Question
    method: str

    @property
    def words(self) -> str:
        return named((self.task, self.pool, self.question, self.method))


def sample(results: Results, count: int, rng: np.random.Generator, first: Collection[str]) -> list[Sampled]:
    """So many answers, at random, each with a truth beside it; those of the methods ``first`` before all others."""
    found = [
        Sampled(record.task, record.pool, cast(Question, record.question), record.method)
        for record in results.valuations.values()
        if record.status == "ok" and _truth(results, record) and (record.task, record.pool) in results.pools
    ]
    order = rng.permutation(len(found))
    by_turn = sorted((found[k] for k in order), key=lambda one: one.method not in first)  # stable: else in that order
    return by_turn[:count]


def _truth(results: Results, at: ValuationRecord | Sampled) -> TruthRecord | None:
    truth = results.truths.get((at.task, at.pool, at.question))
    return truth if truth is not None and truth.status == "ok" else None


@dataclass(frozen=True, slots=True)
class Bench:
    """Where answers are asked again.

    Args:
        suite: the submitted one.
        tasks, methods: by name; a method that is in no table here is missing.
        device: torch device.
        limits: of a method in a process of its own; None for this process.
        stage: shows what is under way.
    """

    suite: Suite
    tasks: Mapping[str, Task]
    methods: Mapping[str, Method]
    device: str
    limits: Limits | None
    stage: Callable[[str], AbstractContextManager[Advance]]


def again(bench: Bench, results: Results, sampled: Collection[Sampled]) -> Finding:
    """The sampled answers, one or more, their truths, and what their costs count."""
    against: list[str] = []
    for one in sampled:
        if one.method not in bench.methods:
            against.append(f"{one.method} is in no table here, so nothing of it can be run again; install its package.")
        else:
            against += _of_one(bench, results, one)
    names = "; ".join(one.words for one in sampled)
    return finding(
        "run again",
        f"{counted(len(sampled), 'answer')} drawn at random ({names}), with the truth beside each; {TOLERANCE:g} of "
        "the spread over contributors is allowed.",
        against,
    )


def unasked() -> Finding:
    """Where no answer was asked again."""
    return finding("run again", "No answer.", ["Nothing was run again, so nothing says that the values were measured."])


def spared() -> Finding:
    """Where no answer was asked again, since it would change nothing."""
    told = "No answer was asked again, which takes retrainings: what is told above refuses the results already."
    return Finding("run again", told, done=False)


def _of_one(bench: Bench, results: Results, one: Sampled) -> Iterator[str]:
    record, truth = results.pools[one.task, one.pool], _truth(results, one)
    assert truth is not None, "sampled with a truth"
    said = results.valuations[one.task, one.pool, one.question, one.method]
    ledgers = Ledgers(Ledger(IN_MEMORY), Ledger(IN_MEMORY))
    try:
        run = PoolRun(bench.suite, bench.tasks[one.task], one.pool, ledgers, bench.device, "again", limits=bench.limits)
        where = place(one.task, one.pool)
        if not is_dealt_again(record, run):
            yield f"{where}, is dealt otherwise here: other contributors, other rows, or another version of the task."
            return
        if run.key != record.pool_key:
            yield (
                f"{where}, has another key here ({run.key}, not {record.pool_key}): its data, its learner, torch or "
                "the kind of device are others."
            )
            return
        if not _is_described(record, run):
            yield f"{where}, is described otherwise here, in what was measured when it was dealt or in its learner."
        with bench.stage(f"{where}: truth of {one.question}") as advance:
            retrained = run.truth(one.question, advance)
        if retrained.status != "ok" or apart(truth.values, retrained.values) > TOLERANCE:
            yield f"The truth of {one.question} on {where}, comes out otherwise here: {_told(truth, retrained)}."
        elif parts := _other_parts(truth, retrained):
            yield f"The truth of {one.question} on {where}, has other {', '.join(parts)} here."
        method = bench.methods[one.method]
        fitted = {name for name, other in bench.methods.items() if other.calibrates}
        read = precedents(results, set(results.tasks()) - {one.task}, one.question, fitted) if method.calibrates else ()
        with bench.stage(one.words) as advance:
            asked = run.valuation(one.method, method, one.question, read, advance)
        yield from compared(said, asked, truth)
        run.release()
    finally:
        ledgers.truth.close()
        ledgers.methods.close()


def compared(said: ValuationRecord, asked: ValuationRecord, truth: TruthRecord) -> Iterator[str]:
    """What of an answer as submitted is not as it comes out here, and of its score against the submitted truth."""
    words = named(key_of(said))
    if asked.status != "ok" or apart(said.values, asked.values) > TOLERANCE:
        yield f"{words}, comes out otherwise here: {_told(said, asked)}."
        return
    truth_C = mean_values(truth.values)
    told, found = (spearman(mean_values(answer.values), truth_C) for answer in (said, asked))
    if not np.isclose(told, found, rtol=0, atol=_one_exchange(len(truth_C)), equal_nan=True):
        yield (
            f"{words}, scores {told:.3f} as submitted and {found:.3f} as it comes out here: within the "
            "tolerance its contributors stand in another order."
        )
    if other := [*_miscounted(said.cost, asked.cost), *_mispriced(said, asked)]:
        yield f"{words}, counts its cost otherwise here: {', '.join(other)}."


def _is_described(record: PoolRecord, run: PoolRun) -> bool:
    """Whether facts and learner are told as here."""
    here = run.pool_record()
    learner = json.loads(json.dumps(without_nan(here.learner)))
    return alike(dict(record.facts), dict(here.facts)) and record.learner == learner


def _other_parts(told: TruthRecord, found: TruthRecord) -> list[str]:
    """What of a truth beside its values is another, in words."""
    parts = {
        "values by held-out fold": (told.by_fold, found.by_fold),
        "values on the validation split": (told.validation, found.validation),
        "residuals": ((told.residual,), (found.residual,)),
        "utilities of everyone": (told.everyone, found.everyone),
        "utilities of nobody": (told.nobody, found.nobody),
    }
    both = {name: pair for name, pair in parts.items() if any(map(any, pair))}
    return [name for name, (one, other) in both.items() if apart(one, other) > TOLERANCE]


def _told(submitted: TruthRecord | ValuationRecord, found: TruthRecord | ValuationRecord) -> str:
    if found.status != "ok":
        return f"{found.status}, {found.reason}"
    return f"up to {apart(submitted.values, found.values):.2g} of the spread over contributors apart"


def _one_exchange(contributors: int) -> float:
    """How much a Spearman changes at most where two neighbours change places; kernels of other processors do that.

    Values that are tied, or nearly, could be put into any order within ``TOLERANCE``, and so be given any score.
    """
    return 12 / (contributors * (contributors + 1)) + 1e-9


def _mispriced(told: ValuationRecord, found: ValuationRecord) -> list[str]:
    """What stands beside a cost and makes its price at reference scale."""
    numbers = [
        f"{getattr(found, name):g} {words}, not {getattr(told, name):g}"
        for name, words in PRICED.items()
        if not np.isclose(getattr(told, name), getattr(found, name), rtol=1e-6, equal_nan=True)
    ]
    borrowed = dict(told.borrowed), dict(found.borrowed)
    others = [f"retrainings of other tasks {borrowed[1]}, not {borrowed[0]}"] if borrowed[0] != borrowed[1] else []
    family = [f"of the family {found.family}, not {told.family}"] if told.family != found.family else []
    return [*numbers, *others, *family]


def _miscounted(told: Cost, found: Cost) -> list[str]:
    return [
        f"{getattr(found, name):g} {words}, not {getattr(told, name):g}"
        for name, words in COUNTED.items()
        if abs(getattr(found, name) - getattr(told, name)) > 1e-6 * max(1.0, getattr(found, name))
    ]
