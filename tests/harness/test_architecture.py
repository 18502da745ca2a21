"""Data flows one way: who may import whom, what starts without torch, and how long a file may be."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from methods import METHODS

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("harness", "methods", "tasks")
FILES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
LINES = 400


def module_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(file): file for file in FILES}


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Everything below a node, but for what only type checkers read."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        yield child
        yield from statements(child)


@cache
def imported(module: str) -> frozenset[str]:
    """The project's modules that a module imports, at its top or inside its functions."""
    found = set()
    for node in statements(tree(MODULES[module])):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively; say the whole name"
            assert node.module
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in names}
    return frozenset(name for name in found if name in MODULES and name != module)


def belongs(name: str, allowed: tuple[str, ...]) -> bool:
    return any(name == place or name.startswith(place + ".") for place in allowed)


def strangers(package: str, *allowed: str) -> dict[str, list[str]]:
    """Imports of a package's modules from outside what is allowed."""
    own = [module for module in MODULES if belongs(module, (package,))]
    found = {module: sorted(name for name in imported(module) if not belongs(name, allowed)) for module in own}
    return {module: names for module, names in found.items() if names}


def test_the_project_is_found() -> None:
    assert {"harness.types", "methods.tracin", "tasks.embedded.image_classification", "harness.cli"} <= set(MODULES)
    assert "methods.kernels" in imported("methods.baselines")
    assert "harness.cli.running" in imported("harness.cli")


def test_methods_know_the_nouns_and_each_other_only() -> None:
    assert strangers("methods", "harness.types", "harness.errors", "methods") == {}


def test_tasks_know_the_nouns_and_each_other_only() -> None:
    assert strangers("tasks", *(word for word in WORDS if word != "harness.coalitions"), "tasks") == {}


WORDS = (
    *("harness.types", "harness.errors", "harness.config", "harness.coalitions", "harness.seeds"),
    *("harness.validation", "harness.files", "harness.registry", "harness.projection"),
    *("harness.settings", "harness.knobs", "harness.threads", "harness.brought", "harness.described"),
)
"""What every room may speak in."""

ROOMS = {
    "harness.statistics": (),
    "harness.metering": (),
    "harness.records": (),
    "harness.retraining": ("harness.metering",),
    "harness.truth": ("harness.statistics", "harness.retraining"),
    "harness.running": ("harness.metering", "harness.records", "harness.retraining", "harness.truth"),
    "harness.conformance": ("harness.metering", "harness.retraining", "harness.running"),
    "harness.report": ("harness.records", "harness.statistics"),
    "harness.valuing": (
        *("harness.metering", "harness.records", "harness.retraining", "harness.running"),
        *("harness.statistics", "harness.report"),
    ),
    "harness.submitting": (
        *("harness.records", "harness.retraining", "harness.running", "harness.statistics", "harness.report"),
    ),
    "tasks.sources": ("tasks.pools",),
    "tasks.pools": (),
    "tasks.learners": (),
    "tasks.tiny": ("tasks.learners",),
    "tasks.embedded": ("tasks.pools", "tasks.learners"),
    "tasks.external": ("tasks.pools", "tasks.learners", "tasks.sources"),
    "tasks.brought": ("tasks.pools", "tasks.learners", "tasks.sources", "tasks.external"),
    "tasks.describing": ("tasks.pools", "tasks.learners", "tasks.sources", "tasks.external", "tasks.brought"),
}
"""Each room, and the rooms below it: no arrow runs upward."""


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_knows_its_own_and_the_rooms_below_it(room: str) -> None:
    assert strangers(room, room, *WORDS, *ROOMS[room]) == {}


def test_statistics_know_only_arrays() -> None:
    assert strangers("harness.statistics", "harness.statistics", "harness.types") == {}


def test_the_harness_imports_neither_methods_nor_tasks() -> None:
    """Both come by name, through the registry."""
    assert strangers("harness", "harness") == {}


def test_nothing_below_the_command_line_imports_it() -> None:
    users = {module for module in MODULES if any(belongs(name, ("harness.cli",)) for name in imported(module))}
    assert all(belongs(module, ("harness.cli",)) for module in users)


def test_modules_form_no_import_cycle() -> None:
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, f"import cycle: {' -> '.join([*path[path.index(module) :], module])}"
        if module not in done:
            for name in sorted(imported(module)):
                visit(name, (*path, module))
            done.add(module)

    for module in MODULES:
        visit(module, ())
    assert done == set(MODULES)


LIGHT = (
    "harness.cli",
    "harness.cli.places",
    "harness.cli.describing",
    "harness.cli.planning",
    "harness.cli.showing",
    "harness.cli.valuing",
    "harness.config",
    "harness.registry",
    "harness.api.dataworth",
    "methods",
    "tasks",
    *sorted({entry.where.partition(":")[0] for entry in METHODS.values()}),
    "harness.statistics.intervals",
    "harness.report.leaderboard",
)
DRAWN_OR_TOLD = ("harness.report", "tasks.embedded", "tasks.external", "tasks.brought", "tasks.describing")
LIGHT += (
    "harness.records.results",
    "harness.statistics.scores",
    *sorted(name for name in MODULES if belongs(name, DRAWN_OR_TOLD)),
)


@pytest.fixture(scope="module")
def heavy_after() -> dict[str, list[str]]:
    """Which of torch, scikit-learn and pyDVL each light module brings in, found in one fresh process."""
    program = (
        "import sys, json, importlib\n"
        f"found = {{}}\nfor name in {LIGHT!r}:\n"
        "    importlib.import_module(name)\n"
        "    found[name] = sorted({'torch', 'sklearn', 'pydvl', 'transformers'} & set(sys.modules))\n"
        "print(json.dumps(found))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    found = ast.literal_eval(done.stdout)
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("module", LIGHT)
def test_what_draws_tables_or_says_what_there_is_needs_no_torch(heavy_after: dict[str, list[str]], module: str) -> None:
    assert heavy_after[module] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_says_what_it_is_and_stays_short(file: Path) -> None:
    source = file.read_text(encoding="utf-8")
    if source.strip():
        assert ast.get_docstring(tree(file)), "give it a module docstring"
    if module_of(file) != "harness.types":
        assert len(source.splitlines()) < LINES


def test_runall_is_the_same_command() -> None:
    as_file = [sys.executable, "runall.py", "--help"]
    as_command = [sys.executable, "-c", "import sys; sys.argv[0] = 'runall.py'; from harness.cli import main; main()"]
    said = [
        subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for command in (as_file, [*as_command, "--help"])
    ]
    assert said[0] == said[1]
    assert "Usage: runall.py" in said[0]
