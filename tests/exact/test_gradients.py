"""The gradient engine against one gradient at a time, and dense matrices in double precision."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.func import jacrev
from torch.nn import functional as F

from harness.retraining.training import on_device
from harness.types import Learner, Params
from methods.gradients import per_example
from methods.gradients.curvature import GaussNewton, conjugate_gradients
from methods.gradients.directional import blocks, directional_losses, mean_gradient
from methods.gradients.per_example import output_gradients
from methods.gradients.vectors import dot, plus, signs, size, times, zeros
from methods.tracin import TracIn
from tests.tiny import problem_of, tiny_cnn, tiny_mlp, tiny_pool, tiny_recipe

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own jvp
LEARNERS = pytest.mark.parametrize("make", [tiny_mlp, tiny_cnn])
POOL = tiny_pool(4)
DATA = on_device(POOL.train, "cpu")
VALIDATION = on_device(POOL.validation, "cpu")


def randomly(params: Params, seed: int = 0) -> Params:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(p.shape, generator=generator).to(p) for name, p in params.items()}


def double(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: t.double() if t.is_floating_point() else t for name, t in batch.items()}


def flat(params: Params) -> torch.Tensor:
    return torch.cat([p.flatten() for p in params.values()])


def loss_gradients(learner: Learner, params: Params, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Gradient of each example's cross-entropy, N x P, one example and one backward pass at a time."""
    module, found = learner.module(params), []
    for n in range(len(batch["targets"])):
        loss = F.cross_entropy(module(batch["inputs"][n : n + 1]), batch["targets"][n : n + 1])
        found.append(torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(module.parameters()))]))
    return torch.stack(found)


