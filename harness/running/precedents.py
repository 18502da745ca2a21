"""What a method that calibrates may read: other tasks' truths, and what other methods said beside them."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from harness.records.results import Answer, Results, TruthRecord, ValuationRecord, mean_values
from harness.types import Precedent, Question


def precedents(results: Results, others: Iterable[str], question: Question, fitted: Collection[str]) -> list[Precedent]:
    """Every pool of the other tasks with a truth, and the finished values, for this question.

    Args:
        others: tasks.
        fitted: methods whose values were themselves fitted on truths: they are left out, for some of those truths are
            of the task that is asked about.
    """
    found = []
    for other in sorted(others):
        answers = [r for r in results.of_task(other) if isinstance(r, Answer) and r.question == question]
        for truth in answers:
            if isinstance(truth, TruthRecord) and truth.status == "ok":
                values = {
                    record.method: mean_values(record.values)
                    for record in answers
                    if isinstance(record, ValuationRecord)
                    and (record.pool, record.status) == (truth.pool, "ok")
                    and record.method not in fitted
                }
                found.append(Precedent(other, values, mean_values(truth.values), truth.cost))
    return found
