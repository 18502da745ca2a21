"""Every method over all tasks: means with how many tasks they rest on, ranks, and what a valuation costs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields

from harness.report.standings import NOWHERE, Priors, Scored, Table, compare, verdict
from harness.report.view import TRUTH, Cell, MeanCost, Overall, TasksMean, Verdict
from harness.seeds import stream
from harness.statistics.interaction import interaction
from harness.statistics.jackknife import mean_of
from harness.statistics.means import finite_mean
from harness.statistics.scores import DECIMALS
from harness.types import QUESTIONS, Question

ABLATION = ":single:"
"""What the name of a method holds that is one term of another."""

Asked = tuple[str, Question]
"""Task and question."""


def overall(
    seed: int, cells: Sequence[Cell], found: Mapping[Asked, Scored], priors: Mapping[Asked, Priors]
) -> tuple[tuple[Overall, ...], tuple[Verdict, ...]]:
    """The truth, then methods from the best mean down; and what the tables of each question and of all of them say.

    Only methods with a score on every task are compared. Those that lack one somewhere have no mean and come last.

    Args:
        seed: root of the random streams.
        found: the scores of each task and question; priors: of each.
    """
    tasks = tuple(dict.fromkeys(cell.task for cell in cells))
    questions = tuple(question for question in QUESTIONS if any(cell.question == question for cell in cells))
    parts = {
        question: _complete([found[t, question] for t in tasks if (t, question) in found]) for question in questions
    }
    parts = {question: own if len(own) == len(tasks) else [] for question, own in parts.items()}
    together = (
        _complete([_of_task([own[t] for own in parts.values()]) for t in range(len(tasks))])
        if all(parts.values())
        else []
    )
    tables = {
        question: compare(own, [priors[one.task, question] for one in own], stream(seed, "ranks", question))
        for question, own in parts.items()
    }
    all_questions = compare(together, Priors.of(together), stream(seed, "ranks", "all"))
    lines = [
        _line(method, tasks, [cell for cell in cells if cell.method == method], tables, all_questions)
        for method in dict.fromkeys(cell.method for cell in cells)
    ]
    verdicts = [
        verdict(
            table, None, question, {line.method: line.by_question[q].cost for line in lines}, _spread(parts[question])
        )
        for q, (question, table) in enumerate(tables.items())
    ]
    if len(questions) > 1:
        costs = {line.method: line.cost for line in lines}
        verdicts.append(verdict(all_questions, None, None, costs, _spread(together)))
    return tuple(sorted(lines, key=_order)), tuple(verdicts)


def _order(line: Overall) -> tuple[bool, bool, float]:
    score = line.mean.spearman
    return line.method != TRUTH, not line.complete, -round(score, DECIMALS) if math.isfinite(score) else math.inf


def _complete(tasks: Sequence[Scored]) -> list[Scored]:
    """The methods that all tasks have, in the first one's order."""
    shared = [name for name in tasks[0].methods if all(name in task.methods for task in tasks)] if tasks else []
    return [task.take(shared) for task in tasks]


def _of_task(questions: Sequence[Scored]) -> Scored:
    """One task's mean over questions in each pool where all of them have a truth."""
    own = _complete(questions)
    pools = [pool for pool in own[0].pools if all(pool in one.pools for one in own)]
    seen = [mean_of([one.seen[one.pools.index(pool)] for one in own]) for pool in pools] if own[0].methods else []
    return Scored(own[0].task, tuple(pools), own[0].methods if pools else (), tuple(seen))


def _spread(tasks: Sequence[Scored]) -> float:
    """Of method x task, over the pools' own differences."""
    return interaction([task.compared for task in tasks])


def _line(
    method: str, tasks: Sequence[str], own: Sequence[Cell], tables: Mapping[Question, Table], every: Table
) -> Overall:
    by_question = {
        question: _mean(method, table, [cell for cell in own if cell.question == question], len(tasks))
        for question, table in tables.items()
    }
    answers = {(cell.task, cell.question) for cell in own if math.isfinite(cell.spearman)}
    everywhere = [task for task in tasks if all((task, question) in answers for question in tables)]
    complete = method == TRUTH or len(everywhere) == len(tasks)
    cost = _cost([cell.cost for cell in own]) if complete else MeanCost()  # never a mean over fewer tasks than others
    mean = _tasks_mean(
        method,
        every,
        ceiling=sum(one.ceiling for one in by_question.values()) / len(by_question),  # nan where a question has none
        tasks=len(everywhere),
        pools=sum(min(cell.pools for cell in own if cell.task == task) for task in everywhere),
        cost=cost,
    )
    return Overall(
        method=method,
        family=own[0].family,
        by_question=tuple(by_question.values()),
        mean=mean,
        complete=complete,
        ablation=ABLATION in method,
    )


def _mean(method: str, table: Table, own: Sequence[Cell], tasks: int) -> TasksMean:
    """One question's."""
    has = [cell for cell in own if math.isfinite(cell.spearman)]
    ceilings = [cell.ceiling for cell in own]
    return _tasks_mean(
        method,
        table,
        ceiling=finite_mean(ceilings) if len(ceilings) == tasks and all(map(math.isfinite, ceilings)) else math.nan,
        tasks=len(has),
        pools=sum(cell.pools for cell in has),
        cost=_cost([cell.cost for cell in own]) if method == TRUTH or len(has) == tasks else MeanCost(),
    )


def _tasks_mean(method: str, table: Table, *, ceiling: float, tasks: int, pools: int, cost: MeanCost) -> TasksMean:
    standing = table.standings.get(method, NOWHERE)
    return TasksMean(
        spearman=standing.spearman,
        low=standing.low,
        high=standing.high,
        rank_low=standing.rank_low,
        rank_high=standing.rank_high,
        above_zero=standing.above_zero,
        behind=standing.behind,
        ceiling=ceiling,
        tasks=tasks,
        pools=pools,
        cost=cost,
    )


def _cost(costs: Sequence[MeanCost]) -> MeanCost:
    """Means over tasks and questions that were answered."""
    return MeanCost(**{f.name: finite_mean(getattr(cost, f.name) for cost in costs) for f in fields(MeanCost)})
