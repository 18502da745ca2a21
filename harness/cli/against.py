"""How a run compares with the published results of its suite."""

from __future__ import annotations

from harness.cli.places import Place, truth_differences
from harness.config import Suite
from harness.errors import UserError
from harness.records.results import load
from harness.report import comparison
from harness.report.comparison import Comparison
from harness.report.leaderboard import leaderboard
from harness.report.view import View


def against_published(suite: Suite, view: View) -> list[str]:
    """How a run compares with the published results of its suite, a line each; nothing where there are none."""
    try:
        place = Place.published(suite.name)
        if place is None or not place.has_results:
            return []
        if differs := truth_differences(place.suite, suite, "this run"):
            return [f"Not compared with the published results, which have {', '.join(differs)}."]
        published = leaderboard(place.suite, load(place.results))
    except UserError as error:  # what is published may be damaged; the run is finished all the same
        return [f"Not compared with the published results: {error}"]
    found = comparison.compare(comparison.entries(published.cells), comparison.entries(view.cells))
    return summary(found, "here")


def summary(found: Comparison, new: str) -> list[str]:
    """A comparison with what is published, a line each; ``new`` names the other side."""
    told = comparison.sentences(found, new=new)
    if found.changed or found.states or not found.common:
        return told
    every = "all" if found.same else "the"
    return [f"Same scores as published, in {every} {found.common} rows that both have.", *told]
