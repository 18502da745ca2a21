"""FreeShap, Deviation and DAVINZ against direct solves, ridge regression and plain definitions."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch import nn

from harness import registry
from harness.coalitions import prefixes
from harness.truth import questions, walks
from harness.types import QUESTIONS, Bools, Floats, Learner, Problem, Question
from methods import kernel_regression
from methods.davinz import Davinz, valued
from methods.deviation import Deviation
from methods.freeshap import FreeShap
from methods.kernel_regression import ProjectedKernel, Tangents, WholeKernel, residuals, tangents
from methods.kernels import median_distance
from methods.ntk_mmd import terms
from methods.ntk_mmd.terms import Terms
from methods.ntk_mmd.weights import TERMS
from tasks.learners.classifier import Classifier
from tests.exact.test_projection import beside_passes, pool_of, size_of
from tests.harness.small_runs import THIRD_PARTY
from tests.tiny import CLASSES, SIDE, evaluator_of, problem_of, tiny_cnn, tiny_mlp, tiny_pool, tiny_recipe

pytestmark = THIRD_PARTY

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
COALITIONS = np.array(
    [[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 1, 0], [0, 1, 0, 1], [0, 1, 1, 1]], dtype=bool
)


class Affine(nn.Module):
    """Logits are an affine function of the pixels: its tangent kernel is <x, x'> + 1 wherever it starts."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(SIDE * SIDE, CLASSES)

    def forward(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.head(rows.flatten(1)), rows.flatten(1)


def affine() -> Learner:
    return Classifier("affine", Affine, CLASSES, tiny_recipe())


# --- the regression ---------------------------------------------------------------------------------


def random_tangents(width: int = 7) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, np.ndarray]:
    generator = torch.Generator().manual_seed(0)
    owners_N = np.array([0, 3, 1, 1, 2, 0, 3, 2, 4, 4, 4, 0])  # not in order: chains must gather rows
    draws = [torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in ((12, width), (6, width))]
    return *draws, torch.randn(12, 2, generator=generator, dtype=torch.float64), owners_N


def direct(train: Floats, residual: Floats, own: Bools, ridge: float) -> Floats:
    """Weights of the gradients' features, by a dense solve."""
    z = train[own]
    return z.T @ np.linalg.solve(z @ z.T + ridge * np.eye(len(z)), residual[own])


@pytest.mark.parametrize("width", [4, 30])
@pytest.mark.parametrize("order", [np.arange(len(CHAINS)), np.random.default_rng(0).permutation(len(CHAINS))])
@pytest.mark.parametrize("projected", [False, True])
def test_every_coalition_s_regression_equals_a_direct_solve(width: int, order: np.ndarray, projected: bool) -> None:
    train, validation, residual, owners_N = random_tangents(width)
    ridge = 0.1 * float((train**2).sum(1).mean())
    model: WholeKernel | ProjectedKernel
    if projected:
        rows = Tangents(train_NW=train, validation_VW=validation)
        model = ProjectedKernel(rows, residual, owners_N, 5, 0.1)
    else:
        whole = Tangents(kernel_NN=train @ train.T, across_VN=validation @ train.T)
        model = WholeKernel(whole, residual, owners_N, 0.1)
    x, y, held_out = train.numpy(), residual.numpy(), validation.numpy()
    weights = [direct(x, y, row[owners_N], ridge) for row in CHAINS[order]]
    found = dict(model.changes(CHAINS[order]))
    assert list(found) == list(range(len(CHAINS)))
    for k, expected in enumerate(weights):
        np.testing.assert_allclose(found[k].numpy(), held_out @ expected, atol=1e-9)
    everyone = direct(x, y, np.ones(12, dtype=bool), ridge)
    expected_K = [np.linalg.norm(one - everyone) for one in weights]
    np.testing.assert_allclose(model.distances(CHAINS[order]), expected_K, atol=1e-6)


