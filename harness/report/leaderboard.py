"""From stored results to the leaderboard's rows: a pure function, without torch."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np

from harness.config import Suite
from harness.records.results import Results, Status, TruthRecord, ValuationRecord
from harness.seeds import stream
from harness.statistics import intervals
from harness.statistics.ceilings import repeats_needed
from harness.statistics.ranks import shared_ranks
from harness.statistics.scores import kendall, spearman, top_recall
from harness.types import Floats

TRUTH = "retraining (truth)"
WEAK = 0.8
"""A truth whose ceiling is lower is marked weak."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the leaderboard. Undefined is nan (an empty field in the file), never zero.

    Args:
        spearman, low, high: mean over pools of the rank correlation with the truth, 95 % bootstrap interval.
        ceiling: mean over pools of what another run of the truth would score.
        rank: shared by methods that cannot be told apart.
        seconds ... gradient_passes: mean bill of one valuation (the truth's row: of one pool's truth).
        gpu_hours: measured; projected_gpu_hours: from operations, for the GPU that the suite names.
    """

    task: str
    question: str
    method: str
    family: str
    status: Status
    reason: str
    spearman: float
    low: float
    high: float
    ceiling: float
    fraction_of_ceiling: float
    rank: int | None
    pools: int
    contributors: int
    seconds: float
    core_hours: float
    gpu_hours: float
    projected_gpu_hours: float
    flops: float
    peak_memory_mb: float
    retrainings: float
    gradient_passes: float


COLUMNS = tuple(f.name for f in fields(Row))


@dataclass(frozen=True, slots=True)
class Secondary:
    """Other measures of the same agreement, means over pools, and the spread of the method's own repeats.

    Args:
        repeats: mean rank correlation between two of the method's repeats (initialisations, permutations).
    """

    kendall: float
    top_quarter: float
    repeats: float


@dataclass(frozen=True, slots=True)
class Cell:
    """A task and question: its truths by pool, and each method's valuations by pool."""

    task: str
    question: str
    truths: Mapping[int, TruthRecord]
    valuations: Mapping[str, Mapping[int, ValuationRecord]]


def cells(suite: Suite, results: Results) -> list[Cell]:
    """Every task and question with any answer, in the suite's order; answers to a changed pool are left out."""
    found = []
    for task in [*suite.tasks, *(t for t in results.tasks() if t not in suite.tasks)]:
        records = results.of_task(task)
        for question in suite.questions:
            truths = {r.pool: r for r in records if isinstance(r, TruthRecord) and r.question == question}
            said = [r for r in records if isinstance(r, ValuationRecord) and r.question == question]
            names = [m for m in suite.methods if any(r.method == m for r in said)]
            names += sorted({r.method for r in said} - set(names))
            valuations = {name: {r.pool: r for r in said if r.method == name} for name in names}
            if truths or valuations:
                found.append(Cell(task, question, truths, valuations))
    return found


def leaderboard(suite: Suite, results: Results) -> list[Row]:
    """All rows: for each task and question the truth's, then the methods' in the suite's order."""
    return [row for cell in cells(suite, results) for row in _rows(suite, cell)]


def secondaries(cell: Cell) -> dict[str, Secondary]:
    """Secondary measures of each method that answered."""
    found = {}
    for name, valuations in cell.valuations.items():
        pools = _scored(cell.truths, valuations)
        if pools:
            pairs = [(_mean(valuations[p].values), _mean(cell.truths[p].values)) for p in pools]
            found[name] = Secondary(
                kendall=_finite_mean(kendall(*pair) for pair in pairs),
                top_quarter=_finite_mean(top_recall(*pair) for pair in pairs),
                repeats=_finite_mean(_between_repeats(valuations[p].values) for p in pools),
            )
    return found


def discrimination(suite: Suite, results: Results) -> list[tuple[str, str, dict[str, float]]]:
    """For each task and question, the mean absolute Spearman of every one-feature baseline with the truth."""
    found = []
    for cell in cells(suite, results):
        scores: dict[str, list[float]] = {}
        for pool, truth in cell.truths.items():
            if truth.status == "ok":
                for name, values in sorted(results.pools[cell.task, pool].features.items()):
                    scores.setdefault(name, []).append(spearman(np.array(values), _mean(truth.values)))
        means = {name: abs(_finite_mean(row)) for name, row in scores.items()}
        found.append((cell.task, cell.question, {n: v for n, v in means.items() if math.isfinite(v)}))
    return found


