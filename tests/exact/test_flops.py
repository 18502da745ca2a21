"""Counted operations against closed forms: two a multiply-add."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.func import grad, vmap
from torch.nn import functional as F

from harness.metering.flops import FlopCounter


def counted(work: Callable[[], object], times: int = 1) -> float:
    counter = FlopCounter()
    with counter.counting(times=times):
        work()
    return counter.flops


def test_a_matrix_product_takes_two_operations_a_multiply_add() -> None:
    a, b = torch.ones(3, 5), torch.ones(5, 7)
    assert counted(lambda: a @ b) == 2 * 3 * 5 * 7
    assert counted(lambda: torch.ones(4, 3, 5) @ b) == 4 * 2 * 3 * 5 * 7
    assert counted(lambda: torch.bmm(torch.ones(4, 3, 5), torch.ones(4, 5, 7))) == 4 * 2 * 3 * 5 * 7


def test_a_linear_layer_s_backward_pass_takes_twice_its_forward_pass() -> None:
    layer, rows = torch.nn.Linear(5, 7), torch.ones(3, 5, requires_grad=True)
    forward = 2 * 3 * 5 * 7
    assert counted(lambda: layer(rows)) == forward
    assert counted(lambda: layer(rows).sum().backward()) == 3 * forward
    assert counted(lambda: layer(rows.detach()).sum().backward()) == 2 * forward  # no gradient of the input


@pytest.mark.parametrize(("stride", "padding", "side"), [(1, 0, 6), (2, 1, 4)])
def test_a_convolution_and_its_gradients(stride: int, padding: int, side: int) -> None:
    images, weight = torch.ones(2, 3, 8, 8), torch.ones(5, 3, 3, 3)
    forward = 2 * (2 * side * side) * 5 * (3 * 3 * 3)

    def work(image_gradient: bool, weight_gradient: bool) -> None:
        x, w = images.clone().requires_grad_(image_gradient), weight.clone().requires_grad_(weight_gradient)
        out = F.conv2d(x, w, stride=stride, padding=padding)
        assert out.shape[2:] == (side, side)
        if image_gradient or weight_gradient:
            out.sum().backward()

    assert counted(lambda: work(False, False)) == forward
    assert counted(lambda: work(True, False)) == 2 * forward
    assert counted(lambda: work(False, True)) == 2 * forward
    assert counted(lambda: work(True, True)) == 3 * forward


@pytest.mark.parametrize("transposed", [False, True])
def test_a_grouped_convolution_costs_as_much_as_its_groups_apart(transposed: bool) -> None:
    groups, into, out = 3, 2, 4
    images = torch.randn(2, groups * into, 7, 7, requires_grad=True)
    shape = (groups * into, out, 3, 3) if transposed else (groups * out, into, 3, 3)
    weight = torch.randn(shape, requires_grad=True)
    convolve = F.conv_transpose2d if transposed else F.conv2d

    def together() -> None:
        convolve(images, weight, groups=groups).sum().backward()

    def apart() -> None:
        for x, w in zip(images.chunk(groups, 1), weight.chunk(groups, 0), strict=True):
            convolve(x, w).sum().backward()

    side = 9 if transposed else 5
    positions = 7 * 7 if transposed else side * side
    assert counted(together) == counted(apart) == 3 * groups * 2 * 2 * positions * into * out * 9


def test_a_stacked_convolution_costs_as_much_as_its_models_apart() -> None:
    weights_J, images = torch.randn(4, 5, 3, 3, 3), torch.randn(4, 2, 3, 8, 8)

    def loss(weight: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        return F.conv2d(image, weight).square().sum()

    stacked = counted(lambda: vmap(grad(loss))(weights_J, images))
    alone = sum(counted(lambda j=j: grad(loss)(weights_J[j], images[j])) for j in range(4))
    assert stacked == alone == 4 * 2 * (2 * 2 * 36 * 5 * 27)


def test_per_example_gradients_of_a_convolution_cost_as_much_as_one_at_a_time() -> None:
    weight, images = torch.randn(5, 3, 3, 3), torch.randn(6, 3, 8, 8)

    def loss(weight: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        return F.conv2d(image[None], weight).square().sum()

    at_once = counted(lambda: vmap(grad(loss), in_dims=(None, 0))(weight, images))
    one_by_one = sum(counted(lambda i=i: grad(loss)(weight, images[i])) for i in range(6))
    assert at_once == one_by_one == 6 * 2 * (2 * 36 * 5 * 27)


def test_a_stacked_linear_layer_costs_as_much_as_its_models_apart() -> None:
    weights_J, rows = torch.randn(4, 7, 5), torch.randn(4, 3, 5)
    found = counted(lambda: vmap(grad(lambda w, x: F.linear(x, w).square().sum()))(weights_J, rows))
    assert found == 4 * 2 * (2 * 3 * 5 * 7)


def test_factorisations_and_triangular_solves() -> None:
    matrix, right = 2 * torch.eye(12), torch.ones(12, 5)
    assert counted(lambda: torch.linalg.cholesky(matrix)) == 12**3 // 3
    assert counted(lambda: torch.linalg.cholesky(matrix.expand(4, 12, 12))) == 4 * 12**3 // 3
    assert counted(lambda: torch.linalg.solve_triangular(matrix, right, upper=False)) == 12 * 12 * 5


@pytest.mark.parametrize(("rows", "others"), [(4, 6), (30, 40)])
def test_distances_cost_as_much_as_the_matrix_product_that_makes_them(rows: int, others: int) -> None:
    a, b = torch.randn(rows, 3), torch.randn(others, 3)
    assert counted(lambda: torch.cdist(a, b)) == 2 * rows * others * 3
    assert counted(lambda: torch.cdist(a, b, p=1.0)) == 2 * rows * others * 3
    assert counted(lambda: F.pdist(a)) == 2 * (rows * (rows - 1) // 2) * 3


N, M, R = 12, 30, 5
SQUARE = torch.randn(N, N, generator=torch.Generator().manual_seed(0)) + 5 * torch.eye(N)
SYMMETRIC = SQUARE @ SQUARE.T
TALL, WIDE = torch.randn(M, N), torch.randn(N, M)
RIGHT = torch.randn(N, R)


@pytest.mark.parametrize(
    ("work", "operations"),
    [
        (lambda: torch.linalg.eigh(SYMMETRIC), 9 * N**3),
        (lambda: torch.ops.aten._linalg_eigh(SYMMETRIC, "L", False), 4 / 3 * N**3),
        (lambda: torch.linalg.eig(SQUARE), 25 * N**3),
        (lambda: torch.ops.aten._linalg_svd(TALL, False, False), 4 * M * N**2 - 4 / 3 * N**3),
        (lambda: torch.linalg.svd(TALL, full_matrices=False), 14 * M * N**2 + 8 * N**3),
        (lambda: torch.linalg.svd(WIDE, full_matrices=False), 14 * M * N**2 + 8 * N**3),
        (lambda: torch.linalg.svd(TALL), 4 * M**2 * N + 8 * M * N**2 + 9 * N**3),
        (lambda: torch.linalg.pinv(TALL), 14 * M * N**2 + 8 * N**3 + 2 * M * N**2),
        (lambda: torch.linalg.inv(SQUARE), 2 * N**3),
        (lambda: torch.linalg.lu(SQUARE), 2 / 3 * N**3),
        (lambda: torch.linalg.lu_factor(TALL), M * N**2 - N**3 / 3),
        (lambda: torch.linalg.det(SQUARE), 2 / 3 * N**3),
        (lambda: torch.linalg.slogdet(SQUARE), 2 / 3 * N**3),
        (lambda: torch.linalg.qr(TALL), 4 * M * N**2 - 4 / 3 * N**3),
        (lambda: torch.linalg.qr(TALL, mode="r"), 2 * M * N**2 - 2 / 3 * N**3),
        (lambda: torch.linalg.lstsq(TALL, torch.ones(M, R)), 2 * M * N**2 - 2 / 3 * N**3 + R * (4 * M * N - N**2)),
        (lambda: torch.linalg.solve(SQUARE, RIGHT), 2 / 3 * N**3 + 2 * N**2 * R),
        (lambda: torch.linalg.solve(SQUARE, RIGHT[:, 0]), 2 / 3 * N**3 + 2 * N**2),
        (lambda: torch.cholesky_solve(RIGHT, SYMMETRIC), 2 * N**2 * R),
        (lambda: torch.cholesky_inverse(SYMMETRIC), 2 / 3 * N**3),
        (lambda: torch.linalg.eigh(SYMMETRIC.expand(4, N, N)), 4 * 9 * N**3),
        (lambda: torch.linalg.solve(SQUARE.expand(4, N, N), RIGHT), 4 * (2 / 3 * N**3 + 2 * N**2 * R)),
    ],
)
def test_factorisations_and_solves_are_golub_and_van_loan_s(work: Callable[[], object], operations: float) -> None:
    assert counted(work) == pytest.approx(operations)


def test_an_inverse_costs_as_much_as_its_solves() -> None:
    """2 n^3 either way: 2/3 for the factors, 4/3 for n right-hand sides of a unit matrix, whose zeros are skipped."""
    solved = counted(lambda: torch.linalg.solve(SQUARE, torch.eye(N)))
    assert counted(lambda: torch.linalg.inv(SQUARE)) == pytest.approx(solved, rel=0.26)
    assert counted(lambda: torch.linalg.inv(SQUARE)) <= solved


FLOAT, DOUBLE = 4, 8


@pytest.mark.parametrize(
    ("work", "moved", "launches"),
    [
        (lambda a: a + a, 3 * 100 * FLOAT, 1),
        (lambda a: a.add_(1), 2 * 100 * FLOAT, 1),
        (lambda a: a.view(100).reshape(10, 10).T[0].detach()[None].expand(5, 10), 0, 0),
        (lambda a: torch.empty(50), 0, 0),
        (lambda a: torch.zeros(50), 50 * FLOAT, None),
        (lambda a: a.double(), 100 * (FLOAT + DOUBLE), 1),
        (lambda a: a @ a, 3 * 100 * FLOAT, 1),
        (lambda a: torch.cat([a, a, a]), 6 * 100 * FLOAT, 1),
        (lambda a: a.max(dim=0), (100 + 10) * FLOAT + 10 * DOUBLE, 1),  # values, and their places
        (lambda a: (a @ a).exp().sum(), (300 + 200 + 101) * FLOAT, 3),
    ],
)
def test_bytes_in_and_out_and_launches(
    work: Callable[[torch.Tensor], object], moved: int, launches: int | None
) -> None:
    counter, a = FlopCounter(), torch.ones(10, 10)
    with counter.counting():
        work(a)
    assert counter.bytes_moved == moved
    assert launches is None or counter.launches == launches


def test_bytes_and_launches_are_counted_as_often_as_the_work_will_run() -> None:
    counter, a = FlopCounter(), torch.ones(10, 10)
    with counter.counting(times=7):
        a + a
    assert (counter.bytes_moved, counter.launches) == (7 * 3 * 100 * FLOAT, 7)


def test_a_stack_of_models_shares_its_launches() -> None:
    """What stacking is for: four models are launched as one, and move the bytes of four."""

    def took(models: int) -> FlopCounter:
        weights, rows, counter = torch.randn(models, 7, 5), torch.randn(models, 3, 5), FlopCounter()
        with counter.counting():
            vmap(grad(lambda w, x: F.linear(x, w).square().sum()))(weights, rows)
        return counter

    one, four = took(1), took(4)
    assert four.launches == one.launches
    assert four.bytes_moved == pytest.approx(4 * one.bytes_moved, rel=0.02)


def test_work_is_counted_as_often_as_it_will_run() -> None:
    a = torch.ones(4, 4)
    assert counted(lambda: a @ a, times=9) == 9 * 2 * 4**3
    counter = FlopCounter()
    with counter.counting(times=2):
        a @ a
    with counter.counting():
        a @ a
    a @ a  # nobody counts
    assert counter.flops == 3 * 2 * 4**3
    assert counter.calls == 2


def test_elementwise_work_is_no_operation_but_a_call() -> None:
    counter = FlopCounter()
    with counter.counting():
        torch.ones(10).exp()
    assert counter.flops == 0
    assert counter.calls == 2


@pytest.mark.parametrize("one_column", [False, True], ids=["vector", "column"])
def test_a_matrix_times_a_vector_counts_as_times_a_column(one_column: bool) -> None:
    a, v, counter = torch.ones(7, 5), torch.ones(5), FlopCounter()
    with counter.counting():
        a @ (v[:, None] if one_column else v)
    assert counter.flops == 2 * 7 * 5


def test_products_of_vectors_count() -> None:
    v, a, counter = torch.ones(5), torch.ones(5, 5), FlopCounter()
    with counter.counting():
        torch.dot(v, v)
        torch.addmv(v, a, v)
    assert counter.flops == 2 * 5 + 2 * 25
