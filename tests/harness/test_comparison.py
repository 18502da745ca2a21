"""Two leaderboards are compared row by row: scores, states, rows that only one has, and costs as one ratio."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from harness.report.comparison import SAME, Entry, compare, entries, entries_of_csv, sentences
from harness.report.leaderboard_csv import to_csv
from harness.report.view import TRUTH
from tests.harness.test_view import view_of

KEY = ("sentiment", "shapley", "tracin")
OTHER = ("sentiment", "shapley", "size")
OLD = {KEY: Entry(0.5, "ok", 2.0), OTHER: Entry(0.25, "ok", 1.0)}


def test_the_same_is_the_same_up_to_a_millionth() -> None:
    assert compare(OLD, OLD).same
    assert compare(OLD, {**OLD, KEY: Entry(0.5 + SAME / 2, "ok", 9.0)}).same
    assert sentences(compare(OLD, OLD)) == []


def test_the_largest_difference_is_named_with_its_place() -> None:
    found = compare(OLD, {KEY: Entry(0.4, "ok", 2.0), OTHER: Entry(0.27, "ok", 4.0)})
    assert [one[0] for one in found.changed] == [KEY, OTHER]
    assert found.slower == 2.0
    line, _ = sentences(found)
    assert line == (
        "Largest difference of any score: 0.1, tracin on sentiment, shapley (0.500 published, 0.400 here); "
        "1 more differ by less."
    )


def test_a_changed_truth_is_told_by_its_reliability() -> None:
    view = view_of()
    old = entries(view.cells)
    key = ("one", "shapley", TRUTH)
    line, judged = sentences(compare(old, {**old, key: replace(old[key], score=0.7)}))
    assert "0.2, the truth's reliability on one, shapley (0.900 published, 0.700 here)" in line
    assert judged.startswith("No published interval tells how much that is.")


@pytest.mark.parametrize(
    ("now", "judged", "told"),
    [
        (0.41, 1, "That is little: every method's score that differs lies within its published 95 % interval."),
        (0.39, 1, "Look into it: outside of the published 95 % interval lie 1 row (tracin on sentiment, shapley)."),
    ],
)
def test_a_difference_is_judged_by_the_interval_that_was_told_before(now: float, judged: int, told: str) -> None:
    old = {**OLD, KEY: replace(OLD[KEY], low=0.4, high=0.6)}
    found = compare(old, {**old, KEY: Entry(now, "ok", 2.0, now - 0.3, now + 0.3), OTHER: Entry(0.9, "ok", 1.0)})
    assert (found.judged, len(found.outside)) == (judged, 0 if now > 0.4 else 1)  # the other row had no interval
    assert sentences(found)[1].startswith(told)


def test_states_and_rows_of_one_side_are_told_and_are_no_difference_of_zero() -> None:
    new = {KEY: Entry(math.nan, "failed", math.nan), ("sentiment", "shapley", "mine"): Entry(0.1, "ok", 1.0)}
    found = compare(OLD, new)
    assert (found.common, found.same, found.changed) == (1, False, ())
    assert math.isnan(found.slower)
    assert sentences(found, new="new") == [
        "tracin on sentiment, shapley: ok published, failed new.",
        "Only published: 1 row (size on sentiment, shapley).",
        "Only new: 1 row (mine on sentiment, shapley).",
    ]


def test_many_rows_are_counted() -> None:
    old = {("t", "shapley", f"m{k}"): Entry(0.1, "ok", 1.0) for k in range(5)}
    (line,) = sentences(compare(old, {}))
    assert line == "Only published: 5 rows (m0 on t, shapley; m1 on t, shapley; m2 on t, shapley; and 2 more)."


def test_a_written_table_reads_back_as_the_view_that_it_shows() -> None:
    view = view_of(("good", "part", "noise"), lacking="part")
    read = entries_of_csv(to_csv(view.cells))
    assert compare(entries(view.cells), read, tolerance=2e-6).same
    assert read["two", "shapley", "part"].state == "unsuitable"
    assert read["one", "shapley", TRUTH].score == pytest.approx(0.9)


def test_a_table_of_an_older_version_calls_the_reliability_a_ceiling() -> None:
    view = view_of()
    older = to_csv(view.cells).replace(",reliability,ceiling,", ",ceiling,real_ceiling,").replace("rank_low", "rank")
    assert compare(entries(view.cells), entries_of_csv(older), tolerance=2e-6).same


def test_a_constant_answer_is_undefined_and_not_a_score() -> None:
    (cell,) = [c for c in view_of().cells if (c.task, c.question, c.method) == ("one", "shapley", "good")]
    found = entries([replace(cell, spearman=math.nan, constant=True)])
    assert found["one", "shapley", "good"].state == "undefined"
