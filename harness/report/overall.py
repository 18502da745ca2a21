"""Every method over all tasks: means with how many tasks they rest on, and what a valuation costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields

import numpy as np

from harness.report.view import TRUTH, Cell, MeanCost, Overall, TasksMean
from harness.seeds import stream
from harness.statistics import intervals
from harness.statistics.means import finite_mean
from harness.types import QUESTIONS, Array, Floats, Question

ABLATION = ":single:"
"""What the name of a method holds that is one term of another."""

NO_DRAW: Floats = np.empty(0)

Key = tuple[str, Question, str]
"""Task, question, method."""


def overall(seed: int, cells: Sequence[Cell]) -> tuple[Overall, ...]:
    """The truth, then methods from the best mean down; those that lack a score somewhere come after the others.

    A task's questions are about the same pools and contributors, so that one bootstrap resamples them for all of its
    questions and methods; tasks are independent of each other.

    Args:
        seed: root of the random streams.
    """
    tasks = tuple(dict.fromkeys(cell.task for cell in cells))
    questions = tuple(question for question in QUESTIONS if any(cell.question == question for cell in cells))
    draws = {key: means_D for task in tasks for key, means_D in _draws(seed, [c for c in cells if c.task == task])}
    found = {(cell.task, cell.question, cell.method): cell for cell in cells}
    methods = dict.fromkeys(cell.method for cell in cells)
    lines = [_line(method, tasks, questions, found, draws) for method in methods]
    return tuple(sorted(lines, key=_order))


def _order(line: Overall) -> tuple[bool, bool, float]:
    score = line.mean.spearman
    return line.method != TRUTH, not line.complete, -round(score, 9) if math.isfinite(score) else math.inf


def _draws(seed: int, cells: Sequence[Cell]) -> list[tuple[Key, Floats]]:
    """The mean Spearman of one task's cells in every bootstrap draw."""
    sizes = {points.pool: len(points.truth) for cell in cells for points in cell.points}
    if not sizes:
        return []
    pools = sorted(sizes)
    rng = stream(seed, "bootstrap", cells[0].task)
    pools_DP, within = intervals.resamples([sizes[pool] for pool in pools], rng)
    place = {pool: index for index, pool in enumerate(pools)}
    return [
        ((cell.task, cell.question, cell.method), _of_cell(cell, place, pools_DP, within))
        for cell in cells
        if cell.points
    ]


def _of_cell(cell: Cell, place: Mapping[int, int], pools_DP: Array, within: Sequence[Array]) -> Floats:
    own = [place[points.pool] for points in cell.points]
    return intervals.bootstrap_means(
        [np.array(points.values) for points in cell.points],
        [np.array(points.truth) for points in cell.points],
        pools_DP[:, own],
        [within[index] for index in own],
    )


def _line(
    method: str,
    tasks: Sequence[str],
    questions: Sequence[Question],
    found: Mapping[Key, Cell],
    draws: Mapping[Key, Floats],
) -> Overall:
    own = {key: cell for key, cell in found.items() if key[2] == method}
    scored = {
        question: [task for task in tasks if _has_score(own.get((task, question, method)))] for question in questions
    }
    means = {q: _mean_draw([draws[t, q, method] for t in scored[q]]) for q in questions if scored[q]}
    by_question = []
    for question in questions:
        low, high = intervals.interval(means.get(question, NO_DRAW))
        by_question.append(
            TasksMean(
                spearman=finite_mean(own[t, question, method].spearman for t in scored[question]),
                low=low,
                high=high,
                ceiling=finite_mean(cell.ceiling for cell in own.values() if cell.question == question),
                tasks=len(scored[question]),
            )
        )
    low, high = intervals.interval(_mean_draw(list(means.values())))
    everywhere = sum(all(task in scored[question] for question in questions) for task in tasks)
    return Overall(
        method=method,
        by_question=tuple(by_question),
        mean=TasksMean(
            finite_mean(one.spearman for one in by_question),
            low,
            high,
            finite_mean(one.ceiling for one in by_question),
            everywhere,
        ),
        complete=method == TRUTH or everywhere == len(tasks),
        unsuitable=any(cell.status == "unsuitable" for cell in own.values()),
        ablation=ABLATION in method,
        cost=_cost([cell.cost for cell in own.values()]),
    )


def _has_score(cell: Cell | None) -> bool:
    return cell is not None and math.isfinite(cell.spearman)


def _mean_draw(means: Sequence[Floats]) -> Floats:
    """The mean of several means in each draw, D; nan in a draw where one of them is undefined."""
    return np.asarray(np.mean(means, axis=0)) if means else NO_DRAW


def _cost(costs: Sequence[MeanCost]) -> MeanCost:
    """Means over tasks and questions that were answered."""
    return MeanCost(**{f.name: finite_mean(getattr(cost, f.name) for cost in costs) for f in fields(MeanCost)})
