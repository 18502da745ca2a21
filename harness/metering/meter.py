"""Cost: measured around a method, so that a method cannot forget to."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
import torch
from torch import nn
from torch.func import grad, jvp

from harness.metering.clock import Clock
from harness.metering.flops import FlopCounter
from harness.metering.load import HERE
from harness.metering.memory import PeakMemory
from harness.types import Batch, Cost, LayerSignals, Learner, Params, Plain, Vectors, WeightUse

T = TypeVar("T")


class ProfilingOverhead(NamedTuple):
    """What counting its operations adds to one torch call."""

    seconds: float = 0.0
    core_seconds: float = 0.0


NO_OVERHEAD = ProfilingOverhead()


def profiling_overhead(learner: Learner, params: Params, batch: Batch, device: str) -> ProfilingOverhead:
    """Time one forward-mode and one reverse-mode pass with and without counting; medians of nine.

    On a CPU, counting can double the time of a method of many small calls; the meter takes it off again. On a GPU
    nothing is taken off: the device works on while the calls are counted.
    """
    if device.startswith("cuda"):
        return ProfilingOverhead()

    def work() -> None:
        jvp(lambda p: learner.losses(p, batch), (params,), (params,))
        grad(lambda p: learner.losses(p, batch).sum())(params)

    def timed() -> tuple[float, float]:
        clock = Clock(device, whole_process=True)
        with clock:
            work()
        return clock.seconds, clock.core_seconds

    found = []
    for _ in range(9):
        plain, counter = timed(), FlopCounter()
        with counter.counting():
            counted = timed()
        found.append([(with_it - without) / counter.calls for with_it, without in zip(counted, plain, strict=True)])
    return ProfilingOverhead(*(max(0.0, statistics.median(side)) for side in zip(*found, strict=True)))


class Meter:
    """Adds up a cost from stretches of measured work and from charges at a known price.

    Work inside ``measuring`` is counted, except for stretches inside ``paused``. ``separately`` puts a part of
    it on an account of its own, to be charged to whoever uses its result.

    Args:
        device: torch device.
        overhead: what counting adds to a call, which is taken off the times again; None not to count: operations,
            bytes and launches are then undefined, and the times those of the work alone.
    """

    def __init__(self, device: str, overhead: ProfilingOverhead | None = NO_OVERHEAD) -> None:
        self.device = device
        self._overhead = overhead
        self._costs = [Cost()]
        self._flops = FlopCounter()
        self._passes = self._forward_passes = 0.0
        self._stretch: tuple[Clock, PeakMemory] | None = None

    @property
    def cost(self) -> Cost:
        return self._costs[-1]

    def charge(self, cost: Cost) -> None:
        self._costs[-1] = self._costs[-1] + cost

    def count_pass(self, share: float) -> None:
        """Note that examples were differentiated: their number over that of the training examples."""
        self._passes += share

    def count_forward_pass(self, share: float) -> None:
        """Note that examples went through the model without being differentiated."""
        self._forward_passes += share

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Bills what runs inside; the load is that of all of it, pauses included."""
        beginning = HERE.start()
        with nullcontext() if self._overhead is None else self._flops.counting():
            self._start()
            try:
                yield
            finally:
                self._stop()
                self.charge(Cost(load=HERE.since(beginning)))

    @contextmanager
    def paused(self) -> Iterator[None]:
        self._stop()
        try:
            yield
        finally:
            self._start()

    @contextmanager
    def separately(self) -> Iterator[Callable[[], Cost]]:
        """What runs inside goes on an account of its own; the function given tells it afterwards."""
        found: list[Cost] = []
        self._stop()
        self._costs.append(Cost())
        self._start()
        try:
            yield lambda: found[0]
        finally:
            self._stop()
            found.append(self._costs.pop())
            self._start()

    def _start(self) -> None:
        self._flops.clear()
        self._passes = self._forward_passes = 0.0
        self._stretch = Clock(self.device, whole_process=True).start(), PeakMemory(self.device)

    def _stop(self) -> None:
        if self._stretch is None:
            return
        clock, memory = self._stretch
        clock.stop()
        self._stretch = None
        cost = Cost(
            seconds=clock.seconds,
            core_seconds=clock.core_seconds,
            gpu_seconds=clock.gpu_seconds,
            flops=math.nan,
            peak_memory_mb=memory.so_far_mb(),
            gradient_passes=self._passes,
            forward_passes=self._forward_passes,
            bytes_moved=math.nan,
            launches=math.nan,
        )
        self.charge(cost if self._overhead is None else self._counted(cost, self._overhead))

    def _counted(self, cost: Cost, overhead: ProfilingOverhead) -> Cost:
        """A stretch's cost with what was counted in it, and without the time that counting took."""
        calls, found = self._flops.calls, self._flops
        return replace(
            cost,
            seconds=_less(cost.seconds, calls * overhead.seconds),
            core_seconds=_less(cost.core_seconds, calls * overhead.core_seconds),
            flops=found.flops,
            bytes_moved=found.bytes_moved,
            launches=found.launches,
        )


def _less(measured: float, added: float) -> float:
    """A time without what counting added, of which it cannot well have been more than half."""
    return measured - min(added, measured / 2)


class SharedWork:
    """Work that several methods need: done once a pool, billed in full to each that asks for it."""

    def __init__(self) -> None:
        self.done: dict[str, tuple[Any, Cost]] = {}


class MeteredShared:
    """Shared work on one method's account: in full, but once however often the method asks."""

    def __init__(self, work: SharedWork, meter: Meter) -> None:
        self._work, self._meter = work, meter
        self._charged: set[str] = set()

    def __call__(self, key: str, build: Callable[[], T]) -> T:
        if key not in self._work.done:
            with self._meter.separately() as price:
                value = build()
            self._work.done[key] = (value, price())
        value, cost = self._work.done[key]
        if key not in self._charged:
            self._charged.add(key)
            self._meter.charge(cost)
        return cast(T, value)


