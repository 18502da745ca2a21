"""From stored results to the view of a leaderboard: a pure function, without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from harness.config import Suite
from harness.records.results import Answer, Results, Status, TruthRecord, ValuationRecord
from harness.report.costs import UNKNOWN_PRECISION, mean_cost
from harness.report.matters import Matter, matters
from harness.report.measured import measured
from harness.report.overall import overall
from harness.report.standings import NOWHERE, Priors, Standing, compare, scored, verdict
from harness.report.truths import Truth, truths
from harness.report.view import TRUTH, Cell, Dealt, MeanCost, Origin, PoolPoints, Secondary, View
from harness.seeds import stream
from harness.statistics.means import finite_mean
from harness.statistics.scores import between_repeats, kendalls, top_recalls
from harness.types import QUESTIONS, Floats


def leaderboard(suite: Suite, results: Results, secondary: bool = True) -> View:
    """Everything that a report of these results shows; it does not depend on the order in which they came.

    Args:
        secondary: whether cells have their other measures (``Secondary``), which terminals and figures do not show.
    """
    found = matters(suite, results)
    told, answers = truths(found), [scored(matter) for matter in found]
    priors = Priors.of([own for own, _ in answers])
    cells, verdicts = [], []
    for matter, truth, (own, points), prior in zip(found, told, answers, priors, strict=True):
        table = compare([own], [prior], stream(suite.seed, "ranks", matter.task, matter.question))
        others = _secondaries(matter) if secondary else {}
        made = _cells(suite, matter, truth, table.standings, points, others)
        verdicts.append(verdict(table, matter.task, matter.question, {cell.method: cell.cost for cell in made}))
        cells += made
    by_place = {(matter.task, matter.question): own for matter, (own, _) in zip(found, answers, strict=True)}
    lines, over_tasks = overall(suite.seed, cells, by_place, dict(zip(by_place, priors, strict=True)))
    asked = {cell.question for cell in cells}
    return View(
        suite=suite,
        tasks=tuple(dict.fromkeys(cell.task for cell in cells)),
        questions=tuple(question for question in QUESTIONS if question in asked),
        cells=tuple(cells),
        overall=lines,
        verdicts=(*over_tasks, *verdicts),
        discrimination=tuple(truth.discrimination for truth in told if truth.discrimination is not None),
        dealt=_dealt(found),
        origins=_origins(results),
        measured=measured(suite, results),
    )


def _dealt(found: Sequence[Matter]) -> tuple[Dealt, ...]:
    """Every pool once, by task and number."""
    records = {(matter.task, pool): record for matter in found for pool, record in sorted(matter.dealt.items())}
    return tuple(Dealt(r.task, r.pool, r.contributors, r.planted, r.facts) for r in records.values())


def _cells(
    suite: Suite,
    matter: Matter,
    truth: Truth,
    standings: Mapping[str, Standing],
    points: Mapping[str, tuple[PoolPoints, ...]],
    secondaries: Mapping[str, Secondary],
) -> list[Cell]:
    """The truth's, then the methods' in the suite's order."""
    return [
        _truth_cell(suite, matter, truth),
        *(
            _method_cell(suite, matter, truth, standings.get(name, NOWHERE), points.get(name, ()), name, secondaries)
            for name in matter.valuations
        ),
    ]


