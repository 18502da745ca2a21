"""Coupled, stacked training against plain torch loops, and the engine that runs it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from harness.errors import UserError
from harness.metering.flops import FlopCounter
from harness.retraining import evaluation, training
from harness.retraining.chunks import Diverged, Job
from harness.retraining.engine import Engine
from harness.retraining.evaluation import evaluate
from harness.retraining.ledger import Ledger
from harness.retraining.stacking import Stacking
from harness.types import Bools, Examples, Learner, Params, Recipe
from tasks.learners.classifier import PatchConv2d
from tests.tiny import engine_of, held_out, images, tiny_cnn, tiny_mlp, tiny_pool, tiny_recipe

LEARNERS = pytest.mark.parametrize("make", [tiny_mlp, tiny_cnn])
POOL = tiny_pool(4)
DATA = training.on_device(POOL.train, "cpu")
OWNERS = POOL.train.owners_N


def rows_of(*coalitions: str) -> Bools:
    """Which training rows the coalitions own."""
    return np.array([[text[owner] == "1" for owner in OWNERS] for text in coalitions])


def train(learner: Learner, members_JN: Bools, seeds: list[int], stacked: bool = True) -> Params:
    starts = [learner.initialise(seed) for seed in seeds]
    return training.train(learner, DATA, starts, members_JN, seeds, stacked=stacked, flops=FlopCounter()).params


def assert_close(found: Params, expected: Params, atol: float = 1e-5) -> None:
    assert found.keys() == expected.keys()
    for name in found:
        torch.testing.assert_close(found[name], expected[name], atol=atol, rtol=0)


# --- stacks, and plain loops ------------------------------------------------------------------------

UNEQUAL = ["1111", "1000", "0110", "1000", "0111"]  # 1000 has 6 examples, fewer than the batch of 8


@LEARNERS
@pytest.mark.parametrize("stacked", [True, False])
def test_a_stack_trains_as_its_jobs_do_alone(make: Callable[..., Learner], stacked: bool) -> None:
    learner, seeds = make(), [1, 1, 2, 3, 1]
    together = train(learner, rows_of(*UNEQUAL), seeds, stacked)
    for j, (coalition, seed) in enumerate(zip(UNEQUAL, seeds, strict=True)):
        alone = train(learner, rows_of(coalition), [seed], stacked=False)
        assert_close(training.job(together, j), training.job(alone, 0))
        moved = max(float((p[0] - learner.initialise(seed)[name]).abs().max()) for name, p in alone.items())
        assert moved > 1e-2


RECIPES = {
    "sgd": tiny_recipe(momentum=0.0),
    "sgd, momentum": tiny_recipe(),
    "sgd, all of it": tiny_recipe(weight_decay=0.1, clip=0.6, warmup=2, rate=0.5),
    "adamw": tiny_recipe(optimiser="adamw", rate=0.01),
    "adamw, all of it": tiny_recipe(optimiser="adamw", rate=0.01, weight_decay=0.1, clip=0.6, warmup=2),
}


def torch_rates(recipe: Recipe) -> list[float]:
    """Learning rates by torch's own schedulers: a linear warm-up, then a half cosine."""

    def rates(steps: int, scheduler: Callable[..., torch.optim.lr_scheduler.LRScheduler]) -> list[float]:
        optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=recipe.rate)
        schedule, found = scheduler(optimiser), []
        for _ in range(steps):
            found.append(optimiser.param_groups[0]["lr"])
            optimiser.step()
            schedule.step()
        return found

    warm, cold = recipe.warmup, recipe.steps - recipe.warmup
    rising = rates(warm, lambda o: torch.optim.lr_scheduler.LinearLR(o, 1 / (warm + 1), total_iters=max(1, warm)))
    return rising + rates(cold, lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, cold))


