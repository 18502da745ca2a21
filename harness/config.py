"""A suite: one readable TOML file that says what a leaderboard asks."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from harness.errors import UserError, plain, unknown
from harness.projection import Projection, ReferenceJob
from harness.types import FEWEST_CONTRIBUTORS, MOST, QUESTIONS, Question, Recipe, too_few_contributors
from harness.validation import Place, first_mistake

SUITE_FILE = "suite.toml"
RESULTS, LEDGERS = "results", "ledger"
"""Folders beside that file: what was answered, and what a run keeps to go on from."""

PUBLISHED = "leaderboards"
"""The folder of published suites."""

FIRST_HIDDEN = 1_000_000
"""Pools are numbered from 0 where everybody may see them. Those that a seed hides start at (1 + seed) times this, which
leaves room for as many pools as a suite may have, and is a multiple of whatever runs count pools by."""
LARGEST_HIDDEN = 10**12

LONGEST_NAME = 200
"""Bytes of a suite's name: file systems take 255."""

DataKind = Literal["embedded", "files", "hub"]
Count = Field(default=None, gt=0, le=MOST)
Repeats = Mapping[Question, Annotated[int, Field(gt=0, le=MOST)]]
"""How often each question's truth is found, each time from another initialisation; every repeat of the Shapley truth
draws coalitions of its own too."""


def _repeats(content: object) -> object:
    """One number means that many for every question; ``pairs`` is how suites used to say those of Shapley."""
    if not isinstance(content, dict):
        return content
    found, pairs = dict(content), content.get("pairs")
    if isinstance(found.get("seeds"), int) and not isinstance(found["seeds"], bool):
        found["seeds"] = dict.fromkeys(QUESTIONS, found["seeds"])
    if pairs is not None and isinstance(found.setdefault("seeds", {}), dict):
        found["seeds"] = {**found["seeds"], "shapley": pairs}
        del found["pairs"]
    return found


def _repeats_of_tasks(content: object) -> object:
    """Where a suite says ``pairs``, the number of seeds of one task is not for Shapley, whose pairs it leaves."""
    if not isinstance(content, dict) or "pairs" not in content or not isinstance(content.get("settings"), dict):
        return content
    return {**content, "settings": {task: _without_shapley(own) for task, own in content["settings"].items()}}


def _without_shapley(own: object) -> object:
    seeds = own.get("seeds") if isinstance(own, dict) else None
    if not isinstance(own, dict) or not isinstance(seeds, int) or isinstance(seeds, bool):
        return own
    return {**own, "seeds": {question: seeds for question in QUESTIONS if question != "shapley"}}


class TaskSettings(BaseModel):
    """What a suite changes about one task; None leaves what the task does by itself.

    Args:
        seeds: of this task's truths, instead of the suite's, for the questions that it names.
        real, synthetic: data sets of each side, by the names of ``tasks/sources/catalogue`` or as paths to files like
            those there; an empty list of synthetic ones means that all rows are real.
        model: folder or hub name of a pretrained model; ``revision`` pins the one of a hub.
        lora: rank of the adapters that are trained instead of the whole model.
        length: tokens of the longest prompt with its answer.
        steps, batch_size, micro_batch, rate, precision: of the recipe (``harness.types.Recipe``).
        contributors: how many a pool.
        size: fewest and most examples of a contributor.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seeds: Repeats | None = None
    real: tuple[str, ...] | None = Field(default=None, min_length=1)
    synthetic: tuple[str, ...] | None = None
    model: str | None = Field(default=None, min_length=1)
    revision: str | None = Field(default=None, min_length=1)
    lora: int | None = Count
    length: int | None = Count
    steps: int | None = Count
    batch_size: int | None = Count
    micro_batch: int | None = Count
    rate: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    precision: Literal["float32", "bf16"] | None = None
    contributors: int | None = Field(default=None, le=MOST)
    size: tuple[int, int] | None = None

    _reads_numbers = model_validator(mode="before")(_repeats)

    @field_validator("contributors")
    @classmethod
    def _enough(cls, contributors: int | None) -> int | None:
        if contributors is not None and contributors < FEWEST_CONTRIBUTORS:
            raise ValueError(too_few_contributors(contributors))
        return contributors

    @field_validator("size")
    @classmethod
    def _in_order(cls, size: tuple[int, int] | None) -> tuple[int, int] | None:
        if size and not 1 <= size[0] <= size[1]:
            raise ValueError(f"expected the fewest examples of a contributor, then the most, got {list(size)}")
        return size

    @property
    def given(self) -> dict[str, object]:
        """The settings that are not None, by name."""
        return self.model_dump(exclude_none=True)

    def recipe(self, default: Recipe) -> Recipe:
        """A task's own recipe with what is set here; never more checkpoints than steps."""
        changes = {name: value for name, value in self.given.items() if name in RECIPE_KEYS}
        steps = self.steps or default.steps
        return replace(default, **changes, checkpoints=min(default.checkpoints, steps))  # type: ignore[arg-type]


