"""From stored results to the view of a leaderboard: a pure function, without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.config import Suite
from harness.records.results import Answer, PoolRecord, Results, Status, TruthRecord, ValuationRecord
from harness.report.overall import overall
from harness.report.view import (
    RULE,
    TRUTH,
    WEAK,
    Cell,
    Discrimination,
    MeanCost,
    Origin,
    PoolPoints,
    Secondary,
    View,
    Weakness,
)
from harness.seeds import stream
from harness.statistics import intervals
from harness.statistics.ceilings import repeats_needed
from harness.statistics.means import finite_mean
from harness.statistics.ranks import shared_ranks
from harness.statistics.scores import kendall, spearman, top_recall
from harness.types import QUESTIONS, Floats, Question


def leaderboard(suite: Suite, results: Results) -> View:
    """Everything that a report of these results shows; it does not depend on the order in which they came."""
    found = _matters(suite, results)
    cells = tuple(cell for matter in found for cell in _cells(suite, matter))
    asked = {cell.question for cell in cells}
    return View(
        suite=suite,
        tasks=tuple(dict.fromkeys(cell.task for cell in cells)),
        questions=tuple(question for question in QUESTIONS if question in asked),
        cells=cells,
        overall=overall(suite.seed, cells),
        discrimination=tuple(line for matter in found if (line := _discrimination(matter)) is not None),
        origins=_origins(results),
    )


@dataclass(frozen=True, slots=True)
class _Matter:
    """A task and question: its truths by pool, each method's valuations by pool, and what was dealt."""

    task: str
    question: Question
    truths: Mapping[int, TruthRecord]
    valuations: Mapping[str, Mapping[int, ValuationRecord]]
    dealt: Mapping[int, PoolRecord]

    @property
    def pools(self) -> list[int]:
        """Those with a truth."""
        return sorted(pool for pool, truth in self.truths.items() if truth.status == "ok")

    @property
    def ceiling(self) -> float:
        return finite_mean(self.truths[pool].reliability for pool in self.pools)


def _matters(suite: Suite, results: Results) -> list[_Matter]:
    """Every task and question with any answer, in the suite's order; answers to a changed pool are left out."""
    found = []
    for task in [*suite.tasks, *(t for t in results.tasks() if t not in suite.tasks)]:
        records = results.of_task(task)
        dealt = {record.pool: record for record in records if isinstance(record, PoolRecord)}
        for question in suite.questions:
            truths = {r.pool: r for r in records if isinstance(r, TruthRecord) and r.question == question}
            answers = [r for r in records if isinstance(r, ValuationRecord) and r.question == question]
            names = [m for m in suite.methods if any(r.method == m for r in answers)]
            names += sorted({r.method for r in answers} - set(names))
            valuations = {name: {r.pool: r for r in answers if r.method == name} for name in names}
            if truths or valuations:
                found.append(_Matter(task, question, truths, valuations, dealt))
    return found


def _cells(suite: Suite, matter: _Matter) -> list[Cell]:
    """The truth's, then the methods' in the suite's order."""
    points = {name: _points(matter, name) for name in matter.valuations}
    means = _bootstrap(suite, matter, points)
    scores = {name: finite_mean(pool.spearman for pool in pools) for name, pools in points.items()}
    ranked = [name for name in means if math.isfinite(scores[name])]
    shared = shared_ranks([scores[n] for n in ranked], np.array([means[n] for n in ranked]))
    ranks = dict(zip(ranked, shared, strict=True))
    return [
        _truth_cell(suite, matter),
        *(_method_cell(suite, matter, name, points[name], means.get(name), ranks.get(name)) for name in points),
    ]


def _points(matter: _Matter, name: str) -> tuple[PoolPoints, ...]:
    """A method's agreement by pool; none unless it answered every pool that has a truth, and failed on no other."""
    valuations = matter.valuations[name]
    if any(v.status != "ok" for v in valuations.values()) or not set(matter.pools) <= set(valuations):
        return ()
    found = []
    for pool in matter.pools:
        values_C, truth_C = _mean(valuations[pool].values), _mean(matter.truths[pool].values)
        agreement, contributors = spearman(values_C, truth_C), matter.dealt[pool].contributors
        found.append(PoolPoints(pool, agreement, contributors, tuple(values_C.tolist()), tuple(truth_C.tolist())))
    return tuple(found)


def _bootstrap(suite: Suite, matter: _Matter, points: Mapping[str, Sequence[PoolPoints]]) -> dict[str, Floats]:
    """The draws of the mean Spearman of every method that has points, D; all on the same resamples."""
    pools = matter.pools
    if not pools:
        return {}
    rng = stream(suite.seed, "bootstrap", matter.task, matter.question)
    pools_DP, within = intervals.resamples([len(matter.truths[p].values[0]) for p in pools], rng)
    return {
        name: intervals.bootstrap_means(
            [np.array(pool.values) for pool in own], [np.array(pool.truth) for pool in own], pools_DP, within
        )
        for name, own in points.items()
        if own
    }


def _method_cell(
    suite: Suite, matter: _Matter, name: str, points: tuple[PoolPoints, ...], means_D: Floats | None, rank: int | None
) -> Cell:
    records = list(matter.valuations[name].values())
    status, reason = _status(records)
    if status == "ok" and means_D is None:
        status, reason = "failed", _why_unscored(matter, name)
    score = finite_mean(pool.spearman for pool in points)
    low, high = intervals.interval(means_D) if means_D is not None else (math.nan, math.nan)
    answered = [record for record in records if record.status == "ok"]
    return Cell(
        task=matter.task,
        question=matter.question,
        method=name,
        family=records[0].family,
        status=status,
        reason=reason,
        spearman=score,
        low=low,
        high=high,
        ceiling=matter.ceiling,
        rank=rank,
        established=low > 0,
        behind=rank is not None and rank > 1,
        constant=status == "ok" and math.isnan(score),
        weakness=_weakness(matter) if status == "ok" and math.isfinite(score) else None,
        pools=len(points) if means_D is not None else len(answered),
        contributors=len(answered[0].values[0]) if answered else 0,
        cost=_cost(suite, answered),
        points=points,
        secondary=_secondary(matter, name),
    )


