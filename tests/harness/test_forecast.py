"""About how much longer a run takes, and what it has cost so far."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from harness.config import load_suite, to_toml
from harness.projection import Projection
from harness.report.frames import load_leaderboard
from harness.report.view import TRUTH
from harness.running.forecast import A_METHOD, ENOUGH, TRUTHS, Forecast, Spending, counts
from harness.types import Cost
from tests.harness.small_runs import tiny_suite

# --- the time left -----------------------------------------------------------------------------------------


def test_what_is_left_takes_what_answers_of_its_kind_took() -> None:
    forecast = Forecast({("a", "size"): 4, ("a", "slow"): 2})
    assert math.isnan(forecast.seconds())
    forecast.answered(("a", "size"), 1.0, kept=False)
    forecast.answered(("a", "size"), 3.0, kept=False)
    forecast.answered(("a", "slow"), 100.0, kept=False)
    assert forecast.seconds() == pytest.approx(2 * 2.0 + 1 * 100.0)
    assert forecast.seconds(("a", "slow"), elapsed=40.0) == pytest.approx(2 * 2.0 + 60.0)
    assert forecast.seconds(("a", "slow"), elapsed=400.0) == pytest.approx(2 * 2.0)


def test_what_was_kept_says_nothing_of_what_is_not() -> None:
    forecast = Forecast({("a", "slow"): 3})
    forecast.answered(("a", "slow"), 0.001, kept=True)
    assert math.isnan(forecast.seconds())
    forecast.answered(("a", "slow"), 10.0, kept=False)
    assert forecast.seconds() == pytest.approx(10.0)
    forecast.answered(("a", "slow"), 10.0, kept=False)
    assert forecast.seconds() == 0.0


def test_what_was_never_seen_takes_what_is_most_like_it() -> None:
    forecast = Forecast(counts(["a", "b"], ["size", "slow"], 1))
    forecast.answered(("a", TRUTHS), 8.0, kept=False)
    forecast.answered(("a", "slow"), 5.0, kept=False)
    # b's truths as a's, b's slow as a's slow, both sizes as the only method that is known
    assert forecast.seconds() == pytest.approx(8.0 + 5.0 + 2 * 5.0)


def test_while_only_truths_are_there_a_method_takes_a_small_part_of_one() -> None:
    forecast = Forecast(counts(["a", "b"], ["size", "slow"], 1))
    forecast.answered(("a", TRUTHS), 8.0, kept=False)
    assert forecast.seconds() == pytest.approx(8.0 + 4 * 8.0 * A_METHOD)


@pytest.mark.parametrize("suite", ["embedded-quick", "embedded"])
def test_that_part_is_what_published_runs_took(suite: str) -> None:
    """Within a factor of two and a half, were each valuation to answer three questions."""
    rows = load_leaderboard(suite)
    truths, answers = rows[rows["method"] == TRUTH], rows[(rows["method"] != TRUTH) & rows["seconds"].notna()]
    share = answers["seconds"].mean() / 3 / truths["seconds"].mean()
    assert A_METHOD / 2.5 < share < A_METHOD * 2.5


def test_the_first_answer_is_told_by_its_own_retrainings() -> None:
    forecast = Forecast({("a", TRUTHS): 3})
    assert forecast.seconds(("a", TRUTHS), elapsed=10.0, share=0.25) == pytest.approx(3 * 40.0 - 10.0)


def test_a_pace_says_nothing_before_enough_is_there() -> None:
    forecast = Forecast({("a", TRUTHS): 3})
    assert math.isnan(forecast.seconds(("a", TRUTHS), elapsed=10.0, share=ENOUGH / 2))
    assert forecast.seconds(("a", TRUTHS), elapsed=10.0, share=ENOUGH) == pytest.approx(3 * 10.0 / ENOUGH - 10.0)


def test_an_answer_that_takes_longer_than_others_is_told_by_its_own_retrainings() -> None:
    """Others took 8 s; of this one a quarter took 20 s, so 60 s are left of it, and 8 s are another's."""
    forecast = Forecast({("a", TRUTHS): 3})
    forecast.answered(("a", TRUTHS), 8.0, kept=False)
    assert forecast.seconds(("a", TRUTHS), elapsed=20.0, share=0.25) == pytest.approx(60.0 + 8.0)
    assert forecast.seconds(("a", TRUTHS), elapsed=20.0) == pytest.approx(8.0)


# --- the money ---------------------------------------------------------------------------------------------


def test_without_a_price_there_is_no_money() -> None:
    spent = Spending(Projection(), "cpu")
    spent.add(("a", "size"), "shapley", Cost(flops=1e15), "bf16")
    assert math.isnan(spent.so_far)
    assert spent.words == ""


def test_on_a_processor_it_is_what_the_answers_would_cost_on_the_gpu() -> None:
    projection = Projection(price_per_gpu_hour=3.0, currency="EUR")
    spent, counted = Spending(projection, "cpu"), Cost(flops=1e18, bytes_moved=1e9, launches=10)
    hours = projection.hours(1e18, 1e9, 10)
    spent.add(("a", "size"), "shapley", counted, "bf16")
    spent.add(("a", "size"), "shapley", Cost(flops=math.nan), "bf16")  # a pool where nothing was counted
    spent.add(("b", "size"), "shapley", Cost(flops=math.nan), "bf16")  # nothing is known of it
    assert spent.so_far == pytest.approx(2 * 3.0 * hours)
    assert spent.words == f"EUR {2 * 3.0 * hours:.2f} projected"


def test_on_a_gpu_every_hour_since_the_start_is_paid() -> None:
    now = iter([100.0, 100.0 + 1800.0])
    spent = Spending(Projection(price_per_gpu_hour=2.5), "cuda:0", lambda: next(now))
    assert spent.words == "USD 1.25"


def test_a_price_is_part_of_a_suite_and_stays_one(tmp_path: Path) -> None:
    priced = tiny_suite(projection={"price_per_gpu_hour": 2.5, "currency": "EUR"})
    for suite in (priced, tiny_suite()):
        (tmp_path / "suite.toml").write_text(to_toml(suite))
        assert load_suite(tmp_path / "suite.toml") == suite
    assert "price" not in to_toml(tiny_suite())
