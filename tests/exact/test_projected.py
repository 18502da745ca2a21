"""Projected gradients, TRAK, LoGra and TrackStar against dense gradients of double precision, one example at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from harness.seeds import stream
from harness.types import Examples, Learner, Problem, Recipe
from methods.gradients.layered import layer_gradients
from methods.gradients.projected import MarginGradients, damped, in_their_span, margin_gradients
from methods.gradients.summed_rates import summed_rates
from methods.logra import LoGra
from methods.trackstar import TrackStar
from methods.trak import Trak
from tasks.learners.classifier import Classifier
from tests.small_mlp import SmallMlp
from tests.tiny import CLASSES, SIDE, evaluator_of, problem_of, tiny_cnn, tiny_mlp, tiny_pool, tiny_recipe

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own jvp
BOUND = 8.0
"""Of the relative error times the root of k."""

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
    margins_N: np.ndarray
    margin_NP: np.ndarray

    @property
    def loss_NP(self) -> np.ndarray:
        return np.hstack([*self.loss_gradients.values()])


def dense(problem: Problem, examples: Examples, run: int = 0) -> Dense:
    module = problem.learner.module(problem.fit(run).params).double()
    named = dict(module.named_parameters())
    losses, by_name, values, margins = [], {name: [] for name in named}, [], []
    for row, target in zip(examples.columns["inputs"], examples.targets, strict=True):
        logits = module(torch.tensor(row[None]).double())[0]
        others = torch.cat([logits[: int(target)], logits[int(target) + 1 :]])
        loss = F.cross_entropy(logits[None], torch.tensor([int(target)]))
        margin = logits[int(target)] - torch.logsumexp(others, 0)  # log(p / (1 - p))
        losses.append(float(loss.detach()))
        values.append(float(margin.detach()))
        of_loss = torch.autograd.grad(loss, list(named.values()), retain_graph=True)
        for name, gradient in zip(named, of_loss, strict=True):
            by_name[name].append(gradient.flatten().numpy())
        of_margin = torch.autograd.grad(margin, list(named.values()))
        margins.append(np.concatenate([g.flatten().numpy() for g in of_margin]))
    by_parameter = {name: np.array(rows) for name, rows in by_name.items()}
    return Dense(np.array(losses), by_parameter, np.array(values), np.array(margins))


def ridge(moment: np.ndarray, damping: float, rank: int) -> np.ndarray:
    return damping * np.trace(moment) / rank * np.eye(len(moment))


def rule(problem: Problem, run: int = 0) -> dict[str, np.ndarray]:
    """Influence's D by parameter, flattened: infinite for what no example moves."""
    rates = summed_rates(problem, run).items()
    return {
        name: np.divide(
            1, rate.flatten().double().numpy(), where=(rate > 0).flatten().numpy(), out=np.full(rate.numel(), 1e300)
        )
        for name, rate in rates
    }


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


# --- the engine -------------------------------------------------------------------------------------


