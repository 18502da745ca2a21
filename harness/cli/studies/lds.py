"""``dataworth study lds``: how well summed values foretell what random halves of the contributors are worth.

The linear datamodeling score of Park et al. (2023), ICML, sec. 2, with contributors in the place of examples and
utility on the test split in the place of one example's output, beside Spearman with the truths of the same pools.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console

from harness.cli.studies import Request
from harness.cli.studies.dealt import Dealing, dealing
from harness.cli.studies.pages import Section, Table, csv_text, field, report_progress, write_study
from harness.coalitions import to_text
from harness.errors import UserError
from harness.records.results import mean_values
from harness.registry import methods_named
from harness.report.numbers import NONE, correlation
from harness.retraining.chunks import Job
from harness.running.pool_run import PoolRun
from harness.seeds import seed_of, stream
from harness.statistics.ceilings import split_half_reliability
from harness.statistics.datamodeling import linear_datamodeling_scores
from harness.statistics.means import finite_mean
from harness.statistics.scores import spearmans
from harness.types import QUESTIONS, Bools, Floats, Method, Question, Task

NAME = "lds"
COALITIONS = 64
"""Random halves of each pool."""

SEEDS = 3
"""Of every half, and of every truth, where nobody says how many."""

DRAWS = 200
"""Of the halves with replacement, for a score's standard error."""

METHODS = (
    *("size", "mmd", "ntk-mmd", "knn-shapley", "tracin", "influence", "ekfac", "trak", "metagradient"),
    *("leave-one-out", "kernel-shap", "datamodels"),
)
"""One of each kind that is cheap, and those by retraining that the score is nearest to."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What one pool told.

    Args:
        lds: by row, ``truth: QUESTION`` or a method.
        errors: their standard errors over the halves.
        spearman: with the truths, by row and question.
        reliability: Spearman of the halves' utilities with those of as many other seeds.
        reasons: why a method did not answer.
    """

    task: str
    pool: int
    lds: Mapping[str, float]
    errors: Mapping[str, float]
    spearman: Mapping[str, Sequence[float]]
    seconds: Mapping[str, float]
    reliability: float
    reasons: Mapping[str, str]


def study(request: Request, console: Console) -> int:
    """Retrain, ask, and say where it was written; the exit status."""
    asked = methods_named(request.methods or METHODS)
    found: list[Found] = []
    with dealing(request, SEEDS) as table:
        seeds = next(iter(table.suite.seeds.values()))
        for task in table.tasks.values():
            for index in table.pools:
                run = table.run(task, index)
                found.append(_of_pool(run, task, table, asked, seeds))
                run.release()
                report_progress(f"{task.name}, pool {index + 1}")
        tasks = list(table.tasks)
    sections = [_section(task, [one for one in found if one.task == task]) for task in tasks]
    files = {"lds.csv": _csv(found)}
    write_study(request.out, f"Study: {NAME}", _foreword(found, seeds), sections, (), console, files)
    return 0


# --- asking ---------------------------------------------------------------------------------------------


def _of_pool(run: PoolRun, task: Task, table: Dealing, asked: Mapping[str, Method], seeds: int) -> Found:
    root, place = table.suite.seed, (NAME, task.name, run.index)
    members_KC = halves(len(run.pool.contributors), stream(root, *place, "halves"))
    utilities_SK = _utilities(run, members_KC, [seed_of(root, *place, seed) for seed in range(seeds)])
    truths_QC = np.array([_truth(run, question) for question in QUESTIONS])
    values = {f"truth: {question}": truth_C for question, truth_C in zip(QUESTIONS, truths_QC, strict=True)}
    seconds, reasons = {}, {}
    for name, method in asked.items():
        record = run.valuation(name, method, "shapley")
        if record.status == "ok":
            values[name], seconds[name] = mean_values(record.values), record.cost.seconds
        else:
            reasons[name] = record.reason
    values_MC, outcomes_K = np.array([*values.values()]), utilities_SK.mean(axis=0)
    scores_M = linear_datamodeling_scores(values_MC, members_KC, outcomes_K)
    errors_M = _errors(values_MC, members_KC, outcomes_K, stream(root, *place, "draws"))
    with_truths_QM = [spearmans(values_MC, truth_C) for truth_C in truths_QC]
    return Found(
        task=task.name,
        pool=run.index,
        lds=dict(zip(values, map(float, scores_M), strict=True)),
        errors=dict(zip(values, map(float, errors_M), strict=True)),
        spearman={name: [float(own_M[m]) for own_M in with_truths_QM] for m, name in enumerate(values)},
        seconds=seconds,
        reliability=split_half_reliability(
            lambda chosen: utilities_SK[chosen].mean(axis=0), seeds, stream(root, *place, "reliability")
        ),
        reasons=reasons,
    )


