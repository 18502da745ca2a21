"""The Gauss-Newton matrix by Kronecker factors, parameter by parameter (K-FAC), its eigenvalues corrected (EK-FAC).

Martens & Grosse 2015, ICML; George et al. 2018, NeurIPS. Everything is in units in which the damping is 1: curvature is
R G R, R = D^-1/2, so that a damping of each parameter's own costs nothing more. A matrix's gradients are sums over
positions of signal x input; their second moments, one of each side, have eigenvectors, and in the basis that both make
R G R is taken to be diagonal. For the factors alone the square of R is taken by the product of its rows' and columns'
means (as Adafactor takes AdamW's second moment); eigenvalues are corrected with R itself, so that of EK-FAC only the
basis is approximate.

- linear layers, convolutions (patches) and tied matrices: both sides' factors; a tied matrix's uses count as positions;
- embeddings: the factor of the one-hot side is diagonal (counts), so that side needs no basis, and is never made dense;
- scales and biases of norms: their whole block;
- parameters of other layers: the exact diagonal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import grad, vmap

from harness.types import Batch, Learner, Params, WeightUse
from methods.gradients.directional import blocks
from methods.gradients.per_example import BLOCK_ENTRIES
from methods.gradients.pseudo_targets import roots_of_curvature
from methods.gradients.vectors import by_entry

WIDEST = 4_096
"""Longest side of a matrix, and most entries of a norm's scale, that get a basis; longer sides stay as they are."""

CHECKED_ROWS = 2
"""Examples on which it is seen that a parameter's uses, added up, are its gradient."""


@dataclass(frozen=True, slots=True, eq=False)
class MatrixBlock:
    """Q (diag(eigenvalues) + 1) Q' for one matrix, Q = left x right; a side without a basis is its own.

    Args:
        bias: the parameter that is the last column, None for none.
    """

    weight: str
    bias: str | None
    left_LL: Tensor | None
    right_RR: Tensor | None
    eigenvalues_LR: Tensor

    def solve(self, vector: Params) -> Params:
        rotated = _rotated(_matrix(vector, self.weight, self.bias), self.left_LL, self.right_RR)
        back = [None if basis is None else basis.T for basis in (self.left_LL, self.right_RR)]
        return _parts(_rotated(rotated / (self.eigenvalues_LR + 1), *back), vector, self.weight, self.bias)


@dataclass(frozen=True, slots=True, eq=False)
class FullBlock:
    """One parameter's own block, whole, as its eigenvectors and eigenvalues."""

    weight: str
    basis_PP: Tensor
    eigenvalues_P: Tensor

    def solve(self, vector: Params) -> Params:
        found = self.basis_PP @ ((self.basis_PP.T @ vector[self.weight].flatten()) / (self.eigenvalues_P + 1))
        return {self.weight: found.reshape(vector[self.weight].shape)}


@dataclass(frozen=True, slots=True, eq=False)
class DiagonalBlock:
    """One parameter's exact diagonal."""

    weight: str
    diagonal: Tensor

    def solve(self, vector: Params) -> Params:
        return {self.weight: vector[self.weight] / (self.diagonal + 1)}


Block = MatrixBlock | FullBlock | DiagonalBlock


@dataclass(frozen=True, slots=True, eq=False)
class Kronecker:
    """R G R + 1 in blocks, one a layer, and R."""

    scale: Params
    blocks: tuple[Block, ...]

    def precondition(self, vector: Params) -> Params:
        """(R G R + 1)^-1 vector."""
        found: Params = {}
        for block in self.blocks:
            found |= block.solve(vector)
        return {name: found[name] for name in vector}

    def solve(self, target: Params) -> Params:
        """(G + D)^-1 target."""
        return by_entry(self.scale, self.precondition(by_entry(self.scale, target)))


def kronecker(
    learner: Learner, params: Params, batch: Batch, inverse_damping: Params, seed: int, corrected: bool
) -> Kronecker:
    """The factors of one model's curvature on a batch.

    Args:
        inverse_damping: 1 / D; where that is 0 a parameter stays where it is.
        seed: of the labels that are drawn.
        corrected: eigenvalues are the second moments of gradients in the basis (EK-FAC) and not products of the
            factors' own (K-FAC).
    """
    scale = {name: entry.sqrt() for name, entry in inverse_damping.items()}
    passes = _Passes(learner, params, batch, seed)
    known = _known(learner, params, {name: column[:CHECKED_ROWS] for name, column in batch.items()}, seed)
    factors: dict[str, _MatrixFactors | _ScaleFactor] = {}
    for uses in passes:
        for use in uses:
            if use.weight in known:
                if use.weight not in factors:
                    factors[use.weight] = (
                        _MatrixFactors(use, scale) if use.kind != "scale" else _ScaleFactor(use, scale)
                    )
                factors[use.weight].add(use)
    examples, found = len(batch["targets"]), [factor.block(len(batch["targets"])) for factor in factors.values()]
    if corrected:
        found = _corrected(found, scale, passes, examples)
    reached = {name for block in found for name in (block.weight, getattr(block, "bias", None)) if name}
    others = {name: params[name] for name in params if name not in reached}
    return Kronecker(scale, (*found, *_diagonals(learner, params, others, scale, batch, seed)))