def plain_loop(
    learner: Learner, data: dict[str, torch.Tensor], coalition: str, seed: int
) -> tuple[Params, list[float], list[float]]:
    """One coalition trained by torch's own optimiser: parameters, the loss of each step, the norms before clipping."""
    recipe, module = learner.recipe, learner.module(learner.initialise(seed))
    optimiser: torch.optim.Optimizer
    if recipe.optimiser == "adamw":
        optimiser = torch.optim.AdamW(module.parameters(), weight_decay=recipe.weight_decay)
    else:
        optimiser = torch.optim.SGD(module.parameters(), momentum=recipe.momentum, weight_decay=recipe.weight_decay)
    losses, norms = [], []
    batches = training.draw_batches(rows_of(coalition), [seed], recipe)
    for rate, (rows, weights) in zip(torch_rates(recipe), batches, strict=True):
        assert (weights == 1).all()
        batch = {name: column[torch.from_numpy(rows[0])] for name, column in data.items()}
        optimiser.param_groups[0]["lr"] = rate
        optimiser.zero_grad()
        loss = F.cross_entropy(module(batch["inputs"]), batch["targets"])
        loss.backward()
        if recipe.clip is not None:
            norms.append(float(nn.utils.clip_grad_norm_(module.parameters(), recipe.clip)))
        optimiser.step()
        losses.append(loss.item())
    params = {name.removeprefix("inner."): p.detach() for name, p in module.named_parameters()}
    return params, losses, norms


@LEARNERS
@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_training_equals_a_plain_loop_with_torch_s_optimisers(make: Callable[..., Learner], recipe: Recipe) -> None:
    learner, coalitions, seeds = make(recipe), ["1011", "0100"], [7, 8]
    found = train(learner, rows_of(*coalitions), seeds)
    norms: list[float] = []
    for j, (coalition, seed) in enumerate(zip(coalitions, seeds, strict=True)):
        expected, _, lengths = plain_loop(learner, DATA, coalition, seed)
        assert_close(training.job(found, j), expected)
        norms += lengths
    assert recipe.clip is None or min(norms) < recipe.clip < max(norms)  # some gradients were clipped, some not


# --- batches in parts, and lower precision ------------------------------------------------------------


class Watched:
    """Notes how each forward pass of a learner is made."""

    def __init__(self, learner: Learner) -> None:
        self.rows: list[int] = []
        self.halved: list[bool] = []
        self.logits: list[torch.dtype] = []
        predict, losses_of = learner.predict, learner.losses_of

        def watch_predict(params: Params, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
            self.rows.append(len(batch["targets"]))
            self.halved.append(torch.is_autocast_enabled("cpu"))
            return predict(params, batch)

        def watch_losses(logits: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
            self.logits.append(logits.dtype)
            return losses_of(logits, batch)

        learner.predict, learner.losses_of = watch_predict, watch_losses  # type: ignore[method-assign, assignment]


@LEARNERS
@pytest.mark.parametrize("stacked", [True, False])
@pytest.mark.parametrize("micro_batch", [1, 3])
@pytest.mark.parametrize("name", ["sgd, all of it", "adamw, all of it"])
def test_parts_of_a_batch_add_up_to_the_whole(
    make: Callable[..., Learner], stacked: bool, micro_batch: int, name: str
) -> None:
    members, seeds = rows_of(*UNEQUAL), [1, 1, 2, 3, 1]
    whole, parts = make(RECIPES[name]), make(replace(RECIPES[name], micro_batch=micro_batch))
    found = train(parts, members, seeds, stacked)
    assert_close(found, train(whole, members, seeds, stacked), atol=1e-6)


@pytest.mark.parametrize("stacked", [True, False])
def test_no_pass_is_wider_than_a_part(stacked: bool) -> None:
    learner = tiny_mlp(tiny_recipe(micro_batch=3))
    watched = Watched(learner)
    stack = train(learner, rows_of("1111", "0110"), [0, 1], stacked)
    assert set(watched.rows) == {3, 2}  # 8 = 3 + 3 + 2
    watched.rows.clear()
    evaluate(learner, stack, training.on_device(held_out(70, 5), "cpu"), stacked=stacked, flops=FlopCounter())
    assert max(watched.rows) == 12  # without gradients four parts take what one takes with them


@LEARNERS
@pytest.mark.parametrize("stacked", [True, False])
def test_half_precision_is_close_and_in_the_forward_pass_alone(make: Callable[..., Learner], stacked: bool) -> None:
    full, half = make(), make(tiny_recipe(precision="bf16", micro_batch=5))
    watched, split = Watched(half), training.on_device(held_out(70, 5), "cpu")
    scores = []
    for learner in (full, half):
        found = train(learner, rows_of("1111", "0110"), [0, 1], stacked)
        assert {p.dtype for p in found.values()} == {torch.float32}
        scores.append(evaluate(learner, found, split, stacked=stacked, flops=FlopCounter()).utility_J)
    assert all(watched.halved)
    assert set(watched.logits) == {torch.float32}
    np.testing.assert_allclose(scores[1], scores[0], atol=0.05)
    assert (np.abs(scores[1] - scores[0]) > 1e-6).all()


def test_half_precision_changes_nothing_for_those_who_differentiate(tmp_path: Path) -> None:
    half, full = tiny_cnn(tiny_recipe(precision="bf16")), tiny_cnn()
    params = full.initialise(0)
    passes = [torch.func.jvp(lambda p, m=m: m.losses(p, DATA), (params,), (params,)) for m in (half, full)]
    for ours, theirs in zip(*passes, strict=True):
        torch.testing.assert_close(ours, theirs, atol=0, rtol=0)


def test_half_precision_trains_the_same_model_in_a_stack_as_alone() -> None:
    learner, seeds = tiny_mlp(tiny_recipe(precision="bf16")), [1, 2]
    stack, alone = (train(learner, rows_of("1111", "0110"), seeds, stacked) for stacked in (True, False))
    assert_close(stack, alone, atol=5e-3)


@pytest.mark.parametrize("stacking", [Stacking(16, 1), Stacking(1, 1)])
def test_divergence_is_noticed_in_parts_and_in_half_precision(tmp_path: Path, stacking: Stacking) -> None:
    for changes in ({"precision": "bf16"}, {"micro_batch": 3}):
        learner = tiny_mlp(tiny_recipe(rate=1e12, **changes))
        with pytest.raises(Diverged, match=r"not finite at step \d of 6 for coalition 1111, seed 0"):
            engine_of(tmp_path, POOL, learner, stacking).outcomes([Job("1111", 0)])


def test_parts_and_precision_enter_the_ledger_s_key(tmp_path: Path) -> None:
    recipes = [tiny_recipe(), tiny_recipe(micro_batch=4), tiny_recipe(precision="bf16")]
    assert len({engine_of(tmp_path, POOL, tiny_mlp(recipe)).context for recipe in recipes}) == 3


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"micro_batch": 0}, "micro_batch of at least 1, got 0"),
        ({"micro_batch": 9}, "its batch of 8, got 9"),
        ({"precision": "fp8"}, "float32 or bf16, got 'fp8'"),
    ],
)
def test_impossible_parts_and_precisions_are_refused(changes: dict[str, object], told: str) -> None:
    with pytest.raises(UserError, match=told):
        tiny_recipe(**changes)


