"""Floating-point operations as they happen, counted below torch's transforms.

Counts what ``torch.utils.flop_counter`` counts (matrix products, convolutions, attention; two operations a
multiply-add) with its own formulas, and factorisations, triangular solves and distances beside them. One formula is
replaced: torch's for the backward pass of grouped convolutions forgets the groups, and a stacked or per-example
convolution is nothing but groups, so it would be billed up to a hundredfold.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


def _convolution_backward(
    grad_out: torch.Tensor,
    inputs: torch.Tensor,
    weight: torch.Tensor,
    bias_sizes: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
    output_mask: list[bool],
    out_val: Any = None,
) -> int:
    """Each wanted gradient (of the input, of the weight) costs one forward pass."""
    positions = inputs if transposed else grad_out
    forward = 2 * positions.shape[0] * math.prod(positions.shape[2:]) * weight.numel()
    return forward * sum(map(bool, output_mask[:2]))


def _cholesky(matrix: torch.Tensor, *_: Any, out_val: Any = None, **__: Any) -> int:
    """n^3 / 3 a matrix."""
    return matrix.numel() * matrix.shape[-1] // 3


def _triangular_solve(matrix: torch.Tensor, right: torch.Tensor, *_: Any, out_val: Any = None, **__: Any) -> int:
    """n^2 a right-hand side."""
    return right.numel() * matrix.shape[-1]


def _distances(a: torch.Tensor, b: torch.Tensor, *_: Any, out_val: Any = None, **__: Any) -> int:
    """As the matrix product that makes them."""
    return 2 * a.numel() * b.shape[-2]


def _pair_distances(rows: torch.Tensor, *_: Any, out_val: Any = None, **__: Any) -> int:
    """As distances, for each pair of rows once."""
    return rows.numel() * (rows.shape[0] - 1)


FORMULAS: dict[Any, Callable[..., int]] = {
    **flop_registry,
    torch.ops.aten.convolution_backward: _convolution_backward,
    torch.ops.aten.linalg_cholesky_ex: _cholesky,
    torch.ops.aten.linalg_solve_triangular: _triangular_solve,
    torch.ops.aten._cdist_forward: _distances,
    torch.ops.aten._euclidean_dist: _distances,  # what torch.cdist is where p = 2
    torch.ops.aten._pdist_forward: _pair_distances,
}


class FlopCounter:
    """Adds up the operations of everything that this thread runs under ``counting``, as they happen.

    Args:
        flops: floating-point operations so far.
        calls: torch calls seen so far; each was slowed by being counted (see ``metering.profiling_overhead``).
    """

    def __init__(self) -> None:
        self.flops = 0.0
        self.calls = 0

    @contextmanager
    def counting(self, times: int = 1) -> Iterator[None]:
        """Count what runs inside, as often as ``times`` says that it will run in all."""
        with _Counting(self, times):
            yield


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, counter: FlopCounter, times: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._counter, self._times = counter, times

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing here is compiled, and the guard against it doubles what counting a call costs

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        self._counter.calls += 1
        formula = FORMULAS.get(func._overloadpacket)
        if formula is not None:
            self._counter.flops += self._times * formula(*args, **(kwargs or {}), out_val=out)
        return out
