"""Operations of torch's calls, from the shapes of what goes in and comes out; two operations a multiply-add.

Matrix products, convolutions and attention are torch's own formulas (``torch.utils.flop_counter``), with one replaced:
torch's for the backward pass of grouped convolutions forgets the groups, and a stacked or per-example convolution is
nothing but groups, so it would be billed up to a hundredfold. Factorisations and solves are the leading terms of Golub
& Van Loan (2013, *Matrix Computations*, 4th ed.), of the algorithm that LAPACK runs; those that iterate (eigenvalues,
singular values) are their usual number of sweeps. While it is counted, torch makes eigenvectors and singular vectors
even where only values are wanted; then that is what runs, and what is billed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import flop_registry

Formula = Callable[..., float]


def _convolution_backward(
    grad_out: Tensor,
    inputs: Tensor,
    weight: Tensor,
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


def _distances(a: Tensor, b: Tensor, *_: Any, out_val: Any = None, **__: Any) -> int:
    """As the matrix product that makes them."""
    return 2 * a.numel() * b.shape[-2]


def _pair_distances(rows: Tensor, *_: Any, out_val: Any = None, **__: Any) -> int:
    """As distances, for each pair of rows once."""
    return rows.numel() * (rows.shape[0] - 1)


def _of_square(factor: float) -> Formula:
    """``factor`` n^3 a matrix."""

    def count(matrix: Tensor, *_: Any, out_val: Any = None, **__: Any) -> float:
        return factor * matrix.numel() * matrix.shape[-1]

    return count


def _eigh(matrix: Tensor, uplo: str = "L", compute_v: bool = True, out_val: Any = None, **_: Any) -> float:
    """Symmetric: 9 n^3 with vectors, 4/3 n^3 without (sec. 8.3.3)."""
    return (9 if compute_v else 4 / 3) * matrix.numel() * matrix.shape[-1]


def _svd(matrix: Tensor, full_matrices: bool = False, compute_uv: bool = True, out_val: Any = None, **_: Any) -> float:
    """Golub & Reinsch, m >= n (8.6.3): values 4mn^2 - 4/3 n^3, thin vectors 14mn^2 + 8n^3, all 4m^2n + 8mn^2 + 9n^3."""
    matrices, m, n = _shape(matrix)
    if not compute_uv:
        each = 4 * m * n**2 - 4 / 3 * n**3
    elif full_matrices:
        each = 4 * m**2 * n + 8 * m * n**2 + 9 * n**3
    else:
        each = 14 * m * n**2 + 8 * n**3
    return matrices * each


def _pinv(matrix: Tensor, *_: Any, hermitian: bool = False, out_val: Any = None, **__: Any) -> float:
    """A thin singular value decomposition (of a Hermitian matrix its eigenvectors) and the product of its parts."""
    matrices, m, n = _shape(matrix)
    return (_eigh(matrix) if hermitian else _svd(matrix)) + matrices * 2 * m * n**2


def _lu(matrix: Tensor, *_: Any, out_val: Any = None, **__: Any) -> float:
    """m n^2 - n^3 / 3 for m >= n: 2/3 n^3 of a square (sec. 3.2.10)."""
    matrices, m, n = _shape(matrix)
    return matrices * (m * n**2 - n**3 / 3)


def _qr(matrix: Tensor, mode: str = "reduced", out_val: Any = None, **_: Any) -> float:
    """Householder: R takes 2mn^2 - 2/3 n^3, a thin Q as much again, a whole one 4(m^2n - mn^2 + n^3/3) (sec. 5.2.2)."""
    matrices, m, n = _shape(matrix)
    r = 2 * m * n**2 - 2 / 3 * n**3
    q = {"r": 0.0, "reduced": r, "complete": 4 * (m**2 * n - m * n**2 + n**3 / 3)}[mode]
    return matrices * (r + q)


def _geqrf(matrix: Tensor, *_: Any, out_val: Any = None, **__: Any) -> float:
    return _qr(matrix, "r")


def _lstsq(matrix: Tensor, right: Tensor, *_: Any, out_val: Any = None, **__: Any) -> float:
    """By QR, 2mn^2 - 2/3 n^3, and 4mn - n^2 a right-hand side (sec. 5.3.2); torch's default driver pivots besides."""
    matrices, m, n = _shape(matrix)
    return matrices * (2 * m * n**2 - 2 / 3 * n**3) + _sides(matrix, right) * (4 * m * n - n**2)