def halves(contributors: int, rng: np.random.Generator) -> Bools:
    """Random coalitions of half the contributors each, K x C."""
    orders_KC = rng.permuted(np.tile(np.arange(contributors), (COALITIONS, 1)), axis=1)
    return np.asarray(orders_KC < contributors // 2)


def _utilities(run: PoolRun, members_KC: Bools, seeds: Sequence[int]) -> Floats:
    """On the test split, S x K."""
    jobs = [Job(to_text(row_C), seed) for seed in seeds for row_C in members_KC]
    outcomes = run.truth_engine().outcomes(jobs)
    return np.array([outcome.utility for outcome in outcomes]).reshape(len(seeds), -1)


def _truth(run: PoolRun, question: Question) -> Floats:
    """
    Raises:
        UserError: it cannot be had.
    """
    found = run.truth(question)
    if found.status != "ok":
        raise UserError(f"The {question} truth of {run.task.name}, pool {run.index + 1}: {found.reason}")
    return mean_values(found.values)


def _errors(values_MC: Floats, members_KC: Bools, outcomes_K: Floats, rng: np.random.Generator) -> Floats:
    """Standard error of each score over the halves that were drawn, by the bootstrap, M."""
    draws_DK = rng.integers(0, len(members_KC), (DRAWS, len(members_KC)))
    drawn_MD = np.array(
        [linear_datamodeling_scores(values_MC, members_KC[draw_K], outcomes_K[draw_K]) for draw_K in draws_DK]
    ).T
    return np.asarray(drawn_MD.std(axis=1, ddof=1))


# --- telling --------------------------------------------------------------------------------------------


def _foreword(found: Sequence[Found], seeds: int) -> str:
    pools = ", ".join(map(str, sorted({one.pool + 1 for one in found})))
    return (
        f"LDS: Spearman, over {COALITIONS} random halves of the contributors, of the sum of a half's values with its "
        f"utility by retraining on {seeds} seeds, on the test split that no method sees; mean over pools {pools} of "
        "each task, and its standard error over the halves. Beside it Spearman of the values themselves with the "
        "pool's truths. The rows of truths say how far the best values of each question get as sums: what they lack "
        "is not additive, or noise."
    )


def _section(task: str, found: Sequence[Found]) -> Section:
    names = list(dict.fromkeys(name for one in found for name in one.lds))

    def row(name: str) -> list[str]:
        own = [one for one in found if name in one.lds]
        error = math.sqrt(sum(one.errors[name] ** 2 for one in own)) / len(own)
        with_truths = [finite_mean(one.spearman[name][q] for one in own) for q in range(len(QUESTIONS))]
        took = finite_mean(one.seconds.get(name, math.nan) for one in own)
        score = finite_mean(one.lds[name] for one in own)
        return [
            *(name, f"{correlation(score)} ± {correlation(error)}" if math.isfinite(score) else NONE),
            *map(correlation, with_truths),
            f"{took:.1f}" if math.isfinite(took) else NONE,
        ]

    truths = [name for name in names if name.startswith("truth: ")]
    best = sorted((name for name in names if name not in truths), key=lambda n: -_sortable(found, n))
    table = Table(["", "LDS", *QUESTIONS, "seconds"], [row(name) for name in (*truths, *best)])
    return Section(task, " ".join([_ceiling(found), *_absent(found)]), table)


def _sortable(found: Sequence[Found], name: str) -> float:
    score = finite_mean(one.lds.get(name, math.nan) for one in found)
    return score if math.isfinite(score) else -2.0


def _ceiling(found: Sequence[Found]) -> str:
    reliability = finite_mean(one.reliability for one in found)
    if not math.isfinite(reliability):
        return "One seed tells nothing of the utilities' noise."
    return (
        f"The halves' utilities would agree with those of as many other seeds at {reliability:.2f}, so whoever knew "
        f"them without noise would score {math.sqrt(max(0.0, reliability)):.2f}."
    )


def _absent(found: Sequence[Found]) -> list[str]:
    reasons = {name: reason for one in found for name, reason in one.reasons.items()}
    return [f"{name}: {reason.rstrip('.')}." for name, reason in reasons.items()]


def _csv(found: Sequence[Found]) -> str:
    columns = ["task", "pool", "row", "lds", "standard error", *QUESTIONS, "seconds", "reliability", "reason"]
    rows: list[list[object]] = []
    for one in found:
        for name, score in one.lds.items():
            numbers = (score, one.errors[name], *one.spearman[name], one.seconds.get(name, math.nan), one.reliability)
            rows.append([one.task, one.pool, name, *map(field, numbers), ""])
        rows += [[one.task, one.pool, name, *[""] * 7, reason] for name, reason in one.reasons.items()]
    return csv_text(columns, rows)
