"""NTK-MMD's terms against plain code in double precision, one example and one pair at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from scipy.optimize import lsq_linear
from torch.nn import functional as F

from harness.coalitions import prefixes
from harness.types import Bools, Examples, Floats, Learner, Precedent, Problem, Valuation
from methods import kernels
from methods.kernels import CoalitionMmd, Form, Kernel, joint_features, median_distance
from methods.ntk_mmd import NtkMmd, kernel, terms, weights
from methods.ntk_mmd.terms import KernelComplexity, ProjectedComplexity, Reading, Terms, growing
from methods.ntk_mmd.weights import TERMS
from tasks.learners.classifier import Classifier
from tests.tiny import CLASSES, evaluator_of, problem_of, tiny_cnn, tiny_mlp, tiny_pool, tiny_recipe

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own jvp
LEARNERS = pytest.mark.parametrize("make", [tiny_mlp, tiny_cnn])
COALITIONS = np.array(
    [[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 1, 0], [0, 1, 0, 1], [0, 1, 1, 1]], dtype=bool
)


def terms_at(problem: Problem, seed: int, reading: Reading = terms.DEFAULT) -> Terms:
    """Nobody else asks."""
    return Terms(problem, seed, lambda key, build: build(), reading)


# --- the plain definitions --------------------------------------------------------------------------


def module_of(problem: Problem, seed: int = 0) -> torch.nn.Module:
    return problem.learner.module(problem.initial(seed)).double()


def logits_and_features(problem: Problem, examples: Examples, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    pair = module_of(problem, seed).inner(torch.tensor(examples.columns["inputs"]).double())
    return pair[0].detach(), pair[1].detach()


def plain_losses(problem: Problem) -> Floats:
    logits, _ = logits_and_features(problem, problem.train)
    pairs = zip(logits.numpy(), problem.train.targets, strict=True)
    return np.array([-np.log(np.exp(z[y]) / np.exp(z).sum()) for z, y in pairs])


def plain_joint(problem: Problem) -> tuple[Floats, Floats]:
    """Features and one-hot targets, each divided by its root mean square distance within validation."""
    sides: list[list[Floats]] = []
    for examples in (problem.train, problem.validation):
        sides.append([logits_and_features(problem, examples)[1].numpy(), np.eye(CLASSES)[examples.targets]])
    scales = [np.sqrt(np.mean([((a - b) ** 2).sum() for a in side for b in side])) for side in sides[1]]
    return tuple(np.hstack([part / scale for part, scale in zip(side, scales, strict=True)]) for side in sides)


def plain_kernel(a: Floats, b: Floats, median: float) -> float:
    square = ((a - b) ** 2).sum()
    return float(np.mean([np.exp(-square / (2 * (factor * median) ** 2)) for factor in (0.25, 0.5, 1, 2, 4)]))


def plain_mmd(rows: Floats, target: Floats) -> float:
    """Biased MMD (Gretton et al. 2012, eq. 5), pair by pair."""
    if not len(rows):
        return 0.0
    distances = sorted(np.linalg.norm(target[i] - target[j]) for i in range(len(target)) for j in range(i))
    median = distances[(len(distances) - 1) // 2]
    own, across, among = (
        np.mean([plain_kernel(a, b, median) for a in one for b in other])
        for one, other in ((rows, rows), (rows, target), (target, target))
    )
    return float(np.sqrt(max(0.0, own - 2 * across + among)))


def plain_gradients(problem: Problem) -> Floats:
    """Gradient of each example's true-target probability, one backward pass at a time."""
    module, found = module_of(problem), []
    for row, target in zip(problem.train.columns["inputs"], problem.train.targets, strict=True):
        probability = torch.softmax(module(torch.tensor(row[None]).double())[0], 0)[int(target)]
        gradients = torch.autograd.grad(probability, list(module.parameters()))
        found.append(torch.cat([g.flatten() for g in gradients]).numpy())
    return np.array(found)