def _solve(matrix: Tensor, right: Tensor, *_: Any, out_val: Any = None, **__: Any) -> float:
    """LU, 2/3 n^3, and 2 n^2 a right-hand side (sec. 3.4), those that one matrix's sides stand for among others too."""
    found: Tensor = out_val[0]
    return 2 / 3 * matrix.numel() * matrix.shape[-1] + 2 * matrix.shape[-1] * found.numel()


def _lu_solve(factors: Tensor, pivots: Tensor, right: Tensor, *_: Any, out_val: Any = None, **__: Any) -> float:
    """2 n^2 a right-hand side."""
    return 2 * factors.shape[-1] * right.numel()


def _factor_solve(right: Tensor, factor: Tensor, *_: Any, out_val: Any = None, **__: Any) -> float:
    """Two triangular solves, 2 n^2 a right-hand side, from a Cholesky factor."""
    return 2 * factor.shape[-1] * right.numel()


def _ldl_solve(factor: Tensor, pivots: Tensor, right: Tensor, *_: Any, out_val: Any = None, **__: Any) -> float:
    return 2 * factor.shape[-1] * right.numel()


def _triangular_solve(matrix: Tensor, right: Tensor, *_: Any, out_val: Any = None, **__: Any) -> float:
    """n^2 a right-hand side (sec. 3.1)."""
    return right.numel() * matrix.shape[-1]


def _old_triangular_solve(right: Tensor, matrix: Tensor, *_: Any, out_val: Any = None, **__: Any) -> float:
    return right.numel() * matrix.shape[-1]


def _shape(matrix: Tensor) -> tuple[int, int, int]:
    """How many matrices, and the longer and the shorter side of each."""
    rows, columns = matrix.shape[-2:]
    return math.prod(matrix.shape[:-2]), max(rows, columns), min(rows, columns)


def _sides(matrix: Tensor, right: Tensor) -> float:
    """Right-hand sides, of all matrices."""
    return right.numel() / matrix.shape[-2]


aten = torch.ops.aten


def _matrix_vector(*tensors: Tensor, out_val: Any = None, **_: Any) -> int:
    """Two operations an entry of the largest argument: the matrix, or either of two vectors."""
    return 2 * max(tensor.numel() for tensor in tensors[:3])


FORMULAS: dict[Any, Formula] = {
    **flop_registry,
    aten.mv: _matrix_vector,
    aten.addmv: _matrix_vector,
    aten.dot: _matrix_vector,
    aten.vdot: _matrix_vector,
    aten.convolution_backward: _convolution_backward,
    aten._cdist_forward: _distances,
    aten._euclidean_dist: _distances,  # what torch.cdist is where p = 2
    aten._pdist_forward: _pair_distances,
    aten.linalg_cholesky_ex: _of_square(1 / 3),  # sec. 4.2.5
    aten.cholesky: _of_square(1 / 3),
    aten.cholesky_inverse: _of_square(2 / 3),
    aten.cholesky_solve: _factor_solve,
    aten.linalg_solve_triangular: _triangular_solve,
    aten.triangular_solve: _old_triangular_solve,
    aten.linalg_ldl_factor_ex: _of_square(1 / 3),  # sec. 4.4
    aten.linalg_ldl_solve: _ldl_solve,
    aten.linalg_lu: _lu,
    aten.linalg_lu_factor_ex: _lu,
    aten.linalg_lu_solve: _lu_solve,
    aten._linalg_solve_ex: _solve,
    aten._linalg_det: _lu,
    aten._linalg_slogdet: _lu,
    aten.linalg_inv_ex: _of_square(2),
    aten.linalg_qr: _qr,
    aten.geqrf: _geqrf,
    aten.linalg_householder_product: _geqrf,
    aten.linalg_lstsq: _lstsq,
    aten._linalg_eigh: _eigh,
    aten.linalg_eig: _of_square(25),  # with vectors, sec. 7.5.6; torch asks for them even where values alone are wanted
    aten._linalg_eigvals: _of_square(10),
    aten._linalg_svd: _svd,
    aten.linalg_pinv: _pinv,
}
