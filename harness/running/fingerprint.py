"""Which code an answer depends on: a hash of the sources that a module reaches inside the project."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

OURS = ("harness", "methods", "tasks")


def source_digest(*modules: str) -> str:
    """Hash of the modules' sources and of every project source that they import, directly or not."""
    reached: dict[str, bytes] = {}
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        source, imports = _read(name)
        reached[name] = source
        waiting += [found for found in imports if found.split(".")[0] in (*OURS, name.split(".")[0])]
    digest = hashlib.sha256()
    for name in sorted(reached):
        digest.update(name.encode() + b"\0" + reached[name] + b"\0")
    return digest.hexdigest()[:16]


@cache
def _read(name: str) -> tuple[bytes, tuple[str, ...]]:
    """A module's source and the names that it may import as modules; nothing for a name that is no module."""
    try:
        spec = find_spec(name)
    except (ModuleNotFoundError, ValueError):
        return b"", ()
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return b"", ()
    source = Path(spec.origin).read_bytes()
    imports: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imports += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            imports.append(node.module)
            imports += [f"{node.module}.{alias.name}" for alias in node.names]
    return source, tuple(imports)
