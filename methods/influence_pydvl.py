"""Influence functions by pyDVL, through its own public path.

Names are not enough. What pyDVL calls Gauss-Newton is the empirical Fisher matrix (outer products of loss gradients),
not J'HJ; and version 0.10 averages it over batches with a weight of one over the number of systems solved (here the
validation examples) on the first batch, so that with one batch the curvature all but vanishes. It is handed a first
batch of the one example with the least loss, and the damping that makes up for its being counted; then it agrees
with the exact damped empirical Fisher solve (tests/exact/test_influence.py). It takes one number as damping; where
``influence`` damps each parameter by its own, pyDVL is handed the same model in other units (``_in_units``), in which
that number is 1 for all.
Its Hessian is exact, but indefinite after a short training run, where a damped solve means nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.types import Additive, Budget, Count, Floats, JobSize, Learner, Positive, Problem
from methods.ekfac import algebra_of_factors
from methods.influence import inverse_damping, passes_of_damping, scalar_damping

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.data import TensorDataset

EKFAC_BATCH = 512
"""Examples a batch; values do not depend on it."""


PAPERS_DAMPING = 0.1
"""Of the mean eigenvalue, for EK-FAC (Grosse et al. 2023)."""

STEPS = 6
"""Steps of conjugate gradients that the embedded tasks took at most; a job's own are not known before it runs."""


