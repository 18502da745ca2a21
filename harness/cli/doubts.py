"""What in a run's folder speaks against its results being as they were found: its ledger, its table, truths' folds.

Somebody who changes all of these alike is not found out; somebody who changes one of them is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.cli.places import Place
from harness.config import LEDGERS
from harness.errors import UserError
from harness.records.keys import key_of, named
from harness.records.results import Results, ValuationRecord
from harness.report import comparison
from harness.report.leaderboard_csv import TABLE
from harness.report.phrases import some
from harness.report.view import View
from harness.retraining.closed_ledgers import kept_answers
from harness.submitting.folds import adds_up


def doubts(source: Place, results: Results, view: View) -> list[str]:
    """A line each; nothing where everything goes together.

    Args:
        source: the run's folder; results, view: what is to be published of it.
    """
    return [
        *_of_ledger(source.folder / LEDGERS / "methods.sqlite", results),
        *_of_folds(results),
        *_of_table(source, view),
    ]


def _of_ledger(ledger: Path, results: Results) -> list[str]:
    """Values that no method gave, by what the ledger keeps of them."""
    if not ledger.is_file():
        return [f"Not held against what methods answered: {ledger} is not there."]
    try:
        answers = [found for found in kept_answers(ledger) if "values" in found]
        kept = {(*found.get("of", ()), _rows(found["values"])) for found in answers}
    except UserError as error:
        return [f"Not held against what methods answered: {error}."]
    except (ValueError, TypeError) as error:
        return [f"Not held against what methods answered: {ledger} cannot be read ({error})."]
    strange = [
        named(key_of(r)) for r in results.valuations.values() if r.status == "ok" and kept.isdisjoint(_places(r))
    ]
    return [f"Other values than the method gave, by {ledger}: {some(strange)}."] if strange else []


def _places(record: ValuationRecord) -> set[tuple[object, ...]]:
    """How a ledger may keep an answer: to one question, to all, or, an older ledger, without saying whose it is."""
    own = record.method, record.task, record.pool
    return {(*own, record.question, record.values), (*own, "any", record.values), (record.values,)}


def _rows(values: Iterable[Iterable[float]]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(value) for value in row) for row in values)


def _of_folds(results: Results) -> list[str]:
    """Truths whose values are not what their held-out folds make together."""
    apart = [
        f"{truth.question} on {truth.task}, pool {truth.pool + 1}"
        for truth in results.truths.values()
        if (pool := results.pools.get((truth.task, truth.pool))) and not adds_up(truth, pool)
    ]
    return [f"Truths that are not the mean of their held-out folds: {some(apart)}."] if apart else []


def _of_table(source: Place, view: View) -> list[str]:
    """How the table that the run drew differs from what its results give now."""
    try:
        drawn = comparison.entries_of_csv((source.folder / TABLE).read_text(encoding="utf-8"))
    except (OSError, KeyError, ValueError):
        return [f"{source.folder / TABLE} is not there, or is no table of ours."]
    now = comparison.entries(view.cells)
    found = comparison.compare({key: drawn[key] for key in drawn if key in now}, now, comparison.DIGITS)
    lines = comparison.sentences(found, old="in its table", new="by its results")
    return [f"The run's own {TABLE} tells otherwise: {' '.join(lines)}"] if lines else []