def logits_of(problem: Problem, images: np.ndarray) -> torch.Tensor:
    module = problem.learner.module(problem.initial(0)).double()
    return module(torch.tensor(images).double())


def plain_kernel(problem: Problem) -> tuple[Floats, Floats]:
    """Mean over classes of the logits' kernels, one backward pass at a time; train x train, validation x train."""
    module, found = problem.learner.module(problem.initial(0)).double(), []
    for examples in (problem.train, problem.validation):
        rows = []
        for image in examples.columns["inputs"]:
            logits = module(torch.tensor(image[None]).double())[0]
            each = [torch.autograd.grad(logit, list(module.parameters()), retain_graph=True) for logit in logits]
            rows.append(torch.stack([torch.cat([g.flatten() for g in gradients]) for gradients in each]).numpy())
        found.append(np.array(rows))
    train, validation = found
    return (
        np.einsum("ncp,mcp->nm", train, train) / CLASSES,
        np.einsum("vcp,ncp->vn", validation, train) / CLASSES,
    )


@pytest.mark.parametrize("make", [tiny_mlp, tiny_cnn])
def test_with_as_many_directions_as_classes_the_kernel_is_the_mean_over_logits(make: object, tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tiny_pool(4), make())  # type: ignore[operator]
    found = tangents(problem, 0, CLASSES)
    assert found.kernel_NN is not None
    assert found.across_VN is not None
    kernel, across = plain_kernel(problem)
    np.testing.assert_allclose(found.kernel_NN.numpy(), kernel, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.across_VN.numpy(), across, rtol=1e-4, atol=1e-4)
    for lacking, examples in zip(residuals(problem, 0), (problem.train, problem.validation), strict=True):
        probabilities = logits_of(problem, examples.columns["inputs"]).softmax(1).detach().numpy()
        np.testing.assert_allclose(lacking.numpy(), np.eye(CLASSES)[examples.targets] - probabilities, atol=1e-6)


def test_fewer_directions_give_that_kernel_on_average() -> None:
    draws = np.random.default_rng(0).standard_normal((4_000, 5, 5))
    scales = np.linalg.qr(draws)[0].transpose(0, 2, 1)[:, :2] / np.sqrt(2)
    np.testing.assert_allclose(np.einsum("krc,krd->cd", scales, scales) / 4_000, np.eye(5) / 5, atol=0.02)


def test_responses_take_the_true_target_s_kernel(tmp_path: Path) -> None:
    """The same as NTK-MMD's complexity, on the same residuals."""
    problem = problem_of(tmp_path, tiny_pool(4))
    problem.learner.one_label = False
    found, (lacking, _) = tangents(problem, 0, 3), residuals(problem, 0)
    assert found.kernel_NN is not None
    ridge = 0.1 * found.kernel_NN.diagonal().mean() * torch.eye(len(problem.train))
    solved = torch.linalg.solve(found.kernel_NN + ridge, lacking)
    complexity = float(((lacking * solved).sum() / len(problem.train)).sqrt())
    found_KT = Terms(problem, 0, problem.shared).of(np.ones((1, 4), dtype=bool), ("ntk",))
    assert found_KT[0, TERMS.index("ntk")] == pytest.approx(complexity, rel=1e-5)


def test_a_large_pool_s_projected_regression_is_near_the_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = FreeShap(damping=0.1, seeds=1)
    whole = method.scorers(problem_of(tmp_path, tiny_pool(4)))[0](COALITIONS)
    monkeypatch.setattr(kernel_regression, "NTK_EXACT_UP_TO", 5)
    wide = method.scorers(problem_of(tmp_path, tiny_pool(4)))[0](COALITIONS)  # 103 parameters: all are kept
    np.testing.assert_allclose(wide, whole, rtol=1e-4)
    monkeypatch.setattr(kernel_regression, "PROJECTED_WIDTH", 3 * 80)
    sketched = method.scorers(problem_of(tmp_path, tiny_pool(4)))[0](COALITIONS)
    np.testing.assert_allclose(sketched, whole, rtol=0.3)
    assert not np.allclose(sketched, whole, rtol=1e-3)


