"""What a method's settings may be, read off their annotations: kinds, ranges, texts that stand for values.

    runs: Annotated[int, at_least(1)] = 3
    damping: Annotated[float, above(0)] | None = None

A setting of a kind that has no text (a mapping, a function) is nobody's knob and is not looked at.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from harness.errors import UserError

Value: TypeAlias = "str | int | float | bool | None"


@dataclass(frozen=True, slots=True)
class Range:
    """Which numbers a setting takes.

    Args:
        low, high: the least and the greatest.
        above: whether the least itself is left out.
    """

    low: float = -math.inf
    high: float = math.inf
    above: bool = False

    def holds(self, number: float) -> bool:
        return (number > self.low if self.above else number >= self.low) and number <= self.high

    def __str__(self) -> str:
        if math.isfinite(self.high):
            high = f"{int(self.high):,}" if float(self.high).is_integer() else f"{self.high:g}"
            return f" {'above' if self.above else 'from'} {self.low:g} to {high}"
        if math.isfinite(self.low):
            return f" {'above' if self.above else 'of at least'} {self.low:g}"
        return ""


def at_least(low: float) -> Range:
    """Numbers from this on."""
    return Range(low)


def above(low: float) -> Range:
    """Numbers beyond this one."""
    return Range(low, above=True)


def between(low: float, high: float) -> Range:
    """Numbers from the one to the other, both included."""
    return Range(low, high)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value that a setting takes.

    Args:
        of: int, float, bool, str, or None's type; of a literal, its own.
        range: which numbers.
        literal: the one value that it stands for, where it stands for one.
    """

    of: type
    range: Range = Range()
    literal: Value = None

    @property
    def is_literal(self) -> bool:
        return self.literal is not None

    def fits(self, value: object) -> bool:
        if self.is_literal:
            return type(value) is self.of and value == self.literal
        if self.of is int:
            return isinstance(value, Integral) and not isinstance(value, bool) and self.range.holds(int(value))
        if self.of is float:
            if not isinstance(value, Real) or isinstance(value, bool):
                return False
            return math.isfinite(value) and self.range.holds(float(value))
        return isinstance(value, self.of)

    def read(self, text: str) -> Value:
        """The value that a text stands for; it may not fit.

        Raises:
            ValueError: it stands for none of this kind.
        """
        if self.is_literal:
            return self.literal if text == written(self.literal) else _refused()
        if self.of is NoneType:
            return None if text == "none" else _refused()
        if self.of is bool:
            return {"true": True, "false": False}[text] if text in ("true", "false") else _refused()
        if self.of is float:
            return float(text) + 0.0  # there is no minus 0
        return int(text) if self.of is int else text

    def __str__(self) -> str:
        if self.is_literal:
            return written(self.literal)
        names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", NoneType: "none"}
        return f"{names[self.of]}{self.range}"


def _refused() -> Value:
    raise ValueError


Kinds: TypeAlias = tuple[Kind, ...]


def expected(kinds: Kinds) -> str:
    """What a setting takes, in words."""
    *others, last = [str(kind) for kind in kinds]
    return f"{', '.join(others)} or {last}" if others else last


def value_of(text: str, kinds: Kinds) -> Value:
    """What a text stands for: of the first kind that it fits.

    Raises:
        ValueError: it fits none.
    """
    for kind in kinds:
        try:
            value = kind.read(text)
        except ValueError:
            continue
        if kind.fits(value):
            return value
    raise ValueError(text)


def written(value: Value) -> str:
    """The text that stands for a value; ``value_of`` gives the value back."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


@cache
def settings_of(cls: type) -> Mapping[str, Kinds]:
    """A dataclass's arguments by name, those of simple kinds."""
    if not is_dataclass(cls):
        return {}
    found = {field.name: _kinds(_annotation(cls, field.name)) for field in fields(cls) if field.init}
    return {name: kinds for name, kinds in found.items() if kinds}


def check(instance: Any) -> None:
    """Refuse settings that their annotations do not allow.

    Raises:
        UserError: it names the first, what was expected and what came.
    """
    cls: type = type(instance)
    for name, kinds in settings_of(cls).items():
        value = getattr(instance, name)
        if not any(kind.fits(value) for kind in kinds):
            raise UserError(f"{cls.__name__}: {name} must be {expected(kinds)}, got {value!r}.")


def _annotation(cls: type, name: str) -> Any:
    """A field's annotation, None where it names what cannot be found."""
    owner = next(base for base in cls.__mro__ if name in vars(base).get("__annotations__", {}))
    noted = vars(owner)["__annotations__"][name]
    if not isinstance(noted, str):
        return noted
    try:  # as ``typing.get_type_hints`` does, but one that cannot be found leaves the others
        return eval(noted, vars(sys.modules[owner.__module__]), dict(vars(owner)))
    except Exception:
        return None


def _kinds(noted: Any) -> Kinds:
    """The kinds of an annotation; none where one of them is not simple."""
    found = tuple(_each(noted, Range()))
    return () if None in found else tuple(dict.fromkeys(kind for kind in found if kind is not None))


def _each(noted: Any, limits: Range) -> Iterator[Kind | None]:
    origin, inner = get_origin(noted), get_args(noted)
    if origin is Annotated:
        ranges = [extra for extra in inner[1:] if isinstance(extra, Range)]
        yield from _each(inner[0], ranges[0] if ranges else limits)
    elif origin in (Union, UnionType):
        for one in inner:
            yield from _each(one, limits)
    elif origin is Literal:
        for value in inner:
            yield Kind(NoneType) if value is None else Kind(type(value), literal=value)
    elif noted in (int, float):
        yield Kind(noted, limits)
    elif noted in (bool, str, NoneType):
        yield Kind(noted)
    else:
        yield None
