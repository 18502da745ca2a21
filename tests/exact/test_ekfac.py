"""Kronecker factors against dense curvature in double precision, block by block and as influence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch.autograd.functional import hessian

from harness.types import Learner, Params
from methods.ekfac import Ekfac
from methods.gradients.kronecker import Block, DiagonalBlock, FullBlock, Kronecker, MatrixBlock, kronecker
from methods.gradients.pseudo_targets import roots_of_curvature
from methods.influence_pydvl import InfluenceEkfac
from tests.exact.test_gradients import DATA, dense_gauss_newton, flat
from tests.exact.test_influence import fitted, linear, relative_error
from tests.exact.test_layers import CASES, labelled, language_model, text_classifier, texts
from tests.exact.test_weight_uses import mixed, randomised
from tests.tiny import tiny_cnn, tiny_mlp, tiny_recipe

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own jvp


def rates(params: Params) -> Params:
    """1 / D that is another for each parameter, and no outer product."""
    generator = torch.Generator().manual_seed(5)
    return {name: torch.rand(p.shape, generator=generator) + 0.5 for name, p in params.items()}


def eye_like(params: Params, value: float) -> Params:
    return {name: torch.full_like(p, value) for name, p in params.items()}


# --- the loss's Hessian in the logits ---------------------------------------------------------------


def test_with_few_classes_the_roots_make_the_hessian_exactly() -> None:
    learner = tiny_mlp()
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0)) * 2
    batch = {name: column[:4] for name, column in DATA.items()}
    roots = torch.stack(roots_of_curvature(learner, logits, batch, torch.Generator()))
    for n in range(4):
        row = {name: column[n : n + 1] for name, column in batch.items()}
        exact = hessian(lambda point, row=row: learner.losses_of(point[None], row).sum(), logits[n])
        torch.testing.assert_close(torch.einsum("kc,kd->cd", roots[:, n], roots[:, n]), exact, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("answer", [None, 3])
def test_of_sequences_the_roots_make_the_hessian_in_expectation(answer: int | None) -> None:
    """Whatever a loss averages over: positions that are not learnt have no share."""
    learner, batch = language_model(answer), {name: column[:1] for name, column in texts().items()}
    logits = learner.predict(learner.initialise(0), batch)[0].detach()
    exact = hessian(lambda point: learner.losses_of(point, batch).sum(), logits).reshape(logits.numel(), -1)
    generator, draws = torch.Generator().manual_seed(0), 2_000
    roots = torch.stack([roots_of_curvature(learner, logits, batch, generator)[0].flatten() for _ in range(draws)])
    error = roots.T @ roots / draws - exact
    products = torch.einsum("da,db->dab", roots[:500], roots[:500])
    assert (error.abs() < 5 * products.std(0) / draws**0.5 + 1e-3).all()
    assert exact.diagonal().sum() > 10 * error.diagonal().sum().abs()


# --- blocks -----------------------------------------------------------------------------------------


def places_of(params: Params) -> dict[str, torch.Tensor]:
    """Where each parameter lies among all of them."""
    where, start = {}, 0
    for name, p in params.items():
        where[name] = torch.arange(start, start + p.numel()).reshape(p.shape)
        start += p.numel()
    return where


def basis_of(block: Block, params: Params) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of a block: places of its parameters, its basis and its eigenvalues, dense."""
    places = places_of(params)
    if isinstance(block, MatrixBlock):
        matrix = places[block.weight].flatten(1)
        matrix = matrix if block.bias is None else torch.cat([matrix, places[block.bias][:, None]], 1)
        left = torch.eye(matrix.shape[0]) if block.left_LL is None else block.left_LL
        right = torch.eye(matrix.shape[1]) if block.right_RR is None else block.right_RR
        return (
            matrix.flatten(),
            torch.kron(left.contiguous(), right.contiguous()).double(),
            block.eigenvalues_LR.flatten(),
        )
    chosen = places[block.weight].flatten()
    if isinstance(block, FullBlock):
        return chosen, block.basis_PP.double(), block.eigenvalues_P
    return chosen, torch.eye(len(chosen)).double(), block.diagonal.flatten()


SETTINGS = {
    "mlp": (tiny_mlp, lambda: DATA),
    "cnn": (tiny_cnn, lambda: DATA),
    "text classifier": (text_classifier, labelled),
    "mixed": (mixed, lambda: DATA),
}