class MeteredLearner(Learner):
    """The same learner, noting every example that goes through it, and whether it is differentiated."""

    def __init__(self, inner: Learner, meter: Meter, training_examples: int) -> None:
        self.name, self.recipe = inner.name, inner.recipe
        self.one_label, self.stacks = inner.one_label, inner.stacks
        self._inner, self._meter, self._examples = inner, meter, training_examples

    @property
    def identity(self) -> Mapping[str, Plain]:
        return self._inner.identity

    def initialise(self, seed: int, device: str = "cpu") -> Params:
        return self._inner.initialise(seed, device)

    def predict(self, params: Params, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        logits, features = self._inner.predict(params, batch)
        share = rows_passed(batch["targets"], next(iter(params.values()))) / self._examples
        if not any(_differentiated(p) for p in params.values()):
            self._meter.count_forward_pass(share)
        else:
            self._meter.count_pass(share)
            if logits.requires_grad and not torch._C._functorch.is_functorch_wrapped_tensor(logits):
                # A graph of plain autograd may be walked again and again.
                logits.register_hook(_Again(lambda: self._meter.count_pass(share)))  # type: ignore[no-untyped-call]
        return logits, features

    def narrower(self, share: float) -> Callable[[], Learner] | None:
        make = self._inner.narrower(share)
        return None if make is None else lambda: MeteredLearner(make(), self._meter, self._examples)

    def losses_of(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        return self._inner.losses_of(logits, batch)

    def margins_of(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        return self._inner.margins_of(logits, batch)

    def correct(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        return self._inner.correct(logits, batch)

    def target_features(self, batch: Batch) -> torch.Tensor:
        return self._inner.target_features(batch)

    def layer_signals(self, params: Params, batch: Batch) -> dict[str, LayerSignals]:
        self._meter.count_pass(len(batch["targets"]) / self._examples)
        return self._inner.layer_signals(params, batch)

    def weight_uses(self, params: Params, batch: Batch, vectors: Vectors) -> list[list[WeightUse]]:
        def counted(logits: torch.Tensor) -> Sequence[torch.Tensor]:
            found = vectors(logits)
            self._meter.count_pass(len(found) * len(batch["targets"]) / self._examples)
            return found

        return self._inner.weight_uses(params, batch, counted)

    def module(self, params: Params) -> nn.Module:
        module = self._inner.module(params)

        def note(module: nn.Module, inputs: tuple[Any, ...]) -> None:
            share = rows_passed(inputs[0]) / self._examples
            if any(_differentiated(p) for p in module.parameters()):
                self._meter.count_pass(share)
            else:
                self._meter.count_forward_pass(share)

        module.register_forward_pre_hook(note)
        return module

    def module_inputs(self, batch: Batch) -> torch.Tensor:
        return self._inner.module_inputs(batch)


class _Again:
    """Hook on a graph's end that counts each walk back from it: all but the first, which is counted when it is made,
    and those through the gradients that a walk itself made a graph of.
    """

    def __init__(self, count: Callable[[], None]) -> None:
        self._count, self._walked = count, False

    def __call__(self, gradient: torch.Tensor) -> torch.Tensor | None:
        if self._walked:
            self._count()
        self._walked = True
        if not (gradient.requires_grad and torch.is_grad_enabled()):
            return None
        return cast(torch.Tensor, _Counted.apply(gradient, self._count))  # type: ignore[no-untyped-call]


class _Counted(torch.autograd.Function):
    """The same gradient; whoever differentiates through it is counted."""

    @staticmethod
    def forward(ctx: Any, gradient: torch.Tensor, count: Callable[[], None]) -> torch.Tensor:
        ctx.count = count
        return gradient.view_as(gradient)

    @staticmethod
    def backward(ctx: Any, *further: torch.Tensor) -> tuple[torch.Tensor, None]:
        ctx.count()
        return further[0], None


def rows_passed(rows: torch.Tensor, *others: torch.Tensor) -> int:
    """Examples that pass: inside ``vmap`` one logical row stands for as many as it, or the parameters, are stacked."""
    levels: dict[int, int] = {}
    for tensor in (rows, *others):
        levels |= _vmapped(tensor)
    return int(len(rows) * np.prod([*levels.values()], dtype=np.int64))


def _vmapped(tensor: torch.Tensor) -> dict[int, int]:
    """How many each level of ``vmap`` around a tensor, or around what it is differentiated along, stacks."""
    levels: dict[int, int] = {}
    while torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        tangent = torch.autograd.forward_ad.unpack_dual(tensor).tangent  # type: ignore[no-untyped-call]
        levels |= {} if tangent is None else _vmapped(tangent)
        inner = torch._C._functorch.get_unwrapped(tensor)
        if torch._C._functorch.is_batchedtensor(tensor):
            level, place = torch._C._functorch.maybe_get_level(tensor), torch._C._functorch.maybe_get_bdim(tensor)
            levels[level] = inner.shape[place]
        tensor = inner
    return levels


def _differentiated(tensor: torch.Tensor) -> bool:
    """Whether a derivative is being taken with respect to this tensor, in reverse or in forward mode."""
    while torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        if torch._C._functorch.is_gradtrackingtensor(tensor):
            return True
        tensor = torch._C._functorch.get_unwrapped(tensor)
    if torch.autograd.forward_ad.unpack_dual(tensor).tangent is not None:  # type: ignore[no-untyped-call]
        return True
    return bool(tensor.requires_grad and torch.is_grad_enabled())
