"""An outcome as JSON, and back: what is kept of a valuation draws all of its pages again."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from harness.errors import UserError
from harness.valuing.valuation import Outcome

MARK = "values of dataworth, format"
"""Stands in the JSON file, and tells a folder of ours."""

FORMAT = f"{MARK} 2"


def to_json(found: Outcome) -> str:
    """Everything, undefined as null."""
    content = {"format": FORMAT, **_plain(found)}
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read(file: Path) -> Outcome:
    """What ``to_json`` wrote.

    Raises:
        UserError: the file cannot be read, or holds something else.
    """
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, Mapping) or content.get("format") != FORMAT:
            raise ValueError(f"{FORMAT!r} does not stand at its head")
        found = _typed({name: value for name, value in content.items() if name != "format"}, Outcome)
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{file} does not hold the values of a valuation: {error}. Value the data again.") from error
    assert isinstance(found, Outcome)
    return found


def _plain(found: object) -> Any:
    """Dataclasses as JSON has them."""
    if dataclasses.is_dataclass(found) and not isinstance(found, type):
        return {one.name: _plain(getattr(found, one.name)) for one in dataclasses.fields(found)}
    if isinstance(found, list | tuple):
        return [_plain(value) for value in found]
    if isinstance(found, float):
        return found if math.isfinite(found) else None
    return found


def _typed(found: Any, kind: Any) -> object:
    """What ``_plain`` made of something of this kind, as it was.

    Raises:
        TypeError, ValueError: it is of another kind.
    """
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        return kind(**{name: _typed(value, hints[name]) for name, value in dict(found).items() if name in hints})
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        kinds = kinds[:1] * len(found) if kinds[1:] == (...,) else kinds
        return tuple(_typed(value, one) for value, one in zip(found, kinds, strict=True))
    if get_origin(kind) is UnionType:
        (other,) = (one for one in get_args(kind) if one is not NoneType)
        return None if found is None else _typed(found, other)
    if kind is float:
        if found is None:
            return math.nan
        kind = float | int
    elif get_origin(kind) is Literal:
        kind = str
    if not isinstance(found, kind):
        raise TypeError(f"{found!r} stands where {kind} is expected")
    return found