@pytest.mark.parametrize("alike", [False, True], ids=["each its own damping", "one damping"])
@pytest.mark.parametrize("case", SETTINGS)
def test_every_block_has_the_dense_matrix_s_own_diagonal_in_its_basis(case: str, alike: bool) -> None:
    """In the metric of the damping: convolutions, embeddings, norms, bare parameters."""
    make, rows = SETTINGS[case]
    learner, batch = make(), rows()
    params = randomised(learner)
    inverse_damping = eye_like(params, 0.7) if alike else rates(params)
    root_P = flat(inverse_damping).double().sqrt()
    dense_PP = root_P[:, None] * dense_gauss_newton(learner, params, batch) * root_P
    found = kronecker(learner, params, batch, inverse_damping, 0, corrected=True)
    reached = []
    for block in found.blocks:
        places, basis, eigenvalues = basis_of(block, params)
        torch.testing.assert_close(basis.T @ basis, torch.eye(len(places)).double(), atol=1e-5, rtol=0)
        own = basis.T @ dense_PP[places][:, places] @ basis
        torch.testing.assert_close(own.diagonal(), eigenvalues.double(), atol=1e-6, rtol=1e-3)
        if isinstance(block, FullBlock):
            torch.testing.assert_close(own, torch.diag(eigenvalues.double()), atol=1e-5, rtol=0)
        reached.append(places)
    assert torch.cat(reached).sort().values.tolist() == list(range(len(root_P)))
    kinds = {"mlp": {MatrixBlock}, "cnn": {MatrixBlock}, "text classifier": {MatrixBlock, FullBlock}}
    assert {type(block) for block in found.blocks} == kinds.get(case, {MatrixBlock, FullBlock, DiagonalBlock})


def test_corrected_eigenvalues_are_nearer_than_the_factors_own(tmp_path: Path) -> None:
    """George et al. 2018: no diagonal in that basis is nearer to the block, in Frobenius norm."""
    learner = tiny_cnn()
    params = randomised(learner)
    dense_PP = dense_gauss_newton(learner, params, DATA)
    errors = {}
    for corrected in (True, False):
        found, total = kronecker(learner, params, DATA, eye_like(params, 1.0), 0, corrected), 0.0
        for block in found.blocks:
            places, basis, eigenvalues = basis_of(block, params)
            total += float(
                (basis @ torch.diag(eigenvalues.double()) @ basis.T - dense_PP[places][:, places]).square().sum()
            )
        errors[corrected] = total
    assert errors[True] < errors[False]


