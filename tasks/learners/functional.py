"""A torch module as a learner: pure functions of parameters that live outside it."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias, TypeVar, cast

import torch
from torch import nn
from torch.func import functional_call

from harness.types import Batch, LayerSignals, Learner, Params, Plain, Recipe, Vectors, WeightUse
from tasks.learners.weight_uses import Observed

Narrower: TypeAlias = Callable[[float], Callable[[], Learner] | None]
W = TypeVar("W")


def widest(share: float, build: Callable[[W], nn.Module], whole: W, narrower: Iterable[W]) -> W | None:
    """The first of the narrower ones, which get ever narrower, with at most this share of the whole's parameters."""
    most = share * _parameters(build(whole))
    return next((one for one in narrower if _parameters(build(one)) <= most), None)


def _parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad)


class ModuleLearner(Learner):
    """What every learner shares that is made of a module: initial parameters, prediction, its form for libraries.

    Args:
        name: what the ledger and the reports call it.
        build: makes a freshly initialised module; its ``forward`` takes one tensor and returns logits and
            penultimate features N x F. Parameters that do not require gradients stay as built, for all.
        recipe: how it is trained.
        column: the input column.
        settings: what else distinguishes the module that ``build`` makes.
        base: parameters that every initialisation starts from, by name; the others are drawn by the seed.
        narrower: what makes its narrower selves, by share (``Learner.narrower``); None where it has none.
    """

    def __init__(
        self,
        name: str,
        build: Callable[[], nn.Module],
        recipe: Recipe,
        column: str = "inputs",
        settings: Mapping[str, Plain] | None = None,
        base: Params | None = None,
        narrower: Narrower | None = None,
    ) -> None:
        self.name, self.recipe = name, recipe
        self._narrower = narrower
        self._build, self._column = build, column
        self._settings, self._base = dict(settings or {}), base or {}
        self._templates = {"cpu": build()}
        self._local = threading.local()

    @property
    def identity(self) -> Mapping[str, Plain]:
        return {"name": self.name, **self._settings}

    @property
    def packages(self) -> frozenset[str]:
        layers = self._templates["cpu"].modules()
        return frozenset(base.__module__.partition(".")[0] for layer in layers for base in type(layer).__mro__[:-1])

    def initialise(self, seed: int, device: str = "cpu") -> Params:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # not torch.manual_seed: modules are drawn on the CPU
            module = self._build()
        if device not in self._templates:  # moved here, outside of any transform
            self._templates[device] = copy.deepcopy(self._templates["cpu"]).to(device)
        fresh = {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}
        return {name: self._base.get(name, p).clone().to(device) for name, p in fresh.items()}

    def narrower(self, share: float) -> Callable[[], Learner] | None:
        return None if self._narrower is None else self._narrower(share)

    def predict(self, params: Params, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        arguments = self._arguments(batch)
        pair = functional_call(self._skeleton(arguments[0].device), params, arguments)
        return cast(tuple[torch.Tensor, torch.Tensor], pair)

    def module(self, params: Params) -> nn.Module:
        return LogitsOnly(self._holding(params))

    def module_inputs(self, batch: Batch) -> torch.Tensor:
        return batch[self._column]

    def layer_signals(self, params: Params, batch: Batch) -> dict[str, LayerSignals]:
        module = self._holding(params)
        inputs: dict[str, torch.Tensor] = {}
        outputs: dict[str, torch.Tensor] = {}

        def observe(name: str, layer: nn.Linear) -> None:
            def note(_layer: nn.Module, given: tuple[torch.Tensor, ...], made: torch.Tensor) -> None:
                inputs[name], outputs[name] = given[0].detach(), made

            layer.register_forward_hook(note)

        for name, layer in module.named_modules():
            if isinstance(layer, nn.Linear):
                observe(name, layer)
        loss = self.losses_of(module(*self._arguments(batch))[0], batch).sum()
        reached = [name for name, made in outputs.items() if made.requires_grad]  # not below adapters, say
        signals = torch.autograd.grad(loss, [outputs[name] for name in reached], allow_unused=True)
        found = zip(reached, signals, strict=True)
        return {name: LayerSignals(inputs[name], signal) for name, signal in found if signal is not None}

    def weight_uses(self, params: Params, batch: Batch, vectors: Vectors) -> list[list[WeightUse]]:
        leaves = {name: p.detach().requires_grad_() for name, p in params.items()}
        arguments = self._arguments(batch)
        skeleton = self._skeleton(arguments[0].device)
        with Observed(skeleton, set(params), len(batch["targets"])) as observed:
            logits = functional_call(skeleton, leaves, arguments)[0]
        return [observed.uses(logits, vector) for vector in vectors(logits.detach())]

    def _arguments(self, batch: Batch) -> tuple[Any, ...]:
        """What the module is called with; a tensor comes first."""
        return (batch[self._column],)

    def _holding(self, params: Params) -> nn.Module:
        """A module of its own with these parameters."""
        module = self._build()
        module.load_state_dict({name: p.detach().cpu() for name, p in params.items()}, strict=False)
        return module.to(next(iter(params.values())).device)

    def _skeleton(self, device: torch.device) -> nn.Module:
        """This thread's module: ``functional_call`` swaps parameters inside it, so threads must not share one."""
        if getattr(self._local, "device", None) != device:
            self._local.module, self._local.device = copy.deepcopy(self._templates[_name(device)]), device
        return cast(nn.Module, self._local.module)


def _name(device: torch.device) -> str:
    return str(device) if device.type == "cuda" and device.index else device.type


class LogitsOnly(nn.Module):
    """The module without its features: one tensor in, logits out, as libraries expect."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, self.inner(inputs)[0])
