"""What contributors do together, against dense solves, exact Shapley values and exact Newton steps."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from math import comb
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from harness.types import Batch, Learner, Params, Problem, Question
from methods.gradients import contributor_space as contributor_space_module
from methods.gradients.contributor_space import ContributorSpace, contributor_space
from methods.gradients.summed_rates import summed_rates
from methods.group_influence import GroupInfluence, NewtonStep, RelativeInfluence, quadratic_game
from tests.exact.test_gradients import dense_gauss_newton, flat, loss_gradients
from tests.exact.test_influence import linear, tensors_of
from tests.tiny import evaluator_of, problem_of, tiny_cnn, tiny_mlp, tiny_pool, tiny_recipe

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own jvp


class Dense:
    """Everything that the space is to hold, in all directions and double precision."""

    def __init__(self, problem: Problem) -> None:
        learner, params = problem.learner, problem.fit(0).params
        train, validation = tensors_of(problem.train), tensors_of(problem.validation)
        self.rate_P = flat(summed_rates(problem, 0)).double()
        owners = problem.train.owners_N
        self.sizes_C = np.bincount(owners)
        gradients = loss_gradients(learner, params, train).double()
        self.target_P = loss_gradients(learner, params, validation).double().mean(0)
        own = [
            {name: column[torch.tensor(owners == c)] for name, column in train.items()}
            for c in range(len(self.sizes_C))
        ]
        self.gradients_CP = torch.stack([gradients[torch.tensor(owners == c)].sum(0) for c in range(len(own))])
        self.curvatures = [dense_gauss_newton(learner, params, rows) * len(rows["targets"]) for rows in own]
        self.validation_PP = dense_gauss_newton(learner, params, validation)

    def response(self, coalition_C: np.ndarray, slope_P: torch.Tensor) -> torch.Tensor:
        """(G of a coalition + D)^-1 slope."""
        curvature = sum(self.curvatures[c] for c in np.flatnonzero(coalition_C)) / max(1, self.sizes_C @ coalition_C)
        return torch.linalg.solve(curvature + torch.diag(1 / self.rate_P), slope_P)

    def game(self) -> tuple[np.ndarray, np.ndarray]:
        everyone = np.ones(len(self.sizes_C), dtype=bool)
        moves = torch.stack([self.response(everyone, g / self.sizes_C.sum()) for g in self.gradients_CP])
        return (moves @ self.target_P).numpy(), (moves @ self.validation_PP @ moves.T).numpy()

    def newton(self, coalition_C: np.ndarray) -> float:
        """Minus the validation loss to second order, after a step to the minimum of the coalition's mean loss."""
        everyone = self.gradients_CP.sum(0) / self.sizes_C.sum()
        own = torch.tensor(coalition_C.astype(float)) @ self.gradients_CP / max(1, self.sizes_C @ coalition_C)
        step = self.response(coalition_C, everyone - own) if coalition_C.any() else self.rate_P * everyone
        return -float(self.target_P @ step + step @ self.validation_PP @ step / 2)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Problem:
    """More contributors than a linear model has parameters, so that their gradients span all directions."""
    pool = tiny_pool(60, each=2)
    return problem_of(
        tmp_path_factory.mktemp("whole"), pool, linear(tiny_recipe(steps=10, optimiser="adamw", rate=0.02))
    )