@LEARNERS
def test_gradients_that_are_narrow_enough_are_whole(learner: Learner, tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tiny_pool(4), learner)
    found = margin_gradients(problem, 0, 4096)
    of_train, of_validation = found.of_losses()
    for rows, losses, margins, examples in (
        (found.train_NK, of_train, found.margins_N, problem.train),
        (found.validation_VK, of_validation, found.margins_V, problem.validation),
    ):
        expected = dense(problem, examples)
        np.testing.assert_allclose(rows, expected.margin_NP, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(losses, expected.loss_NP, rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(np.logaddexp(0, -margins), expected.losses_N, rtol=1e-4, atol=1e-6)


def test_gradients_are_projected_by_one_linear_map_of_training_and_validation(tmp_path: Path) -> None:
    """Inner products across the two keep their expectation: the mean over maps is the exact one."""
    problem = problem_of(tmp_path, tiny_pool(4))
    expected = dense(problem, problem.train).margin_NP @ dense(problem, problem.validation).margin_NP.T
    found = []
    for seed in range(100):
        drawn = margin_gradients(with_projection(problem, seed), 0, 16)
        found.append((drawn.train_NK @ drawn.validation_VK.T).numpy())
    z = (np.mean(found, axis=0) - expected) / (np.std(found, axis=0) / len(found) ** 0.5 + 1e-12)
    assert np.abs(z).max() < 5
    assert np.std(found, axis=0).min() > 0


@pytest.mark.parametrize("names", [("trak", "trackstar"), ("trackstar", "trak")])
def test_methods_share_one_projection_whoever_asks_first(names: tuple[str, str], tmp_path: Path) -> None:
    """Each is billed for it in full."""
    methods = {"trak": Trak(runs=1, projection=20), "trackstar": TrackStar(runs=1, projection=20)}
    evaluator = evaluator_of(tmp_path, tiny_pool(4))
    values = {name: evaluator.evaluate(name, methods[name], "shapley") for name in names}
    assert sum("projected margin gradients" in key for key in evaluator.shared.done) == 1
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


def dense_trak(problem: Problem, runs: int, damping: float | None) -> np.ndarray:
    """Park et al. 2023, sec. 3, with a ridge: the runs' weights are averaged apart from the rest.

    The regression's curvature is the mean of p (1 - p) z z' over examples, of which the paper leaves the weights out:
    taken for their mean, D added to it is D x N / mean beside Z'Z.
    """
    of_runs = [(dense(problem, problem.train, run), dense(problem, problem.validation, run)) for run in range(runs)]
    miss_N = np.mean([1 - np.exp(-train.losses_N) for train, _ in of_runs], axis=0)
    found = []
    for run, (train, validation) in enumerate(of_runs):
        z, phi = train.margin_NP, validation.margin_NP
        moment, p_N = z.T @ z, np.exp(-train.losses_N)
        if damping is None:
            added = np.diag(np.concatenate([*rule(problem, run).values()]) * len(z) / np.mean(p_N * (1 - p_N)))
        else:
            added = ridge(moment, damping, min(z.shape))
        damped_PP = moment + added
        found.append((phi @ np.linalg.solve(damped_PP, z.T)).mean(axis=0) * miss_N)
    return np.array(found)


@LEARNERS
@pytest.mark.parametrize("damping", [None, 0.1, 1e-3])
def test_trak_equals_the_dense_solve_where_nothing_is_projected(
    learner: Learner, damping: float | None, tmp_path: Path
) -> None:
    problem = problem_of(tmp_path, tiny_pool(4, each=20), learner)
    found = Trak(runs=2, damping=damping).example_values(problem)
    expected = dense_trak(problem, 2, damping)
    print("TRAK, relative error", [relative_error(found[run], expected[run]) for run in range(2)])
    for run in range(2):
        assert relative_error(found[run], expected[run]) < 1e-3
    assert relative_error(found[0], found[1]) > 0.1  # each run has its own model


def test_trak_keeps_its_digits_where_the_model_is_sure(tmp_path: Path) -> None:
    """Of many examples 1 - p is far under what single precision tells from 0 beside 1."""
    problem = problem_of(tmp_path, tiny_pool(4, each=20), tiny_mlp(tiny_recipe(steps=100)))
    trained = problem.fit(0)
    half = float(np.median(dense(problem, problem.train).margins_N))
    sharper = {name: value * np.sqrt(20 / half) for name, value in trained.params.items()}
    end = replace(trained.checkpoints[-1], params=sharper)
    sure = replace(problem, fit=lambda k, coalition_C=None: replace(trained, checkpoints=(end,)))
    margins_N = margin_gradients(sure, 0, 4096).margins_N
    assert (margins_N > 17).double().mean() > 0.4
    assert 25 < margins_N.max() < 60
    of = [dense(sure, examples) for examples in (problem.train, problem.validation)]
    z, phi = of[0].margin_NP, of[1].margin_NP
    moment = z.T @ z
    solved = np.linalg.solve(moment + ridge(moment, 0.1, min(z.shape)), z.T)
    expected = (phi @ solved).mean(axis=0) / (1 + np.exp(of[0].margins_N))
    found = Trak(runs=1, damping=0.1).example_values(sure)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-2)


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
        def loss(t: np.ndarray) -> float:
            return float(np.logaddexp(0, -y[kept] * (x[kept] @ t)).sum() + 1e-6 * t @ t)

        return minimize(loss, np.zeros(4), tol=1e-12).x

    everyone = np.ones(60, bool)
    theta = optimum(everyone)
    gone = np.array([(w * (v @ (theta - optimum(np.arange(60) != i)))).mean() for i in range(60)])
    z, miss = y[:, None] * x, 1 / (1 + np.exp(y * (x @ theta)))
    missed_V = 1 / (1 + np.exp(w[:, None] * v @ theta))
    margins = (torch.tensor(np.log1p(-m) - np.log(m)) for m in (miss, missed_V))
    gradients = MarginGradients(torch.tensor(z), torch.tensor(w[:, None] * v), *margins, len(theta))
    ours = Trak(damping=1e-9)._one_run(gradients, torch.tensor(miss))
    assert spearmanr(ours, gone)[0] > 0.9


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
@pytest.mark.parametrize("method", [Trak, TrackStar, LoGra])
def test_values_converge_to_the_unprojected_ones_as_k_grows(
    method: Callable[..., Trak | TrackStar | LoGra], optimiser: str, tmp_path: Path
) -> None:
    """The error, mean over projections, is bounded by a constant over the root of k, as inner products' is.

    Unprojected ones are the dense solves with influence's damping, as the other tests have it.
    """
    recipe = ADAMW if optimiser == "adamw" else tiny_recipe(steps=20)
    problem = problem_of(tmp_path, tiny_pool(4, each=20), wide_mlp(recipe))
    exact = method(runs=1, projection=10**6).example_values(problem)[0]
    print(f"\n{method.__name__}: k, relative error, times the root of k (mean of 12 projections)")
    errors = []
    for k in (16, 64, 256, 1024):
        drawn = [method(runs=1, projection=k).example_values(with_projection(problem, seed)) for seed in range(12)]
        errors.append(float(np.mean([relative_error(values[0], exact) for values in drawn])))
        print(f"{k:5d}  {errors[-1]:.3f}  {errors[-1] * k**0.5:.2f}")
        assert errors[-1] < BOUND / k**0.5
    assert errors[-1] < errors[0] / 2


def wide_mlp(recipe: Recipe) -> Learner:
    """1,283 parameters."""
    return Classifier("wide-mlp", lambda: SmallMlp(SIDE * SIDE, CLASSES, width=64), CLASSES, recipe)


def with_projection(problem: Problem, seed: int) -> Problem:
    """The same trained models, and other draws of the projection that nobody has asked for yet."""
    return replace(problem, scope_stream=partial(stream, seed), shared=lambda key, build: build())


# --- LoGra ------------------------------------------------------------------------------------------


@LEARNERS
@pytest.mark.parametrize("damping", [None, 0.1])
def test_logra_equals_the_dense_solve_by_layer_where_nothing_is_projected(
    learner: Learner, damping: float | None, tmp_path: Path
) -> None:
    problem = problem_of(tmp_path, tiny_pool(4, each=20), learner)
    train, validation = dense(problem, problem.train), dense(problem, problem.validation)
    of_linear_layers = [name for name in train.loss_gradients if name in LINEAR]
    others = [name for name in train.loss_gradients if name not in LINEAR]
    assert of_linear_layers
    expected = np.zeros(len(problem.train))
    for names in ([name] for name in of_linear_layers), [others]:
        for layer in names:
            g, target = (np.hstack([side.loss_gradients[name] for name in layer]) for side in (train, validation))
            fisher = g.T @ g / len(g)
            tenth, own = (
                ridge(fisher, 0.1, min(g.shape)),
                np.concatenate([rule(problem)[name.removeprefix("inner.")] for name in layer]),
            )
            solved = np.linalg.solve(fisher + (np.diag(own) if damping is None else tenth), target.mean(axis=0))
            expected += g @ solved / len(g)
    found = LoGra(runs=1, damping=damping).example_values(problem)[0]
    print("LoGra, relative error", relative_error(found, expected))
    assert relative_error(found, expected) < 1e-4


LINEAR = ("inner.hidden.weight", "inner.head.weight")
"""Weights of linear layers of the tiny models, which a wrapper holds."""


def test_each_layer_is_projected_from_both_sides(tmp_path: Path) -> None:
    """A narrow side stays whole: 9 numbers a layer are 3 on each side, and the rest is one layer of 9."""
    problem = problem_of(tmp_path, tiny_pool(4))
    found = layer_gradients(problem, 0, 9)
    assert [layer.train_NK.shape[1] for layer in found] == [3 * 3, 3 * 3, 8]  # 5 + 3 biases are fewer than 9
    assert [layer.parameters for layer in found] == [5 * 3, 16 * 5, 8]
    assert found[0].validation_VK.shape == (len(problem.validation), 9)


def test_a_weight_that_is_used_twice_goes_with_the_rest(tmp_path: Path) -> None:
    """Its signals at one place are not its gradient."""

    class Tied(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = torch.nn.Linear(16, 16)
            self.head = torch.nn.Linear(16, 3)

        def forward(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            features = torch.tanh(self.hidden(torch.tanh(self.hidden(rows.flatten(1)))))
            return self.head(features), features

    learner = Classifier("tied", Tied, CLASSES, tiny_recipe())
    problem = problem_of(tmp_path, tiny_pool(4), learner)
    found = layer_gradients(problem, 0, 10_000)
    assert [layer.parameters for layer in found] == [3 * 16, 16 * 16 + 16 + 3]
    gradients = np.hstack([layer.train_NK for layer in found])
    expected = dense(problem, problem.train)
    np.testing.assert_allclose((gradients**2).sum(axis=1), (expected.loss_NP**2).sum(axis=1), rtol=1e-4)


# --- TrackStar --------------------------------------------------------------------------------------


@LEARNERS
@pytest.mark.parametrize("share", [0.0, 0.9])
def test_trackstar_by_the_rule_has_the_cosines_of_r_and_d_in_parameters_of_no_units(
    learner: Learner, share: float, tmp_path: Path
) -> None:
    problem = problem_of(tmp_path, tiny_pool(4, each=20), learner)
    found = TrackStar(runs=1, validation_share=share).example_values(problem)[0]
    sides = [dense(problem, examples).loss_NP for examples in (problem.train, problem.validation)]
    own, other = (side.T @ side / len(side) for side in sides)
    r = share * other + (1 - share) * own + np.diag(np.concatenate([*rule(problem).values()]))
    products = np.vstack(sides) @ np.linalg.solve(r, np.vstack(sides).T)
    norms = np.sqrt(np.diag(products))
    expected = (products / np.outer(norms, norms))[: len(sides[0]), len(sides[0]) :].mean(axis=1)
    assert relative_error(found, expected) < 1e-3


@LEARNERS
@pytest.mark.parametrize("share", [0.0, 0.9, None])
def test_trackstar_equals_the_dense_cosines_where_nothing_is_projected(
    learner: Learner, share: float | None, tmp_path: Path
) -> None:
    """In the paper's units, by a multiple of the mean eigenvalue."""
    problem = problem_of(tmp_path, tiny_pool(4, each=20), learner)
    found = TrackStar(runs=1, damping=0.1, validation_share=share).example_values(problem)[0]
    sides = [dense(problem, examples).loss_NP for examples in (problem.train, problem.validation)]
    if learner.recipe.optimiser == "adamw":
        units = torch.cat([rate.flatten() for rate in summed_rates(problem, 0).values()]).double().numpy()
        sides = [side * units for side in sides]
    own, other = (side.T @ side / len(side) for side in sides)
    if share is None:  # the second largest of about a hundred, as the thousandth of 65,536
        dimension = min(len(own), len(problem.train) + len(problem.validation))
        rank = round(dimension * 1_000 / 65_536)
        assert rank in (1, 2)
        share = 1 / (1 + np.linalg.eigvalsh(other)[-rank] / np.linalg.eigvalsh(own)[-rank])
        assert 0.05 < share < 0.95
    moment = share * other + (1 - share) * own
    values, vectors = np.linalg.eigh(moment + ridge(moment, 0.1, min(sides[0].shape)))
    whitened = [side @ vectors / np.sqrt(values) @ vectors.T for side in sides]  # by R^-1/2 itself
    unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in whitened]
    expected = (unit[0] @ unit[1].T).mean(axis=1)
    print("TrackStar, relative error", relative_error(found, expected))
    assert relative_error(found, expected) < 1e-3
    assert np.abs(found).max() <= 1


def test_examples_without_a_gradient_are_worth_nothing(tmp_path: Path) -> None:
    """And leave the others' values finite: every gradient is zero where every loss is."""
    found = MarginGradients(torch.zeros(5, 4), torch.zeros(3, 4), torch.zeros(5), torch.zeros(3), 4)
    assert not TrackStar()._one_run(found).any()
    assert not Trak()._one_run(found, torch.zeros(5)).any()


@pytest.mark.parametrize("method", [Trak(runs=1), LoGra(runs=1), TrackStar(runs=1)])
def test_an_example_that_is_a_validation_example_is_worth_more_than_its_opposite(
    method: Trak | LoGra | TrackStar, tmp_path: Path
) -> None:
    """Signs: training on what will be asked helps, training on it with a wrong label harms."""
    pool = tiny_pool(4, each=20)
    asked = pool.validation.take(np.arange(20))
    columns = {name: column.copy() for name, column in pool.train.columns.items()}
    columns["inputs"][:20] = columns["inputs"][20:40] = asked.columns["inputs"]
    columns["targets"][:20], columns["targets"][20:40] = asked.targets, (asked.targets + 1) % CLASSES
    told = replace(pool, train=Examples(columns, pool.train.owners_N, pool.train.real_N))
    values_N = method.example_values(problem_of(tmp_path, told))[0]
    assert values_N[:20].mean() > 0 > values_N[20:40].mean()


@pytest.mark.parametrize("method", [Trak(runs=1), LoGra(runs=1), TrackStar(runs=1)])
def test_models_that_do_not_stack_get_the_same_values(method: Trak | LoGra | TrackStar, tmp_path: Path) -> None:
    """Their examples are differentiated in turn."""
    alone = tiny_mlp()
    alone.stacks = False
    expected = method.example_values(problem_of(tmp_path, tiny_pool(4), tiny_mlp()))
    found = method.example_values(problem_of(tmp_path, tiny_pool(4), alone))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-7)
