"""Projected gradients, TRAK, LoGra and TrackStar against dense gradients of double precision, one example at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from harness.types import Examples, Learner, Problem
from methods.gradients.layered import layer_gradients
from methods.gradients.per_example import count_sketch
from methods.gradients.projected import damped, in_their_span, loss_gradients
from methods.gradients.summed_rates import summed_rates
from methods.logra import LoGra
from methods.trackstar import TrackStar
from methods.trak import Trak
from tests.tiny import evaluator_of, problem_of, tiny_cnn, tiny_mlp, tiny_pool, tiny_recipe

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own jvp
ADAMW = tiny_recipe(steps=20, optimiser="adamw", rate=0.02)
LEARNERS = pytest.mark.parametrize(
    "learner",
    [tiny_mlp(tiny_recipe(steps=20)), tiny_cnn(tiny_recipe(steps=20)), tiny_mlp(ADAMW), tiny_cnn(ADAMW)],
    ids=["sgd, MLP", "sgd, CNN", "adamw, MLP", "adamw, CNN"],
)


@dataclass
class Dense:
    """Of one run's model, by torch's plain autograd in double precision: every gradient by parameter, flattened."""

    losses_N: np.ndarray
    loss_gradients: dict[str, np.ndarray]
    margin_NP: np.ndarray

    @property
    def loss_NP(self) -> np.ndarray:
        return np.hstack([*self.loss_gradients.values()])


def dense(problem: Problem, examples: Examples, run: int = 0) -> Dense:
    module = problem.learner.module(problem.fit(run).params).double()
    named = dict(module.named_parameters())
    losses, by_name, margins = [], {name: [] for name in named}, []
    for row, target in zip(examples.columns["inputs"], examples.targets, strict=True):
        logits = module(torch.tensor(row[None]).double())[0]
        others = torch.cat([logits[: int(target)], logits[int(target) + 1 :]])
        loss = F.cross_entropy(logits[None], torch.tensor([int(target)]))
        margin = logits[int(target)] - torch.logsumexp(others, 0)  # log(p / (1 - p))
        losses.append(float(loss))
        of_loss = torch.autograd.grad(loss, list(named.values()), retain_graph=True)
        for name, gradient in zip(named, of_loss, strict=True):
            by_name[name].append(gradient.flatten().numpy())
        of_margin = torch.autograd.grad(margin, list(named.values()))
        margins.append(np.concatenate([g.flatten().numpy() for g in of_margin]))
    return Dense(np.array(losses), {name: np.array(rows) for name, rows in by_name.items()}, np.array(margins))


def ridge(moment: np.ndarray, damping: float, rank: int) -> np.ndarray:
    return damping * np.trace(moment) / rank * np.eye(len(moment))


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


# --- the engine -------------------------------------------------------------------------------------


@LEARNERS
def test_loss_gradients_that_are_narrow_enough_are_whole(learner: Learner, tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tiny_pool(4), learner)
    found = loss_gradients(problem, 0, 4096)
    for rows, losses, examples in (
        (found.train_NK, found.losses_N, problem.train),
        (found.validation_VK, found.losses_V, problem.validation),
    ):
        expected = dense(problem, examples)
        np.testing.assert_allclose(rows, expected.loss_NP, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(losses, expected.losses_N, rtol=1e-4, atol=1e-6)


def test_loss_gradients_are_projected_by_one_linear_map_of_training_and_validation(tmp_path: Path) -> None:
    """Inner products across the two keep their expectation: the mean over maps is the exact one."""
    problem = problem_of(tmp_path, tiny_pool(4))
    expected = dense(problem, problem.train).loss_NP @ dense(problem, problem.validation).loss_NP.T
    found = []
    for seed in range(200):
        project = count_sketch(problem.fit(0).params, 16, seed)
        sides = (torch.tensor(dense_NP).float() for dense_NP in _both(problem))
        train, validation = (project(side) for side in sides)
        found.append((train @ validation.T).numpy())
    z = (np.mean(found, axis=0) - expected) / (np.std(found, axis=0) / len(found) ** 0.5 + 1e-12)
    assert np.abs(z).max() < 5
    assert np.std(found, axis=0).min() > 0
    once = loss_gradients(problem, 0, 16)
    assert once.train_NK.shape == (len(problem.train), 16)
    assert not np.allclose(once.train_NK @ once.validation_VK.T, expected, rtol=0.01)  # another map than the identity


def _both(problem: Problem) -> tuple[np.ndarray, np.ndarray]:
    if not hasattr(_both, "kept"):
        _both.kept = dense(problem, problem.train).loss_NP, dense(problem, problem.validation).loss_NP  # type: ignore[attr-defined]
    return _both.kept  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize("names", [("trak", "trackstar"), ("trackstar", "trak")])
def test_methods_share_one_projection_whoever_asks_first(names: tuple[str, str], tmp_path: Path) -> None:
    """With SGD; each is billed for it in full."""
    methods = {"trak": Trak(runs=1, projection=20), "trackstar": TrackStar(runs=1, projection=20)}
    evaluator = evaluator_of(tmp_path, tiny_pool(4))
    values = {name: evaluator.evaluate(name, methods[name], "shapley") for name in names}
    assert [key for key in evaluator.shared.done if key.startswith("projected")] == [
        "projected loss gradients/0/20/its own units"
    ]
    alone = {name: evaluator_of(tmp_path, tiny_pool(4)).evaluate(name, methods[name], "shapley") for name in names}
    for name in names:
        np.testing.assert_allclose(values[name].values_SC, alone[name].values_SC, rtol=1e-5)  # type: ignore[union-attr]
        assert values[name].cost.gradient_passes == alone[name].cost.gradient_passes > 1  # type: ignore[union-attr]


@pytest.mark.parametrize("width", [5, 40])
def test_rows_in_their_span_keep_their_inner_products(width: int) -> None:
    generator = torch.Generator().manual_seed(0)
    parts = [torch.randn(rows, width, generator=generator) for rows in (7, 3)]
    found = in_their_span(*parts)
    assert [len(part) for part in found] == [7, 3]
    assert found[0].shape[1] == min(width, 10)
    whole, narrow = torch.cat(parts).double(), torch.cat(found)
    torch.testing.assert_close(narrow @ narrow.T, whole @ whole.T, rtol=1e-10, atol=1e-10)


def test_damping_is_a_multiple_of_the_mean_eigenvalue_and_never_singular() -> None:
    rows = torch.randn(3, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    moment = rows.T @ rows
    for damping in (0.5, 1e-3):
        factor = damped(moment, damping, 3)
        expected = moment + damping * torch.linalg.eigvalsh(moment).sum() / 3 * torch.eye(8)
        torch.testing.assert_close(factor @ factor.T, expected)
    for least in (damped(moment, 0.0, 3), damped(torch.zeros(8, 8, dtype=torch.float64), 0.1, 3)):
        assert torch.isfinite(least).all()
        assert (least.diagonal() > 0).all()


# --- TRAK -------------------------------------------------------------------------------------------


def dense_trak(problem: Problem, runs: int, damping: float) -> np.ndarray:
    """Park et al. 2023, eq. 17, with a ridge: the runs' weights are averaged apart from the rest."""
    of_runs = [(dense(problem, problem.train, run), dense(problem, problem.validation, run)) for run in range(runs)]
    miss_N = np.mean([1 - np.exp(-train.losses_N) for train, _ in of_runs], axis=0)
    found = []
    for train, validation in of_runs:
        z, phi = train.margin_NP, validation.margin_NP
        moment = z.T @ z
        damped_PP = moment + ridge(moment, damping, min(z.shape))
        found.append((phi @ np.linalg.solve(damped_PP, z.T)).mean(axis=0) * miss_N)
    return np.array(found)


