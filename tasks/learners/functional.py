"""A torch module as a learner: pure functions of parameters that live outside it."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping
from typing import cast

import torch
from torch import nn
from torch.func import functional_call

from harness.types import Batch, Learner, Params, Plain, Recipe


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
    """

    def __init__(
        self,
        name: str,
        build: Callable[[], nn.Module],
        recipe: Recipe,
        column: str = "inputs",
        settings: Mapping[str, Plain] | None = None,
        base: Params | None = None,
    ) -> None:
        self.name, self.recipe = name, recipe
        self._build, self._column = build, column
        self._settings, self._base = dict(settings or {}), base or {}
        self._templates = {"cpu": build()}
        self._local = threading.local()

    @property
    def identity(self) -> Mapping[str, Plain]:
        return {"name": self.name, **self._settings}

    def initialise(self, seed: int, device: str = "cpu") -> Params:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = self._build()
        if device not in self._templates:  # moved here, outside of any transform
            self._templates[device] = copy.deepcopy(self._templates["cpu"]).to(device)
        fresh = {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}
        return {name: self._base.get(name, p).clone().to(device) for name, p in fresh.items()}

    def predict(self, params: Params, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        return self._run(params, batch[self._column])

    def module(self, params: Params) -> nn.Module:
        module = self._build()
        module.load_state_dict({name: p.detach().cpu() for name, p in params.items()}, strict=False)
        return LogitsOnly(module).to(next(iter(params.values())).device)

    def module_inputs(self, batch: Batch) -> torch.Tensor:
        return batch[self._column]

    def _run(self, params: Params, inputs: torch.Tensor, *more: object) -> tuple[torch.Tensor, torch.Tensor]:
        """The module with these parameters."""
        pair = functional_call(self._skeleton(inputs.device), params, (inputs, *more))
        return cast(tuple[torch.Tensor, torch.Tensor], pair)

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
