"""Gradients as AdamW sees them, and cosines, against torch's own optimiser on one example at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from harness import registry
from harness.retraining.training import on_device
from harness.types import Learner, Problem
from methods.gradient_cosine import GradientCosine
from methods.gradients import cosines as module
from methods.less import Less
from methods.tracin import TracIn
from methods.trackstar import TrackStar
from tests.exact.test_gradients import loss_gradients
from tests.tiny import evaluator_of, problem_of, tiny_cnn, tiny_mlp, tiny_pool, tiny_recipe

POOL = tiny_pool()
DATA, HELD_OUT = on_device(POOL.train, "cpu"), on_device(POOL.validation, "cpu")
ADAMW = tiny_recipe(optimiser="adamw", rate=0.02)
LEARNERS = pytest.mark.parametrize("make", [tiny_mlp, tiny_cnn])


def torch_at_checkpoints(problem: Problem) -> list[torch.optim.AdamW]:
    """The problem's first run by torch's AdamW: the optimiser as it is at each checkpoint, with its parameters."""
    recipe, fit = problem.learner.recipe, problem.fit(0)
    params = {name: p.clone().requires_grad_() for name, p in fit.initial.items()}
    optimiser, kept = torch.optim.AdamW(params.values(), weight_decay=0.0), []
    for t, rows in enumerate(fit.batches_TB.tolist()):
        optimiser.param_groups[0]["lr"] = recipe.rates()[t]
        optimiser.zero_grad()
        problem.learner.losses(params, {name: column[rows] for name, column in DATA.items()}).mean().backward()
        optimiser.step()
        if t + 1 in recipe.checkpoint_steps():
            kept.append(copy.deepcopy(optimiser))
    return kept


def alone(optimiser: torch.optim.AdamW, gradient_P: torch.Tensor) -> torch.Tensor:
    """What torch's next step moves parameters by on this gradient, per unit of rate."""
    own = copy.deepcopy(optimiser)
    params = own.param_groups[0]["params"]
    before_P = torch.cat([p.detach().flatten() for p in params])
    for p, part in zip(params, gradient_P.split([p.numel() for p in params]), strict=True):
        p.grad = part.reshape(p.shape).clone()
    own.param_groups[0]["lr"] = 1.0
    own.step()
    return before_P - torch.cat([p.detach().flatten() for p in params])


@LEARNERS
def test_less_is_the_cosine_of_torch_s_own_next_step(make: Callable[..., Learner], tmp_path: Path) -> None:
    problem = problem_of(tmp_path, POOL, make(ADAMW))
    expected_N, marks = torch.zeros(len(POOL.train)), problem.fit(0).checkpoints
    for checkpoint, optimiser in zip(marks, torch_at_checkpoints(problem), strict=True):
        target_P = loss_gradients(problem.learner, checkpoint.params, HELD_OUT).mean(0)
        moves_NP = torch.stack([alone(optimiser, g) for g in loss_gradients(problem.learner, checkpoint.params, DATA)])
        similar_N = torch.nn.functional.cosine_similarity(moves_NP, target_P[None])
        expected_N += checkpoint.rate_sum * similar_N / sum(mark.rate_sum for mark in marks)
    np.testing.assert_allclose(Less(runs=1).example_values(problem)[0], expected_N, rtol=1e-3, atol=1e-4)


def test_less_of_a_run_by_sgd_is_the_mean_of_plain_cosines(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, POOL, tiny_cnn())
    marks = problem.fit(0).checkpoints
    by_mark = [cosines_one_by_one(problem, mark.params) for mark in marks]
    expected_N = np.average(by_mark, axis=0, weights=[mark.rate_sum for mark in marks])
    np.testing.assert_allclose(Less(runs=1).example_values(problem)[0], expected_N, rtol=1e-4, atol=1e-5)


def cosines_one_by_one(problem: Problem, params: dict[str, torch.Tensor]) -> np.ndarray:
    target_P = loss_gradients(problem.learner, params, HELD_OUT).mean(0)
    gradients_NP = loss_gradients(problem.learner, params, DATA)
    return (gradients_NP @ target_P / gradients_NP.norm(dim=1) / target_P.norm()).numpy()