# --- the methods ------------------------------------------------------------------------------------


@pytest.mark.parametrize("damping", [1e-6, 0.1])
@pytest.mark.parametrize("start", ["nothing", "logits", "probabilities"])
def test_on_a_linear_model_freeshap_is_ridge_regression_trained_anew(
    damping: float, start: str, tmp_path: Path
) -> None:
    problem = problem_of(tmp_path, tiny_pool(4), affine())
    x, held_out = (
        np.c_[e.columns["inputs"].reshape(len(e), -1), np.ones(len(e))] for e in (problem.train, problem.validation)
    )
    ridge = damping * (x**2).sum(axis=1).mean()
    made = {"nothing": torch.zeros_like, "logits": torch.clone, "probabilities": lambda logits: logits.softmax(1)}
    starts = [
        made[start](logits_of(problem, e.columns["inputs"])).detach().numpy()  # type: ignore[operator]
        for e in (problem.train, problem.validation)
    ]
    residual, lacking = (
        np.eye(CLASSES)[e.targets] - start for e, start in zip((problem.train, problem.validation), starts, strict=True)
    )
    expected = [-(lacking**2).sum(axis=1).mean()]
    for row in COALITIONS[1:]:
        own = row[problem.train.owners_N]
        fitted = Ridge(alpha=ridge, fit_intercept=False).fit(x[own], residual[own]).predict(held_out)
        expected.append(-((lacking - fitted) ** 2).sum(axis=1).mean())
    found = FreeShap(damping, start, seeds=1).scorers(problem)[0](COALITIONS)  # type: ignore[arg-type]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_freeshap_by_its_authors_code_is_the_default() -> None:
    assert FreeShap() == FreeShap(damping=1e-6, start="nothing")


@pytest.mark.parametrize("start", ["nothing", "logits", "probabilities"])
def test_of_responses_freeshap_s_one_output_starts_from_0_or_its_probability(start: str, tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tiny_pool(4))
    problem.learner.one_label = False
    logits = logits_of(problem, problem.train.columns["inputs"]).detach()
    true_N = logits.softmax(1).numpy()[np.arange(len(problem.train)), problem.train.targets]
    expected = 1 - (0 if start == "nothing" else 1) * true_N
    found, _ = residuals(problem, 0, start)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.numpy()[:, 0], expected, rtol=1e-5)


def test_freeshap_s_shapley_values_are_those_of_all_orders(tmp_path: Path) -> None:
    pool = tiny_pool(5, each=3)
    found = evaluator_of(tmp_path, pool).evaluate("freeshap", FreeShap(seeds=1), "shapley")
    assert not isinstance(found, str)
    score = FreeShap(seeds=1).scorers(problem_of(tmp_path, pool, method="freeshap"))[0]
    everything = np.array([[bool(k >> c & 1) for c in range(5)] for k in range(32)])
    value = dict(zip(map(tuple, everything.tolist()), score(everything), strict=True))
    gains = np.zeros(5)
    for order in permutations(range(5)):
        member = [False] * 5
        for c in order:
            before = value[tuple(member)]
            member[c] = True
            gains[c] += value[tuple(member)] - before
    np.testing.assert_allclose(found.values_C, gains / 120, rtol=1e-6, atol=1e-9)


def test_deviation_left_out_is_the_distance_between_two_ridge_regressions(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tiny_pool(4), affine())
    x = np.c_[problem.train.columns["inputs"].reshape(len(problem.train), -1), np.ones(len(problem.train))]
    ridge = 0.1 * (x**2).sum(axis=1).mean()
    residual = np.eye(CLASSES)[problem.train.targets]
    residual = residual - logits_of(problem, problem.train.columns["inputs"]).softmax(1).detach().numpy()

    def weights(own: Bools) -> Floats:
        return np.asarray(Ridge(alpha=ridge, fit_intercept=False).fit(x[own], residual[own]).coef_)

    everyone = weights(np.ones(len(x), dtype=bool))
    expected = [np.linalg.norm(everyone - weights(problem.train.owners_N != c)) for c in range(4)]
    score = Deviation(seeds=1).scorers(problem)[0]
    whole, but_one = np.ones((1, 4), dtype=bool), ~np.eye(4, dtype=bool)
    np.testing.assert_allclose(score(whole) - score(but_one), expected, rtol=1e-4, atol=1e-6)


