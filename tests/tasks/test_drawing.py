"""Rows are given out once each, by weight, as numpy draws them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from tasks.pools.drawing import UndrawnRows, topic_weights


def numbers(count: int) -> UndrawnRows:
    return UndrawnRows("some-task", "real rows", {"number": np.arange(count), "square": np.arange(count) ** 2})


@given(st.lists(st.integers(0, 6), max_size=8), st.integers(0, 2**32))
def test_no_row_comes_twice_and_columns_stay_together(counts: list[int], seed: int) -> None:
    rows, rng = numbers(48), np.random.default_rng(seed)
    drawn = [rows.sample_without_replacement(count, np.ones(48), rng) for count in counts]
    assert [len(part["number"]) for part in drawn] == counts
    every = [number for part in drawn for number in part["number"].tolist()]
    assert len(set(every)) == len(every)
    assert all((part["square"] == part["number"] ** 2).all() for part in drawn)


def test_a_draw_is_numpy_s_own_over_what_is_left() -> None:
    rows, rng, reference = numbers(10), np.random.default_rng(3), np.random.default_rng(3)
    weights = np.arange(10.0)  # row 0 weighs nothing
    first = rows.sample_without_replacement(4, weights, rng)["number"]
    expected = reference.choice(np.arange(1, 10), size=4, replace=False, p=weights[1:] / weights.sum())
    assert first.tolist() == expected.tolist()
    left = np.setdiff1d(np.arange(1, 10), first)
    second = rows.sample_without_replacement(3, weights, rng)["number"]
    again = reference.choice(left, size=3, replace=False, p=weights[left] / weights[left].sum())
    assert second.tolist() == again.tolist()


def test_drawing_none_takes_no_randomness() -> None:
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    assert len(numbers(5).sample_without_replacement(0, np.zeros(5), rng)["number"]) == 0
    assert rng.bit_generator.state == before


def test_too_few_rows_are_a_mistake_that_says_both_numbers_and_what_to_do() -> None:
    rows, rng = numbers(5), np.random.default_rng(0)
    rows.sample_without_replacement(2, np.ones(5), rng)
    with pytest.raises(UserError) as caught:
        rows.sample_without_replacement(4, np.ones(5), rng)
    assert str(caught.value) == (
        "some-task: a contributor needs 4 more real rows, 3 are left. Give more real rows, or make contributors fewer "
        "or smaller (contributors and size: settings of a task on files, axes of an embedded one)."
    )
    with pytest.raises(UserError, match=r"needs 4 more real rows of the 2 most frequent topics, 0 are left"):
        rows.sample_without_replacement(4, np.zeros(5), rng, "of the 2 most frequent topics")
    assert len(rows.sample_without_replacement(3, np.ones(5), rng)["number"]) == 3  # a refused draw takes nothing


def test_a_topic_one_place_further_down_weighs_e_to_the_skew_less() -> None:
    topics_N, rng = np.array([0, 1, 2, 2]), np.random.default_rng(1)
    place = np.random.default_rng(1).permutation(3)
    np.testing.assert_allclose(topic_weights(topics_N, 3, 0.7, rng), np.exp(-0.7 * place[topics_N]))
    assert topic_weights(topics_N, 3, 0.0, rng).tolist() == [1, 1, 1, 1]
