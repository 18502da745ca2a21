"""What a valuation's price at reference scale needs beside its cost: told by the method, and whose truths it read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from harness.projection import ReferenceJob
from harness.types import MAXIMA, Cost, Method, Pool, Precedent, Question, Recipe


def at_reference(
    method: Method, question: Question, job: ReferenceJob, pool: Pool, recipe: Recipe, precedents: Sequence[Precedent]
) -> dict[str, Any]:
    """Of a valuation's record: ``algebra``, ``pass_scale`` and ``borrowed``.

    Args:
        job: of the valuation's own task.
        pool, recipe: what the valuation is of here.
        precedents: truths of other tasks that the method is given.
    """
    here = method.budget(len(pool.contributors), len(pool.train))
    there = method.budget(job.contributors, job.examples)
    passes = here.passes(len(pool.train), len(pool.validation), recipe.steps, recipe.batch_size)
    at_scale = there.passes(job.examples, job.validation, job.steps, job.batch_size)
    prices = prices_of(precedents) if method.calibrates else {}
    return {
        "algebra": float(method.algebra(replace(job.size(question), optimiser=recipe.optimiser))),
        "pass_scale": at_scale / passes if passes > 0 else 1.0,
        "borrowed": {task: float(price.retrainings) for task, price in prices.items()},
    }


def prices_of(precedents: Sequence[Precedent]) -> dict[str, Cost]:
    """What reading truths of other tasks takes, by task: one pool's truth of each, for how many pools a suite has is
    not the method's doing.
    """
    by_task: dict[str, list[Cost]] = {}
    for precedent in precedents:
        by_task.setdefault(precedent.task, []).append(precedent.cost)
    return {task: _mean_cost(costs) for task, costs in by_task.items()}


def _mean_cost(costs: Sequence[Cost]) -> Cost:
    total = sum(costs, Cost())
    shares = {f.name: getattr(total, f.name) / len(costs) for f in fields(Cost) if f.name not in MAXIMA}
    return replace(total, **shares | {"retrainings": round(total.retrainings / len(costs))})