class _Passes:
    """What comes back through the model, block of rows by block, from the same vectors each time it is gone through.

    What one block gives is kept; more would hold the whole data's, and are made anew.
    """

    def __init__(self, learner: Learner, params: Params, batch: Batch, seed: int) -> None:
        self._learner, self._params, self._seed = learner, params, seed
        self._cut = list(blocks(batch, learner))
        self._kept: list[list[WeightUse]] | None = None

    def __iter__(self) -> Iterator[list[WeightUse]]:
        """The uses of all layers, a list for each vector of each block."""
        if self._kept is not None:
            yield from self._kept
            return
        generator = torch.Generator().manual_seed(self._seed)
        for rows in self._cut:
            found = uses_of_curvature(self._learner, self._params, rows, generator)
            if len(self._cut) == 1:
                self._kept = found
            yield from found


def uses_of_curvature(
    learner: Learner, params: Params, rows: Batch, generator: torch.Generator
) -> list[list[WeightUse]]:
    """Uses of layers for each root of the loss's Hessian in the logits."""
    return learner.weight_uses(params, rows, lambda logits: roots_of_curvature(learner, logits, rows, generator))


def gradients_of_use(use: WeightUse, params: Params) -> dict[str, Tensor]:
    """Each example's gradient of the weight and, where there is one, the bias: N x the parameter's shape."""
    shape = params[use.weight].shape
    if use.kind == "scale":
        return {use.weight: (use.inputs * use.signals_NTO).sum(1).reshape(-1, *shape)}
    found_NLR = _gradient_matrices([use], shape[0])
    return {
        name: part.reshape(len(found_NLR), *params[name].shape)
        for name, part in _columns(found_NLR, use.weight, use.bias).items()
    }


def _known(learner: Learner, params: Params, rows: Batch, seed: int) -> set[str]:
    """Parameters whose uses account for all of their gradient: a use that a learner does not tell would be missed."""
    generator = torch.Generator().manual_seed(seed)
    leaves = {name: p.detach().requires_grad_() for name, p in params.items()}
    logits = learner.predict(leaves, rows)[0]
    vector = torch.randn(logits.shape, generator=generator).to(logits)
    exact = torch.autograd.grad(logits, [*leaves.values()], vector, allow_unused=True, materialize_grads=True)
    total = {name: torch.zeros_like(p) for name, p in params.items()}
    together: dict[str, set[str]] = {}
    for use in learner.weight_uses(params, rows, lambda _: [vector])[0]:
        for name, each in gradients_of_use(use, params).items():
            total[name] += each.sum(0)
            together.setdefault(use.weight, set()).add(name)
    fits = {
        name
        for name, found in zip(params, exact, strict=True)
        if (found - total[name]).norm() <= 1e-3 * found.norm() + 1e-12
    }
    return {weight for weight, names in together.items() if names <= fits}


# --- factors ----------------------------------------------------------------------------------------


