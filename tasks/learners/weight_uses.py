"""What goes into a module's layers and what comes back to them, as far as their gradients are sums of products.

Linear layers, convolutions (as linear layers on patches; Grosse & Martens 2016, ICML, sec. 3.1), embeddings (as linear
layers on one-hot rows, of which nobody needs more than the place of the 1) and layers that scale what they normalise.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from harness.types import WeightUse


class _Seen(NamedTuple):
    """A layer's output in the graph, and the uses that what comes back to it makes."""

    output: Tensor
    uses: Callable[[Tensor], list[WeightUse]]


class Observed:
    """Notes what layers take in and give while a module runs inside ``with``; one batch of so many examples.

    Args:
        module: whose parameters are given from outside, so that names are all that counts.
        known: parameters that are asked about.
        examples: N; a layer that works on another number of rows is passed over.
    """

    def __init__(self, module: nn.Module, known: set[str], examples: int) -> None:
        self._examples = examples
        self._seen: list[_Seen] = []
        names = {id(p): name for name, p in module.named_parameters()}  # of what is shared, the first
        self._handles = []
        for layer in module.modules():
            own = {part: names[id(p)] for part, p in layer.named_parameters(recurse=False)}
            if own and "weight" in own and set(own.values()) <= known and (note := _note_of(layer)):
                self._handles.append(layer.register_forward_hook(self._hook(note, own)))

    def __enter__(self) -> Observed:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for handle in self._handles:
            handle.remove()

    def uses(self, logits: Tensor, vector: Tensor) -> list[WeightUse]:
        """Of every layer that the vector comes back to."""
        outputs = [seen.output for seen in self._seen]
        signals = torch.autograd.grad(logits, outputs, vector, retain_graph=True, allow_unused=True)
        pairs = zip(self._seen, signals, strict=True)
        return [use for seen, signal in pairs if signal is not None for use in seen.uses(signal)]

    def _hook(self, note: _Note, own: dict[str, str]) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        def hook(layer: nn.Module, given: tuple[Any, ...], made: Any) -> None:
            fits = given and isinstance(made, Tensor) and len(given[0]) == len(made) == self._examples
            if fits and made.requires_grad:
                self._seen.append(_Seen(made, note(layer, own, given[0].detach(), made.detach())))

        return hook


_Note = Callable[[nn.Module, dict[str, str], Tensor, Tensor], Callable[[Tensor], list[WeightUse]]]
"""Layer, its parameters' names, what went in, what came out -> what is made of what comes back."""


def _note_of(layer: nn.Module) -> _Note | None:
    """None for layers that are not understood."""
    if isinstance(layer, nn.Linear):
        return _linear
    if isinstance(layer, nn.Embedding):
        return _embedding if layer.max_norm is None and not layer.scale_grad_by_freq else None
    if isinstance(layer, nn.Conv2d):
        plain = layer.groups == 1 and layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
        return _convolution if plain else None
    vectors = all(p.ndim == 1 for p in layer.parameters(recurse=False))
    return _scale if vectors and not list(layer.children()) else None


def _linear(layer: nn.Module, own: dict[str, str], given: Tensor, made: Tensor) -> Callable[[Tensor], list[WeightUse]]:
    inputs = _positions(given)
    return lambda signal: [WeightUse("matrix", own["weight"], own.get("bias"), inputs, _positions(signal))]


def _embedding(
    layer: nn.Module, own: dict[str, str], given: Tensor, made: Tensor
) -> Callable[[Tensor], list[WeightUse]]:
    ids, padding = given.flatten(1), cast(nn.Embedding, layer).padding_idx

    def uses(signal: Tensor) -> list[WeightUse]:
        found = _positions(signal)
        if padding is not None:  # its row is never moved
            found = torch.where((ids == padding)[..., None], 0.0, found)
        return [WeightUse("rows", own["weight"], None, ids, found)]

    return uses


def _convolution(
    layer: nn.Module, own: dict[str, str], given: Tensor, made: Tensor
) -> Callable[[Tensor], list[WeightUse]]:
    conv, last = cast(nn.Conv2d, layer), getattr(layer, "channels_last", False)
    images = given.movedim(-1, 1) if last else given
    patches = F.unfold(images, conv.kernel_size, conv.dilation, cast(Any, conv.padding), conv.stride).transpose(1, 2)

    def uses(signal: Tensor) -> list[WeightUse]:
        found = signal if last else signal.movedim(1, -1)
        return [WeightUse("matrix", own["weight"], own.get("bias"), patches, _positions(found))]

    return uses


def _scale(layer: nn.Module, own: dict[str, str], given: Tensor, made: Tensor) -> Callable[[Tensor], list[WeightUse]]:
    """A layer that turns out to be weight x something + bias, which is seen with a weight of 1 and a bias of 0."""
    parts = dict(layer.named_parameters(recurse=False))
    unit = {part: torch.full_like(p.detach(), float(part == "weight")) for part, p in parts.items()}
    with torch.no_grad():
        scaled = cast(Tensor, functional_call(layer, unit, (given,)))
        shift = parts.get("bias", torch.zeros(()))
        fits = (
            made.shape == scaled.shape and set(parts) <= {"weight", "bias"} and made.shape[-1:] == parts["weight"].shape
        )
        if not fits or not torch.allclose(parts["weight"] * scaled + shift, made, rtol=1e-3, atol=1e-5):
            return lambda signal: []
    inputs = _positions(scaled)

    def uses(signal: Tensor) -> list[WeightUse]:
        found = _positions(signal)
        each = [WeightUse("scale", own["weight"], None, inputs, found)]
        return each + ([WeightUse("scale", own["bias"], None, torch.ones_like(inputs), found)] if "bias" in own else [])

    return uses


def _positions(rows: Tensor) -> Tensor:
    """N x ... x I -> N x T x I."""
    return rows.reshape(len(rows), -1, rows.shape[-1])
