"""``dataworth new-method NAME``: a method that works, and its test, to be made one's own."""

from __future__ import annotations

import builtins
import keyword
import re
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from string import Template

from rich.console import Console
from rich.text import Text

from harness import registry
from harness.errors import UserError

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 60

IMPORTED = frozenset({"Additive", "Budget", "ClassVar", "Count", "Floats", "JobSize", "Problem", "UserError"})
"""What the files import, and a class of that name would hide."""

RUN_BY_OTHERS = frozenset({"conftest", "setup"})
"""Modules that pytest and pip run whenever they are there."""

METHOD = Template('''"""$name: what it takes an example to be worth, and why."""

from dataclasses import dataclass
from typing import ClassVar

from dataworth import Additive, Budget, Count, Floats, JobSize, Problem


@dataclass(frozen=True)
class $cls(Additive):
    """Minus each example's loss at the initialisation; replace this by your own.

    Args:
        seeds: initialisations averaged over.
    """

    seeds: Count = 3
    source: ClassVar[str] = "who found it, when, where, which equation"
    passes: ClassVar[str] = "1 forward pass a seed"
    choices: ClassVar[str] = "seeds: 3, as other methods that do not train take"
    claims = frozenset({"copies", "additive"})

    def budget(self, contributors: int, examples: int) -> Budget:
        """At most so many fits, retrainings and gradient passes: none."""
        return Budget()

    def algebra(self, size: JobSize) -> float:
        """Operations of its own, beside passes through the model and retrainings: none."""
        return 0.0

    def example_values(self, problem: Problem) -> Floats:
        """Values S x N: a row a seed, a column an example; higher is worth more."""
        import torch  # here, so that lists of methods are told without it

        rows = {name: torch.tensor(column, device=problem.device) for name, column in problem.train.columns.items()}
        with torch.no_grad():
            losses_SN = torch.stack([problem.learner.losses(problem.initial(k), rows) for k in range(self.seeds)])
        # Of how much an example is likelier than others are: sums of losses as they are would punish size alone.
        return (losses_SN.mean(dim=1, keepdim=True) - losses_SN).double().cpu().numpy()
''')

TEST = Template('''"""$name keeps to what every method owes, and refuses what makes no sense."""

import pytest
from dataworth import UserError, failed_checks

from $module import $cls


def test_it_keeps_to_what_every_method_owes() -> None:
    assert failed_checks($cls()) == []


def test_it_needs_a_seed() -> None:
    with pytest.raises(UserError, match="seeds must be a whole number from 1 to 1,000,000, got 0"):
        $cls(seeds=0)
''')

PROJECT = Template("""[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "dataworth-$name"
version = "0.1.0"
description = "$name, a data-valuation method for dataworth."
requires-python = ">=3.11"
dependencies = ["dataworth"]

[project.entry-points."dataworth.methods"]
$name = "$module:$cls"

[tool.setuptools]
py-modules = ["$module"]
""")


def new_method(console: Console, name: str, package: bool) -> None:
    """Write the files into the working folder, or into a package's folder there, and say what is next.

    Raises:
        UserError: the name is none for a method or is taken, or a file is there already; nothing is written then.
    """
    words = _words(name)
    module, cls = words["module"], words["cls"]
    folder = Path(name) if package else Path()
    files = {folder / f"{module}.py": METHOD, folder / f"test_{module}.py": TEST}
    if package:
        files = {folder / "pyproject.toml": PROJECT, **files}
    if there := [file for file in ([folder] if package else files) if file.exists()]:
        raise UserError(f"{there[0]} is there already, and nothing was written. Move it away, or choose another name.")
    try:
        folder.mkdir(exist_ok=not package)
        for file, text in files.items():
            with file.open("x", encoding="utf-8") as out:
                out.write(text.substitute(words))
    except OSError as error:
        raise UserError(f"Cannot write to {folder.resolve()}: {error.strerror}.") from error
    console.print(Text(f"Written: {', '.join(map(str, files))}. Make it your own, then:"), soft_wrap=True)
    for line in _next(name, module, cls, package):
        console.print(Text(f"  {line}"), soft_wrap=True)


def _next(name: str, module: str, cls: str, package: bool) -> list[str]:
    if package:
        return [
            f"pip install --editable {name}",
            f"dataworth check {name}",
            f"python -m pytest {name}",
            f"dataworth run --methods {name},size,tracin",
        ]
    return [
        f"dataworth check {module}:{cls}",
        f"python -m pytest test_{module}.py",
        f"dataworth run --methods {name},size,tracin, once it is registered: by a package (dataworth new-method "
        "--package writes one) or, in dataworth itself, by a line in methods/__init__.py",
    ]


def _words(name: str) -> Mapping[str, str]:
    """What stands in the files for a name.

    Raises:
        UserError: it is no name for a method, or taken.
    """
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        near = "-".join(re.findall(r"[a-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()))[:LONGEST]
        hint = f", such as {near}" if NAME.fullmatch(near) else ""
        raise UserError(
            f"{name!r} is no name for a method: words of small letters and digits with hyphens between them, a letter "
            f"first, at most {LONGEST} in all{hint}."
        )
    module = name.replace("-", "_")
    if name in registry.methods():
        raise UserError(f"A method is called {name} already (dataworth show {name}); choose another name.")
    if keyword.iskeyword(module) or module in sys.stdlib_module_names or _is_installed(module):
        raise UserError(f"{module} is a word or a module of Python's, or of a package here; choose another name.")
    cls = "".join(word.capitalize() for word in name.split("-"))
    if keyword.iskeyword(cls) or hasattr(builtins, cls) or cls in IMPORTED or module in RUN_BY_OTHERS:
        raise UserError(
            f"{name} would give a class {cls} in {module}.py, which Python, pytest, pip or the files themselves take "
            "for something else; choose another name."
        )
    return {"name": name, "module": module, "cls": cls}


def _is_installed(module: str) -> bool:
    """Whether it is a module of another place than the working folder, whose files are told of by their names."""
    found = find_spec(module)
    here = Path.cwd()
    return found is not None and (found.origin is None or Path(found.origin).resolve().parent != here)
