"""Which code an answer depends on: a hash of what a module's code reaches inside the project, but for what no answer
depends on, and of the libraries' versions that this code imports. Rewording a docstring, a comment, a method's words
or what is said below a constant changes nothing; a line of a table that the code reaches does.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

OURS = ("harness", "methods", "tasks")

WORDS = ("source", "passes", "choices")
"""What a method's class says about itself in text alone."""

WITHOUT_NUMBERS = ("click", "joblib", "pydantic", "rich", "tabulate", "tomli_w")
"""Libraries that the reached code imports and no number depends on: suites are read with them, tables are drawn, cores
are counted.
"""

APART = frozenset(
    {
        *("harness.brought", "harness.config", "harness.projection", "harness.registry", "harness.validation"),
        *("harness.errors", "harness.files", "harness.knobs", "harness.settings"),
        "harness.retraining.ledger",
        *("harness.running.contents", "harness.running.fingerprint", "harness.running.interrupts"),
        *("harness.running.isolation", "harness.running.patches", "harness.running.process_state"),
        "harness.running.leftover_threads",
    }
)
"""Modules of the harness that the reached code imports and no answer depends on: how suites, tables, names and what
people bring are read; what is told of errors and where files lie; where outcomes are kept; whether a method has left
all else as it was. What is new there counts until it is named here.
"""


class Code(NamedTuple):
    """A module's statements without what is for readers alone, and the names that it may import as modules."""

    text: str
    imports: tuple[str, ...]


@cache
def source_digest(*modules: str) -> str:
    """Hash of the modules' code, of the project code that they import, directly or not, and of the libraries."""
    reached, libraries = _reached(modules)
    digest = hashlib.sha256()
    for name in sorted(reached):
        digest.update(f"{name}\0{reached[name]}\0".encode())
    for name, versions in sorted(library_versions(libraries).items()):
        digest.update(f"{name} {versions}\0".encode())
    return digest.hexdigest()[:16]


def library_versions(packages: set[str]) -> Mapping[str, str]:
    """Versions of the installed distributions that bring these top-level packages; nothing for what is not installed.

    A build's label after the plus sign says for which device it was made, which the engine's key tells.
    """
    known = _distributions()
    brought = {distribution for package in packages for distribution in known.get(package, ())}
    return {name: version(name).split("+")[0] for name in brought}


@cache
def _reached(modules: tuple[str, ...]) -> tuple[dict[str, str], set[str]]:
    """Project code by module, and the top-level names of everything else that it imports."""
    reached: dict[str, str] = {}
    libraries: set[str] = set()
    waiting = list(modules)
    while waiting:
        name = waiting.pop()
        if name in reached or name in APART:
            continue
        code = _read(name)
        reached[name] = code.text
        for found in code.imports:
            if _is_read(found, name):
                waiting.append(found)
            elif (top := found.split(".")[0]) not in (*sys.stdlib_module_names, *WITHOUT_NUMBERS):
                libraries.add(top)
    return reached, libraries


@cache
def _distributions() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


@cache
def version(distribution: str) -> str:
    """Read once: what a running process has imported stays the same, whatever is installed meanwhile."""
    return metadata.version(distribution)


@cache
def _read(name: str) -> Code:
    """A module's code; nothing for a name that is no module."""
    try:
        spec = find_spec(name)
    except Exception:  # its package is imported for this, and does what it likes
        return Code("", ())
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return Code("", ())
    content = Path(spec.origin).read_bytes()
    try:
        tree = ast.parse(content)
    except (SyntaxError, ValueError):  # of another Python, and so never run by this one
        return Code(hashlib.sha256(content).hexdigest(), ())
    package = name if spec.submodule_search_locations is not None else name.rpartition(".")[0]
    imports = tuple(_imports(tree, package))
    return Code(ast.unparse(_bare(tree)), imports)


def _imports(tree: ast.Module, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = ".".join(filter(None, [*package.split(".")[: _depth(package, node.level)], node.module]))
            names = [f"{module}.{alias.name}" for alias in node.names]
            if not (_is_read(module, package) and all(map(_is_submodule, names))):
                yield module
            yield from names


def _is_read(module: str, package: str) -> bool:
    """Whether it is code of the project, or of the package that imports it, and so is no library."""
    return module.split(".")[0] in (*OURS, package.split(".")[0])


def _is_submodule(name: str) -> bool:
    """Whether this is a module of a package, and no name of the package's own hides it.

    A package of which only modules are imported says nothing by itself: the table of methods, for one, is the package
    that all of them are in.
    """
    package, _, last = name.rpartition(".")
    try:
        there = find_spec(name) is not None
    except Exception:  # the package is imported for this, and does what it likes
        return False
    hiding = vars(sys.modules[package]).get(last) if there else None
    return there and (hiding is None or isinstance(hiding, ModuleType))


def _depth(package: str, level: int) -> int:
    """How many parts of the package's name a relative import keeps: one dot all, each further dot one less."""
    return len(package.split(".")) + 1 - level if level else 0


def _bare(tree: ast.Module) -> ast.Module:
    """The tree without what is said of things, below their names or in a class's words about itself."""
    for node in ast.walk(tree):
        for block in ("body", "orelse", "finalbody"):
            statements = getattr(node, block, None)
            if isinstance(statements, list) and statements:
                is_class = isinstance(node, ast.ClassDef)
                left = [one for one in statements if not (_is_said(one) or (is_class and _is_words(one)))]
                setattr(node, block, left or [ast.Pass()])
    return tree


def _is_said(statement: ast.stmt) -> bool:
    """Whether it is a text by itself, such as a docstring."""
    return isinstance(statement, ast.Expr) and _is_text(statement.value)


def _is_words(statement: ast.stmt) -> bool:
    """Whether it gives a text to ``source``, ``passes`` or ``choices``."""
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AnnAssign):
        targets = [statement.target]
    else:
        return False
    named = all(isinstance(target, ast.Name) and target.id in WORDS for target in targets)
    return named and (isinstance(statement.value, ast.JoinedStr) or _is_text(statement.value))


def _is_text(value: ast.expr | None) -> bool:
    return isinstance(value, ast.Constant) and isinstance(value.value, str)
