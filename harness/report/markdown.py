"""README.md of a suite's folder: agreement and GPU-hours, method x task, and what stands behind them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from tabulate import tabulate

from harness.config import Suite
from harness.records.results import Answer, Results
from harness.report import numbers
from harness.report.leaderboard import TRUTH, Row, cells, discrimination, secondaries
from harness.types import QUESTIONS

RULE = 0.7
"""A pool discriminates where every one-feature baseline stays under this mean Spearman."""

ASKED = {
    "standalone": "What is each contributor's data worth alone? U({i}) - U(nobody)",
    "leave-one-out": "What would be lost without it? U(everyone) - U(everyone but i)",
    "shapley": "What does it add on average over all coalitions? The Shapley value of U",
}


def page(suite: Suite, results: Results, rows: Sequence[Row]) -> str:
    """The whole page as Markdown."""
    parts = [
        f"# Leaderboard: {suite.name}",
        suite.summary,
        (
            "Rank agreement (Spearman) of every method's values with each contributor's true contribution by "
            "retraining, beside its bill. Drawn from `results/` by `dataworth report`; the same numbers, and more of "
            "the bill, are in `leaderboard.csv`."
        ),
    ]
    for question in QUESTIONS:
        own = [row for row in rows if row.question == question]
        if own:
            parts += _question(suite, question, own)
    parts += _discrimination(suite, results, rows)
    parts += _secondary(suite, results)
    parts += _missing(rows)
    parts += _provenance(results)
    return "\n\n".join(part for part in parts if part) + "\n"


def summary(rows: Sequence[Row]) -> str:
    """Methods down; for each question the agreement, then the bill of one valuation: for a page that has no room."""
    questions = list(dict.fromkeys(row.question for row in rows))
    found = {(row.method, row.question): row for row in rows}
    lines = []
    for method in by_score(rows):
        own = [found[method, question] for question in questions if (method, question) in found]
        cells = [_ceiling(row) if method == TRUTH else _marked(row, _short(row)) for row in own]
        lines.append([method, *cells, *_mean_bill(own)])
    return _table(lines, ["method", *questions, "seconds", "GPU-hours, projected", "retrainings"])


def _short(row: Row) -> str:
    return numbers.agreement(row).split(" / ")[0]


def _mean_bill(rows: Sequence[Row]) -> list[str]:
    def mean(of: Callable[[Row], float]) -> float:
        known = [of(row) for row in rows if math.isfinite(of(row))]
        return sum(known) / len(known) if known else math.nan

    told = [numbers.seconds(mean(lambda r: r.seconds)), numbers.hours(mean(lambda r: r.projected_gpu_hours))]
    return [*told, numbers.count(mean(lambda r: r.retrainings))]


def _question(suite: Suite, question: str, rows: Sequence[Row]) -> list[str]:
    projected = all(math.isnan(row.gpu_hours) for row in rows)
    label = (
        f"**projected** for {suite.projection.gpu} at {suite.projection.utilisation:.0%} use"
        if projected
        else "measured"
    )
    return [
        f"## {question.capitalize()}\n\n{ASKED[question]}",
        f"Mean Spearman over pools [95 % bootstrap interval] / noise ceiling. {numbers.MARKS}",
        _by_task(rows, lambda row: _marked(row, numbers.agreement(row)), truth=_ceiling),
        f"GPU-hours of one valuation, {label}; the truth's own row is what its retrainings took.",
        _by_task(rows, lambda row: numbers.hours(numbers.gpu_hours(row))),
        "Wall seconds, retrainings and gradient passes of one valuation.",
        _by_task(rows, _work),
    ]


def _by_task(rows: Sequence[Row], cell: Callable[[Row], str], truth: Callable[[Row], str] | None = None) -> str:
    """Methods down, tasks across."""
    tasks = list(dict.fromkeys(row.task for row in rows))
    methods = by_score(rows)
    found = {(row.method, row.task): row for row in rows}
    lines = []
    for method in methods:
        tell = truth if truth and method == TRUTH else cell
        line = [tell(found[method, task]) if (method, task) in found else "not run" for task in tasks]
        lines.append([method, *line])
    return _table(lines, ["method", *tasks])


def by_score(rows: Sequence[Row]) -> list[str]:
    """The truth, then methods from the best mean score down, then those without one."""

    def key(method: str) -> tuple[bool, float]:
        scores = [row.spearman for row in rows if row.method == method and math.isfinite(row.spearman)]
        return method != TRUTH, -sum(scores) / len(scores) if scores else math.inf

    return sorted(dict.fromkeys(row.method for row in rows), key=key)


def _ceiling(row: Row) -> str:
    return f"ceiling {numbers.correlation(row.ceiling)}{' (weak)' if row.reason.startswith('weak') else ''}"


def _work(row: Row) -> str:
    if math.isnan(row.seconds):
        return numbers.NONE
    return f"{numbers.seconds(row.seconds)} s, {numbers.count(row.retrainings)}, {row.gradient_passes:.0f}"


def _discrimination(suite: Suite, results: Results, rows: Sequence[Row]) -> list[str]:
    lines = [
        [task, question, numbers.correlation(ceiling), best, numbers.correlation(value), verdict]
        for task, question, ceiling, best, value, verdict in discrimination_lines(suite, results, rows)
    ]
    return [
        "## Do the pools discriminate?",
        (
            "Absolute mean Spearman of single features with the truth: what was planted, the initial loss, and the "
            f"MMD to the validation split. Above {RULE} one feature would explain the truth, and agreement would mean "
            "little."
        ),
        _table(lines, ["task", "question", "ceiling", "best single feature", "its Spearman", "discriminates"]),
    ]


def discrimination_lines(
    suite: Suite, results: Results, rows: Sequence[Row]
) -> list[tuple[str, str, float, str, float, str]]:
    """Task, question, ceiling, best single feature, its Spearman, verdict."""
    ceilings = {(row.task, row.question): row.ceiling for row in rows if row.method == TRUTH}
    found = []
    for task, question, features in discrimination(suite, results):
        if features:
            best = max(features, key=lambda name: features[name])
            verdict = "yes" if features[best] < RULE else "no"
            found.append((task, question, ceilings.get((task, question), math.nan), best, features[best], verdict))
    return found


def _secondary(suite: Suite, results: Results) -> list[str]:
    lines = []
    for cell in cells(suite, results):
        for method, other in secondaries(cell).items():
            figures = [other.kendall, other.top_quarter, other.repeats]
            lines.append([cell.task, cell.question, method, *map(numbers.correlation, figures)])
    if not lines:
        return []
    return [
        "## Other measures",
        (
            "Kendall's tau-b; share of the truth's best quarter found in the method's best quarter; and mean Spearman "
            "between two of the method's own repeats (initialisations, permutations), its own noise."
        ),
        _table(lines, ["task", "question", "method", "Kendall", "top quarter", "between repeats"]),
    ]


def _missing(rows: Sequence[Row]) -> list[str]:
    told = dict.fromkeys(notes(rows))
    if not told:
        return []
    return ["## Notes on rows", _table([list(line) for line in told], ["task", "method", "status", "reason"])]


def _provenance(results: Results) -> list[str]:
    answers: list[Answer] = [*results.truths.values(), *results.valuations.values()]
    used = {record.run for record in answers}
    lines = []
    for name, run in sorted(results.runs.items(), key=lambda item: (str(item[1].provenance.get("started")), item[0])):
        if name in used:
            lines.append(f"- `{name}`: {_origin(run.provenance)}")
    return ["## Where this came from", "\n".join(lines)] if lines else []


def _origin(provenance: Any) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in sorted(provenance["packages"].items()) if version)
    return (
        f"`{provenance['command']}` on {provenance['started']}, commit {provenance['commit']}, "
        f"{provenance['processor']}, {provenance['threads']} threads, device {provenance['device']}, "
        f"Python {provenance['python']}, {packages}."
    )


def _marked(row: Row, text: str) -> str:
    return (f"**{text}**" if numbers.established(row) else text) + numbers.behind(row)


def _table(lines: Sequence[Sequence[object]], headers: Sequence[str]) -> str:
    return str(tabulate(lines, headers=headers, tablefmt="github", disable_numparse=True))


def notes(rows: Sequence[Row]) -> list[tuple[str, str, str, str]]:
    """Task, method, status and why a row has no number; a weak truth is told once, not for every method."""
    return [
        (row.task, f"{row.method}, {row.question}" if row.method == TRUTH else row.method, row.status, row.reason)
        for row in rows
        if row.reason and (row.method == TRUTH or not row.reason.startswith("weak"))
    ]