def plain_terms(problem: Problem, coalition_C: Bools) -> list[float]:
    """Design, section 6: loss, discrepancy, NTK complexity, sample term of one coalition."""
    member_N, real_N = coalition_C[problem.train.owners_N], problem.train.real_N
    n = int(member_N.sum())
    if not n:
        return [0.0] * 4
    real, synthetic = member_N & real_N, member_N & ~real_N
    omega = real.sum() / n
    losses_N = plain_losses(problem)
    joint, target = plain_joint(problem)
    loss = sum(share * losses_N[part].mean() for share, part in ((omega, real), (1 - omega, synthetic)) if part.any())
    discrepancy = omega * plain_mmd(joint[real], target) + (1 - omega) * plain_mmd(joint[synthetic], target)
    gradients = plain_gradients(problem)
    ridge = 0.1 * (gradients**2).sum(axis=1).mean()
    own, label = gradients[member_N], 1 - np.exp(-losses_N[member_N])
    complexity = np.sqrt(label @ np.linalg.solve(own @ own.T + ridge * np.eye(n), label) / n)
    return [loss, discrepancy, complexity, max(omega, 1 - omega) / n]


# --- the terms --------------------------------------------------------------------------------------


@LEARNERS
def test_terms_of_coalitions_are_the_plain_definitions(make: Callable[..., Learner], tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tiny_pool(4), make())
    found = terms_at(problem, 0).of(COALITIONS)
    expected = np.array([plain_terms(problem, row) for row in COALITIONS])
    for k, term in enumerate(TERMS):
        np.testing.assert_allclose(found[:, k], expected[:, k], rtol=1e-4, atol=1e-6, err_msg=term)
    assert not found[0].any()  # nobody
    assert (found[1:] > 0).all()


@pytest.mark.parametrize("real", [True, False])
def test_terms_of_a_pool_with_one_side_only(real: bool, tmp_path: Path) -> None:
    pool = tiny_pool(4)
    sided = replace(pool, train=Examples(pool.train.columns, pool.train.owners_N, np.full(len(pool.train), real)))
    problem = problem_of(tmp_path, sided)
    found = terms_at(problem, 0).of(COALITIONS[1:])
    np.testing.assert_allclose(found, [plain_terms(problem, row) for row in COALITIONS[1:]], rtol=1e-4, atol=1e-6)
    sizes = np.bincount(problem.train.owners_N)
    np.testing.assert_allclose(found[:, 3], 1 / (COALITIONS[1:] @ sizes))


def test_terms_do_not_depend_on_the_company_of_a_coalition(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tiny_pool(4))
    prepared = terms_at(problem, 0)
    alone = np.vstack([prepared.of(row[None]) for row in COALITIONS])
    np.testing.assert_allclose(prepared.of(COALITIONS[::-1])[::-1], alone, rtol=1e-9)


# --- the NTK term -----------------------------------------------------------------------------------


def random_gradients(width: int = 7) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    generator = torch.Generator().manual_seed(0)
    owners_N = np.array([0, 3, 1, 1, 2, 0, 3, 2, 4, 4, 4, 0])  # not in order: chains must gather rows
    gradients = torch.randn(12, width, generator=generator, dtype=torch.float64)
    return gradients, torch.rand(12, generator=generator, dtype=torch.float64), owners_N


def tenth(gradients: torch.Tensor) -> float:
    """Of the kernel's mean diagonal."""
    return 0.1 * float((gradients**2).sum(1).mean())


def direct(gradients: torch.Tensor, residual_N: torch.Tensor, owners_N: np.ndarray, coalitions_KC: Bools) -> Floats:
    """y' (Z Z' + ridge)^-1 y, one coalition at a time."""
    z, y = gradients.double().numpy(), residual_N.double().numpy()
    ridge = 0.1 * (z**2).sum(axis=1).mean()
    found = []
    for row in coalitions_KC:
        own = row[owners_N]
        found.append(y[own] @ np.linalg.solve(z[own] @ z[own].T + ridge * np.eye(own.sum()), y[own]))
    return np.array(found)


