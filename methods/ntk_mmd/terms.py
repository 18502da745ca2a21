"""The four terms of NTK-MMD for any coalition; for each, lower is better."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any, Literal

import numpy as np
import torch

from harness.types import Batch, Bools, Floats, Ints, Learner, Params, Positive, Problem
from methods.algebra import EXACT_ENTRIES, PROJECTED_WIDTH
from methods.algebra import NTK_EXACT_UP_TO as EXACT_UP_TO
from methods.gradients.directional import blocks, example_losses, tensors
from methods.gradients.per_example import Output, output_gradients
from methods.kernels import MIXED, CoalitionMmd, Kernel, features_alone, joint_features
from methods.ntk_mmd.kernel import gram, of_linear_layers
from methods.ntk_mmd.matrix_free import MatrixFreeComplexity, mean_diagonal
from methods.ntk_mmd.weights import TERMS


@dataclass(frozen=True, slots=True)
class Reading:
    """How the terms are read where the paper leaves it open; ``NtkMmd`` says what each is."""

    ridge: Positive = 0.1
    output: Literal["probability", "log-probability", "logit"] = "probability"
    features: Literal["joint", "initial"] = "joint"
    kernel: Kernel = MIXED
    unbiased: bool = False
    solve: Literal["auto", "matrix-free"] = "auto"
    absolute: bool = False  # the ridge as it is, not as a multiple of the mean diagonal


DEFAULT = Reading()

Share = Callable[[str, Callable[[], Any]], Any]
"""As ``problem.shared``: a key and what builds its value. A build asks for no other: each part is billed once."""

OfCoalitions = Callable[[Bools], Floats]
"""Coalitions K x C -> one number each."""


class Terms:
    """The terms at one initialisation for any coalitions. What a term rests on is made when that term is asked for.

    The true-target output is the probability of the target (for a sequence the geometric mean over its target
    tokens), so 1 is the label to be reached; or its logarithm, and 0.

    Args:
        seed: which of the initialisations that methods share.
        share: keeps what several weight schemes ask for.
        reading: what was chosen where the paper leaves it open.
    """

    def __init__(self, problem: Problem, seed: int, share: Share, reading: Reading = DEFAULT) -> None:
        owners_N, real_N = problem.train.owners_N, problem.train.real_N
        self._problem, self._seed, self._share, self._reading = problem, seed, share, reading
        self._sizes_C = np.bincount(owners_N, minlength=len(problem.contributors)).astype(np.float64)
        self._reals_C = np.bincount(owners_N, weights=real_N, minlength=len(problem.contributors))

    def of(self, coalitions_KC: Bools, asked: Collection[str] = TERMS) -> Floats:
        """Terms of each coalition, K x 4 in the order of ``weights.TERMS``; 0 for nobody, and where not asked for."""
        makers = {"loss": self._loss, "discrepancy": self._discrepancy, "ntk": self._ntk, "sample": self._sample}
        name = sha256(np.packbits(coalitions_KC).tobytes()).hexdigest()
        columns = [np.zeros(len(coalitions_KC)) for _ in TERMS]
        for k, term in enumerate(TERMS):
            if term in asked:
                made = self._read(term)
                columns[k] = self._share(f"{term}/{made}{name}", partial(makers[term](), coalitions_KC))
        some = (coalitions_KC @ self._sizes_C)[:, None] > 0
        return np.where(some, np.stack(columns, axis=1), 0.0)

    def _read(self, term: str) -> str:
        """What a shared key must name beside the term: what was chosen otherwise than by default."""
        ntk = ("ridge", "absolute", "output", "solve")
        of = {"discrepancy": ("features", "kernel", "unbiased"), "ntk": ntk}.get(term, ())
        chosen = [(name, getattr(self._reading, name)) for name in of]
        return "".join(f"{name}={value}/" for name, value in chosen if value != getattr(DEFAULT, name))

    def _counts(self, coalitions_KC: Bools) -> tuple[Floats, Floats]:
        """Examples of each coalition, at least 1, and the share of them that is real, K."""
        some_K = np.maximum(coalitions_KC @ self._sizes_C, 1)
        return some_K, coalitions_KC @ self._reals_C / some_K

    def _loss(self) -> OfCoalitions:
        sums_C = np.bincount(self._problem.train.owners_N, weights=self._losses_N(), minlength=len(self._sizes_C))
        return lambda coalitions_KC: np.asarray(coalitions_KC @ sums_C / self._counts(coalitions_KC)[0])

    def _discrepancy(self) -> OfCoalitions:
        params, problem, reading = self._initial(), self._problem, self._reading
        made = joint_features if reading.features == "joint" else features_alone
        features = self._share(f"features/{reading.features}", lambda: made(problem, params))
        sides = problem.train.real_N, ~problem.train.real_N

        def both() -> list[CoalitionMmd]:
            return [CoalitionMmd(features, problem, side, reading.kernel, reading.unbiased) for side in sides]

        mmds = self._share(f"mmd/{self._read('discrepancy')}", both)

        def discrepancies(coalitions_KC: Bools) -> Floats:
            real_K = self._counts(coalitions_KC)[1]
            sides = zip((real_K, 1 - real_K), mmds, strict=True)
            return np.asarray(sum(share_K * mmd.distances(coalitions_KC) for share_K, mmd in sides))

        return discrepancies

    def _ntk(self) -> OfCoalitions:
        """Of responses the probability stands for the logits, which are many."""
        params, reading = self._initial(), self._reading
        of_logits = reading.output == "logit" and self._problem.learner.one_label
        losses_N = None if of_logits else self._losses_N()
        complexity = self._share(
            f"complexity/{self._read('ntk')}",
            lambda: _complexity(self._problem, params, losses_N, self._seed, reading),
        )
        return lambda coalitions_KC: np.sqrt(complexity.squared(coalitions_KC) / self._counts(coalitions_KC)[0])

    def _sample(self) -> OfCoalitions:
        def samples(coalitions_KC: Bools) -> Floats:
            some_K, real_K = self._counts(coalitions_KC)
            return np.asarray(np.maximum(real_K, 1 - real_K) / some_K)

        return samples

    def _initial(self) -> Params:
        found: Params = self._share("initial", lambda: self._problem.initial(self._seed))
        return found

    def _losses_N(self) -> Floats:
        params, problem = self._initial(), self._problem
        train = tensors(problem.train, problem.device)
        found: Floats = self._share("losses", lambda: example_losses(problem.learner, params, train))
        return found


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """Whose kernel it is: an output of the model, what it lacks of its label, and its slope in the loss, if it has one.

    A sign of the slope changes no kernel.
    """

    output: Output
    residual_N: torch.Tensor
    slope_N: torch.Tensor | None


def _asked(problem: Problem, params: Params, losses_N: Floats | None, reading: Reading, train: Batch) -> _Asked:
    """``losses_N``: None for the true label's logit."""
    learner = problem.learner
    if losses_N is None:
        return _Asked(partial(_true_logits, learner), 1 - _logits(learner, params, train), None)
    losses = torch.from_numpy(losses_N).to(problem.device)
    if reading.output == "log-probability":
        return _Asked(learner.losses, losses, torch.ones_like(losses))
    return _Asked(learner.outputs, 1 - (-losses).exp(), (-losses).exp())


