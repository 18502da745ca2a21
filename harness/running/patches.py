"""Functions and classes that code outside of them has replaced: found and put back."""

from __future__ import annotations

import builtins
import hashlib
import json
import math
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from operator import attrgetter, is_
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np
import torch

from harness.running.fingerprint import OURS

Namespace = ModuleType | type

MODULES: tuple[ModuleType, ...] = (
    torch,
    torch.nn,
    torch.nn.functional,
    torch.nn.init,
    torch.func,
    torch.autograd,
    torch.autograd.forward_ad,
    torch.linalg,
    torch.optim,
    np,
    np.random,
    np.linalg,
    math,
    random,
    time,
    json,
    hashlib,
    builtins,
)
"""Libraries' modules whose functions training and evaluation rest on; of those of torch the classes too."""

_FOLLOWING = ("Storage",)
"""Of torch: what its own setting of the default dtype replaces."""

_MISSING = object()
_Code = tuple[CodeType, tuple[Any, ...] | None, dict[str, Any] | None]
_CODE: Callable[[FunctionType], _Code] = attrgetter("__code__", "__defaults__", "__kwdefaults__")
_TORCH = str(Path(torch.__file__).parent)


class Namespaces:
    """What stands in the compared modules and classes when this is made.

    Args:
        more: modules and classes beside the libraries' and the project's own.
    """

    def __init__(self, more: Iterable[Namespace] = ()) -> None:
        chosen = dict.fromkeys([*_compared(len(sys.modules)), *more])
        self._before = [(namespace, dict(vars(namespace))) for namespace in chosen]
        self._functions = [item for _, kept in self._before for item in map(_function, kept.values()) if item]
        self._code = list(map(_CODE, self._functions))

    def changes(self) -> list[str]:
        """Full names of what was replaced, removed, or put before what a class inherits."""
        replaced = [f"{_name(namespace)}.{name}" for namespace, name, _ in self._changed()]
        rewritten = [f"the code of {f.__module__}.{f.__qualname__}" for f, _ in self._rewritten()]
        return [*replaced, *dict.fromkeys(rewritten)]

    def restore(self) -> None:
        for function, (code, defaults, _) in self._rewritten():
            function.__code__, function.__defaults__ = code, defaults
        for namespace, name, before in self._changed():
            if before is _MISSING:
                delattr(namespace, name)
            else:
                setattr(namespace, name, before)

    def _rewritten(self) -> list[tuple[FunctionType, _Code]]:
        """Functions that are the same objects with other code, defaults or dictionary of keyword defaults."""
        now = list(map(_CODE, self._functions))
        found = zip(self._functions, self._code, now, strict=True)
        return [(function, before) for function, before, after in found if not all(map(is_, before, after))]

    def _changed(self) -> list[tuple[Namespace, str, Any]]:
        return [
            (namespace, name, kept.get(name, _MISSING))
            for namespace, kept in self._before
            if not _same(namespace, kept)
            for name in _different(namespace, kept)
        ]


def _function(item: object) -> FunctionType | None:
    """The function that a namespace's entry is or wraps."""
    inner = item.__func__ if isinstance(item, staticmethod | classmethod) else item
    return inner if isinstance(inner, FunctionType) else None


def _same(namespace: Namespace, kept: dict[str, Any]) -> bool:
    """Whether nothing was touched; the usual case, and so at the speed of C."""
    now = vars(namespace)
    return len(now) == len(kept) and all(map(is_, now.values(), kept.values()))


def _different(namespace: Namespace, kept: dict[str, Any]) -> Iterator[str]:
    now = dict(vars(namespace))
    for name, before in kept.items():
        after = now.get(name, _MISSING)
        if after is not before and not _harmless(name, before, after):
            yield name
    if isinstance(namespace, type):  # what comes new into a module, such as a part of it that is loaded, is no harm
        inherited = {name: item for base in reversed(namespace.__mro__[1:]) for name, item in vars(base).items()}
        for name in now.keys() & inherited.keys() - kept.keys():
            if not (_is_private(name, now[name]) or _harmless(name, inherited[name], now[name])):
                yield name


def _harmless(name: str, before: object, after: object) -> bool:
    if name in _FOLLOWING or (_is_private(name, before) and _is_private(name, after)):
        return True
    if type(before) is type(after) and isinstance(before, str | int | float | tuple):
        return bool(before == after)
    # torch wraps some of its own at their first use, such as the steps of optimisers.
    code = getattr(after, "__code__", None)
    return getattr(after, "__wrapped__", None) is before and code is not None and code.co_filename.startswith(_TORCH)


def _is_private(name: str, item: object) -> bool:
    """What a module or class keeps for itself: caches, documentation."""
    return name.startswith("_") and not callable(item) and not isinstance(item, staticmethod | classmethod | property)


@lru_cache(maxsize=1)
def _compared(loaded: int) -> tuple[Namespace, ...]:
    """The modules and classes; looked for again when the number of loaded modules is another."""
    own = [m for name, m in list(sys.modules.items()) if name.partition(".")[0] in OURS and isinstance(m, ModuleType)]
    of_torch = [item for module in (torch.nn, torch.optim) for item in vars(module).values() if isinstance(item, type)]
    classes = [
        item for module in own for item in vars(module).values() if getattr(item, "__module__", "") == module.__name__
    ]
    found = [*MODULES, torch.Tensor, torch.autograd.Function, *of_torch, *own, *classes]
    return tuple(dict.fromkeys(item for item in found if isinstance(item, Namespace)))


def _name(namespace: Namespace) -> str:
    if isinstance(namespace, ModuleType):
        return namespace.__name__
    return f"{namespace.__module__}.{namespace.__qualname__}"