CHAINS = np.vstack(
    [
        prefixes(np.array([2, 0, 4, 1, 3])),
        prefixes(np.array([3, 1, 4, 0, 2]))[1:-1],
        np.eye(5, dtype=bool),
        ~np.eye(5, dtype=bool),
        np.zeros((2, 5), dtype=bool),
        np.ones((2, 5), dtype=bool),
    ]
)


@pytest.mark.parametrize("order", [np.arange(len(CHAINS)), np.random.default_rng(0).permutation(len(CHAINS))])
def test_chains_of_growing_coalitions_equal_direct_solves(order: np.ndarray) -> None:
    gradients, residual_N, owners_N = random_gradients()
    found = KernelComplexity(gradients @ gradients.T, residual_N, owners_N, tenth(gradients)).squared(CHAINS[order])
    np.testing.assert_allclose(found, direct(gradients, residual_N, owners_N, CHAINS[order]), rtol=1e-9)


@pytest.mark.parametrize("contributors", [2, 3, 6, 24])
def test_leaving_each_out_by_downdates_of_one_inverse_equals_a_factorisation_of_each(contributors: int) -> None:
    """As it was before: to rounding, wherever that pays, and where it does not (few contributors)."""
    owners_N = np.random.default_rng(1).permutation(np.repeat(np.arange(contributors), 7))
    generator = torch.Generator().manual_seed(1)
    gradients = torch.randn(len(owners_N), 30, generator=generator, dtype=torch.float64)
    residual_N = torch.rand(len(owners_N), generator=generator, dtype=torch.float64)
    rows = np.vstack([np.ones((1, contributors), bool), ~np.eye(contributors, dtype=bool)])
    complexity = KernelComplexity(gradients @ gradients.T, residual_N, owners_N, tenth(gradients))
    assert bool(complexity._cheaper_by_downdates(rows, list(range(len(rows))))) == (contributors > 3)
    found = complexity.squared(rows)
    one_by_one = np.concatenate([complexity._grown(row[None]) for row in rows])
    np.testing.assert_allclose(found, one_by_one, rtol=1e-11)
    np.testing.assert_allclose(found, direct(gradients, residual_N, owners_N, rows), rtol=1e-10)


def test_the_kernel_is_the_gradients_products_however_many_columns_are_taken_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gradients = random_gradients(50)[0].float()
    expected = gradients.double() @ gradients.double().T
    for columns, rows in ((7, 100), (1_000, 5), (20, 5)):
        monkeypatch.setattr(kernel, "COLUMNS", columns)
        monkeypatch.setattr(kernel, "GRAM_ROWS", rows)
        torch.testing.assert_close(kernel.gram(gradients), expected, rtol=1e-12, atol=1e-12)


def test_a_model_of_linear_layers_has_its_kernel_without_a_gradient(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tiny_pool(4), tiny_mlp(tiny_recipe(batch_size=1)))  # 16 rows a block
    rows = {name: torch.tensor(column) for name, column in problem.train.columns.items()}
    found = kernel.of_linear_layers(problem.learner, problem.initial(0), rows)
    assert found is not None
    gradients, slope_N = plain_gradients(problem), np.exp(-plain_losses(problem))
    np.testing.assert_allclose(found * np.outer(slope_N, slope_N), gradients @ gradients.T, rtol=1e-4, atol=1e-7)


