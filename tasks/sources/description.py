"""A data set's description: one TOML file says where its rows are and what they mean."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from harness.errors import UserError, unknown
from harness.types import Form
from harness.validation import Place, first_mistake

CATALOGUE = Path(__file__).parent / "catalogue"

SourceTask = Literal["image-classification", "sentiment", "instruction-following", "reasoning"]
TASK_FORMS: Mapping[str, Form] = {
    "image-classification": "image-label",
    "sentiment": "text-label",
    "instruction-following": "text-response",
    "reasoning": "text-response",
}
"""What the rows of each task are; everything else here goes by the form, never by a task's name."""

Side = Literal["real", "synthetic"]
Format = Literal["jsonl", "csv", "tsv", "parquet", "idx.gz", "npy", "npz"]

SUFFIXES: Mapping[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".npz": "npz",
    ".npy": "npy",
    "-ubyte": "idx.gz",
    ".idx": "idx.gz",
}
"""How a file's name ends, a trailing ``.gz`` apart -> its format."""

PAIRED = ("idx.gz", "npy")
"""Formats that hold one array a file: images and labels are two files."""

IMAGE_FIELDS = ("image", "label")
TEXT_FIELDS = ("prompt", "answer")
KEY = "key"
"""A further field of texts: what makes two rows the same question, where the prompt says more than that."""

PLACE = re.compile(r"\{([^{}]*)\}")


class Source(BaseModel):
    """Where a data set's rows are and what they mean.

    Args:
        name: what the data set is called; the file's own name where it is left out.
        task: the task that its rows are for.
        side: ``real``, or ``synthetic`` where a generator made them.
        summary, licence: for people.
        path: in the data folder. A glob is allowed; idx and npy files are two: ``{images = "...", labels = "..."}``.
        hub: a data set's name on the hub, in place of a path; with its ``config``, ``split`` and ``revision``.
        streaming: fetch only the rows that ``limit`` asks for, not the whole data set (hub only).
        format: of the files; found from how their names end where it is left out.
        columns: for texts ``prompt`` and ``answer``, each a template over the file's columns such as
            ``"{instruction}\\n{input}"`` (``"{turns[0][text]}"`` reaches into lists and tables), and perhaps ``key``:
            what two rows must share to be the same question, the prompt where it is left out. For images ``image``
            and ``label``, each the name of a column (npz: of an array); idx and npy files need none.
        labels: the answer as the file has it -> the class's name (texts). Other answers are a mistake.
        classes: how many classes there are (images); the highest label + 1 where it is left out.
        where: column -> the value, or one of the values, that a row must have to be taken.
        extract: field -> a regular expression whose one group is what is kept; rows without a match are left out.
        unescape: whether HTML entities (``&#34;``) become characters.
        limit: take at most so many rows, spread evenly over those that are wanted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1)
    task: SourceTask
    side: Side
    summary: str = ""
    licence: str = ""
    path: str | dict[str, str] | None = None
    hub: str | None = None
    config: str | None = None
    split: str | None = None
    revision: str | None = None
    streaming: bool = False
    format: Format | None = None
    columns: dict[str, str] = {}
    labels: dict[str, str] = {}
    classes: int | None = Field(default=None, gt=1)
    where: dict[str, str | tuple[str, ...]] = {}
    extract: dict[str, str] = {}
    unescape: bool = False
    limit: int | None = Field(default=None, gt=0)

    @property
    def form(self) -> Form:
        """What its rows are."""
        return TASK_FORMS[self.task]

    @property
    def is_text(self) -> bool:
        return self.form != "image-label"

    @property
    def files_format(self) -> Format:
        """The format said, or the one that the path ends in."""
        if self.format is not None:
            return self.format
        found = format_of(self.first_path)
        assert found is not None, "checked when the description was made"
        return found

    @property
    def first_path(self) -> str:
        """The path, that of the images where there are two."""
        return self.path.get("images", "") if isinstance(self.path, dict) else self.path or ""

    @field_validator("extract")
    @classmethod
    def _one_group(cls, patterns: dict[str, str]) -> dict[str, str]:
        for field, pattern in patterns.items():
            try:
                groups = re.compile(pattern).groups
            except re.error as error:
                raise ValueError(f"{field!r} is no regular expression ({error})") from error
            if groups != 1:
                raise ValueError(f"{field!r} needs exactly one group (...), it has {groups}")
        return patterns

    @model_validator(mode="after")
    def _fits_together(self) -> Source:
        for find_mistake in (_place_mistake, _column_mistake, _option_mistake):
            if mistake := find_mistake(self):
                raise ValueError(mistake)
        return self


def format_of(path: str) -> Format | None:
    """The format that a file's name ends in, None where it ends in none."""
    name = PurePosixPath(path).name.removesuffix(".gz")
    return next((found for suffix, found in SUFFIXES.items() if name.endswith(suffix)), None)


