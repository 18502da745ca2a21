"""The nouns are checked at birth, with what came in the message, and are read-only after."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.types import HELD_OUT, Contributor, Cost, Examples, Outcome, Pool, Recipe, Valuation
from tests.tiny import held_out, tiny_pool, tiny_recipe


def examples(
    columns: dict[str, Any] | None = None, owners: Any = (0, 1, 1), real: Any = (True, False, True)
) -> Examples:
    made = columns or {"inputs": np.arange(6.0).reshape(3, 2), "targets": np.array([0, 1, 2])}
    return Examples(made, np.array(owners), np.array(real))


# --- examples -------------------------------------------------------------------------------------------


def test_examples_need_targets() -> None:
    with pytest.raises(UserError, match=r"need a column 'targets', got \['inputs'\]"):
        examples({"inputs": np.zeros((3, 2))})


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"owners": [0, 1]}, "'owners_N': 2"),
        ({"real": [True] * 4}, "'real_N': 4"),
        ({"columns": {"inputs": np.zeros(5), "targets": np.zeros(3)}}, "'inputs': 5"),
    ],
)
def test_columns_need_one_length(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match="columns of one length") as caught:
        examples(**changes)
    assert told in str(caught.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_must_be_finite_and_the_row_is_named(bad: float) -> None:
    inputs = np.zeros((3, 2))
    inputs[1, 1] = bad
    with pytest.raises(UserError, match="column 'inputs' is not at row 1"):
        examples({"inputs": inputs, "targets": np.zeros(3)})


def test_examples_are_a_read_only_copy() -> None:
    inputs = np.zeros((3, 2))
    made = examples({"inputs": inputs, "targets": np.zeros(3)})
    inputs[0, 0] = 5.0
    assert made.columns["inputs"][0, 0] == 0.0
    for array in (made.columns["inputs"], made.targets, made.owners_N, made.real_N):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1
    with pytest.raises(TypeError):
        made.columns["more"] = inputs  # type: ignore[index]


def test_rows_are_taken_by_index_or_mask_in_the_order_given() -> None:
    made = examples()
    assert made.take(np.array([2, 0])).targets.tolist() == [2, 0]
    assert made.take(np.array([False, True, True])).owners_N.tolist() == [1, 1]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9), st.booleans()), min_size=1, max_size=6))
def test_a_digest_is_of_the_content_alone(rows: list[tuple[int, int, bool]]) -> None:
    owners, targets, real = (np.array(column) for column in zip(*rows, strict=True))

    def digest(**changes: Any) -> str:
        return Examples({"targets": changes.get("targets", targets)}, changes.get("owners", owners), real).digest()

    assert digest() == digest(targets=np.array(targets.tolist()), owners=owners[::-1][::-1])
    assert digest(targets=targets + 1) != digest()
    assert digest(owners=owners + 1) != digest()
    assert digest(targets=targets.astype(np.int32)) != digest()


# --- pools ----------------------------------------------------------------------------------------------


def pool(**changes: Any) -> Pool:
    made = tiny_pool(3)
    parts = {f.name: getattr(made, f.name) for f in fields(Pool)}
    return Pool(**{**parts, **changes})


def test_a_pool_of_two_contributors_is_refused_for_want_of_an_order() -> None:
    with pytest.raises(UserError, match=r"tiny, pool 0: a pool needs at least 3 contributors, got 2: Spea.* deal more"):
        pool(contributors=(Contributor("a", {}), Contributor("b", {})))


def test_contributors_need_distinct_names() -> None:
    with pytest.raises(UserError, match=r"distinct names, got \['a', 'b', 'a'\]"):
        pool(contributors=tuple(Contributor(name, {}) for name in "aba"))


@pytest.mark.parametrize("stranger", [HELD_OUT, 3])
def test_every_example_needs_an_owner_that_there_is(stranger: int) -> None:
    train = tiny_pool(3).train
    owners = train.owners_N.copy()
    owners[0] = stranger
    with pytest.raises(
        UserError, match="every training example needs an owner and every owner an example; 3 contributors"
    ) as caught:
        pool(train=Examples(train.columns, owners, train.real_N))
    assert str(stranger) in str(caught.value)


def test_every_owner_needs_an_example() -> None:
    train = tiny_pool(3).train
    with pytest.raises(UserError, match=r"every owner an example; 3 contributors, owners found \[0, 2\]"):
        pool(train=train.take(train.owners_N != 1))


@pytest.mark.parametrize("split", ["validation", "test"])
def test_held_out_splits_are_nobodys_and_not_empty(split: str) -> None:
    there = held_out(4, 0)
    with pytest.raises(UserError, match=f"the {split} split is empty"):
        pool(**{split: there.take(np.arange(0))})
    owned = Examples(there.columns, np.array([HELD_OUT, HELD_OUT, 0, HELD_OUT]), there.real_N)
    with pytest.raises(UserError, match=f"the {split} split belongs to nobody; its owners must be -1"):
        pool(**{split: owned})


def test_facts_and_plants_cannot_be_changed_after() -> None:
    planted = {"size": 3}
    contributor = Contributor("a", planted)
    planted["size"] = 4
    assert contributor.planted["size"] == 3
    with pytest.raises(TypeError):
        contributor.planted["size"] = 5  # type: ignore[index]
    with pytest.raises(TypeError):
        pool().facts["coverage"] = 0.5  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        pool().index = 3  # type: ignore[misc]


# --- recipes, outcomes, valuations ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["steps", "batch_size", "checkpoints"])
@pytest.mark.parametrize("count", [0, -2])
def test_a_recipe_needs_counts_of_at_least_one(name: str, count: int) -> None:
    with pytest.raises(UserError, match=f"{name} of at least 1, got {count}"):
        tiny_recipe(**{name: count})


def test_a_recipe_keeps_no_more_checkpoints_than_steps() -> None:
    with pytest.raises(UserError, match="6 steps cannot keep 7 checkpoints"):
        tiny_recipe(checkpoints=7)


@pytest.mark.parametrize("rate", [0.0, -0.1, np.nan, np.inf])
def test_a_recipe_needs_a_positive_rate(rate: float) -> None:
    with pytest.raises(UserError, match=f"positive learning rate, got {rate}"):
        tiny_recipe(rate=rate)


def test_rates_rise_linearly_then_fall_along_a_half_cosine_as_torch_does_it() -> None:
    import torch

    rates = Recipe(steps=10, batch_size=1, rate=0.3).rates()
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=10)
    expected = []
    for _ in range(10):
        expected.append(schedule.get_last_lr()[0])
        optimiser.step()
        schedule.step()
    np.testing.assert_allclose(rates, expected)
    warm = Recipe(steps=10, batch_size=1, rate=0.3, warmup=2).rates()
    np.testing.assert_allclose(warm[:3], [0.1, 0.2, 0.3])
    assert (np.diff(warm[2:]) < 0).all()


@given(st.integers(1, 60), st.integers(1, 60))
def test_checkpoints_are_distinct_steps_and_end_with_the_last(steps: int, checkpoints: int) -> None:
    if checkpoints <= steps:
        marks = Recipe(steps=steps, batch_size=1, rate=0.1, checkpoints=checkpoints).checkpoint_steps()
        assert len(set(marks)) == checkpoints
        assert marks == sorted(marks)
        assert marks[0] >= 1
        assert marks[-1] == steps


@pytest.mark.parametrize("utility", [np.nan, np.inf, -np.inf])
def test_an_outcome_needs_a_finite_utility(utility: float) -> None:
    with pytest.raises(UserError, match=f"finite utility, got {utility}"):
        Outcome(utility, 0.5, Cost())


def test_a_valuation_needs_finite_values_of_two_axes() -> None:
    def made(values: Any) -> Valuation:
        return Valuation("size", "tiny", 2, "shapley", np.array(values, dtype=float), Cost())

    assert made([[1.0, 2.0], [3.0, 6.0]]).values_C.tolist() == [2.0, 4.0]
    with pytest.raises(UserError, match=r"size on tiny, pool 2, shapley: .*repeats x contributors, got \(2,\)"):
        made([1.0, 2.0])
    with pytest.raises(UserError, match=r"got \(0, 3\)"):
        made(np.zeros((0, 3)))
    with pytest.raises(UserError, match=r"one finite value per contributor, got \[\[1\.0, nan\]\]"):
        made([[1.0, np.nan]])


# --- bills ------------------------------------------------------------------------------------------------

amounts = st.integers(0, 10**6).map(float)
bills = st.builds(Cost, *[amounts] * 5, st.integers(0, 99), amounts)


@given(bills, bills)
def test_bills_add_up_but_for_the_peak(one: Cost, other: Cost) -> None:
    both = one + other
    for f in fields(Cost):
        parts = getattr(one, f.name), getattr(other, f.name)
        assert getattr(both, f.name) == (max(parts) if f.name == "peak_memory_mb" else sum(parts))
    later = both.since(one)
    assert later.seconds == other.seconds
    assert later.retrainings == other.retrainings
    assert later.peak_memory_mb == both.peak_memory_mb