def _method_cell(
    suite: Suite,
    matter: Matter,
    truth: Truth,
    standing: Standing,
    points: tuple[PoolPoints, ...],
    name: str,
    secondaries: Mapping[str, Secondary],
) -> Cell:
    records = list(matter.valuations[name].values())
    status, reason = _status(records)
    if status == "ok" and not points and (matter.pools or not matter.flat):
        status, reason = "failed", _why_unscored(matter, name)
    answered = [record for record in records if record.status == "ok"]
    has_score = status == "ok" and math.isfinite(standing.spearman)
    return Cell(
        task=matter.task,
        question=matter.question,
        method=name,
        family=records[0].family,
        status=status,
        reason=reason,
        spearman=standing.spearman,
        low=standing.low,
        high=standing.high,
        reliability=truth.reliability,
        ceiling=truth.ceiling,
        ceiling_low=truth.ceiling_low,
        ceiling_high=truth.ceiling_high,
        validation=math.nan,
        rank_low=standing.rank_low,
        rank_high=standing.rank_high,
        above_zero=standing.above_zero,
        behind=standing.behind,
        constant=status == "ok" and not has_score,
        flat=tuple(point.pool for point in points if math.isnan(point.spearman)),
        weakness=truth.weakness if has_score else None,
        doubt=truth.discrimination.doubt if has_score and truth.discrimination else None,
        pools=len(points) or len(answered),
        contributors=len(answered[0].values[0]) if answered else 0,
        cost=_cost(suite, matter, answered),
        points=points,
        secondary=secondaries.get(name),
    )


def _truth_cell(suite: Suite, matter: Matter, truth: Truth) -> Cell:
    records = list(matter.truths.values())
    status, reason = _status(records) if records else ("failed", "not run")
    answered = matter.answered
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
        reliability=truth.reliability,
        ceiling=truth.ceiling,
        ceiling_low=truth.ceiling_low,
        ceiling_high=truth.ceiling_high,
        validation=truth.validation,
        rank_low=None,
        rank_high=None,
        above_zero=False,
        behind=False,
        constant=False,
        flat=matter.flat,
        weakness=truth.weakness if status == "ok" else None,
        doubt=truth.discrimination.doubt if status == "ok" and truth.discrimination else None,
        pools=len(matter.pools),
        contributors=len(answered[0].values[0]) if answered else 0,
        cost=_cost(suite, matter, answered),
        points=(),
        secondary=None,
    )


def _secondaries(matter: Matter) -> dict[str, Secondary]:
    """Of the pools with both a truth and an answer, also where a method did not answer every one."""
    found: dict[str, list[tuple[float, float, float]]] = {}
    for pool in matter.pools:
        said = {name: own[pool] for name, own in matter.answers_RC.items() if pool in own}
        if said:
            truth_C = matter.truths_C[pool]
            values_MC = np.array([matter.values_C[name][pool] for name in said])
            measures = kendalls(values_MC, truth_C), top_recalls(values_MC, truth_C), _between_repeats(said)
            for name, *row in zip(said, *measures, strict=True):
                found.setdefault(name, []).append((float(row[0]), float(row[1]), float(row[2])))
    return {name: Secondary(*map(finite_mean, zip(*rows, strict=True))) for name, rows in found.items()}


def _between_repeats(said: Mapping[str, Floats]) -> list[float]:
    """Of each method's answer, R x C; those with as many repeats at once."""
    found = dict.fromkeys(said, math.nan)
    for repeats in {len(values) for values in said.values()} - {1}:
        names = [name for name, values in said.items() if len(values) == repeats]
        values_MRC = np.array([said[name] for name in names])
        found |= dict(zip(names, between_repeats(values_MRC).tolist(), strict=True))
    return list(found.values())


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


def _why_unscored(matter: Matter, name: str) -> str:
    broken = [truth for truth in matter.truths.values() if truth.status != "ok"]
    if broken:
        return f"no truth to score against: {broken[0].reason}"
    missing = sorted(set(matter.pools) - set(matter.valuations[name]))
    if missing:
        return f"not asked about pool {', '.join(str(pool + 1) for pool in missing)}"
    return "no truth to score against: it has not been run"


def _cost(suite: Suite, matter: Matter, records: Sequence[TruthRecord] | Sequence[ValuationRecord]) -> MeanCost:
    learner = matter.dealt[records[0].pool].learner if records else {}
    return mean_cost(suite, matter.task, records, str(learner.get("precision", UNKNOWN_PRECISION)))