@LEARNERS
@pytest.mark.parametrize("damping", [0.1, 1e-3])
def test_trak_equals_the_dense_solve_where_nothing_is_projected(
    learner: Learner, damping: float, tmp_path: Path
) -> None:
    problem = problem_of(tmp_path, tiny_pool(4, each=20), learner)
    found = Trak(runs=2, damping=damping).example_values(problem)
    expected = dense_trak(problem, 2, damping)
    print("TRAK, relative error", [relative_error(found[run], expected[run]) for run in range(2)])
    for run in range(2):
        assert relative_error(found[run], expected[run]) < 1e-3
    assert relative_error(found[0], found[1]) > 0.1  # each run has its own model


def test_trak_predicts_leaving_out_for_a_logistic_regression(tmp_path: Path) -> None:
    """Where margins are linear in the parameters and training ends at the optimum, values are what leaving an example
    out takes from the validation margins, to first order: of either sign, and so is the order.
    """
    from scipy.optimize import minimize
    from scipy.stats import spearmanr

    rng = np.random.default_rng(0)
    x, v = rng.standard_normal((60, 4)), rng.standard_normal((30, 4))
    y = np.where(rng.random(60) < 1 / (1 + np.exp(-x @ [1.0, -1, 0.5, 0])), 1, -1)
    w = np.where(v @ [1.0, -1, 0.5, 0] > 0, 1, -1)

    def optimum(kept: np.ndarray) -> np.ndarray:
        loss = lambda t: np.logaddexp(0, -y[kept] * (x[kept] @ t)).sum() + 1e-6 * t @ t
        return minimize(loss, np.zeros(4), tol=1e-12).x

    everyone = np.ones(60, bool)
    theta = optimum(everyone)
    gone = np.array([(w * (v @ (theta - optimum(np.arange(60) != i)))).mean() for i in range(60)])
    z, miss = y[:, None] * x, 1 / (1 + np.exp(y * (x @ theta)))
    ours = Trak(damping=0.0)._one_run(_as_losses(z, miss, w[:, None] * v, theta), torch.tensor(miss))
    assert spearmanr(ours, gone)[0] > 0.9


