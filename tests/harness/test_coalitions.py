"""Coalitions are what their names say."""

from __future__ import annotations

from itertools import chain, combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import coalitions

orders = st.integers(1, 12).flatmap(lambda count: st.permutations(range(count)))
members = st.lists(st.booleans(), min_size=1, max_size=40)


def sets(rows_KC: np.ndarray) -> list[frozenset[int]]:
    return [frozenset(np.flatnonzero(row).tolist()) for row in rows_KC]


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_powerset_holds_every_subset_once_at_the_place_of_its_bits(count: int) -> None:
    found = sets(coalitions.powerset(count))
    everyone = range(count)
    expected = chain.from_iterable(combinations(everyone, size) for size in range(count + 1))
    assert set(found) == {frozenset(subset) for subset in expected}
    assert [sum(1 << i for i in subset) for subset in found] == list(range(2**count))


@given(orders)
def test_prefixes_grow_by_one_in_the_orders_own_order(order: list[int]) -> None:
    found = sets(coalitions.prefixes(np.array(order)))
    assert found == [frozenset(order[:size]) for size in range(len(order) + 1)]


@pytest.mark.parametrize("count", [1, 3, 24])
def test_nobody_everyone_singletons_and_all_but_one(count: int) -> None:
    everyone = frozenset(range(count))
    assert sets(coalitions.nobody(count)) == [frozenset()]
    assert sets(coalitions.everyone(count)) == [everyone]
    assert sets(coalitions.singletons(count)) == [frozenset({i}) for i in range(count)]
    assert sets(coalitions.all_but_one(count)) == [everyone - {i} for i in range(count)]


@given(members)
def test_text_reads_back_to_the_same_coalition(coalition: list[bool]) -> None:
    text = coalitions.to_text(np.array(coalition))
    assert set(text) <= set("01")
    assert [mark == "1" for mark in text] == coalition


@given(members, members)
def test_different_coalitions_have_different_texts(one: list[bool], other: list[bool]) -> None:
    same_text = coalitions.to_text(np.array(one)) == coalitions.to_text(np.array(other))
    assert same_text == (one == other)