def test_a_recipe_tells_its_parts_and_its_precision() -> None:
    assert "8 examples, SGD" in tiny_recipe().about()
    told = tiny_recipe(micro_batch=4, precision="bf16").about()
    assert "8 examples in parts of 4, SGD" in told
    assert told.endswith("forward passes in bf16")


@pytest.mark.parametrize("warmup", [0, 1, 5])
def test_rates_are_torch_s_schedulers(warmup: int) -> None:
    recipe = tiny_recipe(steps=13, warmup=warmup, rate=0.3)
    np.testing.assert_allclose(recipe.rates(), torch_rates(recipe), rtol=1e-9)


def test_rates_follow_their_closed_form() -> None:
    recipe = tiny_recipe(steps=10, warmup=4, rate=2.0)
    rising = [2.0 * (t + 1) / 5 for t in range(4)]
    falling = [2.0 * np.cos(np.pi * t / 6 / 2) ** 2 for t in range(6)]
    np.testing.assert_allclose(recipe.rates(), rising + falling)


def test_training_in_a_stack_counts_as_many_operations_as_in_turn() -> None:
    learner, counts = tiny_mlp(), []
    for stacked in (True, False):
        flops = FlopCounter()
        starts = [learner.initialise(0)] * 2
        training.train(learner, DATA, starts, rows_of("1111", "0111"), [0, 0], stacked=stacked, flops=flops)
        counts.append(flops.flops)
    rows, inputs, hidden, classes = 8, 16, 5, 3
    forward = 2 * rows * (inputs * hidden + hidden * classes)
    weights, hidden_inputs = forward, 2 * rows * hidden * classes  # no gradient of the pixels
    assert counts == [2 * 6 * (forward + weights + hidden_inputs)] * 2


# --- batches ----------------------------------------------------------------------------------------


