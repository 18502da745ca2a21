"""Influence functions by pyDVL, through its own public path.

Names are not enough. What pyDVL calls Gauss-Newton is the empirical Fisher matrix (outer products of loss gradients),
not J'HJ; and version 0.10 averages it over batches with a weight of one over the number of systems solved (here the
validation examples) on the first batch, so that with one batch the curvature all but vanishes. It is handed a first
batch of the one example with the least loss, and the damping that makes up for its being counted; then it agrees
with the exact damped empirical Fisher solve (tests/exact/test_influence.py).
Its Hessian is exact, but indefinite after a short training run, where a damped solve means nothing.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.types import Additive, Budget, Floats, Learner, Problem
from methods.influence import PROBES

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.data import TensorDataset

EKFAC_BATCH = 512
"""Examples a batch; values do not depend on it."""


@dataclass(frozen=True)
class InfluencePydvl(Additive):
    """pyDVL's influence by block conjugate gradients on its Gauss-Newton operator (the empirical Fisher matrix).

    Args:
        damping: multiple of the Gauss-Newton matrix's mean eigenvalue, as in ``influence``.
        iterations: most block conjugate-gradient steps.
    """

    damping: float = 0.1
    iterations: int = 100
    source = "Koh & Liang (2017), ICML, eq. 2; pyDVL 0.10 CgInfluence, GAUSS_NEWTON (the empirical Fisher)"
    passes = "1 retraining; 1 per-example gradient pass a conjugate-gradient step, one system a validation example"

    def budget(self, contributors: int, examples: int) -> Budget:
        """The first batch's one example is passed again at every step."""
        solving = (self.iterations + 2) * (1 + 1 / examples)
        return Budget(fits=1, gradient_passes=3 * PROBES + solving, validation_passes=1)

    def unsuitable(self, problem: Problem) -> str | None:
        return _missing() or _not_cross_entropy(problem.learner) or _not_by_vmap(problem)

    def example_values(self, problem: Problem) -> Floats:
        from torch.nn.functional import cross_entropy
        from torch.utils.data import DataLoader

        from methods.gradients.per_example import BLOCK_ENTRIES
        from methods.gradients.vectors import size

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its own deprecations, raised on import
            from pydvl.influence.torch import CgInfluence, SecondOrderMode

        rows = max(1, BLOCK_ENTRIES // size(problem.initial(0)))
        batches = np.array_split(np.arange(len(problem.train)), -(-len(problem.train) // rows))
        least = [_easiest(problem)]
        counted = len(batches) / (len(batches) + 1)  # the mean runs over the vanishing batch too

        def model(module: nn.Module, damping: float, data: TensorDataset) -> Any:
            return CgInfluence(
                module,
                cross_entropy,
                regularization=counted * damping,
                rtol=1e-2,
                maxiter=self.iterations,
                solve_simultaneously=True,
                warn_on_max_iteration=False,
                second_order_mode=SecondOrderMode.GAUSS_NEWTON,
            ).fit(DataLoader(data, batch_sampler=[least, *(batch.tolist() for batch in batches)]))

        return counted * _mean_influences(problem, self.damping, model)


@dataclass(frozen=True)
class InfluenceEkfac(Additive):
    """pyDVL's influence by eigenvalue-corrected Kronecker factors; for models of linear layers alone.

    Args:
        damping: multiple of the Gauss-Newton matrix's mean eigenvalue, as in ``influence``.
    """

    damping: float = 0.1
    source = "George et al. (2018), NeurIPS; Grosse et al. (2023), sec. 2.4; pyDVL 0.10 EkfacInfluence"
    passes = "1 retraining; 3 passes"

    def budget(self, contributors: int, examples: int) -> Budget:
        return Budget(fits=1, gradient_passes=3 * PROBES + 3, validation_passes=1)

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
        from torch.utils.data import DataLoader

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its own deprecations, raised on import
            from pydvl.influence.torch import EkfacInfluence

        def model(module: nn.Module, damping: float, data: TensorDataset) -> Any:
            method = EkfacInfluence(module, update_diagonal=True, hessian_regularization=damping)
            return method.fit(DataLoader(data, batch_size=EKFAC_BATCH))

        return _mean_influences(problem, self.damping, model)


def _mean_influences(problem: Problem, damping: float, model: Any) -> Floats:
    """Influence of each training example on the mean validation loss, 1 x N."""
    import torch
    from torch.utils.data import TensorDataset

    from methods.gradients.curvature import GaussNewton
    from methods.gradients.directional import tensors

    learner, params = problem.learner, problem.fit(0).params
    train, validation = tensors(problem.train, problem.device), tensors(problem.validation, problem.device)
    generator = torch.Generator().manual_seed(int(problem.stream("probes").integers(2**62)))
    strength = damping * GaussNewton(learner, params, train).mean_eigenvalue(generator, PROBES)
    inputs, asked = learner.module_inputs(train), learner.module_inputs(validation)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = model(learner.module(params), strength, TensorDataset(inputs, train["targets"]))
        values_VN = fitted.influences(asked, validation["targets"], inputs, train["targets"])
    return np.asarray(values_VN.mean(0, keepdim=True).detach().double().cpu().numpy()) / len(problem.train)


def _easiest(problem: Problem) -> int:
    """The training example with the least loss."""
    import torch

    from methods.gradients.directional import tensors

    with torch.no_grad():
        losses_N = problem.learner.losses(problem.fit(0).params, tensors(problem.train, problem.device))
    return int(losses_N.argmin())


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