def _truth_cell(suite: Suite, matter: _Matter) -> Cell:
    records = list(matter.truths.values())
    status, reason = _status(records) if records else ("failed", "not run")
    answered = [matter.truths[pool] for pool in matter.pools]
    return Cell(
        task=matter.task,
        question=matter.question,
        method=TRUTH,
        family="truth",
        status=status,
        reason=reason,
        spearman=math.nan,
        low=math.nan,
        high=math.nan,
        ceiling=matter.ceiling,
        rank=None,
        established=False,
        behind=False,
        constant=False,
        weakness=_weakness(matter) if status == "ok" else None,
        pools=len(answered),
        contributors=len(answered[0].values[0]) if answered else 0,
        cost=_cost(suite, answered),
        points=(),
        secondary=None,
    )


def _weakness(matter: _Matter) -> Weakness | None:
    """What is weak about a truth and what would mend it, None if it is not."""
    ceiling = matter.ceiling
    if not matter.pools or ceiling >= WEAK:
        return None
    repeats = len(matter.truths[matter.pools[0]].values)
    return Weakness(
        ceiling=ceiling,
        repeats=repeats,
        unit="pairs" if matter.question == "shapley" else "seeds",
        needed=None if math.isnan(ceiling) else repeats_needed(ceiling, repeats, WEAK),
    )


def _secondary(matter: _Matter, name: str) -> Secondary | None:
    """Of the pools with both a truth and an answer, also where the method did not answer every one."""
    valuations = matter.valuations[name]
    pools = [pool for pool in matter.pools if pool in valuations and valuations[pool].status == "ok"]
    if not pools:
        return None
    pairs = [(_mean(valuations[p].values), _mean(matter.truths[p].values)) for p in pools]
    return Secondary(
        kendall=finite_mean(kendall(*pair) for pair in pairs),
        top_quarter=finite_mean(top_recall(*pair) for pair in pairs),
        repeats=finite_mean(_between_repeats(valuations[p].values) for p in pools),
    )


def _discrimination(matter: _Matter) -> Discrimination | None:
    """The one-feature baselines of every pool against its truth; None where none is defined."""
    scores: dict[str, list[float]] = {}
    for pool in matter.pools:
        for name, values in sorted(matter.dealt[pool].features.items()):
            scores.setdefault(name, []).append(spearman(np.array(values), _mean(matter.truths[pool].values)))
    means = {name: abs(finite_mean(row)) for name, row in scores.items()}
    features = {name: value for name, value in means.items() if math.isfinite(value)}
    if not features:
        return None
    best = max(features, key=lambda name: features[name])
    return Discrimination(
        matter.task, matter.question, matter.ceiling, features, best, features[best], features[best] < RULE
    )


def _origins(results: Results) -> tuple[Origin, ...]:
    """The runs that answers name, oldest first."""
    answers: list[Answer] = [*results.truths.values(), *results.valuations.values()]
    used = {record.run for record in answers}
    by_age = sorted(results.runs.items(), key=lambda item: (str(item[1].provenance.get("started")), item[0]))
    return tuple(Origin(name, run.provenance) for name, run in by_age if name in used)


def _status(records: Sequence[TruthRecord] | Sequence[ValuationRecord]) -> tuple[Status, str]:
    """Failed if it failed on any pool, else unsuitable if so on any; with the first reason."""
    for status in ("failed", "unsuitable"):
        for record in records:
            if record.status == status:
                return (
                    record.status,
                    f"pool {record.pool + 1}: {record.reason}" if status == "failed" else record.reason,
                )
    return "ok", ""


def _why_unscored(matter: _Matter, name: str) -> str:
    broken = [truth for truth in matter.truths.values() if truth.status != "ok"]
    if broken:
        return f"no truth to score against: {broken[0].reason}"
    missing = sorted(set(matter.pools) - set(matter.valuations[name]))
    if missing:
        return f"not asked about pool {', '.join(str(pool + 1) for pool in missing)}"
    return "no truth to score against: it has not been run"


def _cost(suite: Suite, records: Sequence[TruthRecord] | Sequence[ValuationRecord]) -> MeanCost:
    """Mean cost of the records, in the leaderboard's units; nan where there is none."""
    if not records:
        return MeanCost()

    def mean(name: str) -> float:
        return float(np.mean([getattr(record.cost, name) for record in records]))

    on_gpu = all(record.device.startswith("cuda") for record in records)
    return MeanCost(
        seconds=mean("seconds"),
        core_hours=mean("core_seconds") / 3600,
        gpu_hours=mean("gpu_seconds") / 3600 if on_gpu else math.nan,
        projected_gpu_hours=suite.projection.hours(mean("flops")),
        flops=mean("flops"),
        peak_memory_mb=mean("peak_memory_mb"),
        retrainings=mean("retrainings"),
        gradient_passes=mean("gradient_passes"),
    )


def _between_repeats(values: Sequence[Sequence[float]]) -> float:
    rows = [np.array(row) for row in values]
    return finite_mean(spearman(rows[i], rows[j]) for i in range(len(rows)) for j in range(i))


def _mean(values: Sequence[Sequence[float]]) -> Floats:
    return np.asarray(np.mean(values, axis=0))
