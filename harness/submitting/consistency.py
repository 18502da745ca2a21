"""Whether results agree with themselves: keys with the suite, truths with their held-out folds and reliability."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np

from harness.config import Suite
from harness.records.keys import key_of, named, place
from harness.records.results import Answer, PoolRecord, Results, TruthRecord
from harness.report.phrases import some
from harness.running.answer_keys import truth_keys
from harness.seeds import stream
from harness.statistics.ceilings import split_half_reliability
from harness.submitting.findings import Finding, finding
from harness.submitting.folds import adds_up, has_folds

SAME = 1e-6
"""How near a number comes that was worked out anew from the same numbers."""


def keys(suite: Suite, results: Results, versions: Mapping[str, int]) -> Finding:
    """Every answer is about the pool and beside the truth that the suite asks for.

    Args:
        versions: of the suite's tasks, as they deal now.
    """
    against = [*_of_pools(suite, results, versions), *_of_answers(results)]
    return finding("keys", f"{len(results.pools)} pools, and what was answered about them.", against)


def _of_pools(suite: Suite, results: Results, versions: Mapping[str, int]) -> Iterator[str]:
    for record in results.pools.values():
        where = place(record.task, record.pool)
        if record.pool not in suite.numbers:
            yield f"{where}, is none of the suite's."
        if record.task in versions and record.task_version != versions[record.task]:
            yield (
                f"{where}, is of version {record.task_version} of its task, which deals version "
                f"{versions[record.task]} now; run it again."
            )
        asked = truth_keys(suite, record.task, record.pool, len(record.contributors), record.pool_key)
        told = record.truth_keys
        if strange := sorted(name for name in {*asked, *told} if asked.get(name) != told.get(name)):
            yield f"{where}: the keys of its truths of {', '.join(strange)} are not those of this suite on this pool."
        yield from _of_features(record)


def _of_features(record: PoolRecord) -> Iterator[str]:
    """One-feature baselines that were planted are what was planted."""
    for name in set(record.features) & set(record.planted[0]):
        planted = [found.get(name) for found in record.planted]
        own = record.features[name]
        pairs = [(a, b) for a, b in zip(planted, own, strict=True) if isinstance(a, int | float) and b is not None]
        if len(pairs) < len(own) or not all(math.isclose(a, b) for a, b in pairs):
            yield f"{place(record.task, record.pool)}: its feature {name} is not what was planted."


def _of_answers(results: Results) -> Iterator[str]:
    strange: list[str] = []
    answers: list[Answer] = [*results.truths.values(), *results.valuations.values()]
    for answer in answers:
        pool = results.pools.get((answer.task, answer.pool))
        if pool is None or answer.pool_key != pool.pool_key or answer.truth_key != pool.truth_keys.get(answer.question):
            strange.append(named(key_of(answer)))
    if strange:
        yield f"Answers to another pool than the one dealt, or beside another truth: {some(strange)}."


def truths(suite: Suite, results: Results) -> Finding:
    """A truth's parts are worked out from the same retrainings, so that none changes alone."""
    answered = [truth for truth in results.truths.values() if truth.status == "ok"]
    dealt = {(truth.task, truth.pool): results.pools.get((truth.task, truth.pool)) for truth in answered}
    folds = [named(key_of(truth)) for truth in answered if not adds_up(truth, dealt[truth.task, truth.pool])]
    halves = [named(key_of(truth)) for truth in answered if not _repeats(suite, truth)]
    bare = [
        named(key_of(truth))
        for truth in answered
        if (pool := dealt[truth.task, truth.pool]) and not has_folds(truth, pool)
    ]
    against = [
        f"{text}: {some(names)}."
        for text, names in (
            ("Truths that are not the mean of their held-out folds", folds),
            ("Truths whose reliability is not that of their values", halves),
            ("Truths without all their held-out folds", bare),
        )
        if names
    ]
    return finding("truths", f"{len(answered)} truths, against their held-out folds and their halves.", against)


def _repeats(suite: Suite, truth: TruthRecord) -> bool:
    """Whether the split-half reliability of its values is the one that it tells."""
    values_SC = np.array(truth.values)
    found = split_half_reliability(
        lambda chosen: values_SC[chosen].mean(axis=0), len(values_SC), stream(suite.seed, "reliability")
    )
    both = math.isnan(found) and math.isnan(truth.reliability)
    return both or abs(found - truth.reliability) <= SAME