def _as_losses(z: np.ndarray, miss: np.ndarray, phi: np.ndarray, theta: np.ndarray) -> object:
    """Margins as the engine gives them: gradients of losses, which are the margins' by minus 1 - p."""
    from methods.gradients.projected import LossGradients

    missed_V = 1 / (1 + np.exp(phi @ theta))
    rows = (torch.tensor(-a * m[:, None]) for a, m in ((z, miss), (phi, missed_V)))
    return LossGradients(*rows, *(torch.tensor(-np.log1p(-m)) for m in (miss, missed_V)), len(theta))


@pytest.mark.parametrize("method", [Trak, TrackStar, LoGra])
def test_values_converge_to_the_unprojected_ones_as_k_grows(
    method: Callable[..., Trak | TrackStar | LoGra], tmp_path: Path
) -> None:
    """The error, mean over projections, is bounded by a constant over the root of k, as inner products' is."""
    pool, learner = tiny_pool(4, each=20), tiny_wide()
    exact = method(runs=1, projection=10**8).example_values(problem_of(tmp_path, pool, learner))[0]
    print(f"\n{method.__name__}: k, relative error x root of k (mean of 12 projections)")
    errors = []
    for k in (16, 64, 256, 1024):
        of_k = []
        for root in range(12):
            evaluator = replace(evaluator_of(tmp_path, pool, learner), root=root)
            of_k.append(relative_error(sketched(evaluator, method, k), exact))
        errors.append(float(np.mean(of_k)))
        print(f"{k:5d}  {errors[-1]:.3f}  {errors[-1] * k**0.5:.2f}")
        assert errors[-1] < 8 / k**0.5
    assert all(later < 0.75 * before for before, later in zip(errors, errors[1:], strict=False))
