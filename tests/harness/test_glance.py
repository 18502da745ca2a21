"""What a leaderboard says at a glance, against its own table read in the plainest way."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from harness.config import load_suite
from harness.records.results import load
from harness.report import glance, sentences
from harness.report.leaderboard import leaderboard
from harness.report.markdown import overall_short, page
from harness.report.page.document import html
from harness.report.view import TRUTH, View
from tests.harness.page_results import content_of, results_of, suite_of

SUITE = Path(__file__).resolve().parents[2] / "leaderboards" / "embedded-quick"


@pytest.fixture(scope="module")
def view() -> View:
    suite = suite_of()
    return leaderboard(suite, results_of(suite))


def priced(view: View, place: int) -> dict[str, tuple[float, float]]:
    """Method -> cost and mean score of a question, or of their mean behind the last one; random scores 0 on average."""
    found = {}
    for line in view.overall:
        mean = line.mean if place == len(view.questions) else line.by_question[place]
        if line.method != TRUTH and mean.spearman == mean.spearman:
            score = 0.0 if line.method == "random" else mean.spearman
            found[line.method] = (mean.cost.reference_gpu_hours, score)
    return found


def test_a_budget_buys_the_highest_score_of_what_costs_no_more(view: View) -> None:
    headers, rows = glance.budgets(view)
    assert headers[1:] == [*view.questions, "mean over questions"]
    limits = [float(row[0].replace(",", "")) for row in rows]
    assert limits == sorted(set(limits))
    for limit, row in zip(limits, rows, strict=True):
        for place, told in enumerate(row[1:]):
            within = [(score, name) for name, (cost, score) in priced(view, place).items() if cost <= limit]
            score, name = max(within, default=(0.0, ""))
            assert told == (f"{name} {score:.2f}" if within else "–")
    for place, told in enumerate(rows[-1][1:]):
        assert told.startswith(max(priced(view, place).items(), key=lambda one: one[1][1])[0])


def test_a_verdict_names_the_best_and_the_cheapest_that_is_not_told_from_it(view: View) -> None:
    headers, rows = glance.verdicts(view)
    assert len(headers) == len(rows[0])
    over = [one for one in view.verdicts if one.task is None]
    assert [row[0] for row in rows] == [*view.questions, "mean over questions"]
    for place, (row, one) in enumerate(zip(rows, over, strict=True)):
        costs = priced(view, place)
        assert row[1] == f"{one.top[0]}, {costs[one.top[0]][1]:.2f}"  # these truths have no ceiling
        assert max(costs.values(), key=lambda found: found[1]) == costs[one.top[0]]
        cheapest = min(one.top, key=lambda name: costs[name][0])
        alone = "none: it is ahead of every other method" if len(one.top) == 1 else "itself"
        assert row[3].startswith(alone if cheapest == one.top[0] else f"{cheapest}, ")
        assert set(re.split(", | and ", row[4])) == (set(one.top[1:]) - {one.cheapest} or {"–"})
        assert row[5] == f"{one.pairs:.0%} of pairs, {one.adjacent[0]} of {one.adjacent[1]} neighbours"


def test_a_published_best_stands_beside_the_ceiling_of_its_truths() -> None:
    view = leaderboard(load_suite(SUITE / "suite.toml"), load(SUITE / "results"))
    with (SUITE / "leaderboard.csv").open(encoding="utf-8", newline="") as file:
        truths = [row for row in csv.DictReader(file) if row["family"] == "truth"]
    assert len(truths) == len(view.tasks) * len(view.questions)
    for question, best, *_ in glance.verdicts(view)[1]:
        own = [float(row["ceiling"]) for row in truths if question in (row["question"], "mean over questions")]
        assert best.endswith(f" of {np.mean(own):.2f}")


def test_where_only_a_sentence_can_tell_it_does() -> None:
    suite = suite_of(pools=2)
    few = leaderboard(suite, results_of(suite))
    assert glance.verdicts(few)[1] == []
    told = sentences.over_tasks(few)[0][1]
    assert told.startswith("not enough signal")
    assert all(told in drawn for drawn in (page(few), overall_short(few), html(few)))


def test_every_page_opens_with_it_and_names_stay_text(view: View) -> None:
    for drawn in (page(view), overall_short(view)):
        assert drawn.index("| question ") < drawn.index("| reference GPU-hours, up to ") < drawn.index("| method ")
    opening = html(view).partition("<main>")[2].partition("</section>")[0]
    assert opening.count("<table>") == 2
    assert opening.count('<th scope="row">') == len(view.questions) + 1 + len(glance.budgets(view)[1])
    assert "<i>" not in opening


def test_the_page_knows_which_steps_of_a_front_are_told_apart(view: View) -> None:
    shown = [front for table in content_of(html(view))["tables"] for front in table["fronts"]]
    known = [front for verdict in view.verdicts for front in verdict.fronts]
    assert [front["apart"] for front in shown] == [[int(step.apart) for step in front.steps] for front in known]
    assert {apart for front in shown for apart in front["apart"]} == {0, 1}