@dataclass(frozen=True)
class InfluencePydvl(Additive):
    """pyDVL's influence by block conjugate gradients on its Gauss-Newton operator (the empirical Fisher matrix).

    Args:
        runs: independent training runs averaged over, the same as those of ``influence``.
        damping: as in ``influence``: None for the rule, or a multiple of the Gauss-Newton matrix's mean eigenvalue.
        iterations: most block conjugate-gradient steps.
    """

    runs: Count = 3
    damping: Positive | None = None
    iterations: Count = 100
    source = "Koh & Liang (2017), ICML, eq. 2; pyDVL 0.10 CgInfluence, GAUSS_NEWTON (the empirical Fisher)"
    passes = (
        "1 retraining a run; 1 per-example gradient pass a conjugate-gradient step, one system a validation example; "
        "for AdamW 1 to 2 a checkpoint"
    )
    choices = "damping: by the rule of influence"
    claims = frozenset({"null", "copies", "additive"})

    def budget(self, contributors: int, examples: int) -> Budget:
        """The first batch's one example is passed again at every step."""
        solving = (self.iterations + 2) * (1 + 1 / examples)
        each = passes_of_damping(self.damping) + solving
        return Budget(self.runs, gradient_passes=self.runs * each, validation_passes=self.runs)

    def algebra(self, size: JobSize) -> float:
        """Every example's gradient with every system and back, a step; and once more with the solutions."""
        return self.runs * (4 * STEPS + 2) * size.examples * size.parameters * size.validation

    def unsuitable(self, problem: Problem) -> str | None:
        return _missing() or _not_cross_entropy(problem.learner) or _not_by_vmap(problem)

    def example_values(self, problem: Problem) -> Floats:
        return np.stack([self._one_run(problem, run) for run in range(self.runs)])

    def _one_run(self, problem: Problem, run: int) -> Floats:
        from torch.nn.functional import cross_entropy
        from torch.utils.data import DataLoader

        from methods.gradients.per_example import BLOCK_ENTRIES
        from methods.gradients.vectors import size

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its own deprecations, raised on import
            from pydvl.influence.torch import CgInfluence, SecondOrderMode

        rows = max(1, BLOCK_ENTRIES // size(problem.initial(run)))
        batches = np.array_split(np.arange(len(problem.train)), -(-len(problem.train) // rows))
        least = [_easiest(problem, run)]
        counted = len(batches) / (len(batches) + 1)  # the mean runs over the vanishing batch too

        def model(module: nn.Module, data: TensorDataset) -> Any:
            return CgInfluence(
                module,
                cross_entropy,
                regularization=counted,
                rtol=1e-2,
                maxiter=self.iterations,
                solve_simultaneously=True,
                warn_on_max_iteration=False,
                second_order_mode=SecondOrderMode.GAUSS_NEWTON,
            ).fit(DataLoader(data, batch_sampler=[least, *(batch.tolist() for batch in batches)]))

        learner = problem.learner
        units = learner.module(inverse_damping(problem, run, self.damping))
        module = _in_units(learner.module(problem.fit(run).params), units)
        return counted * _mean_influences(problem, module, model)


@dataclass(frozen=True)
class InfluenceEkfac(Additive):
    """pyDVL's influence by eigenvalue-corrected Kronecker factors; for models of linear layers alone.

    Its factors are tied to the layers, so it takes one number as damping: AdamW's by parameter cannot be handed to it.

    Args:
        runs: independent training runs averaged over, the same as those of ``influence``.
        damping: None for the rule of ``influence`` after SGD, whose damping is one number, and for 0.1 after AdamW. A
            number: that multiple of the Gauss-Newton matrix's mean eigenvalue; Grosse et al. 2023 take each layer's
            own, and pyDVL one for all.
    """

    runs: Count = 3
    damping: Positive | None = None
    source = "George et al. (2018), NeurIPS; Grosse et al. (2023), arXiv 2308.03296; pyDVL 0.10 EkfacInfluence"
    passes = "1 retraining a run; 3 passes; 16 to 24 for a mean eigenvalue"
    choices = (
        "damping: by the rule of influence after SGD, and after AdamW, whose damping by that rule is each parameter's "
        "own, its paper's 0.1 of the mean eigenvalue"
    )
    claims = frozenset({"null", "copies", "additive"})

    def budget(self, contributors: int, examples: int) -> Budget:
        passes = self.runs * (passes_of_damping(PAPERS_DAMPING if self.damping is None else self.damping) + 3)
        return Budget(self.runs, gradient_passes=passes, validation_passes=self.runs)

    def algebra(self, size: JobSize) -> float:
        """Factors as in ``kfac``, for eigenvalues are corrected by whole batches and not example by example.

        pyDVL makes each example's gradient by a backward pass through all examples, n^2 of them, and v^2 for
        validation; validation's are turned into the factors' basis and back, and multiplied with all of training's.
        """
        n, validation = size.examples, size.validation
        turns = 8.0 * validation * size.features + 4.0 * n
        each = 2.0 * (n**2 + validation**2 + n * validation) + turns
        return self.runs * (algebra_of_factors(size, corrected=False) + each * size.parameters)

    def unsuitable(self, problem: Problem) -> str | None:
        if reason := _missing() or _not_cross_entropy(problem.learner):
            return reason
        from torch.nn import Linear

        module = problem.learner.module(problem.initial(0))
        layers = [m for m in module.modules() if not list(m.children()) and list(m.parameters())]
        others = sorted({type(layer).__name__ for layer in layers if not isinstance(layer, Linear)})
        if others:
            return f"pyDVL's EK-FAC knows linear layers only, and {problem.learner.name} has {', '.join(others)}"
        return None

    def example_values(self, problem: Problem) -> Floats:
        return np.stack([self._one_run(problem, run) for run in range(self.runs)])

    def _one_run(self, problem: Problem, run: int) -> Floats:
        from torch.utils.data import DataLoader

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its own deprecations, raised on import
            from pydvl.influence.torch import EkfacInfluence

        from methods.gradients.summed_rates import summed_rate_of_sgd

        if self.damping is None and problem.learner.recipe.optimiser == "sgd":
            strength = 1 / summed_rate_of_sgd(problem.learner.recipe)
        else:
            strength = scalar_damping(problem, run, PAPERS_DAMPING if self.damping is None else self.damping)

        def model(module: nn.Module, data: TensorDataset) -> Any:
            method = EkfacInfluence(module, update_diagonal=True, hessian_regularization=strength)
            return method.fit(DataLoader(data, batch_size=EKFAC_BATCH))

        return _mean_influences(problem, problem.learner.module(problem.fit(run).params), model)


def _mean_influences(problem: Problem, module: nn.Module, model: Callable[[nn.Module, TensorDataset], Any]) -> Floats:
    """Influence of each training example on the mean validation loss, N."""
    from torch.utils.data import TensorDataset

    from methods.gradients.directional import tensors

    learner = problem.learner
    train, validation = tensors(problem.train, problem.device), tensors(problem.validation, problem.device)
    inputs, asked = learner.module_inputs(train), learner.module_inputs(validation)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = model(module, TensorDataset(inputs, train["targets"]))
        values_VN = fitted.influences(asked, validation["targets"], inputs, train["targets"])
    return np.asarray(values_VN.mean(0).detach().double().cpu().numpy()) / len(problem.train)


def _in_units(module: nn.Module, inverse_damping: nn.Module) -> nn.Module:
    """The same function of other parameters: how far each is from the module's own, in units of 1 / root of damping.

    A solve with these and damping 1 is one with the module's own and its damping: with R = D^-1/2, gradients are R g
    and curvature is R G R, so that (R g)' (R G R + 1)^-1 (R h) = g' (G + D)^-1 h.
    """
    import torch
    from torch import nn
    from torch.func import functional_call

    given = zip(module.named_parameters(), inverse_damping.parameters(), strict=True)
    known = {name: (own.detach(), entry.detach().sqrt()) for (name, own), entry in given if own.requires_grad}

    class InUnits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.moves = nn.ParameterList([torch.zeros_like(own) for own, _ in known.values()])

        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            moved = zip(known.items(), self.moves, strict=True)
            params = {name: own + scale * move for (name, (own, scale)), move in moved}
            logits: torch.Tensor = functional_call(module, params, (inputs,))
            return logits

    return InUnits()


def _easiest(problem: Problem, run: int) -> int:
    """The training example with the least loss."""
    from methods.gradients.directional import example_losses, tensors

    train = tensors(problem.train, problem.device)
    return int(example_losses(problem.learner, problem.fit(run).params, train).argmin())


def _missing() -> str | None:
    if find_spec("pydvl") is None or find_spec("dask") is None or find_spec("zarr") is None:
        return "pyDVL's influence extra is not installed; pip install 'pydvl[influence]'"
    return None


def _not_by_vmap(problem: Problem) -> str | None:
    """pyDVL differentiates each example by ``vmap``, which not every pretrained model lets pass; tried on one row."""
    learner = problem.learner
    if learner.stacks:
        return None
    from torch.func import vmap

    from methods.gradients.directional import tensors

    module = learner.module(problem.initial(0))
    inputs = learner.module_inputs(tensors(problem.train.take(np.arange(1)), problem.device))
    try:
        vmap(lambda row: module(row[None]))(inputs)
    except RuntimeError:
        return f"pyDVL differentiates by torch's vmap, which cannot follow {learner.name}"
    return None


def _not_cross_entropy(learner: Learner) -> str | None:
    """pyDVL takes one tensor of inputs and one label an example."""
    if not learner.one_label:
        return f"pyDVL's loss is cross-entropy on one label an example, and {learner.name} is trained on sequences"
    return None