def to_csv(rows: Sequence[Row]) -> str:
    """The rows as leaderboard.csv; undefined is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_field(value) for value in asdict(row).values()])
    return text.getvalue()


def _field(value: object) -> object:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else value


def _rows(suite: Suite, cell: Cell) -> list[Row]:
    rng = stream(suite.seed, "bootstrap", cell.task, cell.question)
    pools = sorted(pool for pool, truth in cell.truths.items() if truth.status == "ok")
    pools_DP, within = intervals.resamples([len(cell.truths[p].values[0]) for p in pools], rng) if pools else (None, [])
    means: dict[str, Floats] = {}
    for name, valuations in cell.valuations.items():
        if pools_DP is not None and _scored(cell.truths, valuations) == pools:
            values = [_mean(valuations[p].values) for p in pools]
            truths = [_mean(cell.truths[p].values) for p in pools]
            means[name] = intervals.bootstrap_means(values, truths, pools_DP, within)
    scores = {name: _score(cell, name, pools) for name in cell.valuations}
    ranked = [name for name in means if math.isfinite(scores[name])]
    ranks = dict(
        zip(
            ranked,
            shared_ranks([scores[n] for n in ranked], np.array([means[n] for n in ranked])),
            strict=True,
        )
    )
    return [
        _truth_row(suite, cell),
        *(_method_row(suite, cell, name, pools, scores[name], means.get(name), ranks.get(name)) for name in scores),
    ]


def _score(cell: Cell, name: str, pools: Sequence[int]) -> float:
    """Mean Spearman over the pools; nan unless the method answered every pool that has a truth."""
    valuations = cell.valuations[name]
    if not pools or _scored(cell.truths, valuations) != list(pools):
        return math.nan
    found = [spearman(_mean(valuations[p].values), _mean(cell.truths[p].values)) for p in pools]
    return _finite_mean(found)


def _method_row(
    suite: Suite,
    cell: Cell,
    name: str,
    pools: Sequence[int],
    score: float,
    means_D: Floats | None,
    rank: int | None,
) -> Row:
    records = list(cell.valuations[name].values())
    status, reason = _status(records)
    if status == "ok" and means_D is None:
        status, reason = "failed", _why_unscored(cell, name, pools)
    elif status == "ok" and math.isnan(score):
        reason = "its values are constant, so no order can be compared"
    elif status == "ok":
        reason = weakness(cell.truths.values())
    low, high = intervals.interval(means_D) if means_D is not None else (math.nan, math.nan)
    ceiling = _finite_mean(cell.truths[p].ceiling for p in pools)
    answered = [record for record in records if record.status == "ok"]
    return Row(
        task=cell.task,
        question=cell.question,
        method=name,
        family=records[0].family,
        status=status,
        reason=reason,
        spearman=score,
        low=low,
        high=high,
        ceiling=ceiling,
        fraction_of_ceiling=score / ceiling if ceiling > 0 else math.nan,
        rank=rank,
        pools=len(pools) if means_D is not None else len(answered),
        contributors=len(answered[0].values[0]) if answered else 0,
        **_bill(suite, answered),
    )


def _truth_row(suite: Suite, cell: Cell) -> Row:
    records = list(cell.truths.values())
    status, reason = _status(records) if records else ("failed", "not run")
    answered = [record for record in records if record.status == "ok"]
    return Row(
        task=cell.task,
        question=cell.question,
        method=TRUTH,
        family="truth",
        status=status,
        reason=reason or weakness(records),
        spearman=math.nan,
        low=math.nan,
        high=math.nan,
        ceiling=_finite_mean(record.ceiling for record in answered),
        fraction_of_ceiling=math.nan,
        rank=None,
        pools=len(answered),
        contributors=len(answered[0].values[0]) if answered else 0,
        **_bill(suite, answered),
    )


def weakness(truths: Iterable[TruthRecord]) -> str:
    """Why a truth is weak and what would mend it, empty if it is not."""
    answered = [truth for truth in truths if truth.status == "ok"]
    ceiling = _finite_mean(truth.ceiling for truth in answered)
    if not answered or ceiling >= WEAK:
        return ""
    repeats = len(answered[0].values)
    unit = "pairs" if answered[0].question == "shapley" else "seeds"
    if math.isnan(ceiling):
        return f"weak truth: no ceiling from {repeats} of its {unit}"
    needed = repeats_needed(ceiling, repeats, WEAK)
    mend = f"{WEAK} would take about {needed} {unit}, not {repeats}" if needed else f"more {unit} than {repeats} needed"
    return f"weak truth: ceiling {ceiling:.2f}; {mend}"


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


def _why_unscored(cell: Cell, name: str, pools: Sequence[int]) -> str:
    broken = [truth for truth in cell.truths.values() if truth.status != "ok"]
    if broken:
        return f"no truth to score against: {broken[0].reason}"
    missing = sorted(set(pools) - set(cell.valuations[name]))
    if missing:
        return f"not asked about pool {', '.join(str(pool + 1) for pool in missing)}"
    return "no truth to score against: it has not been run"


def _bill(suite: Suite, records: Sequence[TruthRecord] | Sequence[ValuationRecord]) -> dict[str, float]:
    """Mean cost of the records, in the leaderboard's units; nan where there is none."""
    if not records:
        names = ("seconds", "core_hours", "gpu_hours", "projected_gpu_hours", "flops", "peak_memory_mb")
        return dict.fromkeys((*names, "retrainings", "gradient_passes"), math.nan)

    def mean(name: str) -> float:
        return float(np.mean([getattr(record.cost, name) for record in records]))

    on_gpu = all(record.device.startswith("cuda") for record in records)
    return {
        "seconds": mean("seconds"),
        "core_hours": mean("core_seconds") / 3600,
        "gpu_hours": mean("gpu_seconds") / 3600 if on_gpu else math.nan,
        "projected_gpu_hours": suite.projection.hours(mean("flops")),
        "flops": mean("flops"),
        "peak_memory_mb": mean("peak_memory_mb"),
        "retrainings": mean("retrainings"),
        "gradient_passes": mean("gradient_passes"),
    }


def _scored(truths: Mapping[int, TruthRecord], valuations: Mapping[int, ValuationRecord]) -> list[int]:
    """Pools with both a truth and an answer."""
    return sorted(
        pool
        for pool, valuation in valuations.items()
        if valuation.status == "ok" and pool in truths and truths[pool].status == "ok"
    )


def _between_repeats(values: Sequence[Sequence[float]]) -> float:
    rows = [np.array(row) for row in values]
    return _finite_mean(spearman(rows[i], rows[j]) for i in range(len(rows)) for j in range(i))


def _mean(values: Sequence[Sequence[float]]) -> Floats:
    return np.asarray(np.mean(values, axis=0))


def _finite_mean(numbers: Iterable[float]) -> float:
    """Mean of the defined numbers, nan if there is none."""
    finite = [number for number in numbers if math.isfinite(number)]
    return float(np.mean(finite)) if finite else math.nan