BUT_ONE = np.vstack([np.ones((1, 4), dtype=bool), ~np.eye(4, dtype=bool)])
ALONE = np.vstack([np.zeros((1, 4), dtype=bool), np.eye(4, dtype=bool)])


def davinz_by_hand(problem: Problem, coalitions_KC: Bools, ridge: float, output: str) -> tuple[Floats, Floats]:
    """Complexity and MMD of each coalition, by a backward pass an example and a dense inverse; 0 for nobody."""
    module = problem.learner.module(problem.initial(0)).double()
    train, validation = (
        module.inner(torch.tensor(e.columns["inputs"]).double())[1].detach()
        for e in (problem.train, problem.validation)
    )
    median = median_distance(validation)

    def mean_kernel(a: torch.Tensor, b: torch.Tensor) -> float:
        squares = ((a[:, None] - b[None]) ** 2).sum(2)
        return float(np.mean([torch.exp(-squares / (2 * (f * median) ** 2)).mean() for f in (0.25, 0.5, 1, 2, 4)]))

    gradients, outputs = [], []
    for image, target in zip(problem.train.columns["inputs"], problem.train.targets, strict=True):
        logits = module(torch.tensor(image[None]).double())[0]
        of_target = (logits if output == "logit" else logits.softmax(0))[target]
        found = torch.autograd.grad(of_target, list(module.parameters()))
        gradients.append(torch.cat([g.flatten() for g in found]).numpy())
        outputs.append(float(of_target.detach()))
    rows, lacking = np.array(gradients), 1 - np.array(outputs)
    complexities, distances = np.zeros(len(coalitions_KC)), np.zeros(len(coalitions_KC))
    for k, coalition_C in enumerate(coalitions_KC):
        own = coalition_C[problem.train.owners_N]
        if own.any():
            inverse = np.linalg.inv(rows[own] @ rows[own].T + ridge * np.eye(own.sum()))
            complexities[k] = np.sqrt(lacking[own] @ inverse @ lacking[own] / own.sum())
            own_rows = train[torch.tensor(own)]
            pairs = mean_kernel(own_rows, own_rows), mean_kernel(own_rows, validation)
            distances[k] = np.sqrt(pairs[0] - 2 * pairs[1] + mean_kernel(validation, validation))
    return complexities, distances


EVERY = np.array([[bool(k >> c & 1) for c in range(4)] for k in range(16)])


@pytest.mark.parametrize(
    ("question", "asked"), [("standalone", ALONE), ("leave-one-out", BUT_ONE), ("shapley", EVERY)], ids=lambda q: str(q)
)
@pytest.mark.parametrize(("ridge", "output"), [(1e-4, "logit"), (0.5, "logit"), (0.01, "probability")])
def test_davinz_is_its_two_terms_with_kappa_over_what_is_asked(
    question: Question, asked: Bools, ridge: float, output: str, tmp_path: Path
) -> None:
    problem = problem_of(tmp_path, tiny_pool(4), question=question)
    complexity_K, distance_K = davinz_by_hand(problem, asked, ridge, output)
    some_K = asked.any(axis=1)
    kappa = np.mean(distance_K[some_K]) / np.mean(complexity_K[some_K])
    score = Davinz(ridge, output, seeds=1).scorers(problem)[0]  # type: ignore[arg-type]
    np.testing.assert_allclose(score(asked), -(kappa * complexity_K + distance_K), rtol=1e-3)
    complexity_K, distance_K = davinz_by_hand(problem, COALITIONS, ridge, output)
    np.testing.assert_allclose(score(COALITIONS), -(kappa * complexity_K + distance_K), rtol=1e-3)


