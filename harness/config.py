"""A suite: one readable TOML file that says what a leaderboard asks."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from harness.errors import UserError, unknown
from harness.types import QUESTIONS, Question

SUITE_FILE = "suite.toml"


class Projection(BaseModel):
    """The GPU that GPU-hours are projected for: operations / (peak x utilisation)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gpu: str = "NVIDIA A100, 312 TFLOP/s bf16"
    peak_tflops: float = Field(default=312.0, gt=0)
    utilisation: float = Field(default=0.3, gt=0, le=1)

    def hours(self, flops: float) -> float:
        return flops / (self.peak_tflops * 1e12 * self.utilisation) / 3600


class Suite(BaseModel):
    """What is asked.

    Args:
        name: of the suite's folder.
        tasks, methods, questions: names.
        pools: draws of contributors a task, numbered from 0.
        seeds: initialisations of the standalone and leave-one-out truths (and of exact Shapley values).
        pairs: antithetic pairs of permutations of the Shapley truth, each on a seed of its own.
        seed: root of every random stream.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    summary: str = ""
    tasks: tuple[str, ...] = Field(min_length=1)
    methods: tuple[str, ...] = Field(min_length=1)
    questions: tuple[Question, ...] = Field(default=QUESTIONS, min_length=1)
    pools: int = Field(gt=0)
    seeds: int = Field(gt=0)
    pairs: int = Field(gt=0)
    seed: int = 0
    projection: Projection = Projection()

    @field_validator("tasks", "methods", "questions")
    @classmethod
    def _no_repeats(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) != len(names):
            raise ValueError(f"a name appears twice in {list(names)}")
        return names


def load_suite(path: Path) -> Suite:
    """Read a suite file.

    Raises:
        UserError: the file cannot be read, is no TOML, or has an unknown or unfit key.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"Cannot read the suite {path}: {error}.") from error
    return checked({"name": path.parent.name, **content}, str(path))


def checked(content: dict[str, object], where: str) -> Suite:
    """A suite from its keys, with errors that name the key."""
    try:
        return Suite.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise UserError(f"{where}: {unknown('suite key', key, Suite.model_fields)}") from error
        got = "" if first["type"] == "missing" else f", got {first['input']!r}"
        raise UserError(f"{where}: {key}: {first['msg']}{got}.") from error


def find_suite(name: str, folders: Iterable[Path]) -> Path:
    """The file of a named suite, or of a path to one.

    Raises:
        UserError: there is none; lists what there is.
    """
    given = Path(name)
    if given.suffix == ".toml":
        if not given.is_file():
            raise UserError(f"There is no suite file {given}.")
        return given
    known = suites(folders)
    if name not in known:
        raise unknown("suite", name, known)
    return known[name]


def suites(folders: Iterable[Path]) -> dict[str, Path]:
    """Every suite by name; the first folder wins."""
    found: dict[str, Path] = {}
    for folder in folders:
        for file in sorted(folder.glob(f"*/{SUITE_FILE}")):
            found.setdefault(file.parent.name, file)
    return found


def to_toml(suite: Suite) -> str:
    """The suite as its file says it."""

    def value(item: object) -> str:
        if isinstance(item, str):
            return '"' + item.replace("\\", "\\\\").replace('"', '\\"') + '"'
        if isinstance(item, list | tuple):
            return "[\n" + "".join(f"    {value(part)},\n" for part in item) + "]"
        return str(item)

    content = suite.model_dump()
    projection = content.pop("projection")
    lines = [f"{key} = {value(item)}" for key, item in content.items()]
    lines += ["", "[projection]"] + [f"{key} = {value(item)}" for key, item in projection.items()]
    return "\n".join(lines) + "\n"
