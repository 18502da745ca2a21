"""One-feature baselines against plain definitions, one example at a time."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from harness.types import HELD_OUT, QUESTIONS, Examples, Floats, Learner, Params, Pool, Problem
from methods.baselines import InitialLoss
from methods.constant import Constant
from methods.for_value import ForValue
from methods.gradient_norm import GradientNorm
from methods.gradients import per_example
from methods.perplexity import Perplexity
from methods.similarity import EmbeddingSimilarity, RepSim, unit
from tasks.learners.encoding import IGNORED
from tests.exact.test_layers import LENGTH, VOCABULARY, language_model
from tests.harness.small_runs import THIRD_PARTY, finished
from tests.small_mlp import SmallMlp
from tests.tiny import evaluator_of, problem_of, tiny_cnn, tiny_mlp, tiny_pool, tiny_recipe

pytestmark = THIRD_PARTY
COALITIONS = np.array([[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1], [0, 1, 0, 1]], dtype=bool)


def run(problem: Problem, params: Params, examples: Examples) -> tuple[torch.nn.Module, torch.Tensor, Floats]:
    """The module in double precision, its losses and its features."""
    module = problem.learner.module(params).double()
    logits, features = module.inner(torch.tensor(examples.columns["inputs"]).double())
    losses = F.cross_entropy(logits, torch.tensor(examples.targets), reduction="none")
    return module, losses, features.detach().numpy()


def cosine(a: Floats, b: Floats) -> float:
    lengths = math.sqrt((a @ a) * (b @ b))
    return float(a @ b / lengths) if lengths > 0 else 0.0


def test_embedding_similarity_is_the_cosine_of_mean_features(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tiny_pool(4))
    train, validation = (run(problem, problem.initial(0), e)[2] for e in (problem.train, problem.validation))
    expected = [
        cosine(train[row[problem.train.owners_N]].mean(axis=0), validation.mean(axis=0)) for row in COALITIONS[1:]
    ]
    found = EmbeddingSimilarity(seeds=1).scorers(problem)[0](COALITIONS)
    np.testing.assert_allclose(found, [0, *expected], rtol=1e-5)


def test_repsim_is_the_mean_cosine_over_pairs_after_training(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tiny_pool(4))
    train, validation = (run(problem, problem.fit(0).params, e)[2] for e in (problem.train, problem.validation))
    expected = [np.mean([cosine(a, b) for b in validation]) for a in train]
    np.testing.assert_allclose(RepSim(runs=1).example_values(problem)[0], expected, rtol=1e-5, atol=1e-7)


def test_rows_of_nothing_have_no_direction() -> None:
    np.testing.assert_array_equal(unit(np.array([[0.0, 0.0], [3.0, 4.0]])), [[0, 0], [0.6, 0.8]])


@pytest.mark.parametrize("make", [tiny_mlp, tiny_cnn])
@pytest.mark.parametrize("rows", [100, 1])
def test_gradient_norms_are_those_of_one_backward_pass_each(
    make: type[Learner], rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = problem_of(tmp_path, tiny_pool(4), make())
    module, losses, _ = run(problem, problem.initial(0), problem.train)
    each = [torch.autograd.grad(loss, list(module.parameters()), retain_graph=True) for loss in losses]
    expected = [float(torch.cat([g.flatten() for g in gradients]).norm()) for gradients in each]
    monkeypatch.setattr(per_example, "BLOCK_ENTRIES", rows * 103)
    np.testing.assert_allclose(GradientNorm(seeds=1).example_values(problem)[0], expected, rtol=1e-4)


@pytest.mark.parametrize("make", [tiny_mlp, tiny_cnn])
def test_for_value_is_the_product_of_hidden_states_and_errors_over_pairs(make: type[Learner], tmp_path: Path) -> None:
    """The paper's sum, and the last layer's gradients."""
    problem = problem_of(tmp_path, tiny_pool(4), make())
    sides, gradients = [], []
    for examples in (problem.train, problem.validation):
        module, losses, hidden = run(problem, problem.initial(0), examples)
        logits = module(torch.tensor(examples.columns["inputs"]).double())
        errors = np.eye(3)[examples.targets] - logits.softmax(1).detach().numpy()
        sides.append((hidden, errors))
        head = module.inner.head.weight
        gradients.append([torch.autograd.grad(loss, head, retain_graph=True)[0].flatten().numpy() for loss in losses])
    (h, e), (g, f) = sides
    expected = ((h @ g.T) * (e @ f.T)).mean(axis=1)
    found = ForValue(seeds=1).example_values(problem)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found, np.array(gradients[0]) @ np.mean(gradients[1], axis=0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("answer", [None, 3])
def test_of_responses_for_value_is_the_sum_over_pairs_of_tokens(answer: int | None, tmp_path: Path) -> None:
    learner = language_model(answer)
    pool = responses()
    problem = problem_of(tmp_path, pool, learner)
    module = learner.module(problem.initial(0)).double()
    sides = []
    for examples in (pool.train, pool.validation):
        ids, targets = (torch.tensor(examples.columns[name]) for name in ("inputs", "targets"))
        logits, hidden = module.inner(ids)
        learnt = targets[:, 1:] != IGNORED
        wanted = F.one_hot(torch.where(learnt, targets[:, 1:], 0), VOCABULARY)
        errors = (wanted - logits[:, :-1].softmax(-1)) * (learnt / learnt.sum(1, keepdim=True))[..., None]
        sides.append((hidden[:, :-1].detach(), errors.detach()))
    (h, e), (g, f) = sides
    pairs = torch.einsum("ntk,vsk->nvts", h, g) * torch.einsum("nto,vso->nvts", e, f)
    found = ForValue(seeds=1).example_values(problem)[0]
    np.testing.assert_allclose(found, pairs.sum((2, 3)).mean(1).numpy(), rtol=1e-3, atol=1e-6)


def responses() -> Pool:
    """Ten rows of random tokens of which the last three are to be learnt."""
    ids = np.random.default_rng(0).integers(3, VOCABULARY, size=(10, LENGTH))
    columns = {"inputs": ids, "targets": np.where(np.arange(LENGTH) < LENGTH - 3, IGNORED, ids)}
    rows = Examples(columns, np.arange(10) % 4, np.ones(10, dtype=bool))
    nobody = Examples(columns, np.full(10, HELD_OUT), np.ones(10, dtype=bool)).take(np.arange(6))
    return replace(tiny_pool(4), train=rows, validation=nobody, test=nobody)


def test_perplexity_is_the_exponential_of_the_trained_model_s_mean_loss(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tiny_pool(4))
    losses_N = run(problem, problem.fit(0).params, problem.train)[1].detach().numpy()
    expected = [-math.exp(losses_N[row[problem.train.owners_N]].mean()) for row in COALITIONS[1:]]
    found = Perplexity(runs=1).scorers(problem)[0](COALITIONS)
    np.testing.assert_allclose(found, [0, *expected], rtol=1e-5)


def test_initial_loss_is_minus_the_mean_loss_and_takes_no_more_rows_at_once_than_the_recipe_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = problem_of(tmp_path, tiny_pool(4), tiny_mlp(tiny_recipe(micro_batch=5)))
    passed: list[int] = []
    whole = SmallMlp.forward
    monkeypatch.setattr(SmallMlp, "forward", lambda self, rows: passed.append(len(rows)) or whole(self, rows))
    found = InitialLoss(seeds=1).scorers(problem)[0](COALITIONS)
    assert max(passed) == 5
    assert sum(passed) == len(problem.train)
    losses_N = run(problem, problem.initial(0), problem.train)[1].detach().numpy()
    expected = [-losses_N[row[problem.train.owners_N]].mean() for row in COALITIONS[1:]]
    np.testing.assert_allclose(found, [0, *expected], rtol=1e-5)


def test_the_trained_model_s_perplexity_is_not_the_initial_loss_again(tmp_path: Path) -> None:
    problem, alone = problem_of(tmp_path, tiny_pool(12)), np.eye(12, dtype=bool)
    orders = [np.argsort(method.scorers(problem)[0](alone)) for method in (InitialLoss(seeds=1), Perplexity(runs=1))]
    assert not np.array_equal(*orders)


def test_everybody_is_worth_the_same_to_constant(tmp_path: Path) -> None:
    evaluator = evaluator_of(tmp_path, tiny_pool(5))
    for question in QUESTIONS:
        found = evaluator.evaluate("constant", Constant(), question)
        assert not isinstance(found, str)
        np.testing.assert_allclose(found.values_SC, 1)


def test_a_run_survives_values_that_do_not_vary(tmp_path: Path) -> None:
    """A tie has no order, so its agreement with the truth is undefined, which is said, and the others' stays."""
    scores = {}
    for methods in (("size", "mmd"), ("size", "constant", "mmd")):
        folder = tmp_path / str(len(methods))
        folder.mkdir()
        finished(folder, methods=methods, pools=2)
        with (folder / "leaderboard.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        ties = [row for row in rows if row["method"] == "constant"]
        assert all(not row["spearman"] and "constant" in row["reason"] for row in ties)
        assert len(ties) == 3 * (len(methods) - 2)  # a row for every question
        scores[methods] = {
            (row["question"], row["method"]): row["spearman"] for row in rows if row["method"] in ("size", "mmd")
        }
    without, beside = scores.values()
    assert without == beside
    assert all(without.values())
