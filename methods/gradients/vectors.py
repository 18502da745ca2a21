"""Parameters as vectors: the few operations that methods need on dictionaries of tensors."""

from __future__ import annotations

import torch

from harness.types import Params


def dot(a: Params, b: Params) -> torch.Tensor:
    """Inner product over all parameters."""
    return torch.stack([(a[name] * b[name]).sum() for name in a]).sum()


def plus(a: Params, b: Params, scale: float | torch.Tensor = 1.0) -> Params:
    """a + scale b."""
    return {name: a[name] + scale * b[name] for name in a}


def by_entry(a: Params, b: Params) -> Params:
    """Entry by entry product."""
    return {name: a[name] * b[name] for name in a}


def times(a: Params, scale: float | torch.Tensor) -> Params:
    return {name: tensor * scale for name, tensor in a.items()}


def zeros(a: Params) -> Params:
    return {name: torch.zeros_like(tensor) for name, tensor in a.items()}


def signs(a: Params, generator: torch.Generator) -> Params:
    """Random signs of the same shapes (Rademacher), for Hutchinson's trace estimate."""
    return {
        name: torch.randint(0, 2, tensor.shape, generator=generator).to(tensor) * 2 - 1 for name, tensor in a.items()
    }


def size(a: Params) -> int:
    """Number of parameters."""
    return sum(tensor.numel() for tensor in a.values())
