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