def test_k_fac_is_the_product_of_both_sides_second_moments() -> None:
    """By hand, for a linear layer: mean of inputs x inputs, mean of what comes back x itself."""
    learner = linear(tiny_recipe())
    params = randomised(learner)
    inputs = torch.cat([DATA["inputs"].flatten(1), torch.ones(len(DATA["targets"]), 1)], 1).double()
    p = torch.softmax(learner.predict(params, DATA)[0].double(), 1)
    moment = (torch.diag_embed(p) - p[:, :, None] * p[:, None]).mean(0)
    dense = torch.kron(moment, inputs.T @ inputs / len(inputs))
    found = kronecker(learner, params, DATA, eye_like(params, 4.0), 0, corrected=False)
    vector = rates(params)
    joined = torch.cat([vector["head.weight"], vector["head.bias"][:, None]], 1).flatten().double()
    expected = torch.linalg.solve(dense + torch.eye(len(dense)) / 4, joined).reshape(3, -1)
    solved = found.solve(vector)
    torch.testing.assert_close(solved["head.weight"].double(), expected[:, :-1], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(solved["head.bias"].double(), expected[:, -1], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("corrected", [True, False])
def test_of_one_example_and_a_linear_model_the_factors_are_exact(corrected: bool) -> None:
    learner = linear(tiny_recipe())
    params, one = randomised(learner), {name: column[:1] for name, column in DATA.items()}
    dense = dense_gauss_newton(learner, params, one)
    vector = rates(params)
    found = kronecker(learner, params, one, eye_like(params, 3.0), 0, corrected).solve(vector)
    expected = torch.linalg.solve(dense + torch.eye(len(dense)) / 3, flat(vector).double())
    torch.testing.assert_close(flat(found).double(), expected, atol=1e-5, rtol=1e-4)


def test_drawn_labels_give_a_tied_transformer_s_trace_in_expectation() -> None:
    """Of the language model whose embedding is its head: no class is left out, no use is counted twice."""
    make, rows = CASES["language model, answers alone"]
    learner, batch = make(), rows()
    params = randomised(learner)
    trace = float(dense_gauss_newton_of_sequences(learner, params, batch).diagonal().sum())
    found = [
        sum(
            float(basis_of(block, params)[2].sum())
            for block in kronecker(learner, params, batch, eye_like(params, 1.0), seed, corrected=True).blocks
        )
        for seed in range(60)
    ]
    assert abs(np.mean(found) - trace) < 4 * np.std(found) / len(found) ** 0.5
    assert np.std(found) / len(found) ** 0.5 < 0.05 * trace  # the test can tell


def dense_gauss_newton_of_sequences(learner: Learner, params: Params, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Mean of J' H J, the Hessian of each example's loss in all its logits by torch's autograd."""
    total = torch.zeros(len(flat(params)), len(flat(params)), dtype=torch.float64)
    for n in range(len(batch["targets"])):
        row = {name: column[n : n + 1] for name, column in batch.items()}
        logits = learner.predict(params, row)[0].detach()
        jacobians = torch.func.jacrev(lambda p, row=row: learner.predict(p, row)[0].flatten())(params)
        jacobian = torch.cat([j.flatten(1) for j in jacobians.values()], 1).double()
        curved = hessian(lambda point, row=row: learner.losses_of(point, row).sum(), logits)
        total += jacobian.T @ curved.reshape(logits.numel(), -1).double() @ jacobian
    return total / len(batch["targets"])


def test_what_training_never_moves_stays(tmp_path: Path) -> None:
    learner = tiny_cnn()
    params = randomised(learner)
    still = {**rates(params), "first.weight": torch.zeros_like(params["first.weight"])}
    found = kronecker(learner, params, DATA, still, 0, corrected=True).solve(rates(params))
    assert not found["first.weight"].any()
    assert all(found[name].isfinite().all() and found[name].any() for name in params if name != "first.weight")


def test_blocks_of_rows_make_no_difference() -> None:
    """Gone through twice with the same draws, too."""
    params = randomised(tiny_mlp())
    whole, cut = (
        kronecker(learner, params, DATA, rates(params), 0, corrected=True).solve(rates(params))
        for learner in (tiny_mlp(), tiny_mlp(tiny_recipe(micro_batch=5)))
    )
    torch.testing.assert_close(flat(whole), flat(cut), rtol=1e-3, atol=1e-5)


# --- as influence -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "optimiser", "least", "least_kfac"),
    [
        (tiny_mlp, "sgd", 0.94, 0.94),
        (tiny_cnn, "sgd", 0.98, 0.98),
        (tiny_mlp, "adamw", 0.98, 0.96),
        (tiny_cnn, "adamw", 0.95, 0.95),
    ],
)
def test_by_the_rule_it_orders_examples_nearly_as_the_exact_solve(
    make: Callable[..., Learner], optimiser: str, least: float, least_kfac: float, tmp_path: Path
) -> None:
    """Blocks leave out what layers do together: the size is up to 2.4 times too large, the order holds."""
    recipe = tiny_recipe(steps=20) if optimiser == "sgd" else tiny_recipe(steps=20, optimiser="adamw", rate=0.02)
    dense = fitted(tmp_path, make(recipe))
    expected = dense.values(dense.gauss_newton_PP, dense.rule_P)
    assert spearmanr(Ekfac(runs=1).example_values(dense.problem)[0], expected)[0] > least
    assert spearmanr(Ekfac(runs=1, corrected=False).example_values(dense.problem)[0], expected)[0] > least_kfac


def test_by_its_paper_s_damping_it_is_nearer_to_the_exact_solve_than_pydvl_s(tmp_path: Path) -> None:
    dense = fitted(tmp_path)
    expected = dense.values(dense.gauss_newton_PP, dense.tenth_P)
    ours = Ekfac(runs=1, damping=0.1).example_values(dense.problem)[0]
    theirs = InfluenceEkfac(runs=1, damping=0.1).example_values(dense.problem)[0]
    assert spearmanr(ours, expected)[0] > 0.8 > spearmanr(theirs, expected)[0]
    assert relative_error(ours, expected) < 0.1 * relative_error(theirs, expected)


def test_factors_are_what_the_type_says() -> None:
    params = randomised(tiny_mlp())
    found = kronecker(tiny_mlp(), params, DATA, rates(params), 0, corrected=True)
    assert isinstance(found, Kronecker)
    turned = found.solve(rates(params))
    assert {name: p.shape for name, p in turned.items()} == {name: p.shape for name, p in params.items()}