class _MatrixFactors:
    """Second moments of both sides of a matrix's gradients, in units of an outer product near to R."""

    def __init__(self, use: WeightUse, scale: Params) -> None:
        self._weight, self._bias = use.weight, use.bias
        root_LR = _matrix(scale, use.weight, use.bias)
        square_LR = root_LR.square()
        mean = square_LR.mean().clamp(min=torch.finfo(square_LR.dtype).tiny)
        self._scales = (square_LR.mean(1).sqrt(), (square_LR.mean(0) / mean).sqrt())
        self._moments: list[Tensor | None] = [None, None]
        self._places = 0

    def add(self, use: WeightUse) -> None:
        """Positions that nothing comes back to, such as padding, count for nothing."""
        reached = use.signals_NTO.flatten(0, 1).abs().amax(1) > 0
        inputs = _with_ones(use.inputs, use.bias).flatten(0, 1)[reached]
        sides = use.signals_NTO.flatten(0, 1)[reached], inputs
        self._places += len(inputs)
        for side, rows in enumerate(sides if use.kind == "matrix" else reversed(sides)):
            self._moments[side] = self._more(self._moments[side], rows, self._scales[side])

    def _more(self, moment: Tensor | None, rows: Tensor, scale: Tensor) -> Tensor:
        """A moment of one-hot rows, or of a long side, is kept as its diagonal as long as nothing else is added."""
        side = len(scale)
        if rows.ndim == 1:
            new = torch.bincount(rows, minlength=side).to(scale) * scale.square()
        elif side > WIDEST:
            new = (rows * scale).square().sum(0)
        else:
            new = (rows * scale).T @ (rows * scale)
        if moment is None or moment.ndim == new.ndim:
            return new if moment is None else moment + new
        return (moment.diag() + new) if moment.ndim == 1 else (moment + new.diag())

    def block(self, examples: int) -> MatrixBlock:
        """With the factors' own eigenvalues: their product over the number of positions an example has."""
        (left, values_L), (right, values_R) = (_eigen(moment) for moment in self._moments)
        eigenvalues_LR = torch.outer(values_L, values_R) / (examples * max(1, self._places))
        return MatrixBlock(self._weight, self._bias, left, right, eigenvalues_LR)


class _ScaleFactor:
    """The block of a norm's scale or bias: the second moment of its gradients, or its diagonal where it is long."""

    def __init__(self, use: WeightUse, scale: Params) -> None:
        self._weight, self._scale = use.weight, scale[use.weight].flatten()
        self._moment: Tensor | None = None

    def add(self, use: WeightUse) -> None:
        each_NP = (use.inputs * use.signals_NTO).sum(1) * self._scale
        new = each_NP.square().sum(0) if each_NP.shape[1] > WIDEST else each_NP.T @ each_NP
        self._moment = new if self._moment is None else self._moment + new

    def block(self, examples: int) -> FullBlock | DiagonalBlock:
        basis, values = _eigen(self._moment)
        if basis is None:
            return DiagonalBlock(self._weight, values / examples)
        return FullBlock(self._weight, basis, values / examples)


def _eigen(moment: Tensor | None) -> tuple[Tensor | None, Tensor]:
    """Basis and eigenvalues; a diagonal has no need of a basis."""
    assert moment is not None
    if moment.ndim == 1:
        return None, moment
    values, basis = torch.linalg.eigh(moment.double())
    return basis.to(moment), values.clamp(min=0.0).to(moment)


# --- corrected eigenvalues --------------------------------------------------------------------------


def _corrected(found: list[Block], scale: Params, passes: _Passes, examples: int) -> list[Block]:
    """The same bases, with the mean squares of gradients in them."""
    matrices = {block.weight: block for block in found if isinstance(block, MatrixBlock)}
    squares = {weight: torch.zeros_like(block.eigenvalues_LR) for weight, block in matrices.items()}
    for uses in passes:
        for weight, block in matrices.items():
            own = [use for use in uses if use.weight == weight]
            if own:
                squares[weight] += _squares(own, block, _matrix(scale, weight, block.bias))
    return [
        MatrixBlock(block.weight, block.bias, block.left_LL, block.right_RR, squares[block.weight] / examples)
        if isinstance(block, MatrixBlock)
        else block
        for block in found
    ]


