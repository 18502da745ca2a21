"""What can be reached from an object by references: whether anything of a truth is among it."""

from __future__ import annotations

import gc
import sys
import types
import weakref
from collections.abc import Sequence

import numpy as np
import torch

from harness.types import Array

OURS = ("harness", "methods", "tasks", "tests")


def reachable(*roots: object) -> list[object]:
    """Everything that can be reached: attributes, slots, items, closures, defaults, bound methods.

    Not through modules and their globals: what a program holds there belongs to no pool.
    """
    globals_of_modules = {id(vars(module)) for module in list(sys.modules.values()) if hasattr(module, "__dict__")}
    seen: dict[int, object] = {}
    waiting = list(roots)
    while waiting:
        found = waiting.pop()
        if id(found) in seen or isinstance(found, types.ModuleType) or id(found) in globals_of_modules:
            continue
        seen[id(found)] = found
        waiting += _referents(found)
    return list(seen.values())


def _referents(found: object) -> list[object]:
    if isinstance(found, type):
        return list(vars(found).values()) if found.__module__.split(".")[0] in OURS else []
    if isinstance(found, types.FunctionType):
        return [found.__closure__, found.__defaults__, found.__kwdefaults__, vars(found)]
    if isinstance(found, np.ndarray):
        return [found.base, *(found.ravel().tolist() if found.dtype == object else [])]
    if isinstance(found, weakref.ref):
        return [found(), *gc.get_referents(found)]
    return [*gc.get_referents(found), getattr(found, "__self__", None), getattr(found, "__func__", None)]


def holds(found: Sequence[object], column: Array) -> bool:
    """Whether an array or a tensor among the objects has the column's content."""
    arrays = [item for item in found if isinstance(item, np.ndarray)]
    arrays += [item.numpy() for item in found if isinstance(item, torch.Tensor) and not item.requires_grad]
    return any(array.shape == column.shape and np.array_equal(array, column) for array in arrays)