def test_other_models_have_their_kernel_from_gradients(tmp_path: Path) -> None:
    """Convolutions, and a layer that is used twice, whose signals are not its gradient."""

    class Twice(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.head = torch.nn.Linear(16, 16), torch.nn.Linear(16, CLASSES)

        def forward(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            features = torch.tanh(self.hidden(torch.tanh(self.hidden(rows.flatten(1)))))
            return self.head(features), features

    for learner in (tiny_cnn(), Classifier("twice", Twice, CLASSES, tiny_recipe())):
        problem = problem_of(tmp_path, tiny_pool(4), learner)
        rows = {name: torch.tensor(column) for name, column in problem.train.columns.items()}
        assert kernel.of_linear_layers(problem.learner, problem.initial(0), rows) is None
        found = terms_at(problem, 0).of(COALITIONS)
        np.testing.assert_allclose(found, [plain_terms(problem, row) for row in COALITIONS], rtol=1e-4, atol=1e-6)


@LEARNERS
@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("output", ["probability", "log-probability"])
def test_products_with_the_kernel_alone_solve_it_as_the_whole_one_does(
    make: Callable[..., Learner], output: Literal["probability", "log-probability"], absolute: bool, tmp_path: Path
) -> None:
    problem = problem_of(tmp_path, tiny_pool(4), make(tiny_recipe(batch_size=1)))  # 16 rows a block
    reading = Reading(ridge=1e-2, output=output, absolute=absolute)
    whole = terms_at(problem, 0, reading).of(COALITIONS, ["ntk"])
    found = terms_at(problem, 0, replace(reading, solve="matrix-free")).of(COALITIONS, ["ntk"])
    np.testing.assert_allclose(found, whole, rtol=2e-5)


def test_a_solve_by_products_keeps_to_its_budget(tmp_path: Path) -> None:
    method, pool = NtkMmd(scheme="single:ntk", seeds=1, solve="matrix-free"), tiny_pool(4)
    found = evaluator_of(tmp_path, pool).evaluate("ntk-mmd:single:ntk", method, "leave-one-out")
    assert isinstance(found, Valuation)
    assert 10 < found.cost.gradient_passes <= method.budget(4, len(pool.train)).gradient_passes


def test_a_permutation_is_one_chain() -> None:
    rows = np.vstack([prefixes(np.array([1, 0, 2])), prefixes(np.array([2, 1, 0]))[1:-1]])
    assert list(growing(rows)) == [[0, 1, 2, 3], [4, 5]]


@pytest.mark.parametrize("width", [3, 30])
def test_projected_complexity_equals_a_direct_solve_on_the_same_gradients(width: int) -> None:
    gradients, residual_N, owners_N = random_gradients(width)
    found = ProjectedComplexity(gradients, residual_N, owners_N, 5, tenth(gradients)).squared(CHAINS)
    np.testing.assert_allclose(found, direct(gradients, residual_N, owners_N, CHAINS), rtol=1e-8, atol=1e-12)


def test_a_large_pool_s_projected_term_is_near_the_exact_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = problem_of(tmp_path, tiny_pool(4))
    exact = terms_at(problem, 0).of(COALITIONS[1:])
    monkeypatch.setattr(terms, "of_linear_layers", lambda *model: None)  # as for models of other layers
    monkeypatch.setattr(terms, "EXACT_ENTRIES", 80 * len(problem.train))  # no room for 103 parameters an example
    narrower = terms_at(problem, 0).of(COALITIONS[1:])
    np.testing.assert_allclose(narrower, exact, rtol=0.3)
    assert not np.allclose(narrower, exact, rtol=1e-3)
    monkeypatch.setattr(terms, "EXACT_UP_TO", 5)
    whole = terms_at(problem, 0).of(COALITIONS[1:])  # 103 parameters: nothing to project
    np.testing.assert_allclose(whole, exact, rtol=1e-4)
    monkeypatch.setattr(terms, "PROJECTED_WIDTH", 80)
    projected = terms_at(problem, 0).of(COALITIONS[1:])
    np.testing.assert_allclose(projected, exact, rtol=0.3)
    assert not np.allclose(projected, exact, rtol=1e-3)


# --- what the paper leaves open ----------------------------------------------------------------------


def ablated(problem: Problem, **knobs: object) -> Floats:
    """Minus the score of the coalitions at the first initialisation, unweighed but for the scale."""
    return -next(iter(NtkMmd(seeds=1, **knobs).scorers(problem)))(COALITIONS)  # type: ignore[arg-type]


@pytest.mark.parametrize("ridge", [0.01, 1.0])
@pytest.mark.parametrize("output", ["probability", "log-probability"])
@LEARNERS
def test_the_ntk_term_with_another_ridge_and_output_is_the_plain_solve(
    make: Callable[..., Learner], output: str, ridge: float, tmp_path: Path
) -> None:
    problem = problem_of(tmp_path, tiny_pool(4), make())
    losses_N, gradients = plain_losses(problem), plain_gradients(problem)
    label = 1 - np.exp(-losses_N)
    if output == "log-probability":
        gradients, label = gradients * np.exp(losses_N)[:, None], losses_N  # d log p = d p / p
    added = ridge * (gradients**2).sum(axis=1).mean()
    expected = []
    for row in COALITIONS[1:]:
        own = row[problem.train.owners_N]
        solved = np.linalg.solve(gradients[own] @ gradients[own].T + added * np.eye(own.sum()), label[own])
        expected.append(np.sqrt(label[own] @ solved / own.sum()))
    reading = Reading(ridge=ridge, output=output)  # type: ignore[arg-type]
    found = terms_at(problem, 0, reading).of(COALITIONS[1:], ["ntk"])[:, TERMS.index("ntk")]
    np.testing.assert_allclose(found, expected, rtol=2e-4)


@pytest.mark.parametrize("features", ["joint", "initial"])
@pytest.mark.parametrize("form", ["gaussian", "laplacian"])
@pytest.mark.parametrize("unbiased", [False, True])
def test_the_discrepancy_with_other_kernels_features_and_pairs_is_the_mean_over_pairs(
    features: str, form: Form, unbiased: bool, tmp_path: Path
) -> None:
    problem = problem_of(tmp_path, tiny_pool(4))
    sides = [logits_and_features(problem, examples)[1].numpy() for examples in (problem.train, problem.validation)]
    if features == "joint":
        sides = list(plain_joint(problem))
    rows, target = sides
    apart = sorted(np.linalg.norm(target[i] - target[j]) for i in range(len(target)) for j in range(i))
    width = 0.5 * apart[(len(apart) - 1) // 2]

    def mean(a: Floats, b: Floats, same: bool) -> float:
        distances = np.linalg.norm(a[:, None] - b[None], axis=2)
        found = np.exp(-(distances**2) / (2 * width**2)) if form == "gaussian" else np.exp(-distances / width)
        if same and unbiased and len(a) > 1:
            return float(found[~np.eye(len(a), dtype=bool)].mean())
        return float(found.mean())

    expected = []
    for row in COALITIONS[1:]:
        member_N, term = row[problem.train.owners_N], 0.0
        for side_N in (problem.train.real_N, ~problem.train.real_N):
            own = rows[member_N & side_N]
            if len(own):
                square = mean(own, own, True) - 2 * mean(own, target, False) + mean(target, target, True)
                root = np.sign(square) * np.sqrt(abs(square)) if unbiased else np.sqrt(max(0.0, square))
                term += len(own) / member_N.sum() * root
        expected.append(term)
    reading = Reading(features=features, kernel=Kernel(form, (0.5,)), unbiased=unbiased)  # type: ignore[arg-type]
    found = terms_at(problem, 0, reading).of(COALITIONS[1:], ["discrepancy"])[:, TERMS.index("discrepancy")]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_fourier_features_of_a_laplacian_kernel_come_close_to_exact_sums(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = problem_of(tmp_path, tiny_pool(4))
    features, kernel_ = joint_features(problem, problem.initial(0)), Kernel("laplacian", (0.5, 2.0))
    exact = CoalitionMmd(features, problem, kernel=kernel_).distances(COALITIONS)
    monkeypatch.setattr(kernels, "EXACT_UP_TO", 5)
    monkeypatch.setattr(kernels, "FOURIER_FEATURES", 40_000)
    near = CoalitionMmd(features, problem, kernel=kernel_).distances(COALITIONS)
    assert np.abs(near - exact).max() < 0.01 < exact[1:].min()


def test_readings_that_differ_share_nothing_that_they_differ_in(tmp_path: Path) -> None:
    """One pool's methods, asked one after another, answer as each alone."""
    readings: list[dict[str, object]] = [
        {},
        {"ridge": 0.5},
        {"output": "log-probability"},
        {"features": "initial"},
        {"kernel": "laplacian"},
        {"bandwidth": 1.0},
        {"unbiased": True},
    ]
    together, found = problem_of(tmp_path, tiny_pool(4)), []
    for knobs in readings:
        values = [ablated(problem, **knobs) for problem in (together, problem_of(tmp_path, tiny_pool(4)))]
        np.testing.assert_allclose(*values, rtol=1e-6)
        found.append(values[0])
    apart = [np.abs(a - b).max() for i, a in enumerate(found) for b in found[:i]]
    assert min(apart) > 1e-4


# --- the discrepancy --------------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["all", "real", "synthetic"])
def test_mmd_of_coalitions_is_the_mean_over_pairs(side: str, tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tiny_pool(4))
    real_N = problem.train.real_N
    side_N = {"all": np.ones(len(real_N), bool), "real": real_N, "synthetic": ~real_N}[side]
    joint, target = plain_joint(problem)
    found = CoalitionMmd(joint_features(problem, problem.initial(0)), problem, None if side == "all" else side_N)
    expected = [plain_mmd(joint[row[problem.train.owners_N] & side_N], target) for row in COALITIONS]
    np.testing.assert_allclose(found.distances(COALITIONS), expected, rtol=1e-4, atol=1e-6)
    assert found.distances(COALITIONS)[0] == 0


def test_fourier_features_come_close_to_exact_sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = problem_of(tmp_path, tiny_pool(4))
    features = joint_features(problem, problem.initial(0))
    exact = CoalitionMmd(features, problem).distances(COALITIONS)
    monkeypatch.setattr(kernels, "EXACT_UP_TO", 5)
    near = CoalitionMmd(features, problem).distances(COALITIONS)
    assert 0 < np.abs(near - exact).max() < 0.03 < exact[1:].min()
    monkeypatch.setattr(kernels, "FOURIER_FEATURES", 40_000)
    nearer = CoalitionMmd(features, problem).distances(COALITIONS)
    assert np.abs(nearer - exact).max() < 0.005


def test_mmd_of_the_validation_split_itself_is_zero(tmp_path: Path) -> None:
    pool = tiny_pool(4)
    owners = np.arange(len(pool.validation)) % 4
    copy = Examples(pool.validation.columns, owners, np.ones(len(owners), bool))
    problem = problem_of(tmp_path, replace(pool, train=copy))
    mmd = CoalitionMmd(joint_features(problem, problem.initial(0)), problem)
    assert mmd.distances(np.ones((1, 4), bool))[0] == pytest.approx(0, abs=1e-6)
    assert mmd.distances(np.eye(4, dtype=bool)).min() > 0.01


def test_median_distance_is_the_lower_median_of_distinct_pairs() -> None:
    rows = torch.tensor([[0.0], [1.0], [3.0], [7.0]])  # distances 1 2 3 4 6 7
    assert median_distance(rows) == 3.0
    assert median_distance(torch.zeros(4, 2)) > 0


# --- the weights ------------------------------------------------------------------------------------


def test_paper_weights_are_a_half_a_half_nothing_nothing() -> None:
    terms_C4 = np.random.default_rng(0).random((9, 4))
    np.testing.assert_allclose(weights.paper(terms_C4), [0.5, 0.5, 0, 0], atol=1e-12)


def test_scale_weights_are_one_over_the_mean_and_nothing_for_an_absent_term() -> None:
    terms_C4 = np.array([[1.0, -2.0, 0.0, 0.1], [3.0, 6.0, 0.0, 0.3]])  # an unbiased discrepancy may be negative
    np.testing.assert_allclose(weights.scale(terms_C4), [1 / 2, 1 / 4, 0, 1 / 0.2])


@pytest.mark.parametrize("term", TERMS)
def test_single_weights_keep_one_term(term: str) -> None:
    terms_C4 = np.random.default_rng(1).random((5, 4))
    found = weights.single(terms_C4, term)
    assert np.flatnonzero(found).tolist() == [TERMS.index(term)]
    assert found.sum() == pytest.approx(1 / terms_C4[:, TERMS.index(term)].mean())


def precedents(effects: list[float], noise: float, count: int = 3) -> list[Precedent]:
    rng = np.random.default_rng(2)
    found = []
    for k in range(count):
        values = {f"ntk-mmd:single:{term}": rng.standard_normal(12) * 10**k for term in TERMS}
        columns = [(v - v.mean()) / v.std() for v in values.values()]
        truth_C = np.dot(effects, columns) + noise * rng.standard_normal(12)
        found.append(Precedent(f"task {k}", values, 100 * truth_C + 7))
    return found


@pytest.mark.parametrize("effects", [[1.0, 0.5, 0.2, 0.1], [1.0, -0.8, 0.3, 0.0]])
def test_calibrated_weights_are_bounded_least_squares_on_standardised_pools(effects: list[float]) -> None:
    given, terms_C4 = precedents(effects, noise=0.3), np.random.default_rng(3).random((5, 4)) + 0.1
    design, target = [], []
    for precedent in given:
        columns = [precedent.values[f"ntk-mmd:single:{term}"] for term in TERMS]
        design.append(np.stack([(v - v.mean()) / v.std() for v in columns], axis=1))
        target.append((precedent.truth_C - precedent.truth_C.mean()) / precedent.truth_C.std())
    bounded = lsq_linear(np.vstack(design), np.concatenate(target), bounds=(0, np.inf), tol=1e-12).x
    found = weights.calibrated(terms_C4, given)
    np.testing.assert_allclose(found, bounded / terms_C4.mean(axis=0), atol=1e-5)
    assert (found >= 0).all()
    assert (found == 0).any() == (min(effects) < 0)


def test_calibrated_weights_find_noiseless_effects() -> None:
    terms_C4 = np.full((5, 4), 2.0)
    found = weights.calibrated(terms_C4, precedents([0.8, 0.0, 0.6, 0.0], noise=0.0, count=1)) * 2
    assert found[[0, 2]] / found[0] == pytest.approx([1, 0.75])
    assert found[[1, 3]] == pytest.approx([0, 0], abs=1e-9)


# --- the method -------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["scale", "paper", "single:ntk"])
def test_a_coalition_s_score_is_minus_its_weighed_terms_for_every_seed(scheme: weights.Scheme, tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tiny_pool(4))
    rows = [score(COALITIONS) for score in NtkMmd(scheme, seeds=2).scorers(problem)]
    for seed, found in enumerate(rows):
        prepared = terms_at(problem, seed)
        alone = prepared.of(np.eye(4, dtype=bool))
        by_hand = {
            "scale": 1 / alone.mean(axis=0),
            "paper": np.linalg.lstsq(alone, (alone[:, 0] + alone[:, 1]) / 2, rcond=None)[0],
            "single:ntk": np.array([0, 0, 1 / alone[:, 2].mean(), 0]),
        }[scheme]
        np.testing.assert_allclose(found, -prepared.of(COALITIONS) @ by_hand, rtol=1e-7, atol=1e-12)
        assert found[0] == 0  # nobody
    assert not np.allclose(rows[0], rows[1], rtol=1e-3)  # the initialisations differ, and so do their scores


def test_calibration_needs_another_task_s_truth(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tiny_pool(4))
    reason = NtkMmd("calibrated").unsuitable(problem)
    assert reason is not None
    assert "no other task" in reason
    told = replace(problem, precedents=tuple(precedents([1.0, 0.5, 0.2, 0.1], noise=0.1)))
    assert NtkMmd("calibrated").unsuitable(told) is None
    assert NtkMmd("calibrated").calibrates
    assert not NtkMmd("scale").calibrates


def test_losses_of_the_plain_code_are_torch_s(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tiny_pool(4))
    logits, _ = logits_and_features(problem, problem.train)
    expected = F.cross_entropy(logits, torch.tensor(problem.train.targets), reduction="none")
    np.testing.assert_allclose(plain_losses(problem), expected)
