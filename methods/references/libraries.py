"""TracIn and TRAK by captum and dattri (the extra ``bench``), on the training runs that ours see."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from harness.types import CHECKPOINTS, Additive, Budget, Floats, JobSize, Problem

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # their own deprecations, raised on import
    if find_spec("captum"):
        from captum.influence import TracInCP, TracInCPFast
    if find_spec("dattri"):  # brings torch._dynamo, which changes torch's optimisers: not while a method is watched
        from dattri.algorithm.tracin import TracInAttributor
        from dattri.algorithm.trak import TRAKAttributor
        from dattri.task import AttributionTask

if TYPE_CHECKING:
    import torch
    from torch.utils.data import TensorDataset

BATCH = 64
"""Examples whose gradients the libraries hold at once; values do not depend on it."""


@dataclass(frozen=True)
class TracInCaptum(Additive):
    """captum's TracInCP: sum over checkpoints of learning rate x gradients' product.

    Args:
        runs: independent training runs averaged over, the same as those of ``tracin``.
        last_layer: gradients of the last linear layer alone, as TracInCPFast has it.
    """

    runs: int = 3
    last_layer: bool = False
    source: ClassVar[str] = "Pruthi et al. (2020), NeurIPS; captum TracInCP and TracInCPFast"
    passes: ClassVar[str] = "1 retraining a run; 1 gradient an example and checkpoint"

    def budget(self, contributors: int, examples: int) -> Budget:
        looks = self.runs * CHECKPOINTS
        return Budget(fits=self.runs, gradient_passes=looks, validation_passes=looks)

    def algebra(self, size: JobSize) -> float:
        return self.runs * CHECKPOINTS * 2.0 * size.examples * size.parameters

    def unsuitable(self, problem: Problem) -> str | None:
        if reason := _missing("captum") or _without_labels(problem):
            return reason
        if self.last_layer and _last_linear(problem.learner.module(problem.initial(0))) is None:
            return f"{problem.learner.name} has no linear layer that ends it"
        return None

    def example_values(self, problem: Problem) -> Floats:
        return np.stack([self._one_run(problem, run) for run in range(self.runs)])

    def _one_run(self, problem: Problem, run: int) -> Floats:
        from torch import nn

        learner, fit = problem.learner, problem.fit(run)
        states = [learner.module(checkpoint.params).state_dict() for checkpoint in fit.checkpoints]

        def load(module: nn.Module, name: str) -> float:
            module.load_state_dict(states[int(name)])
            return fit.checkpoints[int(name)].rate_sum

        model, (train, asked) = learner.module(fit.params), _pairs(problem)
        common = {
            "checkpoints": [str(k) for k in range(len(states))],
            "checkpoints_load_func": load,
            "loss_fn": nn.CrossEntropyLoss(reduction="sum" if self.last_layer else "none"),
            "batch_size": BATCH,
        }
        with _quiet():
            if self.last_layer:
                fast = TracInCPFast(model, _last_linear(model), train, **common)
                found = fast.influence(asked.tensors).mean(0)
            else:
                whole = TracInCP(model, train, **common)
                found = whole.influence(asked.tensors, aggregate=True).sum(0) / len(asked)
        return np.asarray(found.detach().double().cpu().numpy())


@dataclass(frozen=True)
class TracInDattri(Additive):
    """dattri's TracIn: sum over checkpoints of learning rate x gradients' product, projected or whole.

    Args:
        runs: independent training runs averaged over, the same as those of ``tracin``.
        projection: dimension of the projected gradients, 512 where dattri is not told; 0 for whole gradients.
    """

    runs: int = 3
    projection: int = 512
    source: ClassVar[str] = "Pruthi et al. (2020), NeurIPS; dattri TracInAttributor"
    passes: ClassVar[str] = "1 retraining a run; 1 gradient an example and checkpoint"

    def budget(self, contributors: int, examples: int) -> Budget:
        """It differentiates the validation split anew for every batch of training examples."""
        looks = self.runs * CHECKPOINTS
        return Budget(fits=self.runs, gradient_passes=looks, validation_passes=looks)

    def algebra(self, size: JobSize) -> float:
        return self.runs * CHECKPOINTS * 2.0 * size.examples * size.validation * size.parameters

    def unsuitable(self, problem: Problem) -> str | None:
        return _missing("dattri") or _without_labels(problem)

    def example_values(self, problem: Problem) -> Floats:
        return np.stack([self._one_run(problem, run) for run in range(self.runs)])

    def _one_run(self, problem: Problem, run: int) -> Floats:
        import torch
        from torch.func import functional_call
        from torch.nn.functional import cross_entropy

        learner, fit = problem.learner, problem.fit(run)
        model = learner.module(fit.params)
        states = [learner.module(checkpoint.params).state_dict() for checkpoint in fit.checkpoints]

        def loss(params: dict[str, torch.Tensor], row: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
            return cross_entropy(functional_call(model, params, (row[0][None],)), row[1][None])

        rates = torch.tensor([checkpoint.rate_sum for checkpoint in fit.checkpoints])
        attributor = TracInAttributor(AttributionTask(loss, model, states), rates, normalized_grad=False)
        attributor.projector_kwargs = _projector(self.projection)
        with _quiet():
            found = attributor.attribute(*_loaders(problem))
        return np.asarray(found.mean(1).double().numpy())


@dataclass(frozen=True)
class TrakDattri(Additive):
    """dattri's TRAK: projected margin gradients and a linearised logistic regression, without a ridge.

    Args:
        runs: independent training runs averaged over, by dattri itself.
        projection: dimension of the projected gradients, 512 where dattri is not told.
    """

    runs: int = 3
    projection: int = 512
    source: ClassVar[str] = "Park et al. (2023), ICML, sec. 3; dattri TRAKAttributor"
    passes: ClassVar[str] = "1 retraining a run; 1 gradient an example and run, of validation too"

    def budget(self, contributors: int, examples: int) -> Budget:
        return Budget(fits=self.runs, gradient_passes=self.runs, validation_passes=self.runs)

    def algebra(self, size: JobSize) -> float:
        return self.runs * (2.0 * size.examples * self.projection**2 + self.projection**3)

    def unsuitable(self, problem: Problem) -> str | None:
        return _missing("dattri") or _without_labels(problem)

    def example_values(self, problem: Problem) -> Floats:
        import torch
        from torch.func import functional_call

        learner = problem.learner
        model = learner.module(problem.initial(0))
        states = [learner.module(problem.fit(run).params).state_dict() for run in range(self.runs)]

        def margin(params: dict[str, torch.Tensor], row: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
            """By the other classes' log-sum-exp, for log(1 - p) of a p near 1 is no number in single precision."""
            logits, target = functional_call(model, params, (row[0][None],))[0], row[1][None]
            found: torch.Tensor = logits.gather(0, target)[0] - logits.scatter(0, target, -torch.inf).logsumexp(0)
            return found

        def chance(params: dict[str, torch.Tensor], row: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
            return torch.sigmoid(margin(params, row))

        train, asked = _loaders(problem)
        task = AttributionTask(margin, model, states)
        with _quiet():
            attributor = TRAKAttributor(task, chance, projector_kwargs=_projector(self.projection))
            attributor.cache(train)
            found = attributor.attribute(asked)
        return np.asarray(found.mean(1).detach().double().numpy())[None]


def _projector(projection: int) -> dict[str, Any] | None:
    """dattri's own settings, of that dimension."""
    return {"proj_dim": projection, "proj_max_batch_size": 32, "proj_seed": 0, "device": "cpu"} if projection else None


def _missing(package: str) -> str | None:
    return None if find_spec(package) else f"{package} is not installed; pip install 'dataworth[bench]'"


def _without_labels(problem: Problem) -> str | None:
    learner = problem.learner
    if not learner.one_label:
        return f"it takes one label an example, and {learner.name} is trained on sequences"
    return None


def _last_linear(module: torch.nn.Module) -> torch.nn.Module | None:
    """The layer that gives the logits, where it is a linear one."""
    from torch import nn

    layers = [layer for layer in module.modules() if not list(layer.children()) and list(layer.parameters())]
    return layers[-1] if layers and isinstance(layers[-1], nn.Linear) else None


def _pairs(problem: Problem) -> tuple[TensorDataset, TensorDataset]:
    """Inputs with their labels, of the training examples and of the validation split."""
    from torch.utils.data import TensorDataset

    from methods.gradients.directional import tensors

    columns = [tensors(examples, problem.device) for examples in (problem.train, problem.validation)]
    train, asked = (TensorDataset(problem.learner.module_inputs(own), own["targets"]) for own in columns)
    return train, asked


def _loaders(problem: Problem) -> list[Any]:
    from torch.utils.data import DataLoader

    return [DataLoader(pairs, batch_size=BATCH) for pairs in _pairs(problem)]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the libraries' progress bars, nor their warnings about themselves."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