def template_names(template: str) -> list[str]:
    """What stands in a template's braces: ``"{a}: {b[0]}"`` -> ``["a", "b[0]"]``."""
    return PLACE.findall(template)


def load_source(name_or_path: str) -> Source:
    """A description from the catalogue by its name, or from a TOML file by its path.

    Raises:
        UserError: there is none of that name, or the file cannot be read or says something unfit.
    """
    given = Path(name_or_path)
    if given.suffix != ".toml":
        known = catalogue()
        if name_or_path not in known:
            raise unknown("data source", name_or_path, known)
        given = known[name_or_path]
    try:
        content = tomllib.loads(given.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"Cannot read the data source {given}: {error}.") from error
    return _checked({"name": given.stem, **content}, given)


def catalogue() -> dict[str, Path]:
    """The descriptions that come with the package, by name."""
    return {file.stem: file for file in sorted(CATALOGUE.glob("*.toml"))}


def _checked(content: dict[str, object], file: Path) -> Source:
    try:
        return Source.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{file}: {first_mistake(error, _unknown_key)}") from error


def _unknown_key(place: Place) -> UserError:
    return unknown("key of a data source", ".".join(map(str, place)), Source.model_fields)


def _place_mistake(source: Source) -> str | None:
    """What is wrong with where the rows are."""
    if (source.path is None) == (source.hub is None):
        return "give either a path in the data folder or a data set's name on the hub, " + (
            "not both" if source.path is not None else "got neither"
        )
    if source.hub is not None:
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", source.hub):
            return f"hub: a data set's name there is owner/name, got {source.hub!r}"
        if source.split is None:
            return f"split: say which split of {source.hub} to take, for instance 'train'"
        if source.format is not None:
            return "format: is for files; the hub knows its own"
        if source.streaming and source.limit is None:
            return "streaming: needs a limit, the rows to fetch"
        return None
    for key in ("config", "split", "revision", "streaming"):
        if getattr(source, key):
            return f"{key}: is for the hub, but this source has a path"
    if isinstance(source.path, dict) and set(source.path) != {"images", "labels"}:
        return f"path: two files are given as images and labels, got {', '.join(sorted(source.path)) or 'none'}"
    if source.format is None and format_of(source.first_path) is None:
        return f"path: cannot tell the format of {source.first_path!r} from its end; {_say_format()}"
    if (source.files_format in PAIRED) != isinstance(source.path, dict):
        return "path: idx and npy files are given as {images = ..., labels = ...}, and only they"
    return None


def _column_mistake(source: Source) -> str | None:
    """What is wrong with the fields."""
    array_file = source.path is not None and source.files_format in (*PAIRED, "npz")
    if source.is_text and array_file:
        return f"format: {source.files_format} holds images, but the task is {source.task}"
    needed = TEXT_FIELDS if source.is_text else () if isinstance(source.path, dict) else IMAGE_FIELDS
    allowed = {*needed, KEY} if source.is_text else set(needed)
    for field in needed:
        if field not in source.columns:
            return f"columns: {source.task} needs {' and '.join(needed)}, {field} is missing"
    if strange := sorted(set(source.columns) - allowed):
        known = ", ".join(sorted(allowed)) or "none"
        return f"columns: {strange[0]!r} is no field of {source.task}; there are: {known}"
    for field, template in source.columns.items():
        if source.is_text and not template_names(template):
            return f"columns: {field} = {template!r} takes nothing from the file; put a column's name in braces"
        if not source.is_text and template_names(template):
            return f"columns: {field} is just a column's name for images, without braces"
    if array_file and source.where:
        return f"where: {source.files_format} files have no columns to choose rows by"
    if strange := sorted(set(source.extract) - set(source.columns)):
        return f"extract: there is no field {strange[0]!r}; there are: {', '.join(source.columns)}"
    return None


def _option_mistake(source: Source) -> str | None:
    """What is said of texts that is for images, or the other way round."""
    if source.is_text:
        if source.classes is not None:
            return "classes: is for images; give the labels of a text"
        if source.form == "text-label" and not source.labels:
            return f"labels: {source.task} needs them: the answer as the file has it -> the class's name"
        return None
    for key in ("labels", "extract", "unescape"):
        if getattr(source, key):
            return f"{key}: is for texts, but the task is {source.task}"
    return None


def _say_format() -> str:
    return "say format = one of " + ", ".join(get_args(Format))
