"""Knobs: a method's settings as people type them, ``influence:damping=0.1,runs=1``.

A knob is an argument of a method's dataclass, of a simple kind. A name with knobs has one spelling: they are sorted
and their values are written in one way, so that a row's name tells what it is and is found again.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from harness.errors import UserError, plain, said, unknown
from harness.settings import Kinds, Value, expected, settings_of, value_of, written
from harness.types import Method

Given = tuple[tuple[str, str], ...]
"""Knobs with their texts, as typed."""


@dataclass(frozen=True, slots=True)
class Knob:
    """One setting of a method.

    Args:
        kinds: what it takes.
        default: what it is where nothing is typed; a variant's is its own.
        meaning: what the class's docstring says of it under Args.
        example: a value that may be typed, other than the default where there is one at hand.
        rule: of a default that is None, what ``choices`` says of it.
    """

    name: str
    kinds: Kinds
    default: Value
    meaning: str
    example: str
    rule: str = ""


def listed(text: str) -> tuple[str, ...]:
    """The names in a list with commas between them, which stand between knobs too.

    Raises:
        UserError: a knob stands before any method.
    """
    found: list[str] = []
    for piece in (piece.strip() for piece in text.split(",")):
        is_knob = "=" in piece and ":" not in piece.partition("=")[0]
        if is_knob and not found:
            raise UserError(f"{piece!r} names no method; a knob is written METHOD:knob=value.")
        if is_knob:
            found[-1] += f",{piece}"
        elif piece:
            found.append(piece)
    return tuple(found)


def base_of(name: str) -> str:
    """The name without its knobs."""
    return _halves(name)[0]


def split(name: str) -> tuple[str, Given]:
    """A method's name, and the knobs that are typed behind it.

    Raises:
        UserError: what stands there are no knobs, or one stands there twice.
    """
    base, text = _halves(name)
    given: dict[str, str] = {}
    for piece in text.split(",") if text else ():
        knob, sign, value = (part.strip() for part in piece.partition("="))
        if base and knob and not value:
            raise UserError(f"{base}: the knob {plain(knob)} is given no value; write {plain(knob)}=VALUE.")
        if not (base and knob and sign):
            raise UserError(f"{name!r} is no name of a method; knobs are written METHOD:knob=value,knob=value.")
        if knob in given:
            raise UserError(f"{base}: the knob {knob} is given twice, as {given[knob]} and as {value}; give it once.")
        given[knob] = value
    return base, tuple(sorted(given.items()))


def spelt(base: str, given: Given) -> str:
    """The one spelling of a name with these knobs."""
    return f"{base}:{','.join(f'{knob}={value}' for knob, value in given)}" if given else base


def knobs_of(method: Method) -> tuple[Knob, ...]:
    """A method's knobs, in the order of its class."""
    meanings = _meanings(type(method))
    found = []
    for name, kinds in settings_of(type(method)).items():
        if not hasattr(Method, name):  # what a method says about itself in words is no setting
            default = getattr(method, name)
            rule = _rule(method.choices, name) if default is None else ""
            found.append(Knob(name, kinds, default, meanings.get(name, ""), _example(method, name, kinds), rule))
    return tuple(found)


def _example(method: Method, name: str, kinds: Kinds) -> str:
    """A value that the method takes beside what its other settings are."""
    default: Value = getattr(method, name)
    least = [int(kind.range.low) for kind in kinds if math.isfinite(kind.range.low)]
    twice = [2 * low for low in least]  # where two of something take the least each
    for value in (1, 2, 0.5, *least, *twice, *(kind.literal for kind in kinds if kind.is_literal), True, False):
        if value != default and any(kind.fits(value) for kind in kinds):
            with suppress(Exception):  # of checks of its own
                replace(method, **{name: value})  # type: ignore[type-var]
                return written(value)
    return written(default)


def turned(method: Method, base: str, given: Given) -> tuple[Method, str]:
    """The method with these knobs, and its name in the one spelling.

    Raises:
        UserError: it has no such knob, or the knob no such value.
    """
    if not given:
        return method, base
    knobs = {knob.name: knob for knob in knobs_of(method)}
    if not knobs:
        raise UserError(f"{base} has no knobs; leave out {', '.join(f'{knob}={value}' for knob, value in given)}.")
    values = {name: _value(base, name, text, knobs) for name, text in given}
    spelling = spelt(base, tuple((name, written(value)) for name, value in values.items()))
    try:
        return replace(method, **values), spelling  # type: ignore[type-var]
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # of a package's own checks
        raise UserError(f"{spelling}: {said(error) or type(error).__name__}") from error


def _value(base: str, name: str, text: str, knobs: Mapping[str, Knob]) -> Value:
    if name not in knobs:
        raise unknown(f"knob of {base}", name, knobs)
    try:
        value = value_of(text, knobs[name].kinds)
    except ValueError as error:
        raise UserError(f"{base}: {name} must be {expected(knobs[name].kinds)}, got {text!r}.") from error
    if isinstance(value, str) and not value.isprintable():
        raise UserError(f"{base}: {name} must be a text that can be printed, got {value!r}.")
    return value


def _halves(name: str) -> tuple[str, str]:
    """What stands before the knobs, and the knobs' text; they begin behind the last colon before the first ``=``."""
    before, sign, after = name.partition("=")
    if not sign:
        return name.strip(), ""
    base, _, knob = before.rpartition(":")
    return base.strip(), f"{knob}={after}"


def _meanings(cls: type) -> dict[str, str]:
    """What docstrings say under Args, by name; the class's own before those that it extends."""
    found: dict[str, str] = {}
    for base in cls.__mro__:
        section = re.search(r"^Args:\n((?:[ \t]+.*(?:\n|$)|\n)+)", inspect.cleandoc(base.__doc__ or ""), re.MULTILINE)
        for entry in re.split(r"\n(?=    \S)", section[1].rstrip()) if section else ():
            names, _, text = entry.partition(":")
            for name in names.split(","):
                found.setdefault(name.strip(), " ".join(text.split()))
    return found


def _rule(choices: str, name: str) -> str:
    """What of ``choices`` is about one setting: the part between semicolons that begins with its name and a colon."""
    parts = (part.strip() for part in choices.split(";"))
    return next((part.removeprefix(f"{name}:").strip() for part in parts if part.startswith(f"{name}:")), "")