def drawn(members_JN: Bools, seeds: list[int], recipe: Recipe) -> list[list[list[int]]]:
    """Rows with weight of each step and job."""
    return [
        [rows[j][weights[j] > 0].tolist() for j in range(len(seeds))]
        for rows, weights in training.draw_batches(members_JN, seeds, recipe)
    ]


pools = st.integers(4, 60).flatmap(
    lambda size: st.tuples(
        st.lists(st.booleans(), min_size=size, max_size=size).filter(any).map(np.array), st.integers(1, 12)
    )
)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(pools, st.integers(0, 2**63 - 1))
def test_a_batch_is_the_coalition_s_members_of_highest_priority(pool: tuple[Bools, int], seed: int) -> None:
    member_N, batch_size = pool
    recipe = tiny_recipe(steps=3, batch_size=batch_size)
    stream = np.random.default_rng(seed)
    for (batch,) in drawn(member_N[None], [seed], recipe):
        priority_N = stream.random(len(member_N))
        best = sorted(np.flatnonzero(member_N), key=lambda n: -priority_N[n])[:batch_size]
        assert batch == best


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.integers(2, 6), st.integers(1, 9), st.integers(1, 30), st.data())
def test_leaving_one_out_changes_a_batch_only_where_its_examples_stood(
    contributors: int, each: int, batch_size: int, data: st.DataObject
) -> None:
    """With everyone and with everyone but i in one stack: the others' examples stay, newcomers take i's places."""
    owners = np.repeat(np.arange(contributors), each)
    left = data.draw(st.integers(0, contributors - 1))
    members = np.stack([owners >= 0, owners != left])
    recipe = tiny_recipe(steps=4, batch_size=batch_size)
    for everyone, without in drawn(members, [5, 5], recipe):
        stay = [n for n in everyone if owners[n] != left]
        assert without[: len(stay)] == stay
        assert not (owners[without] == left).any()
        expected = min(batch_size, (contributors - 1) * each)
        assert len(without) == len(set(without)) == expected
        assert len(everyone) == min(batch_size, contributors * each)


def test_padding_has_no_weight_and_names_the_coalition_s_own_rows() -> None:
    """A padded row with weight 0 is still computed; another's row that overflows would make the loss nan."""
    members = rows_of("1111", "0010")
    for rows, weights in training.draw_batches(members, [3, 3], tiny_recipe(batch_size=20)):
        assert weights.sum(axis=1).tolist() == [20, (OWNERS == 2).sum()]
        assert set(np.unique(weights)) <= {0.0, 1.0}
        assert (OWNERS[rows[1]] == 2).all()


