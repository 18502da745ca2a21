"""Settings that everything in a process shares, and the state of its random generators: read, compared, put back."""

from __future__ import annotations

import gc
import os
import random
import signal
import sys
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import overrides
from torch.nn.modules import module
from torch.utils import _python_dispatch as dispatch

_SIGNALS = [name for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM", "SIGCHLD") if hasattr(signal, name)]

_HOOKS = [name for name in vars(module) if name.startswith("_global_") and name.endswith("_hooks")]
"""Dictionaries of torch: what is called around every module's passes."""

_SET_BY_LIBRARIES = ("KMP_", "TORCHINDUCTOR_", "TRITON_")
"""Environment variables that torch and what it brings along set for themselves, when parts of them are first used."""

_left: list[Any] = []
"""Contexts entered to leave another's; they must stay alive."""


def _values(before: Any, now: Any) -> str:
    return f" from {before} to {now}"


def _names(before: Mapping[Any, Any], now: Mapping[Any, Any]) -> str:
    """Which entries differ; their values, such as folders, are a user's own and messages are published."""
    differing = sorted(str(name) for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    return f" {', '.join(differing)}"


def _nothing(before: Any, now: Any) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that a process has once.

    Args:
        name: as a message calls it.
        read: what it is now; compared by equality.
        write: makes it so again.
        tell: what a message says of a change, after the name.
        numeric: whether it reaches what the harness trains in its own threads; a method may not change it even for a
            while, as it may others with a context around a call.
    """

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], object]
    tell: Callable[[Any, Any], str] = _values
    numeric: bool = False


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(_SET_BY_LIBRARIES)}


def _restore_environment(before: Mapping[str, str]) -> None:
    for name in set(_environment()) - set(before):
        del os.environ[name]
    os.environ.update(before)


def _working_folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return None


def _go_back(folder: str | None) -> None:
    with suppress(OSError):  # it may be gone
        if folder is not None:
            os.chdir(folder)


def _handlers() -> dict[str, Any]:
    return {name: signal.getsignal(getattr(signal, name)) for name in _SIGNALS}


def _restore_handlers(before: Mapping[str, Any]) -> None:
    for name, handler in before.items():
        if handler is not None and signal.getsignal(getattr(signal, name)) is not handler:  # None: set outside Python
            signal.signal(getattr(signal, name), handler)


def _module_hooks() -> list[dict[int, Any]]:
    return [dict(getattr(module, name)) for name in _HOOKS]


def _restore_module_hooks(before: list[dict[int, Any]]) -> None:
    for name, hooks in zip(_HOOKS, before, strict=True):
        there = getattr(module, name)
        there.clear()
        there.update(hooks)


def _flushes_denormals() -> bool:
    """The processor is asked: torch sets this and does not tell."""
    return bool(np.float64(5e-324) * np.float64(1.0) == 0)


def _set_inference(on: bool) -> None:
    if torch.is_inference_mode_enabled() != on:
        context = torch.inference_mode(on)
        context.__enter__()
        _left.append(context)


def _autocast() -> tuple[tuple[bool, torch.dtype], ...]:
    return tuple((torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)) for kind in ("cpu", "cuda"))


def _set_autocast(before: tuple[tuple[bool, torch.dtype], ...]) -> None:
    for kind, (on, dtype) in zip(("cpu", "cuda"), before, strict=True):
        torch.set_autocast_enabled(kind, on)
        torch.set_autocast_dtype(kind, dtype)


def _backends() -> tuple[Any, ...]:
    """What says by itself how precisely it multiplies; none before torch 2.9."""
    backends: Any = torch.backends
    if not hasattr(backends.cuda.matmul, "fp32_precision"):
        return ()
    return backends.cuda.matmul, backends.cudnn.conv, backends.mkldnn.matmul


def _precisions() -> tuple[str, ...]:
    return tuple(backend.fp32_precision for backend in _backends()) or (torch.get_float32_matmul_precision(),)


def _set_precisions(before: tuple[str, ...]) -> None:
    if not _backends():
        torch.set_float32_matmul_precision(before[0])
    for backend, precision in zip(_backends(), before, strict=False):
        backend.fp32_precision = precision


def _modes() -> tuple[int, int]:
    return torch._C._len_torch_dispatch_stack(), torch._C._len_torch_function_stack()


def _leave_modes(before: tuple[int, int]) -> None:
    while torch._C._len_torch_dispatch_stack() > before[0]:
        dispatch._pop_mode()
    while torch._C._len_torch_function_stack() > before[1]:
        overrides._pop_mode()  # type: ignore[no-untyped-call]


def _set_cudnn(before: tuple[bool, bool, bool]) -> None:
    cudnn = torch.backends.cudnn
    cudnn.enabled, cudnn.benchmark, cudnn.deterministic = before


def _streams() -> tuple[Any, Any]:
    return sys.stdout, sys.stderr


def _set_streams(before: tuple[Any, Any]) -> None:
    sys.stdout, sys.stderr = before


class _StreamFiles:
    """The files behind standard input, output and error, held open; equal where they are the same files."""

    def __init__(self) -> None:
        self._held: list[int | None] = []
        self._which: list[tuple[int, int] | None] = []
        for number in range(3):
            try:
                status = os.fstat(number)
                self._held.append(os.dup(number))
                self._which.append((status.st_dev, status.st_ino))
            except OSError:  # it is closed
                self._held.append(None)
                self._which.append(None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _StreamFiles) and self._which == other._which

    __hash__ = None  # type: ignore[assignment]

    def __del__(self) -> None:
        for held in self._held:
            with suppress(OSError):
                if held is not None:
                    os.close(held)

    def put_back(self) -> None:
        for number, held in enumerate(self._held):
            with suppress(OSError):
                if held is not None:
                    os.dup2(held, number)


def _timer() -> bool:
    return signal.getitimer(signal.ITIMER_REAL)[0] > 0


def _umask() -> int:
    """It can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _set_tracers(before: tuple[Any, Any]) -> None:
    sys.setprofile(before[0])
    sys.settrace(before[1])


def _raising_warnings() -> list[Any]:
    """Filters that libraries add when they are imported ignore; one that raises fails whoever warns next."""
    return [found for found in warnings.filters if found[0] == "error"]


def _stop_raising(before: list[Any]) -> None:
    warnings.filters[:] = [found for found in warnings.filters if found[0] != "error" or found in before]  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]


def _saved_hooks() -> bool:
    return torch._C._autograd._top_saved_tensors_default_hooks(False) is not None


def _pop_saved_hooks(before: bool) -> None:
    while not before and _saved_hooks():
        torch._C._autograd._pop_saved_tensors_default_hooks()


def _set_path(before: list[str]) -> None:
    sys.path[:] = before


SETTINGS = (
    Setting("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype, numeric=True),
    Setting(
        "torch's default device",
        torch.get_default_device,
        lambda device: torch.set_default_device(None if device == torch.device("cpu") else device),
        numeric=True,
    ),
    Setting(
        "torch's use of deterministic algorithms",
        lambda: (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()),
        lambda before: torch.use_deterministic_algorithms(before[0], warn_only=before[1]),
        numeric=True,
    ),
    Setting("torch's precision of matrix products", _precisions, _set_precisions, numeric=True),
    Setting(
        "torch's cuDNN flags",
        lambda: tuple(getattr(torch.backends.cudnn, name) for name in ("enabled", "benchmark", "deterministic")),
        _set_cudnn,
        numeric=True,
    ),
    Setting("the flushing of denormal numbers", _flushes_denormals, torch.set_flush_denormal, numeric=True),
    Setting("torch's hooks of all modules", _module_hooks, _restore_module_hooks, _nothing, numeric=True),
    Setting("torch's active modes", _modes, _leave_modes, _nothing),
    Setting("torch's inference mode", torch.is_inference_mode_enabled, _set_inference),
    Setting("torch's grad mode", torch.is_grad_enabled, torch.set_grad_enabled),
    Setting("torch's autocast", _autocast, _set_autocast),
    Setting("torch's anomaly detection", torch.is_anomaly_enabled, torch.set_anomaly_enabled),
    Setting("torch's number of threads", torch.get_num_threads, torch.set_num_threads),
    Setting("numpy's handling of floating-point errors", np.geterr, lambda before: np.seterr(**before)),
    Setting("the working directory", _working_folder, _go_back, _nothing),
    Setting("the environment variables", _environment, _restore_environment, _names),
    Setting("sys.path", lambda: list(sys.path), _set_path, _nothing),
    Setting("sys.stdout or sys.stderr", _streams, _set_streams, _nothing),
    Setting("the files of standard input, output or error", _StreamFiles, _StreamFiles.put_back, _nothing),
    Setting("the signal handlers", _handlers, _restore_handlers, _names),
    Setting("the timer that ends the process", _timer, lambda _: signal.setitimer(signal.ITIMER_REAL, 0), _nothing),
    Setting("the file mode mask", _umask, os.umask),
    Setting("the profiler or tracer", lambda: (sys.getprofile(), sys.gettrace()), _set_tracers, _nothing),
    Setting("the warnings that are errors", _raising_warnings, _stop_raising, _nothing),
    Setting("the hooks of saved tensors", _saved_hooks, _pop_saved_hooks, _nothing),
    Setting("the use of oneDNN", lambda: torch._C._get_mkldnn_enabled(), torch._C._set_mkldnn_enabled, numeric=True),
    Setting("the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
    Setting("garbage collection", gc.isenabled, lambda on: gc.enable() if on else gc.disable()),
)


class ProcessState:
    """All settings as they are when this is made."""

    def __init__(self) -> None:
        self._before = [setting.read() for setting in SETTINGS]

    def changes(self, numeric: bool = False) -> list[str]:
        """What is different now, in words; of the numeric settings alone if asked for those."""
        found = []
        for setting, before in zip(SETTINGS, self._before, strict=True):
            if (setting.numeric or not numeric) and (now := setting.read()) != before:
                found.append(setting.name + setting.tell(before, now))
        return found

    def restore(self) -> None:
        """Put back what is different."""
        for setting, before in zip(SETTINGS, self._before, strict=True):
            if setting.read() != before:
                setting.write(before)


class RandomState:
    """The global random generators as they are when this is made.

    A method may draw from them, so a change is no fault; but nobody else's draws may depend on it.
    """

    def __init__(self) -> None:
        self._python, self._torch = random.getstate(), torch.get_rng_state()
        self._numpy = np.random.get_state()  # noqa: NPY002 - the global generator is what this is about
        on_gpu = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
        self._cuda = torch.cuda.get_rng_state_all() if on_gpu else None

    def restore(self) -> None:
        random.setstate(self._python)
        np.random.set_state(self._numpy)  # noqa: NPY002
        torch.set_rng_state(self._torch)
        if self._cuda is not None:
            torch.cuda.set_rng_state_all(self._cuda)
