"""Other estimators that a study sets beside ours: what they must agree in, and closed forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.func import hessian, jacrev

from harness.retraining.training import on_device
from harness.truth import exact
from harness.types import Batch, Learner, Params
from methods.data_oob import DataOob
from methods.influence import Influence
from methods.knn_shapley import KnnShapley
from methods.references.dense import DenseInfluence, gauss_newton
from methods.references.libraries import TracInCaptum, TracInDattri, TrakDattri
from methods.references.pydvl_features import DataOobPydvl, KnnShapleyPydvl
from methods.references.retrained import BanzhafPydvl, BetaPydvl, Utility
from methods.semivalues.data_banzhaf import DataBanzhaf
from methods.tracin import TracIn
from tests.game_problems import problem_about
from tests.games import GAMES, additive
from tests.harness.small_runs import THIRD_PARTY
from tests.tiny import evaluator_of, problem_of, tiny_cnn, tiny_mlp, tiny_pool

pytestmark = THIRD_PARTY


def whole(learner: Learner, params: Params, batch: Batch) -> torch.Tensor:
    """Mean of J' H J from whole Jacobians and Hessians."""
    total = 0.0
    for n in range(len(batch["targets"])):
        row = {name: column[n : n + 1] for name, column in batch.items()}
        jacobians = jacrev(lambda p, row=row: learner.predict(p, row)[0].flatten())(params)
        logits = learner.predict(params, row)[0]
        curved = hessian(lambda z, row=row: learner.losses_of(z, row).sum())(logits)
        flat = torch.cat([j.flatten(1) for j in jacobians.values()], dim=1)
        total = total + flat.T @ curved.reshape(logits.numel(), -1) @ flat
    return total / len(batch["targets"])  # type: ignore[operator, return-value]


@pytest.mark.parametrize("learner", [tiny_mlp(), tiny_cnn()], ids=lambda learner: learner.name)
def test_the_matrix_written_out_is_gauss_newtons(learner: Learner) -> None:
    params = learner.initialise(1)
    batch = on_device(tiny_pool().train, "cpu")
    found = gauss_newton(learner, params, batch)
    np.testing.assert_allclose(found.numpy(), whole(learner, params, batch).numpy(), atol=2e-6)


@pytest.mark.parametrize("damping", [None, 0.1])
def test_the_dense_solve_is_what_conjugate_gradients_come_to(tmp_path: Path, damping: float | None) -> None:
    problem = problem_of(tmp_path, tiny_pool())
    dense = DenseInfluence(runs=1, damping=damping).example_values(problem)
    solved = Influence(runs=1, damping=damping, tolerance=1e-6, iterations=500).example_values(problem)
    np.testing.assert_allclose(dense, solved, rtol=2e-3, atol=2e-5 * np.abs(dense).max())


def test_a_model_that_is_too_large_for_it_is_refused_with_the_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("methods.references.dense.MOST", 10)
    assert "at most 10 parameters" in (DenseInfluence().unsuitable(problem_of(tmp_path, tiny_pool())) or "")


def test_pydvls_neighbours_are_ours(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tiny_pool())
    np.testing.assert_allclose(
        KnnShapleyPydvl().example_values(problem), KnnShapley().example_values(problem), atol=1e-12
    )


def test_pydvls_bags_are_ours(tmp_path: Path) -> None:
    problem = problem_of(tmp_path, tiny_pool())
    np.testing.assert_allclose(DataOobPydvl().example_values(problem), DataOob().example_values(problem), atol=1e-12)


@pytest.mark.parametrize("name", GAMES)
def test_pydvls_reuse_of_our_coalitions_is_our_banzhaf(tmp_path: Path, name: str) -> None:
    problem = problem_about(tmp_path, GAMES[name]())
    np.testing.assert_allclose(
        BanzhafPydvl().contributor_values(problem), DataBanzhaf().contributor_values(problem), atol=1e-9
    )