def _squares(uses: list[WeightUse], block: MatrixBlock, root_LR: Tensor) -> Tensor:
    """Sum over examples of squares of the scaled gradient in the block's basis, L x R."""
    if block.left_LL is None and all(use.kind == "rows" for use in uses):
        return _squares_of_rows(uses, block, root_LR)
    alone = len(uses) == 1 and uses[0].kind == "matrix" and uses[0].signals_NTO.shape[1] == 1
    if alone and bool((root_LR == root_LR[0, 0]).all()):
        return _squares_of_one_position(uses[0], block) * root_LR.square()
    total = torch.zeros_like(root_LR)
    rows = max(1, BLOCK_ENTRIES // root_LR.numel())
    for start in range(0, len(uses[0].inputs), rows):
        part = slice(start, start + rows)
        cut = [WeightUse(u.kind, u.weight, u.bias, u.inputs[part], u.signals_NTO[part]) for u in uses]
        gradients_NLR = _gradient_matrices(cut, len(root_LR)) * root_LR
        total += _rotated(gradients_NLR, block.left_LL, block.right_RR).square().sum(0)
    return total


def _squares_of_one_position(use: WeightUse, block: MatrixBlock) -> Tensor:
    """The same of one position in one unit, where a gradient is signal x input: products of both sides' squares."""
    signals_NL = _rotated(use.signals_NTO[:, 0], None, block.left_LL)
    return signals_NL.square().T @ _rotated(_with_ones(use.inputs, use.bias)[:, 0], None, block.right_RR).square()


def _squares_of_rows(uses: list[WeightUse], block: MatrixBlock, root_LR: Tensor) -> Tensor:
    """The same for an embedding, from the rows that each example names."""
    total = torch.zeros_like(root_LR)
    keys = [torch.arange(len(u.inputs), device=total.device)[:, None] * len(total) + u.inputs for u in uses]
    named, place = torch.unique(torch.cat([key.flatten() for key in keys]), return_inverse=True)
    signals = torch.cat([use.signals_NTO.flatten(0, 1) for use in uses])
    gradients = torch.zeros(len(named), total.shape[1]).to(total).index_add_(0, place, signals)
    ids = named % len(total)
    return total.index_add_(0, ids, _rotated(gradients * root_LR[ids], None, block.right_RR).square())


def _gradient_matrices(uses: list[WeightUse], height: int) -> Tensor:
    """Each example's gradient of one matrix, all its uses together, N x L x R."""
    found = []
    for use in uses:
        if use.kind == "matrix":
            found.append(use.signals_NTO.transpose(1, 2) @ _with_ones(use.inputs, use.bias))
        else:
            width = use.signals_NTO.shape[-1]
            rows = torch.zeros(len(use.inputs), height, width).to(use.signals_NTO)
            found.append(rows.scatter_add_(1, use.inputs[..., None].expand(-1, -1, width), use.signals_NTO))
    return torch.stack(found).sum(0) if len(found) > 1 else found[0]


# --- what has no factors ----------------------------------------------------------------------------


def _diagonals(
    learner: Learner, params: Params, others: Params, scale: Params, batch: Batch, seed: int
) -> list[DiagonalBlock]:
    """The exact diagonal of R G R for the parameters named, from a gradient of theirs per example."""
    if not others:
        return []
    total = {name: torch.zeros_like(p) for name, p in others.items()}
    generator = torch.Generator().manual_seed(seed)
    for rows in blocks(batch, learner):
        with torch.no_grad():
            logits = learner.predict(params, rows)[0]
        for vector in roots_of_curvature(learner, logits, rows, generator):
            for name, each in _each_example(learner, params, others, rows, vector).items():
                total[name] += each.square().sum(0)
    examples = len(batch["targets"])
    return [DiagonalBlock(name, found * scale[name].square() / examples) for name, found in total.items()]


def _each_example(learner: Learner, params: Params, others: Params, rows: Batch, vector: Tensor) -> Params:
    """Each example's derivative of its logits along its vector, N x the shapes of ``others``."""

    def along(chosen: Params, row: Batch, direction: Tensor) -> Tensor:
        one = {name: column[None] for name, column in row.items()}
        return (learner.predict({**params, **chosen}, one)[0][0] * direction).sum()

    each: Callable[[Params, Batch, Tensor], Params] = grad(along)
    if learner.stacks:
        found: Params = vmap(each, (None, 0, 0))(others, dict(rows), vector)
        return found
    alone = [each(others, {k: c[n] for k, c in rows.items()}, vector[n]) for n in range(len(vector))]
    return {name: torch.stack([one[name] for one in alone]) for name in others}


# --- shapes -----------------------------------------------------------------------------------------


def _matrix(params: Params, weight: str, bias: str | None) -> Tensor:
    """A weight as L x R, its bias the last column."""
    flat = params[weight].flatten(1)
    return flat if bias is None else torch.cat([flat, params[bias][:, None]], 1)


def _parts(matrix_LR: Tensor, like: Params, weight: str, bias: str | None) -> Params:
    return {name: part.reshape(like[name].shape) for name, part in _columns(matrix_LR, weight, bias).items()}


def _columns(matrix: Tensor, weight: str, bias: str | None) -> dict[str, Tensor]:
    return {weight: matrix} if bias is None else {weight: matrix[..., :-1], bias: matrix[..., -1]}


def _with_ones(inputs: Tensor, bias: str | None) -> Tensor:
    return inputs if bias is None else torch.nn.functional.pad(inputs, (0, 1), value=1.0)


def _rotated(matrix: Tensor, left_LL: Tensor | None, right_RR: Tensor | None) -> Tensor:
    """left' matrix right; a side without a basis stays."""
    turned = matrix if left_LL is None else left_LL.T @ matrix
    return turned if right_RR is None else turned @ right_RR