RECIPE_KEYS = ("steps", "batch_size", "micro_batch", "rate", "precision")
EMBEDDED_KEYS = ("seeds", *RECIPE_KEYS)
"""Settings that embedded tasks have too: they make their own data and models."""


class Suite(BaseModel):
    """What is asked.

    Args:
        name: of the folder of its results; its file's, or the folder's of a ``suite.toml``, where it says none.
        data: where the tasks' data come from: made by the program, a folder that ``--data`` names, or a hub.
        tasks, methods, questions: names.
        pools: draws of contributors a task, numbered from 0.
        seeds: how often each question's truth is found, each time from another initialisation; a number means that many
            for every question.
        seed: root of every random stream.
        settings: what is different for one task, by its name.
        hidden: the seed of pools that nobody has seen, in place of the numbers from 0; None for those.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    summary: str = ""
    data: DataKind = "embedded"
    tasks: tuple[str, ...] = Field(min_length=1)
    methods: tuple[str, ...] = Field(min_length=1)
    questions: tuple[Question, ...] = Field(default=QUESTIONS, min_length=1)
    pools: int = Field(gt=0, le=MOST)
    seeds: Repeats
    seed: int = 0
    settings: Mapping[str, TaskSettings] = {}
    projection: Projection = Projection()
    hidden: int | None = Field(default=None, ge=0, le=LARGEST_HIDDEN)

    _reads_numbers = model_validator(mode="before")(lambda content: _repeats(_repeats_of_tasks(content)))

    @field_validator("name")
    @classmethod
    def _names_a_folder(cls, name: str) -> str:
        if (size := len(os.fsencode(name))) > LONGEST_NAME:
            raise ValueError(
                f"{name[:20]}... has {size} bytes, and it names a folder, with what a run adds to it; give one of at "
                f"most {LONGEST_NAME}"
            )
        if not name or name != name.strip() or name.startswith(".") or not name.isprintable() or set(name) & set("/\\"):
            raise ValueError(
                f"{name!r} is no name for the folder of a suite's results. Give one that is not empty and holds no "
                "slash and no control character, nor a dot at its start or a blank at an end"
            )
        return name

    @field_validator("tasks", "methods", "questions")
    @classmethod
    def _no_repeats(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) != len(names):
            raise ValueError(f"a name appears twice in {list(names)}")
        return names

    @field_validator("seeds")
    @classmethod
    def _for_every_question(cls, seeds: Repeats, info: ValidationInfo) -> Repeats:
        missing = [question for question in info.data.get("questions", QUESTIONS) if question not in seeds]
        if missing:
            raise ValueError(f"expected a number for every question that the suite asks, none for {', '.join(missing)}")
        return {question: seeds[question] for question in QUESTIONS if question in seeds}

    @field_validator("settings")
    @classmethod
    def _fit_the_suite(cls, settings: Mapping[str, TaskSettings], info: ValidationInfo) -> Mapping[str, TaskSettings]:
        for task, own in settings.items():
            if "tasks" in info.data and task not in info.data["tasks"]:
                raise unknown("task of this suite", task, info.data["tasks"])
            foreign = [key for key in own.given if key not in EMBEDDED_KEYS]
            if foreign and info.data.get("data") == "embedded":
                raise ValueError(
                    f"{task}.{foreign[0]} is for data from files or a hub, and this suite's data are embedded. Take it "
                    'out, or say data = "files" (and give --data DIR) or data = "hub".'
                )
        return settings

    @field_validator("projection")
    @classmethod
    def _of_its_tasks(cls, projection: Projection, info: ValidationInfo) -> Projection:
        for task in projection.reference:
            if "tasks" in info.data and task not in info.data["tasks"]:
                raise unknown("task of this suite", task, info.data["tasks"])
        return projection

    @property
    def numbers(self) -> range:
        """The numbers of its pools."""
        first = 0 if self.hidden is None else FIRST_HIDDEN * (1 + self.hidden)
        return range(first, first + self.pools)

    def settings_of(self, task: str) -> TaskSettings:
        return self.settings.get(task, TaskSettings())

    def seeds_of(self, task: str, question: Question) -> int:
        """How often the task's truth is found for a question."""
        return {**self.seeds, **(self.settings_of(task).seeds or {})}[question]