@pytest.mark.parametrize("block", [1, 100, 10_000])
def test_batches_do_not_depend_on_how_many_steps_are_planned_ahead(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    members, recipe = rows_of("1111", "0010", "1010"), tiny_recipe(steps=9)
    expected = drawn(members, [1, 2, 1], recipe)
    monkeypatch.setattr(training, "PLAN_BLOCK", block)
    assert drawn(members, [1, 2, 1], recipe) == expected
    assert len(expected) == 9


def test_batches_follow_the_seed_and_change_from_step_to_step() -> None:
    members = rows_of("1111")
    one, again, other = (drawn(members, [seed], tiny_recipe()) for seed in (1, 1, 2))
    assert one == again
    assert one != other
    assert len({tuple(step[0]) for step in one}) == len(one)


def test_a_batch_does_not_depend_on_its_company() -> None:
    recipe = tiny_recipe(batch_size=12)
    alone = drawn(rows_of("0100"), [4], recipe)
    crowd = drawn(rows_of("1111", "0100", "1101"), [4, 4, 9], recipe)
    assert [step[0] for step in alone] == [step[1] for step in crowd]


# --- evaluation and traces --------------------------------------------------------------------------


@LEARNERS
@pytest.mark.parametrize("stacked", [True, False])
@pytest.mark.parametrize(("block", "outputs"), [(10, 1), (32_768, 1), (32_768, 200_000)])
def test_evaluation_is_cross_entropy_and_accuracy(
    make: Callable[..., Learner], stacked: bool, block: int, outputs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "EVALUATION_BLOCK", block)
    learner, split = make(), training.on_device(held_out(70, 5), "cpu")
    starts = [learner.initialise(seed) for seed in range(3)]
    stack = {name: torch.stack([start[name] for start in starts]) for name in starts[0]}
    found = evaluate(learner, stack, split, stacked=stacked, flops=FlopCounter(), outputs=outputs)
    for j, start in enumerate(starts):
        logits = learner.module(start)(split["inputs"]).detach()
        losses_N = F.cross_entropy(logits, split["targets"], reduction="none").double().numpy()
        right_N = (logits.argmax(1) == split["targets"]).double().numpy()
        np.testing.assert_allclose(found.log_likelihood_JN[j], -losses_N, atol=1e-5)
        assert found.utility_J[j] == pytest.approx(-losses_N.mean(), abs=1e-6)
        assert found.accuracy_J[j] == right_N.mean()
        by_fold = pd.DataFrame({"log-likelihood": -losses_N, "right": right_N}).groupby(np.arange(70) % 16).mean()
        np.testing.assert_allclose(found.by_fold_J2F[j], by_fold.to_numpy().T, atol=1e-5)


def test_a_fold_without_rows_is_undefined_not_zero() -> None:
    found = evaluation.Scores(np.full((2, 10), -0.5), np.ones((2, 10)))
    np.testing.assert_array_equal(np.isnan(found.by_fold_J2F), np.tile(np.arange(16) >= 10, (2, 2, 1)))


@LEARNERS
def test_a_traced_fit_ends_where_everyone_s_stacked_retraining_does(
    make: Callable[..., Learner], tmp_path: Path
) -> None:
    learner = make()
    fit, outcome = engine_of(tmp_path, POOL, learner).fit(3)
    assert_close(fit.params, training.job(train(learner, rows_of("1010", "1111"), [3, 3]), 1))
    (again,) = engine_of(tmp_path, POOL, learner).outcomes([Job("1111", 3)])
    assert outcome.utility == pytest.approx(again.utility, abs=1e-5)
    assert outcome.accuracy == again.accuracy
    assert_close(fit.initial, learner.initialise(3), atol=0)


def test_checkpoints_are_the_parameters_on_the_way(tmp_path: Path) -> None:
    recipe = tiny_recipe(steps=7, checkpoints=3, warmup=1)
    learner = tiny_mlp(recipe)
    fit, _ = engine_of(tmp_path, POOL, learner).fit(0)
    assert [checkpoint.step for checkpoint in fit.checkpoints] == [2, 5, 7]
    rates = recipe.rates()
    expected = [rates[:2].sum(), rates[2:5].sum(), rates[5:].sum()]
    np.testing.assert_allclose([checkpoint.rate_sum for checkpoint in fit.checkpoints], expected)
    assert sum(checkpoint.rate_sum for checkpoint in fit.checkpoints) == pytest.approx(rates.sum())

    kept: dict[int, Params] = {}
    training.train(
        learner,
        DATA,
        [learner.initialise(0)],
        rows_of("1111"),
        [0],
        stacked=True,
        flops=FlopCounter(),
        keep=lambda finished, params: kept.update({finished: {n: p[0].clone() for n, p in params.items()}}),
    )
    for checkpoint in fit.checkpoints:
        assert_close(checkpoint.params, kept[checkpoint.step])


def test_training_stops_between_steps_when_told() -> None:
    finished: list[int] = []
    learner = tiny_mlp()
    with pytest.raises(training.Stopped):
        training.train(
            learner,
            DATA,
            [learner.initialise(0)],
            rows_of("1111"),
            [0],
            stacked=True,
            flops=FlopCounter(),
            stopped=lambda: len(finished) == 2,
            keep=lambda step, params: finished.append(step),
        )
    assert finished == [1, 2]


# --- the engine -------------------------------------------------------------------------------------


@LEARNERS
def test_outcomes_depend_neither_on_workers_nor_on_stacks(make: Callable[..., Learner], tmp_path: Path) -> None:
    jobs = [Job(f"{k:04b}", seed) for seed in (0, 1) for k in (0, 1, 6, 7, 9, 14, 15)]
    found = {
        (size, workers): engine_of(tmp_path, POOL, make(), Stacking(size, workers)).outcomes(jobs)
        for size, workers in [(1, 1), (1, 2), (4, 2), (16, 1)]
    }
    expected = np.array([outcome.utility for outcome in found[1, 1]])
    assert len(set(expected.round(6))) == len(jobs)
    for outcomes in found.values():
        np.testing.assert_allclose([outcome.utility for outcome in outcomes], expected, atol=1e-5)
        assert [outcome.accuracy for outcome in outcomes] == [outcome.accuracy for outcome in found[1, 1]]


def test_nobody_s_model_is_the_initialisation(tmp_path: Path) -> None:
    learner = tiny_mlp()
    (outcome,) = engine_of(tmp_path, POOL, learner).outcomes([Job("0000", 9)])
    module = learner.module(learner.initialise(9))
    split = training.on_device(POOL.validation, "cpu")
    loss = F.cross_entropy(module(split["inputs"]), split["targets"])
    assert outcome.utility == pytest.approx(-loss.item())


def first_broken(learner: Learner, data: dict[str, torch.Tensor], coalition: str) -> int:
    """The first step, counted from 1, at which a plain loop's loss is not finite."""
    return 1 + int(np.flatnonzero(~np.isfinite(plain_loop(learner, data, coalition, 0)[1]))[0])


@pytest.mark.parametrize("stacking", [Stacking(16, 1), Stacking(1, 2)])
def test_a_diverged_job_is_named_and_the_finite_ones_are_kept(tmp_path: Path, stacking: Stacking) -> None:
    """Contributor 0's pixels are finite, but so large that the loss on them is not; the others never see them."""
    columns = images(len(OWNERS), np.random.default_rng(0))
    columns["inputs"][OWNERS == 0] = 3e38
    poisoned = Examples(columns, OWNERS, np.ones(len(OWNERS), bool))
    engine = Engine(tiny_mlp(), poisoned, POOL.validation, Ledger(tmp_path / "ledger.sqlite"), stacking=stacking)
    step = first_broken(tiny_mlp(), training.on_device(poisoned, "cpu"), "1000")

    sound = [Job("0111", 0), Job("0001", 0), Job("0000", 0)]
    with pytest.raises(Diverged, match=f"not finite at step {step} of 6 for coalition 1000, seed 0") as caught:
        engine.outcomes([sound[0], Job("1000", 0), *sound[1:]])
    assert "more)" not in str(caught.value)
    kept = engine.ledger.outcomes(engine.context)
    assert set(kept) == set(sound)
    assert engine.missing([*sound, Job("1000", 0)]) == 1


def test_the_step_at_which_training_breaks_is_named(tmp_path: Path) -> None:
    learner = tiny_mlp(tiny_recipe(rate=1e12))
    step = first_broken(learner, DATA, "1111")
    assert step > 2
    engine = engine_of(tmp_path, POOL, learner)
    with pytest.raises(Diverged, match=rf"step {step} of 6 for coalition 1111.*\(and 1 more\)"):
        engine.outcomes([Job("1111", 0), Job("0111", 0)])
    with pytest.raises(Diverged, match=f"step {step} of 6 for coalition 1111, seed 0"):
        engine.fit(0)


# --- the convolution --------------------------------------------------------------------------------


@pytest.mark.parametrize(("kernel", "stride", "padding"), [(3, 1, 0), (3, 2, 1), (2, 2, 0), (3, 3, 1), (5, 2, 2)])
@pytest.mark.parametrize(("high", "wide"), [(7, 7), (8, 6)])
def test_patch_convolution_equals_torch_s(kernel: int, stride: int, padding: int, high: int, wide: int) -> None:
    torch.manual_seed(0)
    patches = PatchConv2d(2, 3, kernel, stride=stride, padding=padding)
    plain = nn.Conv2d(2, 3, kernel, stride=stride, padding=padding)
    plain.load_state_dict(patches.state_dict())
    images_a = torch.randn(4, 2, high, wide, requires_grad=True)
    images_b = images_a.detach().clone().requires_grad_()
    found, expected = patches(images_a.movedim(1, -1)).movedim(-1, 1), plain(images_b)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    weight = torch.randn_like(expected)
    (found * weight).sum().backward()
    (expected * weight).sum().backward()
    pairs = [(images_a.grad, images_b.grad), (patches.weight.grad, plain.weight.grad)]
    for ours, torchs in [*pairs, (patches.bias.grad, plain.bias.grad)]:
        torch.testing.assert_close(ours, torchs, atol=1e-4, rtol=1e-4)