def _complexity(
    problem: Problem, params: Params, losses_N: Floats | None, seed: int, reading: Reading
) -> KernelComplexity | ProjectedComplexity | MatrixFreeComplexity:
    """Each seed has a projection of its own, the same for every weight scheme."""
    train, learner, examples = tensors(problem.train, problem.device), problem.learner, len(problem.train)
    asked, owners_N = _asked(problem, params, losses_N, reading, train), problem.train.owners_N
    output, residual, slope = asked.output, asked.residual_N, asked.slope_N
    if reading.solve == "matrix-free":
        ridge = _ridge(reading, lambda: mean_diagonal(learner, output, params, train))
        return MatrixFreeComplexity(learner, params, train, residual, owners_N, output, ridge)
    exact = examples <= EXACT_UP_TO
    if exact and slope is not None and (kernel := of_linear_layers(learner, params, train)) is not None:
        scaled = kernel * slope * slope[:, None]
        return KernelComplexity(scaled, residual, owners_N, _ridge(reading, scaled.diagonal().mean))
    width = EXACT_ENTRIES // examples if exact else PROJECTED_WIDTH
    generator = torch.Generator().manual_seed(int(problem.scope_stream("projection", seed).integers(2**62)))
    gradients = output_gradients(learner, params, train, width, generator, output)
    if exact:
        kernel = gram(gradients)
        return KernelComplexity(kernel, residual, owners_N, _ridge(reading, kernel.diagonal().mean))
    ridge = _ridge(reading, lambda: torch.linalg.vector_norm(gradients, dtype=torch.float64).square() / examples)
    return ProjectedComplexity(gradients, residual, owners_N, len(problem.contributors), ridge)


def _ridge(reading: Reading, mean_diagonal: Callable[[], torch.Tensor | float]) -> float:
    """What is added to the kernel's diagonal: as it is, or as a multiple of the mean diagonal, found if it counts."""
    return reading.ridge if reading.absolute else reading.ridge * float(mean_diagonal())


def _true_logits(learner: Learner, params: Params, batch: Batch) -> torch.Tensor:
    """The true label's, N."""
    return learner.predict(params, batch)[0].gather(1, batch["targets"][:, None])[:, 0]


@torch.no_grad()
def _logits(learner: Learner, params: Params, batch: Batch) -> torch.Tensor:
    return torch.cat([_true_logits(learner, params, block) for block in blocks(batch, learner)]).double()


