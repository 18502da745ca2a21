"""A data set's description: one TOML file says where its rows are and what they mean."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, field_validator, model_validator

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
Format = Literal["jsonl", "json", "csv", "tsv", "parquet", "idx.gz", "npy", "npz", "images"]

SUFFIXES: Mapping[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".npz": "npz",
    ".npy": "npy",
    "-ubyte": "idx.gz",
    ".idx": "idx.gz",
}
"""How a file's name ends, a trailing ``.gz`` apart -> its format."""

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
"""How the names of single pictures end, in any case."""

SEPARATED = ("csv", "tsv")
IN_TEXT = (*SEPARATED, "json", "jsonl")
"""Formats whose files are text, in some encoding."""

PAIRED = ("idx.gz", "npy")
"""Formats that hold one array a file: images and labels are two files."""

MOST_PIXELS = 1_024
"""A side; pictures are held in memory."""

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
        path: beside the description, or else in the data folder. A glob is allowed, and a list of paths; idx and npy
            files are two: ``{images = "...", labels = "..."}``. Pictures (``photos/*/*.png``) are of the class that
            their folder is called after.
        hub: a data set's name on the hub, in place of a path; with its ``config``, ``split`` and ``revision``.
        streaming: fetch only the rows that ``limit`` asks for, not the whole data set (hub only).
        format: of the files; found from how their names end where it is left out.
        separator: between the values of a row, in place of CSV's comma and TSV's tab.
        encoding: of text files, by Python's name of it; UTF-8, with or without a byte order mark, where it is left out.
        inside: the name under which a JSON file that is one object has its list of rows.
        columns: for texts ``prompt`` and ``answer``, each a template over the file's columns such as
            ``"{instruction}\\n{input}"`` (``"{turns[0][text]}"`` reaches into lists and tables), and perhaps ``key``:
            what two rows must share to be the same question, the prompt where it is left out. For images ``image``
            and ``label``, each the name of a column (npz: of an array); idx and npy files and pictures need none.
        labels: the answer as the file has it -> the class's name; other answers are a mistake. Images need none: whole
            numbers are classes by themselves, and words are the names of classes.
        classes: how many classes there are, of images whose labels are numbers; the highest + 1 where it is left out.
        pixels: cut pictures to their middle square, and bring that to so many pixels a side.
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
    path: str | Annotated[tuple[str, ...], Field(min_length=1)] | dict[str, str] | None = None
    hub: str | None = None
    config: str | None = None
    split: str | None = None
    revision: str | None = None
    streaming: bool = False
    format: Format | None = None
    separator: str | None = Field(default=None, min_length=1, max_length=1)
    encoding: str | None = None
    inside: str | None = Field(default=None, min_length=1)
    columns: dict[str, str] = {}
    labels: dict[str, str] = {}
    classes: int | None = Field(default=None, gt=1)
    pixels: int | None = Field(default=None, gt=0, le=MOST_PIXELS)
    where: dict[str, str | tuple[str, ...]] = {}
    extract: dict[str, str] = {}
    unescape: bool = False
    limit: int | None = Field(default=None, gt=0)
    _home: Path | None = PrivateAttr(default=None)

    @property
    def home(self) -> Path | None:
        """The folder of the file that says all this, where a person wrote one; beside the catalogue's lies nothing."""
        return self._home

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
        found = format_of(self.first_path) or picture_format(self.first_path)
        assert found is not None, "checked when the description was made"
        return found

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path or glob that rows are read from, but for files that belong together in twos."""
        return () if isinstance(self.path, dict | None) else (self.path,) if isinstance(self.path, str) else self.path

    @property
    def first_path(self) -> str:
        """The first path, that of the images where there are two."""
        return self.path.get("images", "") if isinstance(self.path, dict) else next(iter(self.paths), "")

    @property
    def where_from(self) -> str:
        """Its paths as errors name them."""
        return self.first_path + (f" and {len(self.paths) - 1} more" if len(self.paths) > 1 else "")

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, encoding: str | None) -> str | None:
        try:
            "a".encode(encoding or "utf-8")
        except LookupError as error:
            raise ValueError(
                f"{encoding!r} is none that Python knows; utf-8, utf-16 and cp1252 are usual ones"
            ) from error
        return encoding

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


def picture_format(path: str) -> Format | None:
    """``images`` where a name is that of a picture."""
    return "images" if PurePosixPath(path).suffix.lower() in IMAGE_SUFFIXES else None


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
    except FileNotFoundError as error:
        raise UserError(
            f"Cannot read the data source {given}: there is no such file, seen from {Path.cwd()}. Name a description "
            "that is there, or write one: dataworth describe FILE."
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"Cannot read the data source {given}: {error}.") from error
    return source_from({"name": given.stem, **content}, str(given), given.parent if given.parent != CATALOGUE else None)


def catalogue() -> dict[str, Path]:
    """The descriptions that come with the package, by name."""
    return {file.stem: file for file in sorted(CATALOGUE.glob("*.toml"))}


def source_from(content: Mapping[str, object], where: str, home: Path | None) -> Source:
    """A description from its keys.

    Args:
        where: they come from, for errors.
        home: the folder that its paths are first looked for in.

    Raises:
        UserError: it says something unfit; it names the key.
    """
    try:
        found = Source.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{where}: {first_mistake(error, _unknown_key)}") from error
    found._home = home
    return found


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
        for key in ("format", "separator", "encoding", "inside"):
            if getattr(source, key) is not None:
                return f"{key}: is for files; the hub knows its own"
        if source.streaming and source.limit is None:
            return "streaming: needs a limit, the rows to fetch"
        return None
    for key in ("config", "split", "revision", "streaming"):
        if getattr(source, key):
            return f"{key}: is for the hub, but this source has a path"
    if isinstance(source.path, dict) and set(source.path) != {"images", "labels"}:
        return f"path: two files are given as images and labels, got {', '.join(sorted(source.path)) or 'none'}"
    if source.format is None:
        ends = {path: format_of(path) or picture_format(path) for path in source.paths or [source.first_path]}
        for path, end in ends.items():
            if end is None:
                return f"path: cannot tell the format of {path!r} from its end; {_say_format()}"
        if len(found := sorted({str(end) for end in ends.values()})) > 1:
            return f"path: files of one source have one format, got {' and '.join(found)}"
    if (source.files_format in PAIRED) != isinstance(source.path, dict):
        return "path: idx and npy files are given as {images = ..., labels = ...}, and only they"
    for key, formats in (("separator", SEPARATED), ("encoding", IN_TEXT), ("inside", ("json",))):
        if getattr(source, key) is not None and source.files_format not in formats:
            return f"{key}: is for {', '.join(formats)}, and the files are {source.files_format}"
    return None


def _column_mistake(source: Source) -> str | None:
    """What is wrong with the fields."""
    array_file = source.path is not None and source.files_format in (*PAIRED, "npz", "images")
    if source.is_text and array_file:
        return f"format: {source.files_format} holds images, but the task is {source.task}"
    is_told = source.path is not None and source.files_format in (*PAIRED, "images")
    needed = TEXT_FIELDS if source.is_text else () if is_told else IMAGE_FIELDS
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
        if source.pixels is not None:
            return f"pixels: is for images, but the task is {source.task}"
        if source.form == "text-label" and not source.labels:
            return f"labels: {source.task} needs them: the answer as the file has it -> the class's name"
        return None
    for key in ("extract", "unescape"):
        if getattr(source, key):
            return f"{key}: is for texts, but the task is {source.task}"
    if source.classes is not None and source.labels:
        return "classes: is for labels that are numbers; where labels have names, these are the classes"
    if source.pixels is not None and source.path is not None and source.files_format in (*PAIRED, "npz"):
        return f"pixels: is for pictures, and {source.files_format} holds arrays, which have one size"
    return None


def _say_format() -> str:
    return "say format = one of " + ", ".join(get_args(Format))