def test_pydvls_beta_is_proportional_to_what_each_adds_alone_in_an_additive_game(tmp_path: Path) -> None:
    """Its weights depend on the sizes that permutations bring, so a single one is not exact; many are."""
    worths = [3.0, -1.0, 0.5, 2.0]
    problem = problem_about(tmp_path, additive(worths))
    values = BetaPydvl(retrainings=4_000, seeds=1).contributor_values(problem)[0]
    np.testing.assert_allclose(values / values.sum(), np.array(worths) / sum(worths), atol=0.1)


def test_retraining_every_coalition_gives_shapley_values_in_closed_form(tmp_path: Path) -> None:
    game = GAMES["airport"]()
    scorers = Utility().scorers(problem_about(tmp_path, game, level=0.3))
    for score in scorers:
        np.testing.assert_allclose(exact.shapley(score, game.players), game.shapley_C, atol=1e-9)


def test_all_coalitions_of_many_are_not_retrained(tmp_path: Path) -> None:
    assert "at most 10" in (Utility().unsuitable(problem_of(tmp_path, tiny_pool(11))) or "")


def test_budgets_hold_what_was_retrained(tmp_path: Path) -> None:
    for method in (BanzhafPydvl(), BetaPydvl(), Utility()):
        found = evaluator_of(tmp_path, tiny_pool()).evaluate("test", method, "shapley")
        assert 0 < found.cost.retrainings <= method.budget(4, 27).retrainings  # type: ignore[union-attr]


# --- packages of the extra bench --------------------------------------------------------------------


def relative(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def test_captums_tracin_is_ours(tmp_path: Path) -> None:
    pytest.importorskip("captum")
    problem = problem_of(tmp_path, tiny_pool())
    expected = TracIn(runs=2).example_values(problem)
    assert relative(TracInCaptum(runs=2).example_values(problem), expected) < 1e-4


def test_captums_fast_tracin_is_that_of_the_last_layers_weight(tmp_path: Path) -> None:
    """Without its bias."""
    pytest.importorskip("captum")
    problem = problem_of(tmp_path, tiny_pool(), tiny_cnn())
    learner, fit = problem.learner, problem.fit(0)
    train, asked = on_device(problem.train, "cpu"), on_device(problem.validation, "cpu")

    def gradients(params: Params, batch: Batch) -> torch.Tensor:
        head = {name: p for name, p in params.items() if name == "head.weight"}
        found = jacrev(lambda p: learner.losses({**params, **p}, batch))(head)
        return torch.cat([g.flatten(1) for g in found.values()], dim=1)

    expected = sum(
        c.rate_sum * gradients(c.params, train) @ gradients(c.params, asked).mean(0) for c in fit.checkpoints
    )
    found = TracInCaptum(runs=1, last_layer=True).example_values(problem)[0]
    assert relative(found, expected.numpy()) < 1e-4  # type: ignore[union-attr]


def test_dattris_tracin_is_ours_when_it_does_not_project(tmp_path: Path) -> None:
    pytest.importorskip("dattri")
    problem = problem_of(tmp_path, tiny_pool())
    expected = TracIn(runs=2).example_values(problem)
    assert relative(TracInDattri(runs=2, projection=0).example_values(problem), expected) < 1e-4


def test_dattris_trak_is_its_formula_on_the_gradients_that_it_projects(tmp_path: Path) -> None:
    """It answers, finitely, for every example."""
    pytest.importorskip("dattri")
    problem = problem_of(tmp_path, tiny_pool())
    values = TrakDattri(runs=2, projection=8).example_values(problem)
    assert values.shape == (1, len(problem.train))
    assert np.isfinite(values).all()
    assert np.ptp(values) > 0


@pytest.mark.parametrize("package", ["captum", "dattri"])
def test_a_package_that_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    monkeypatch.setattr("methods.references.libraries.find_spec", lambda name: None)
    asked = {"captum": [TracInCaptum()], "dattri": [TracInDattri(), TrakDattri()]}[package]
    for method in asked:
        assert f"{package} is not installed" in (method.unsuitable(problem_of(tmp_path, tiny_pool())) or "")
