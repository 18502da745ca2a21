"""Which rows are confirmed on pools that nobody has seen. The rule is written down in docs/submitting.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.report.view import Cell, View
from harness.statistics.confirmation import Loss, Verdict, judged, loss
from harness.types import Floats, Question


@dataclass(frozen=True, slots=True)
class Confirmation:
    """One row over all tasks.

    Args:
        question: None for the mean over questions.
        verdict: what its hidden pools say; pools: hidden ones, of the task with the fewest.
    """

    method: str
    question: Question | None
    loss: Loss
    verdict: Verdict
    pools: int


def confirmations(seen: View, hidden: View) -> list[Confirmation]:
    """Every method with a score on each pool of both, for each question that both ask and for their mean."""
    found = list(_losses(seen, hidden))
    return [Confirmation(m, q, own, judged(own, len(found)), pools) for m, q, own, pools in found]


def _losses(seen: View, hidden: View) -> Iterator[tuple[str, Question | None, Loss, int]]:
    methods = list(dict.fromkeys(cell.method for cell in hidden.cells if not cell.is_truth))
    asked = [question for question in seen.questions if question in hidden.questions]
    means: list[Question | None] = [None] if len(asked) > 1 else []
    for method in methods:
        for question in [*asked, *means]:
            wanted = asked if question is None else [question]
            old, new = (_scores(view, seen.tasks, method, wanted) for view in (seen, hidden))
            if old is not None and new is not None:
                yield method, question, loss(old, new), min(map(len, new))


def _scores(view: View, tasks: Sequence[str], method: str, questions: Sequence[Question]) -> list[Floats] | None:
    """For each task the scores of its pools, means over the questions; None where one is missing."""
    by_place = {(cell.task, cell.question): cell for cell in view.cells if cell.method == method}
    found = []
    for task in tasks:
        cells = [by_place.get((task, question)) for question in questions]
        scores = [_by_pool(cell) for cell in cells if cell is not None]
        if len(scores) < len(questions) or any(own.keys() != scores[0].keys() for own in scores) or not scores[0]:
            return None
        scores_P = np.array([np.mean([own[pool] for own in scores]) for pool in scores[0]])
        if not np.isfinite(scores_P).all():
            return None
        found.append(scores_P)
    return found


def _by_pool(cell: Cell) -> dict[int, float]:
    return {point.pool: point.spearman for point in cell.points}
