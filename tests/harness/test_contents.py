"""Checksums find any change of what a value holds, and no change where something is only remembered."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.running.contents import WORDS, _summed_there, checksum, contents, difference
from harness.types import Problem
from tests.tiny import problem_of, tiny_pool

SIZES = (1, 7, 8, 9, 8 * WORDS - 1, 8 * WORDS, 8 * WORDS + 9, 40 * WORDS + 3)
"""In bytes: within a word, a row, several rows."""


def in_numpy(flat: np.ndarray) -> int:
    return checksum(flat)


def on_the_device(flat: np.ndarray) -> int:
    return _summed_there(torch.from_numpy(flat))


@pytest.mark.parametrize("of", [in_numpy, on_the_device])
@settings(max_examples=60, deadline=None)
@given(size=st.sampled_from(SIZES), seed=st.integers(0, 2**32), data=st.data())
def test_any_bit_and_any_two_places_that_change_are_found(
    of: Callable[[np.ndarray], int], size: int, seed: int, data: st.DataObject
) -> None:
    flat = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
    before = of(flat)
    assert of(flat.copy()) == before
    place, other = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size - 1))
    flipped, swapped = flat.copy(), flat.copy()
    flipped[place] ^= 1 << data.draw(st.integers(0, 7))
    assert of(flipped) != before
    swapped[[place, other]] = swapped[[other, place]]
    assert (of(swapped) != before) == bool(flat[place] != flat[other])


def test_the_order_of_rows_counts() -> None:
    rows = np.random.default_rng(0).standard_normal((50, WORDS))
    assert checksum(rows[::-1]) != checksum(rows)
    assert checksum(np.asfortranarray(rows)) == checksum(rows)  # the same numbers, laid out otherwise


@dataclass
class Holder:
    """An object with arrays in its attributes, a cache and a lock."""

    rows: np.ndarray
    known: dict[str, Any] = field(default_factory=dict)
    lock: Any = field(default_factory=threading.Lock)


def scorer(rows: np.ndarray) -> Callable[[], float]:
    return lambda: float(rows.sum())


def held(rows: np.ndarray) -> list[Any]:
    """The same array in one place after another."""
    tensor = torch.from_numpy(rows)
    layer = torch.nn.Linear(3, 1)
    layer.weight.data = tensor[:1].float()
    return [
        rows,
        tensor,
        [[rows]],
        {"a": (rows, 1)},
        Holder(rows),
        scorer(rows),
        Holder(rows).rows.sum,
        partial(print, rows),
        np.array([None, rows], dtype=object),
        tensor.bfloat16(),
        layer,
        tiny_pool().train.take(np.arange(3)),
    ]


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable:UserWarning")
@pytest.mark.parametrize("place", range(len(held(np.ones((2, 3))))))
def test_a_changed_array_is_found_wherever_it_is(place: int) -> None:
    value = held(np.ones((2, 3)))[place]
    before = contents(value)
    assert difference(before, contents(value)) is None
    change(value)
    assert difference(before, contents(value)) is not None


def change(value: Any) -> None:
    """Add one to the first array or tensor that ``held`` put there."""
    match value:
        case torch.nn.Module():
            value.weight.data += 1
        case torch.Tensor() | np.ndarray() if value.dtype != object:
            value += 1
        case np.ndarray():
            value[1] += 1
        case list():
            value[0][0][:] = 2
        case dict():
            value["a"][0][:] = 2
        case Holder():
            value.rows[:] = 2
        case partial():
            value.args[0][:] = 2
        case _ if hasattr(value, "columns"):
            torch.from_numpy(value.columns["targets"]).add_(1)
        case _ if hasattr(value, "__self__"):
            value.__self__[:] = 2
        case _:
            value.__closure__[0].cell_contents[:] = 2


def test_what_is_remembered_later_is_no_change_and_what_is_taken_away_is() -> None:
    value = Holder(np.ones(3), {"first": 1})
    before = contents(value)
    value.known["second"] = 2
    value.also = "later"  # type: ignore[attr-defined]
    assert difference(before, contents(value)) is None
    del value.known["first"]
    assert difference(before, contents(value)) == ".known['first']"


@pytest.mark.parametrize("change", [lambda v: v.append(3.0), lambda v: v.__setitem__(0, 9.0), lambda v: v.pop()])
def test_a_list_that_changes_is_found(change: Callable[[list[float]], object]) -> None:
    value = [1.0, 2.0]
    before = contents({"numbers": value})
    change(value)
    assert difference(before, contents({"numbers": value})) == "['numbers']"


def test_generators_count_by_what_they_would_draw() -> None:
    value = {"numpy": np.random.default_rng(0), "torch": torch.Generator()}
    before = contents(value)
    value["numpy"].random()
    assert difference(before, contents(value)) == "['numpy']"


def test_a_value_owns_no_machinery_that_it_refers_to(tmp_path: Path) -> None:
    """A scorer may hold the problem, whose meter runs on."""
    problem: Problem = problem_of(tmp_path, tiny_pool())

    def score() -> float:
        return float(len(problem.train))

    before = contents(score)
    problem.fit(0)
    assert difference(before, contents(score)) is None


def test_circles_end() -> None:
    value: list[Any] = [np.ones(2)]
    value.append(value)
    assert difference(contents(value), contents(value)) is None


@pytest.mark.parametrize("of", [in_numpy, on_the_device])
@pytest.mark.parametrize("words", [2, 100, 3 * WORDS])
def test_signs_that_change_together_are_found(of: Callable[[np.ndarray], int], words: int) -> None:
    numbers = np.random.default_rng(0).standard_normal(words)
    before = of(numbers.view(np.uint8))
    numbers *= -1
    assert of(numbers.view(np.uint8)) != before


@pytest.mark.parametrize(
    ("value", "change"),
    [
        (torch.eye(3).to_sparse(), lambda v: v._values().mul_(2)),
        (deque([np.ones(2)]), lambda v: v[0].fill(2)),
        (deque([1, 2]), lambda v: v.append(3)),
        (bytearray(b"ab"), lambda v: v.append(1)),
        (memoryview(np.ones(2)), lambda v: v.obj.fill(2)),
        (pd.DataFrame({"a": [1.0, 2.0]}), lambda v: v.iloc.__setitem__((0, 0), 9.0)),
    ],
)
def test_what_keeps_its_items_in_other_ways_is_compared_too(value: object, change: Callable[[Any], object]) -> None:
    before = contents([value])
    assert difference(before, contents([value])) is None
    change(value)
    assert difference(before, contents([value])) is not None


def test_a_conjugate_view_is_compared() -> None:
    value = torch.ones(2, dtype=torch.complex64).conj()
    assert difference(contents([value]), contents([value])) is None
