"""Classifiers: any module from input columns to (logits, features), with cross-entropy on the label."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping
from typing import cast

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from harness.types import Batch, Learner, Params, Plain, Recipe


class Classifier(Learner):
    """Cross-entropy on one label an example.

    Args:
        name: what the ledger and the reports call it.
        build: makes a freshly initialised module; its ``forward`` takes one tensor and returns logits N x K and
            penultimate features N x F.
        classes: K.
        recipe: how it is trained.
        column: the input column.
        settings: what else distinguishes the module that ``build`` makes.
    """

    def __init__(
        self,
        name: str,
        build: Callable[[], nn.Module],
        classes: int,
        recipe: Recipe,
        column: str = "inputs",
        settings: Mapping[str, Plain] | None = None,
    ) -> None:
        self.name, self.recipe = name, recipe
        self._build, self._classes, self._column = build, classes, column
        self._settings = dict(settings or {})
        self._template = build()
        self._local = threading.local()

    @property
    def identity(self) -> Mapping[str, Plain]:
        return {"name": self.name, "classes": self._classes, **self._settings}

    def initialise(self, seed: int, device: str = "cpu") -> Params:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            module = self._build()
        return {name: p.detach().to(device) for name, p in module.named_parameters()}

    def predict(self, params: Params, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        pair = functional_call(self._skeleton(), params, (batch[self._column],))
        return cast(tuple[torch.Tensor, torch.Tensor], pair)

    def _skeleton(self) -> nn.Module:
        """This thread's module: ``functional_call`` swaps parameters inside it, so threads must not share one."""
        if not hasattr(self._local, "module"):
            self._local.module = copy.deepcopy(self._template)
        return cast(nn.Module, self._local.module)

    def losses_of(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        return F.cross_entropy(logits, batch["targets"], reduction="none")

    def correct(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        return logits.argmax(-1) == batch["targets"]

    def target_features(self, batch: Batch) -> torch.Tensor:
        return F.one_hot(batch["targets"], self._classes).to(batch[self._column].dtype)

    def module(self, params: Params) -> nn.Module:
        module = self._build()
        module.load_state_dict({name: p.detach().cpu() for name, p in params.items()})
        return LogitsOnly(module).to(next(iter(params.values())).device)

    def module_inputs(self, batch: Batch) -> torch.Tensor:
        return batch[self._column]


class LogitsOnly(nn.Module):
    """The module without its features: one tensor in, logits out, as libraries expect."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, self.inner(inputs)[0])


class PatchConv2d(nn.Conv2d):
    """A convolution on channels-last images (N x H x W x C in and out), as one matrix product over patches.

    Same parameters and same result as ``nn.Conv2d``. Stacked, it is a batched matrix product, which trains twice
    as fast on a CPU as the grouped convolution that ``vmap`` would make of it.
    """

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        (kernel, _), (stride, _), (padding, _) = self.kernel_size, self.stride, cast(tuple[int, int], self.padding)
        if padding:
            images = F.pad(images, (0, 0, padding, padding, padding, padding))
        rows, high, wide, channels = images.shape
        high, wide = (high - kernel) // stride + 1, (wide - kernel) // stride + 1
        if kernel == stride:  # patches do not overlap: cutting is reshaping, and so is its derivative
            cut = images[:, : high * stride, : wide * stride]
            cut = cut.reshape(rows, high, stride, wide, stride, channels).transpose(2, 3)
        else:
            bottom, right = stride * (high - 1) + 1, stride * (wide - 1) + 1
            shifted = [
                images[:, i : i + bottom : stride, j : j + right : stride] for i in range(kernel) for j in range(kernel)
            ]
            cut = torch.stack(shifted, dim=3)
        weight = self.weight.permute(2, 3, 1, 0).reshape(-1, self.out_channels)
        patches = cut.reshape(rows * high * wide, kernel * kernel * channels)
        return (patches @ weight + cast(torch.Tensor, self.bias)).reshape(rows, high, wide, self.out_channels)


class SmallCnn(nn.Module):
    """Two strided convolutions with tanh and a linear head, for standardised images N x C x H x W.

    A smooth activation and He's scale (He et al. 2015) keep neighbouring coalitions close in training: on digits
    one seed's leave-one-out signal-to-noise is twice that with rectifiers.
    """

    def __init__(self, side: int, classes: int, width: int = 8, channels: int = 1) -> None:
        super().__init__()
        reduced = (side + 1) // 2 // 2
        self.first = PatchConv2d(channels, width, 3, stride=2, padding=1)
        self.second = PatchConv2d(width, 2 * width, 2, stride=2)
        self.head = nn.Linear(2 * width * reduced * reduced, classes)
        for layer in (self.first, self.second):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(cast(torch.Tensor, layer.bias))

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hidden = torch.tanh(self.first(pixels.movedim(1, -1)))
        features = torch.tanh(self.second(hidden)).flatten(1)
        return self.head(features), features


class SmallMlp(nn.Module):
    """One hidden layer; for tests and speed comparisons with libraries that know only linear layers."""

    def __init__(self, inputs: int, classes: int, width: int = 128) -> None:
        super().__init__()
        self.hidden = nn.Linear(inputs, width)
        self.head = nn.Linear(width, classes)

    def forward(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = F.relu(self.hidden(rows.flatten(1)))
        return self.head(features), features