@pytest.fixture(scope="module", params=[tiny_mlp, tiny_cnn])
def few(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Problem:
    """A few contributors of many examples: their gradients span a part of the model's directions."""
    return problem_of(tmp_path_factory.mktemp("few"), tiny_pool(6, each=20), request.param(tiny_recipe(steps=20)))


def space_of(problem: Problem) -> ContributorSpace:
    return contributor_space(problem, 0, 1e-4, 100)


def test_where_gradients_span_all_directions_the_game_is_the_dense_one(whole: Problem) -> None:
    single_C, pairs_CC = quadratic_game(space_of(whole))
    expected_C, expected_CC = Dense(whole).game()
    np.testing.assert_allclose(single_C, expected_C, rtol=1e-3, atol=1e-3 * np.abs(expected_C).max())
    np.testing.assert_allclose(pairs_CC, expected_CC, rtol=1e-2, atol=2e-3 * np.abs(expected_CC).max())


def test_elsewhere_its_first_order_is_exact_and_its_pairs_are_near(few: Problem) -> None:
    (single_C, pairs_CC), (expected_C, expected_CC) = quadratic_game(space_of(few)), Dense(few).game()
    np.testing.assert_allclose(single_C, expected_C, rtol=2e-3, atol=2e-3 * np.abs(expected_C).max())
    assert np.linalg.norm(pairs_CC - expected_CC) < 0.35 * np.linalg.norm(expected_CC)
    assert spearmanr(single_C + pairs_CC.sum(1) / 2, expected_C + expected_CC.sum(1) / 2)[0] > 0.9


def exact_shapley(score: object, contributors: int) -> np.ndarray:
    """By enumeration of all coalitions."""
    found = np.zeros(contributors)
    for c in range(contributors):
        others = [o for o in range(contributors) if o != c]
        for size in range(contributors):
            for chosen in combinations(others, size):
                without = np.zeros((1, contributors), dtype=bool)
                without[0, list(chosen)] = True
                joined = without.copy()
                joined[0, c] = True
                gain = float(score(joined)[0] - score(without)[0])  # type: ignore[operator]
                found[c] += gain / (contributors * comb(contributors - 1, size))
    return found


def test_shapley_values_of_the_quadratic_game_are_closed_and_are_what_the_harness_finds(
    few: Problem, tmp_path: Path
) -> None:
    """Enumerated; and the harness's antithetic walks are exact for pairs of contributors."""
    scorer = GroupInfluence(runs=1).scorers(few)[0]
    single_C, pairs_CC = quadratic_game(contributor_space(few, 0, 0.01, 50))
    exact_C = exact_shapley(scorer, 6)
    np.testing.assert_allclose(single_C + pairs_CC.sum(axis=1) / 2, exact_C, rtol=1e-9, atol=1e-12)
    evaluator = evaluator_of(tmp_path, tiny_pool(6, each=20), few.learner._inner)  # type: ignore[attr-defined]
    answers: dict[Question, np.ndarray] = {
        "shapley": exact_C,
        "leave-one-out": single_C + pairs_CC.diagonal() / 2,
        "standalone": single_C + pairs_CC.sum(axis=1) - pairs_CC.diagonal() / 2,
    }
    for question, expected in answers.items():
        found = evaluator.evaluate("group-influence", GroupInfluence(runs=1), question)
        np.testing.assert_allclose(found.values_SC[0], expected, rtol=1e-3, atol=1e-6)  # type: ignore[union-attr]


def test_pairs_are_told_from_single_contributors(few: Problem) -> None:
    """Leaving two out is not the sum of leaving each out: the term is there and not small."""
    score = GroupInfluence(runs=1).scorers(few)[0]
    out = ~np.eye(6, dtype=bool)
    both = out[0] & out[1]
    whole = score(np.ones((1, 6), dtype=bool))[0]
    apart, together = 2 * whole - score(out[:2]).sum(), whole - score(both[None])[0]
    assert together - apart == pytest.approx(quadratic_game(contributor_space(few, 0, 0.01, 50))[1][0, 1], rel=1e-6)
    assert abs(together - apart) > 1e-3 * abs(apart)


def test_a_newton_step_is_the_dense_one_for_any_coalition(whole: Problem) -> None:
    score, dense = NewtonStep(runs=1, tolerance=1e-4, iterations=100).scorers(whole)[0], Dense(whole)
    rng = np.random.default_rng(0)
    coalitions = np.concatenate([rng.random((6, 60)) < 0.5, ~np.eye(60, dtype=bool)[:4], np.eye(60, dtype=bool)[:4]])
    coalitions = np.concatenate([coalitions, np.zeros((1, 60), dtype=bool), np.ones((1, 60), dtype=bool)])
    expected = np.array([dense.newton(coalition) for coalition in coalitions])
    np.testing.assert_allclose(score(coalitions), expected, rtol=5e-3, atol=2e-3 * np.abs(expected).max())
    assert score(np.ones((1, 60), dtype=bool))[0] == pytest.approx(0, abs=1e-9)


def test_elsewhere_leaving_one_out_is_near_the_dense_newton_step(few: Problem) -> None:
    score, dense = NewtonStep(runs=1, tolerance=1e-4, iterations=100).scorers(few)[0], Dense(few)
    out = ~np.eye(6, dtype=bool)
    expected = -np.array([dense.newton(coalition) for coalition in out])
    assert spearmanr(-score(out), expected)[0] > 0.9
    assert np.linalg.norm(-score(out) - expected) < 0.2 * np.linalg.norm(expected)


def test_nobody_s_newton_step_leads_back_by_the_summed_rates(whole: Problem) -> None:
    """Where the trained model stands still under the ridge, its way from the initialisation is rate x gradient."""
    dense = Dense(whole)
    back_P = dense.rate_P * dense.gradients_CP.sum(0) / dense.sizes_C.sum()
    expected = -float(dense.target_P @ back_P + back_P @ dense.validation_PP @ back_P / 2)
    score = NewtonStep(runs=1, tolerance=1e-4, iterations=100).scorers(whole)[0]
    assert score(np.zeros((1, 60), dtype=bool))[0] == pytest.approx(expected, rel=5e-3)


def test_relative_influence_is_influence_over_the_root_of_its_own(whole: Problem) -> None:
    dense = Dense(whole)
    everyone = np.ones(60, dtype=bool)
    moves = torch.stack([dense.response(everyone, g / dense.sizes_C.sum()) for g in dense.gradients_CP])
    expected = (moves @ dense.target_P / (moves * dense.gradients_CP).sum(1).sqrt()).numpy()
    score = RelativeInfluence(runs=1, tolerance=1e-4, iterations=100).scorers(whole)[0]
    np.testing.assert_allclose(score(np.eye(60, dtype=bool)), expected, rtol=0.02, atol=2e-3 * np.abs(expected).max())


def test_relative_influence_does_not_grow_where_a_contributor_s_gradient_does(tmp_path: Path) -> None:
    space = space_of(problem_of(tmp_path, tiny_pool(4), tiny_mlp()))
    gradients_CM = space.gradients_CM.copy()
    gradients_CM[0] *= 4
    one = np.eye(4, dtype=bool)[:1]
    before, after = (RelativeInfluence()._scorer(s)(one)[0] for s in (space, replace(space, gradients_CM=gradients_CM)))
    assert after == pytest.approx(before)
    single = [quadratic_game(s)[0][0] for s in (space, replace(space, gradients_CM=gradients_CM))]
    assert single[1] == pytest.approx(4 * single[0])


def test_a_contributor_without_a_gradient_is_worth_nothing_and_breaks_nothing(tmp_path: Path) -> None:
    space = space_of(problem_of(tmp_path, tiny_pool(4), tiny_mlp()))
    gradients_CM = space.gradients_CM.copy()
    gradients_CM[2] = 0
    silent = replace(space, gradients_CM=gradients_CM)
    assert RelativeInfluence()._scorer(silent)(np.eye(4, dtype=bool))[2] == 0
    assert quadratic_game(silent)[0][2] == 0


def test_no_pass_takes_more_examples_than_the_recipe_allows(monkeypatch: pytest.MonkeyPatch, few: Problem) -> None:
    """However small its outputs: what a pass holds of a large model is its activations. In blocks or not, one space."""
    learner, params, rows = few.learner, few.fit(0).params, tensors_of(few.train)
    moves = [{name: torch.ones_like(entry) for name, entry in params.items()}]
    owners_N = torch.tensor(few.train.owners_N)
    whole = contributor_space_module._curvatures(learner, params, rows, moves, owners_N, 6)
    seen: list[int] = []
    predict = type(learner).predict

    def watched(self: Learner, params: Params, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(len(batch["targets"]))
        return predict(self, params, batch)

    monkeypatch.setattr(type(learner), "predict", watched)
    monkeypatch.setattr(learner, "recipe", replace(learner.recipe, micro_batch=7))
    parts = contributor_space_module._curvatures(learner, params, rows, moves, owners_N, 6)
    assert max(seen) == 7
    torch.testing.assert_close(parts, whole, rtol=1e-6, atol=1e-9)
    monkeypatch.setattr(contributor_space_module, "NUMBERS_AT_ONCE", 1)
    seen.clear()
    contributor_space_module._curvatures(learner, params, rows, moves, owners_N, 6)
    assert set(seen) == {1}