@pytest.mark.parametrize("question", QUESTIONS)
def test_davinz_s_kappa_is_of_what_the_harness_asks_for(question: Question, tmp_path: Path) -> None:
    problem, asked = problem_of(tmp_path, tiny_pool(5), question=question), list[Bools]()

    def listen(coalitions_KC: Bools) -> Floats:
        asked.append(coalitions_KC)
        return np.zeros(len(coalitions_KC))

    questions.answer(question, listen, 5, np.random.default_rng(0), 1)
    np.testing.assert_array_equal(np.vstack(asked), valued(problem, 0))


def test_of_many_contributors_davinz_s_kappa_is_of_an_order_and_back(tmp_path: Path) -> None:
    """As many members as along the harness's own walks, whatever the order."""
    found = valued(problem_of(tmp_path, tiny_pool(12), question="shapley"), 0)
    order = found[:13].sum(axis=0).argsort()[::-1]
    np.testing.assert_array_equal(found, walks.pair_coalitions(order))
    assert not (found == valued(problem_of(tmp_path, tiny_pool(12), question="shapley"), 1)).all()


def test_davinz_by_its_authors_code_is_the_default(tmp_path: Path) -> None:
    """Leave-one-out as there: everyone and all but one have a kappa of their own, other than the contributors alone."""
    pool = tiny_pool(4)
    problem = problem_of(tmp_path, pool)
    parts = [davinz_by_hand(problem, asked, 1e-4, "logit") for asked in (BUT_ONE, ALONE[1:])]
    kappas = [np.mean(distance_K) / np.mean(complexity_K) for complexity_K, distance_K in parts]
    values = [-(kappa * parts[0][0] + parts[0][1]) for kappa in kappas]
    found = evaluator_of(tmp_path, pool).evaluate("davinz", Davinz(seeds=1), "leave-one-out")
    assert not isinstance(found, str)
    np.testing.assert_allclose(found.values_C, values[0][0] - values[0][1:], rtol=1e-2, atol=1e-5)
    assert not np.allclose(found.values_C, values[1][0] - values[1][1:], rtol=1e-2, atol=1e-5)


def test_of_responses_davinz_takes_the_true_target_s_probability(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tiny_pool(4))
    problem.learner.one_label = False
    found = [Davinz(output=output, seeds=1).scorers(problem)[0](COALITIONS) for output in ("logit", "probability")]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6)


def test_a_large_pool_s_projected_complexity_has_the_same_absolute_ridge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Davinz(0.5, seeds=1).scorers(problem_of(tmp_path, tiny_pool(4)))[0](COALITIONS)
    monkeypatch.setattr(terms, "EXACT_UP_TO", 5)  # 103 parameters: all are kept
    wide = Davinz(0.5, seeds=1).scorers(problem_of(tmp_path, tiny_pool(4)))[0](COALITIONS)
    np.testing.assert_allclose(wide, whole, rtol=1e-4)


@pytest.mark.parametrize("question", ["standalone", "leave-one-out", "shapley"])
@pytest.mark.parametrize(("name", "near"), [("freeshap", 0.05), ("davinz", 0.08), ("deviation", 0.35)])
def test_declared_algebra_is_what_was_measured(
    name: str, near: float, question: Question, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a kernel made of gradients, as for models that are not of linear layers alone.

    Deviation's small triangular solves are left out: they grow a power slower.
    """
    monkeypatch.setattr(terms, "of_linear_layers", lambda *model: None)
    ratios = []
    for each in (20, 40):
        pool = pool_of(each, 3 * each)
        declared = registry.method(name).algebra(size_of(pool, question))
        ratios.append(beside_passes(tmp_path, name, pool, question) / declared)
    assert ratios == pytest.approx([1, 1], abs=near)
    assert abs(ratios[1] - 1) <= abs(ratios[0] - 1) + 0.05
