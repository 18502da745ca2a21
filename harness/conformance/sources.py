"""What a method's code says: ways around the problem that it is given, found in its text and heard when it runs."""

from __future__ import annotations

import ast
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

PRIVATE = re.compile(r"(harness|tasks|tests|runall)\b(?!\.types\b)")
"""What a method does not know: of this project all but the types, which ``dataworth`` gives too."""

MODULES = ("sqlite3", "gc", "inspect", "ctypes", "importlib")
"""Libraries by which a program looks into itself, or into files of a run."""

NAMES = ("import_module", "__import__", "eval", "exec", "globals")
ATTRIBUTES = (
    *("__closure__", "cell_contents", "__globals__", "f_back", "f_locals", "f_globals", "tb_frame", "gi_frame"),
    *("_getframe", "_current_frames", "_inner", "_engine", "_known", "_ledgers"),
)
"""Ways to what a problem keeps to itself."""

ASKED_FOR = ("importlib.util",)
"""Of those libraries, what tells no more than whether a package is installed."""

HEARD = ("sqlite3.connect", "gc.get_objects", "gc.get_referrers", "gc.get_referents", "socket.connect")
"""Python's audit events that no method has a reason to cause."""

STORED = re.compile(r"\.sqlite(-\w+)?$|[\\/]results[\\/][^\\/]+\.jsonl$")
"""Files of a run."""


def offences(module: str) -> list[str]:
    """What of a method's code, in its module and all of its package that this reaches, goes around the problem."""
    return [f"{name} has {found}" for name, text in _reached(module).items() for found in offences_in(text)]


def offences_in(source: str) -> list[str]:
    """The same of one file's text, in the order of its lines."""
    return list(dict.fromkeys(_offences(ast.parse(source))))


def _offences(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (f"import {name}" for name in _imports(node) if _is_barred(name))
        elif isinstance(node, ast.Name) and node.id in NAMES:
            yield node.id
        elif isinstance(node, ast.Attribute):
            of_sys = isinstance(node.value, ast.Name) and node.value.id == "sys" and node.attr == "modules"
            if of_sys or node.attr in (*ATTRIBUTES, *NAMES[:2]):
                yield f"{'sys' if of_sys else ''}.{node.attr}"


def _imports(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [] if node.level else [f"{node.module}.{alias.name}" for alias in node.names]


def _is_barred(name: str) -> bool:
    if PRIVATE.match(name):
        return True
    return name.split(".")[0] in MODULES and not name.startswith(ASKED_FOR)


def _reached(module: str) -> dict[str, str]:
    """Texts of the module and of what it imports of its own package, directly or not, by name."""
    top, found, waiting = module.partition(".")[0], dict[str, str](), [module]
    while waiting:
        name = waiting.pop()
        file = _file(name)
        if name in found or file is None:
            continue
        found[name] = file.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(found[name])):
            if isinstance(node, ast.Import | ast.ImportFrom):
                waiting += _within(node, name, file, top)
    return found


def _within(node: ast.Import | ast.ImportFrom, module: str, file: Path, top: str) -> list[str]:
    """Modules of the package ``top`` that a statement in ``module`` may import."""
    names = _imports(node)
    if isinstance(node, ast.ImportFrom):
        if node.level:
            package = module.split(".") if file.name == "__init__.py" else module.split(".")[:-1]
            base = ".".join([*package[: len(package) + 1 - node.level], *filter(None, [node.module])])
            names = [f"{base}.{alias.name}" for alias in node.names] + [base]
        elif node.module:
            names.append(node.module)
    return [name for name in names if name.partition(".")[0] == top]


def _file(name: str) -> Path | None:
    try:
        spec = find_spec(name)
    except Exception:  # no module, but a name in one
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


class Listener:
    """Hears what a method does while it runs. Python keeps such hooks for good, so there is one."""

    def __init__(self) -> None:
        self._found: dict[str, None] | None = None
        self._thread = 0
        self._hooked = False

    @contextmanager
    def listening(self) -> Iterator[dict[str, None]]:
        """What this thread does inside that no method has a reason to do, filled as it happens."""
        if not self._hooked:
            sys.addaudithook(self._hear)
            self._hooked = True
        self._found, self._thread = {}, threading.get_ident()
        try:
            yield self._found
        finally:
            self._found = None

    def _hear(self, event: str, arguments: tuple[object, ...]) -> None:
        if self._found is None or threading.get_ident() != self._thread:
            return
        if event in HEARD:
            self._found[event] = None
        elif event == "open" and isinstance(arguments[0], str) and STORED.search(arguments[0]):
            self._found[f"opening {Path(arguments[0]).name}"] = None


LISTENER = Listener()
