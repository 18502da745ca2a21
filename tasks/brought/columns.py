"""What a file's columns mean: told by the user, or found by their names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from harness.errors import UserError, unknown
from harness.types import Form
from tasks.sources.description import template_names

Names = Mapping[str, tuple[str, ...]]
"""Field -> what its column may be called, the likeliest first."""

TEXT = ("text", "review", "sentence", "content", "comment", "message", "tweet", "document", "body", "prompt", "input")
LABEL = (
    "label",
    "labels",
    "sentiment",
    "rating",
    "stars",
    "score",
    "class",
    "category",
    "polarity",
    "target",
    "answer",
)
PROMPT = ("prompt", "instruction", "question", "query", "problem", "task", "input", "text")
ANSWER = ("answer", "response", "output", "completion", "solution", "reply", "chosen", "target")
OWNER = ("contributor", "vendor", "owner", "provider", "supplier", "seller", "source")
SIDE = ("side", "real", "is_real", "synthetic", "is_synthetic", "generated", "is_generated")

NAMES: Mapping[Form, Names] = {
    "text-label": {"prompt": TEXT, "answer": LABEL},
    "text-response": {"prompt": PROMPT, "answer": ANSWER},
    "image-label": {
        "image": ("image", "images", "img", "picture", "pixels", "x"),
        "label": ("label", "labels", "class", "y", "target"),
    },
}
CONTEXT = ("input", "context")
"""What stands beside an instruction or a question and belongs to it, where a file has both."""

SPOKEN: Mapping[Form, Mapping[str, str]] = {
    "text-label": {"text": "prompt", "label": "answer", "prompt": "prompt", "answer": "answer"},
    "text-response": {"prompt": "prompt", "answer": "answer", "text": "prompt", "response": "answer"},
    "image-label": {"image": "image", "label": "label"},
}
"""What people call a field -> what descriptions of sources call it."""


def told(form: Form, columns: Mapping[str, str]) -> dict[str, str]:
    """The user's fields by the names of descriptions.

    Raises:
        UserError: there is no such field.
    """
    known = {**SPOKEN[form], "contributor": "contributor", "side": "side"}
    for field in columns:
        if field not in known:
            raise unknown("field of --columns", field, known)
    return {known[field]: column for field, column in columns.items()}


def find(form: Form, told: Mapping[str, str], columns: Sequence[str], shown: str) -> dict[str, str]:
    """Field -> the column (images) or template (texts) that it is read from.

    Args:
        told: as the function of that name gives it.
        columns: that the file has.
        shown: the file's name in errors.

    Raises:
        UserError: a field is not told and no column has a name that it is known by, or several columns have.
    """
    found = {}
    for field, names in NAMES[form].items():
        column = told.get(field) or named(names, [c for c in columns if c not in told.values()])
        if column is None:
            raise UserError(
                f"{shown}: no column is called as {_spoken(form, field)} usually is ({', '.join(names[:4])}, ...); it "
                f"has {', '.join(columns)}. Say which one it is: --columns {_spoken(form, field)}=COLUMN."
            )
        if form != "image-label" and not template_names(column):
            column = f"{{{column}}}"
        found[field] = column
    if form == "text-response" and "prompt" not in told:
        for extra in CONTEXT:
            matching = named((extra,), columns)
            if matching and matching not in template_names(found["prompt"]) and matching not in told.values():
                found["prompt"] += f"\n{{{matching}}}"
    if len(set(found.values())) < len(found):
        twice = " and ".join(_spoken(form, field) for field in found)
        column = next(iter(found.values())).removeprefix("{").removesuffix("}")
        raise UserError(f"{shown}: the column {column!r} cannot be {twice} at once; say with --columns which is which.")
    return found


def held(told: Mapping[str, str], columns: Sequence[str]) -> dict[str, str]:
    """Of what is told, the fields whose columns a file has; of the others its own names tell."""
    return {field: given for field, given in told.items() if set(_columns_of(given)) <= set(columns)}


def demand(told: Mapping[str, str], files: Mapping[str, Sequence[str]]) -> None:
    """That every column that is told stands in a file.

    Args:
        files: as errors call them -> their columns.

    Raises:
        UserError: one does not.
    """
    for given in told.values():
        wanted = set(_columns_of(given))
        if files and not any(wanted <= set(columns) for columns in files.values()):
            shown, columns = next(iter(files.items()))
            raise UserError(
                f"--columns: no file has {' and '.join(map(repr, sorted(wanted)))} for a column; {shown} has "
                f"{', '.join(columns)}."
            )


def _columns_of(given: str) -> list[str]:
    """Of a column or template, the columns themselves: ``"{a}: {b[0]}"`` -> ``["a", "b"]``."""
    return [name.partition("[")[0] for name in template_names(given)] or [given]


def owner_column(told: Mapping[str, str], columns: Sequence[str]) -> str | None:
    """The column that names contributors, None where there is none."""
    return told.get("contributor") or named(OWNER, columns)


def side_column(told: Mapping[str, str], columns: Sequence[str]) -> str | None:
    """The column that tells real from synthetic, None where there is none."""
    return told.get("side") or named(SIDE, columns)


def is_real(value: str, column: str) -> bool | None:
    """What a value of such a column says; None where it says neither."""
    word = value.strip().casefold()
    if word in ("real", "human", "natural"):
        return True
    if word in ("synthetic", "generated", "model", "machine"):
        return False
    of_synthetic = re.search("synth|generat", column.casefold()) is not None
    if word in ("true", "yes", "1"):
        return not of_synthetic
    return of_synthetic if word in ("false", "no", "0") else None


def named(names: Sequence[str], columns: Sequence[str]) -> str | None:
    """The column with the likeliest name; case and separators do not matter."""
    plain = {re.sub(r"[\s_\-]+", "_", column.strip().casefold()): column for column in reversed(columns)}
    return next((plain[name] for name in names if name in plain), None)


def _spoken(form: Form, field: str) -> str:
    return next(name for name, known in SPOKEN[form].items() if known == field)