@LEARNERS
@pytest.mark.parametrize("stacks", [True, False])
def test_gradient_cosines_are_those_of_gradients_one_by_one(
    make: Callable[..., Learner], stacks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = problem_of(tmp_path, POOL, make())
    monkeypatch.setattr(module, "HELD_ENTRIES", 1_000)  # several blocks of rows
    monkeypatch.setattr(problem.learner, "stacks", stacks)
    found_SN = GradientCosine(runs=2).example_values(problem)
    for run in range(2):
        expected_N = cosines_one_by_one(problem, problem.fit(run).params)
        np.testing.assert_allclose(found_SN[run], expected_N, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", [Less(runs=1), GradientCosine(runs=1), TrackStar(runs=1)])
def test_a_contributor_s_mean_times_its_size_is_its_sum(
    method: Less | GradientCosine | TrackStar, tmp_path: Path
) -> None:
    evaluator, answers = evaluator_of(tmp_path, POOL, tiny_mlp(ADAMW)), []
    for made in (method, replace(method, over="mean")):
        found = evaluator.evaluate("one", made, "shapley")
        assert not isinstance(found, str)
        answers.append(found.values_C)
    summed_C, mean_C = answers
    sizes_C = np.array([contributor.planted["size"] for contributor in POOL.contributors])
    assert len(set(sizes_C)) > 1
    np.testing.assert_allclose(mean_C * sizes_C, summed_C, rtol=1e-9)
    assert np.abs(mean_C).max() <= 1  # cosines, as each example's is


@pytest.mark.parametrize("name", ["less", "gradient-cosine"])
def test_means_have_rows_and_do_not_claim_to_add_up(name: str) -> None:
    summed, mean = registry.method(name), registry.method(f"{name}:mean")
    assert mean == replace(summed, over="mean")  # type: ignore[type-var]
    assert summed.claims - mean.claims == {"additive"}


def test_the_cosine_with_nothing_is_nothing() -> None:
    learner = tiny_cnn()
    params = learner.initialise(0)
    nothing = {name: torch.zeros_like(p) for name, p in params.items()}
    assert not module.cosines(learner, params, DATA, nothing).any()
    assert not module.cosines(learner, params, DATA, params, lambda g: {n: 0 * each for n, each in g.items()}).any()


@LEARNERS
def test_tracin_in_adamw_s_metric_divides_by_torch_s_own_second_moment(
    make: Callable[..., Learner], tmp_path: Path
) -> None:
    problem = problem_of(tmp_path, POOL, make(ADAMW))
    expected_N = torch.zeros(len(POOL.train))
    for checkpoint, optimiser in zip(problem.fit(0).checkpoints, torch_at_checkpoints(problem), strict=True):
        second_P = torch.cat([optimiser.state[p]["exp_avg_sq"].flatten() for p in optimiser.param_groups[0]["params"]])
        root_P = (second_P / (1 - 0.999**checkpoint.step)).sqrt() + 1e-8
        target_P = loss_gradients(problem.learner, checkpoint.params, HELD_OUT).mean(0)
        gradients_NP = loss_gradients(problem.learner, checkpoint.params, DATA)
        expected_N += checkpoint.rate_sum * gradients_NP @ (target_P / root_P * (second_P > 0))
    found_N = TracIn(runs=1, metric="adamw").example_values(problem)[0]
    np.testing.assert_allclose(found_N, expected_N, rtol=2e-3, atol=1e-3 * float(expected_N.abs().max()))
    assert not np.allclose(found_N, TracIn(runs=1).example_values(problem)[0], rtol=0.1)


def test_of_a_run_by_sgd_tracin_is_the_same_in_any_metric(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, POOL, tiny_cnn())
    plain, metric = (TracIn(metric=m).example_values(problem) for m in ("plain", "adamw"))
    np.testing.assert_array_equal(plain, metric)
