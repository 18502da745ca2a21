"""What torch's calls take, counted as they happen, below its transforms: operations, bytes moved, launches.

Operations are those that ``formulas`` knows. Every call that computes or copies something is a launch, for it would be
a kernel on a GPU, and moves the bytes of the tensors that go in and of those that come out, as if nothing stayed in a
cache between two calls and as if no two were fused. Views and what only makes room are neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from harness.metering.formulas import FORMULAS, Formula

FREE = {
    "_unsafe_view",
    "detach_",
    "empty",
    "empty_like",
    "empty_permuted",
    "empty_strided",
    "lift_fresh",
    "new_empty",
    "new_empty_strided",
    "resize_",
    "set_",
    "squeeze_",
    "t_",
    "transpose_",
    "unsqueeze_",
    "_linalg_check_errors",
}
"""Calls beside views that move nothing: other names of a tensor, and room without content."""


class FlopCounter:
    """Adds up what everything that this thread runs under ``counting`` takes, as it happens.

    Args:
        flops: floating-point operations so far.
        bytes_moved, launches: see the module.
        calls: torch calls seen so far; each was slowed by being counted (see ``metering.profiling_overhead``).
    """

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.flops = 0.0
        self.bytes_moved = self.launches = 0
        self.calls = 0

    @contextmanager
    def counting(self, times: int = 1) -> Iterator[None]:
        """Count what runs inside, as often as ``times`` says that it will run in all."""
        with _Counting(self, times):
            yield


class _Counting(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __init__(self, counter: FlopCounter, times: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._counter, self._times = counter, times

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing here is compiled, and the guard against it doubles what counting a call costs

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        counter = self._counter
        counter.calls += 1
        formula, moves = _kind(func)
        if moves:
            counter.launches += self._times
            counter.bytes_moved += self._times * (
                _bytes(args) + (_bytes(out) if type(out) is tuple else _bytes((out,)))
            )
        if formula is not None:
            counter.flops += self._times * formula(*args, **(kwargs or {}), out_val=out)
        return out


@cache
def _kind(func: Any) -> tuple[Formula | None, bool]:
    """A call's formula, None where it has none, and whether it computes or copies anything."""
    free = getattr(func, "is_view", False) or func._overloadpacket.__name__ in FREE
    return FORMULAS.get(func._overloadpacket), not free


def _bytes(values: Iterable[Any]) -> int:
    """Of the tensors among the arguments or results of a call."""
    total = 0
    for value in values:
        if isinstance(value, torch.Tensor):
            total += value.nbytes
        elif isinstance(value, list):
            total += _bytes(value)
    return total