def dense_gauss_newton(learner: Learner, params: Params, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Mean of J' H J over the examples, P x P, in double precision, H = diag(p) - p p'."""
    params, batch = double(params), double(batch)
    jacobians = jacrev(lambda p: learner.predict(p, batch)[0])(params)
    jacobian_NKP = torch.cat([j.flatten(2) for j in jacobians.values()], dim=2)
    total = torch.zeros(size(params), size(params), dtype=torch.float64)
    for logits, jacobian_KP in zip(learner.predict(params, batch)[0], jacobian_NKP, strict=True):
        p = torch.softmax(logits, 0)
        total += jacobian_KP.T @ (torch.diag(p) - torch.outer(p, p)) @ jacobian_KP
    return total / len(batch["targets"])


# --- one direction ----------------------------------------------------------------------------------


@LEARNERS
def test_forward_mode_equals_each_gradient_dotted_with_the_direction(make: Callable[[], Learner]) -> None:
    learner = make()
    params = learner.initialise(0)
    direction = randomly(params)
    expected = loss_gradients(learner, params, DATA) @ flat(direction)
    found = directional_losses(learner, params, DATA, direction)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))


@LEARNERS
def test_mean_gradient_is_the_mean_of_the_gradients(make: Callable[[], Learner]) -> None:
    learner = make()
    params = learner.initialise(1)
    expected = loss_gradients(learner, params, VALIDATION).mean(0)
    torch.testing.assert_close(flat(mean_gradient(learner, params, VALIDATION)), expected, rtol=1e-5, atol=1e-6)


@LEARNERS
def test_tracin_is_the_sum_over_checkpoints_of_rate_times_dot_product(
    make: Callable[[], Learner], tmp_path: Path
) -> None:
    learner = make()
    problem = problem_of(tmp_path, POOL, learner)
    found = TracIn(runs=2).example_values(problem)
    for run in range(2):
        expected = torch.zeros(len(POOL.train), dtype=torch.float64)
        for checkpoint in problem.fit(run).checkpoints:
            target = loss_gradients(learner, checkpoint.params, VALIDATION).mean(0)
            products = loss_gradients(learner, checkpoint.params, DATA) @ target
            expected += checkpoint.rate_sum * products.double()
        np.testing.assert_allclose(found[run], expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))
    assert not np.allclose(found[0], found[1])


def test_work_in_blocks_is_work_at_once() -> None:
    """A recipe of batch size 1 makes blocks of 16 rows, the pool's 27 rows take two."""
    whole, cut = tiny_mlp(), tiny_mlp(tiny_recipe(batch_size=1))
    params = whole.initialise(0)
    vector = randomly(params)
    assert [len(block["targets"]) for block in blocks(DATA, cut)] == [16, 11]
    assert [len(block["targets"]) for block in blocks(DATA, whole)] == [27]
    for make in (
        lambda learner: mean_gradient(learner, params, DATA),
        lambda learner: GaussNewton(learner, params, DATA) @ vector,
        lambda learner: {"": directional_losses(learner, params, DATA, vector)},
        lambda learner: {"": output_gradients(learner, params, DATA, None, torch.Generator())},
    ):
        torch.testing.assert_close(flat(make(cut)), flat(make(whole)), rtol=1e-5, atol=1e-6)


# --- curvature --------------------------------------------------------------------------------------


@LEARNERS
def test_gauss_newton_products_equal_the_dense_matrix(make: Callable[[], Learner]) -> None:
    learner = make()
    params = learner.initialise(2)
    dense = dense_gauss_newton(learner, params, DATA)
    for seed in range(3):
        vector = randomly(params, seed)
        found = flat(GaussNewton(learner, double(params), double(DATA)) @ double(vector))
        torch.testing.assert_close(found, dense @ flat(vector).double(), rtol=1e-9, atol=1e-12)
        single = flat(GaussNewton(learner, params, DATA) @ vector).double()
        assert (single - found).norm() < 1e-5 * found.norm()


def test_mean_eigenvalue_is_unbiased_for_the_dense_trace() -> None:
    """Hutchinson's estimate with signs has variance 2 (|G|^2 - sum of squares on the diagonal) a probe."""
    learner, probes = tiny_mlp(), 200
    params = learner.initialise(3)
    dense = dense_gauss_newton(learner, params, DATA)
    found = GaussNewton(learner, params, DATA).mean_eigenvalue(torch.Generator().manual_seed(0), probes)
    variance = 2 * (dense.square().sum() - dense.diagonal().square().sum()) / probes
    error = found * size(params) - float(dense.trace())
    assert abs(error) < 4 * float(variance.sqrt())
    assert 4 * float(variance.sqrt()) < 0.2 * float(dense.trace())  # the test can tell


@LEARNERS
@pytest.mark.parametrize("damping", [0.05, 0.5])
def test_conjugate_gradients_solve_the_dense_system(make: Callable[[], Learner], damping: float) -> None:
    learner = make()
    params = learner.initialise(4)
    target, dense = randomly(params), dense_gauss_newton(learner, params, DATA)
    expected = torch.linalg.solve(dense + damping * torch.eye(len(dense)).double(), flat(target).double())
    solving = conjugate_gradients(GaussNewton(learner, params, DATA), damping, target)
    errors = [float((flat(x).double() - expected).norm() / expected.norm()) for x, _ in islice(solving, 30)]
    assert errors[-1] < 1e-5
    assert errors[0] > 0.05
    assert not list(conjugate_gradients(GaussNewton(learner, params, DATA), damping, zeros(params)))


# --- a gradient per example -------------------------------------------------------------------------


@LEARNERS
@pytest.mark.parametrize("width", [None, 10_000])
def test_output_gradients_equal_one_backward_pass_an_example(make: Callable[[], Learner], width: int | None) -> None:
    learner = make()
    params = learner.initialise(5)
    found = output_gradients(learner, params, DATA, width, torch.Generator())
    logits = learner.module(params)(DATA["inputs"]).detach()
    probability_N = torch.softmax(logits, 1)[torch.arange(len(logits)), DATA["targets"]]
    expected = -probability_N[:, None] * loss_gradients(learner, params, DATA)  # d exp(-loss) = -exp(-loss) d loss
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_projection_keeps_inner_products_in_expectation() -> None:
    learner, width, draws = tiny_mlp(), 16, 150
    params = learner.initialise(6)
    few = {name: column[:4] for name, column in DATA.items()}
    whole = output_gradients(learner, params, few, None, torch.Generator())
    generator = torch.Generator().manual_seed(1)
    grams = []
    for _ in range(draws):
        projected = output_gradients(learner, params, few, width, generator)
        assert projected.shape == (4, width)
        grams.append(projected @ projected.T)
    found = torch.stack(grams)
    z = (found.mean(0) - whole @ whole.T) / (found.std(0) / draws**0.5)
    assert z.abs().max() < 4
    assert found.std(0).min() > 0  # each draw is another projection


@pytest.mark.parametrize("entries", [64, 1_000, 30_000])
def test_projection_is_the_same_whatever_the_blocks(entries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    learner = tiny_mlp()
    params = learner.initialise(7)

    def projected() -> torch.Tensor:
        return output_gradients(learner, params, DATA, 32, torch.Generator().manual_seed(2))

    expected = projected()
    monkeypatch.setattr(per_example, "BLOCK_ENTRIES", entries)
    torch.testing.assert_close(projected(), expected, rtol=1e-4, atol=1e-6)


# --- vectors ----------------------------------------------------------------------------------------


def test_parameters_behave_as_one_long_vector() -> None:
    params = tiny_cnn().initialise(0)
    a, b = randomly(params, 1), randomly(params, 2)
    assert size(a) == len(flat(a))
    torch.testing.assert_close(dot(a, b), flat(a) @ flat(b))
    torch.testing.assert_close(flat(plus(a, b, 0.5)), flat(a) + 0.5 * flat(b))
    torch.testing.assert_close(flat(times(a, -2.0)), -2 * flat(a))
    assert not flat(zeros(a)).any()
    drawn = flat(signs(a, torch.Generator().manual_seed(0)))
    assert drawn.abs().eq(1).all()
    assert drawn.mean().abs() < 4 / len(drawn) ** 0.5