class KernelComplexity:
    """y' (NTK + ridge)^-1 y on any coalition's examples, from the whole kernel.

    Coalitions that grow one into the next (as along a permutation) share one Cholesky factorisation: with L z = y,
    the quadratic form of the first m rows is the sum of the first m squares of z. Where many lack a few rows each (as
    where everybody is left out once), all share the inverse A of the whole kernel instead: without the rows c it is
    A less A_:c A_cc^-1 A_c:, so that with a = A y the quadratic form is y'a - a_c' A_cc^-1 a_c.
    """

    def __init__(self, kernel_NN: torch.Tensor, residual_N: torch.Tensor, owners_N: Ints, ridge: float) -> None:
        self._kernel_NN = kernel_NN + ridge * torch.eye(len(kernel_NN)).to(kernel_NN)
        self._residual_N, self._owners_N = residual_N, owners_N

    def squared(self, coalitions_KC: Bools) -> Floats:
        """The quadratic form of each coalition, K; 0 for nobody."""
        found, chains = np.zeros(len(coalitions_KC)), list(growing(coalitions_KC))
        lacking = self._cheaper_by_downdates(coalitions_KC, [chain[0] for chain in chains if len(chain) == 1])
        if lacking:
            found[lacking] = self._downdated(coalitions_KC[lacking])
        for chain in chains:
            if chain[0] not in lacking:
                found[chain] = self._grown(coalitions_KC[chain])
        return found

    def _cheaper_by_downdates(self, coalitions_KC: Bools, rows: list[int]) -> list[int]:
        """Those of some coalitions that lack less than half of all examples, if an inverse, n^3, pays for them all.

        Otherwise each takes a Cholesky factorisation of its own, m^3 / 3, where a downdate takes one of what it lacks.
        """
        whole = len(self._owners_N)
        has = {row: int(coalitions_KC[row, self._owners_N].sum()) for row in rows}
        lacking = [row for row in rows if 2 * has[row] > whole]
        saved = sum(has[row] ** 3 - (whole - has[row]) ** 3 for row in lacking) / 3
        return lacking if saved > whole**3 else []

    def _grown(self, chain_KC: Bools) -> Floats:
        """Of coalitions each of which contains the one before."""
        joins = np.vstack([chain_KC[:1], chain_KC[1:] & ~chain_KC[:-1]])
        steps = [self._rows(join) for join in joins]
        rows = torch.cat(steps)
        if not len(rows):
            return np.zeros(len(chain_KC))
        factor = torch.linalg.cholesky(self._kernel_NN[rows][:, rows])
        z = torch.linalg.solve_triangular(factor, self._residual_N[rows, None], upper=False)[:, 0]
        sums = np.concatenate([[0.0], z.square().cumsum(0).cpu().numpy()])
        return np.asarray(sums[np.cumsum([len(step) for step in steps])])

    def _downdated(self, coalitions_KC: Bools) -> Floats:
        """Of coalitions that lack no more than half of all rows."""
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(self._kernel_NN))
        solved = inverse @ self._residual_N
        found = []
        for gone in map(self._rows, ~coalitions_KC):
            factor = torch.linalg.cholesky(inverse[gone][:, gone])
            z = torch.linalg.solve_triangular(factor, solved[gone, None], upper=False)
            found.append(self._residual_N @ solved - z.square().sum())
        return np.asarray(torch.stack(found).cpu().numpy())

    def _rows(self, member_C: Bools) -> torch.Tensor:
        """Examples of these contributors."""
        return torch.from_numpy(np.flatnonzero(member_C[self._owners_N])).to(self._kernel_NN.device)


def growing(coalitions_KC: Bools) -> Iterator[list[int]]:
    """Runs of consecutive rows in which each contains the one before."""
    run: list[int] = []
    for k, row in enumerate(coalitions_KC):
        if run and not (coalitions_KC[k - 1] <= row).all():
            yield run
            run = []
        run.append(k)
    if run:
        yield run


class ProjectedComplexity:
    """The same quadratic form from projected gradients Z, N x k, in time linear in N and memory O(N k + C k^2).

    y' (Z Z' + r)^-1 y = (y'y - y'Z (Z'Z + r)^-1 Z'y) / r (Woodbury), and Z'Z, Z'y, y'y add up over contributors.
    """

    def __init__(
        self,
        gradients: torch.Tensor,
        residual_N: torch.Tensor,
        owners_N: Ints,
        contributors: int,
        ridge: float,
    ) -> None:
        grams, moments, squares = [], [], []
        owners = torch.from_numpy(owners_N.copy()).to(gradients.device)
        for c in range(contributors):
            own, residual = gradients[owners == c].double(), residual_N[owners == c]
            grams.append(own.T @ own)
            moments.append(own.T @ residual)
            squares.append(residual.square().sum())
        self._grams_CPP, self._moments_CP = torch.stack(grams), torch.stack(moments)
        self._squares_C = torch.stack(squares)
        self._ridge = ridge

    def squared(self, coalitions_KC: Bools) -> Floats:
        """The quadratic form of each coalition, K; 0 for nobody."""
        found = np.zeros(len(coalitions_KC))
        eye = torch.eye(self._grams_CPP.shape[1]).to(self._grams_CPP)
        for k, row in enumerate(coalitions_KC):
            member = torch.from_numpy(row.copy()).to(eye.device)
            factor = torch.linalg.cholesky(self._grams_CPP[member].sum(0) + self._ridge * eye)
            moment = self._moments_CP[member].sum(0)[:, None]
            z = torch.linalg.solve_triangular(factor, moment, upper=False)
            found[k] = float((self._squares_C[member].sum() - z.square().sum()) / self._ridge)
        return found