def load_suite(path: Path) -> Suite:
    """Read a suite file.

    Raises:
        UserError: the file cannot be read, is no TOML, or has an unknown or unfit key.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"Cannot read the suite {path}: {error}.") from error
    name = Path(os.path.abspath(path)).parent.name if path.name == SUITE_FILE else path.stem
    return checked({"name": name, **content}, str(path))


def checked(content: dict[str, object], where: str) -> Suite:
    """A suite from its keys, with errors that name the key."""
    try:
        return Suite.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{where}: {first_mistake(error, _unknown_key)}") from error


def _unknown_key(place: Place) -> UserError:
    *tables, key = map(str, place)
    if tables[:1] == ["settings"]:
        return unknown(f"setting of {tables[1]}", key, TaskSettings.model_fields)
    if tables[:2] == ["projection", "reference"] and len(tables) == 3:
        return unknown(f"key of the reference job of {tables[2]}", key, ReferenceJob.model_fields)
    if tables:
        return unknown(f"key of {tables[0]}", key, Projection.model_fields)
    return unknown("suite key", key, Suite.model_fields)


def suite_folders() -> list[Path]:
    """``leaderboards`` of the working folder, then the one that came with the program."""
    return [Path(PUBLISHED), Path(__file__).resolve().parents[1] / PUBLISHED]


def find_suite(name: str, folders: Iterable[Path]) -> Path:
    """The file of a named suite, or of a path to one.

    Raises:
        UserError: there is none; lists what there is.
    """
    given = Path(name)
    if given.suffix == ".toml":
        try:
            is_there = given.is_file()
        except OSError as error:  # no name that a file can have
            raise UserError(f"There is no suite file {plain(name[:60])}...: {error.strerror}.") from error
        if not is_there:
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
    content: dict[str, object] = suite.model_dump(exclude={"settings", "projection"})
    if suite.hidden is None:
        del content["hidden"]
    if suite.settings:
        content["settings"] = {task: own.given for task, own in suite.settings.items()}
    content["projection"] = _of_projection(suite.projection)
    return tomli_w.dumps(content)


def _of_projection(projection: Projection) -> dict[str, object]:
    """Without what is unset: TOML has no word for it."""
    found = projection.model_dump()
    if not projection.reference:
        del found["reference"]
    if projection.price_per_gpu_hour is None:
        del found["price_per_gpu_hour"], found["currency"]
    return found
