"""Fields of records, checked as they are read: one finite number a contributor, costs that are costs, known names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from harness.types import LARGEST_VALUE, QUESTIONS, Cost

SINCE_FORMAT_3 = {"forward_passes", "bytes_moved", "launches", "load"}
"""What costs did not say before."""

COSTS = frozenset(field.name for field in fields(Cost))

COUNTED = ("flops", "bytes_moved", "launches")
"""What of a cost is undefined where nothing was counted."""

Values = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """A method's answer as the ledger keeps it."""

    values: Values
    cost: Cost
    run: str


def kept_answer(content: Mapping[str, Any], contributors: int) -> KeptAnswer:
    """An answer from its JSON; whose answer it is, ``of``, stands there for ``publish``.

    Raises:
        ValueError: it is none, or not about so many contributors.
    """
    if {*content} - {"of"} != {"values", "cost", "run"}:
        raise ValueError(f"expected values, cost and run, got {', '.join(sorted(map(str, content)))}")
    values = values_of(content["values"])
    if not values:
        raise ValueError("expected values, got none")
    check_width(values, contributors)
    return KeptAnswer(values, cost_of(content["cost"]), text_of(content["run"], "run"))


def kept_runs(content: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Provenance by run from its JSON."""
    return {text_of(name, "run"): mapping_of(origin, "provenance") for name, origin in content.items()}


def check_answer(status: str, values: Values) -> None:
    """What was answered has values, what was not has none."""
    if (status == "ok") != bool(values):
        expected = "values" if status == "ok" else "no values"
        raise ValueError(f"status {status!r} goes with {expected}, got {len(values)} repeats")


def check_width(values: Values, contributors: int) -> None:
    if values and len(values[0]) != contributors:
        raise ValueError(f"values: expected one number for each of {contributors} contributors, got {len(values[0])}")


def values_of(content: object) -> Values:
    """Repeats x contributors, all finite and small enough for their squares to be so."""
    rows = sequence_of(content, "values")
    found = tuple(_numbers(row, f"values, repeat {k + 1}") for k, row in enumerate(rows))
    for k, row in enumerate(found):
        if not row or len(row) != len(found[0]):
            raise ValueError(f"values, repeat {k + 1}: expected as many numbers as in repeat 1, got {len(row)}")
        if max(row) > LARGEST_VALUE or min(row) < -LARGEST_VALUE:
            raise ValueError(
                f"values, repeat {k + 1}: expected numbers up to {LARGEST_VALUE:g}, got {max(row, key=abs)}"
            )
    return found


def cost_of(content: object) -> Cost:
    given = mapping_of(content, "cost")
    if not COSTS - SINCE_FORMAT_3 <= given.keys() <= COSTS:
        raise ValueError(f"cost: expected {', '.join(sorted(COSTS))}, got {', '.join(sorted(given)) or 'nothing'}")
    for name, value in given.items():
        if value is None and name in COUNTED:
            given[name] = math.nan
        elif type(value) is not float or not math.isfinite(value):
            _number(value, f"cost, {name}")
        if given[name] < 0:
            raise ValueError(f"cost, {name}: expected no less than 0, got {value}")
    return Cost(**given)


def features_of(content: object, contributors: int) -> dict[str, tuple[float | None, ...]]:
    """One number, or None, a contributor."""
    found = {}
    for name, row in mapping_of(content, "features").items():
        numbers = sequence_of(row, f"feature {name}")
        if len(numbers) != contributors:
            raise ValueError(f"feature {name}: expected {contributors} numbers, one a contributor, got {len(numbers)}")
        found[name] = tuple(None if n is None else _number(n, f"feature {name}") for n in numbers)
    return found


def names_of(content: object) -> tuple[str, ...]:
    """Names of contributors."""
    names = tuple(text_of(name, "contributors") for name in sequence_of(content, "contributors"))
    if len(names) < 2 or len(set(names)) != len(names):
        raise ValueError(f"contributors: expected two or more distinct names, got {list(names)}")
    return names


def planted_of(content: object, contributors: int) -> tuple[Mapping[str, Any], ...]:
    rows = tuple(mapping_of(row, "planted") for row in sequence_of(content, "planted"))
    if len(rows) != contributors:
        raise ValueError(f"planted: expected one entry for each of {contributors} contributors, got {len(rows)}")
    return rows


def undefined_or_number(content: object, name: str) -> float:
    """A number, nan for null."""
    return math.nan if content is None else _number(content, name)


def index_of(content: object, name: str) -> int:
    if not isinstance(content, int) or isinstance(content, bool) or content < 0:
        raise ValueError(f"{name}: expected a number from 0, got {content!r}")
    return content


def text_of(content: object, name: str) -> str:
    if not isinstance(content, str):
        raise ValueError(f"{name}: expected text, got {content!r}")
    return content


def one_of(content: object, name: str, known: Sequence[str]) -> str:
    if content not in known:
        raise ValueError(f"{name}: expected one of {', '.join(known)}, got {content!r}")
    return str(content)


def question_of(content: object) -> str:
    return one_of(content, "question", QUESTIONS)


def texts_of(content: object, name: str) -> dict[str, str]:
    return {key: text_of(item, name) for key, item in mapping_of(content, name).items()}


def counts_of(content: object, name: str) -> dict[str, float]:
    """Names with numbers of 0 or more."""
    found = {key: _number(value, name) for key, value in mapping_of(content, name).items()}
    if any(value < 0 for value in found.values()):
        raise ValueError(f"{name}: expected counts of 0 or more, got {found}")
    return found


def mapping_of(content: object, name: str) -> dict[str, Any]:
    if not isinstance(content, Mapping) or not set(map(type, content)) <= {str}:
        raise ValueError(f"{name}: expected names with values, got {content!r}")
    return dict(content)


def sequence_of(content: object, name: str) -> Sequence[Any]:
    if not isinstance(content, list | tuple):
        raise ValueError(f"{name}: expected a list, got {content!r}")
    return content


def _numbers(content: object, name: str) -> tuple[float, ...]:
    """Finite ones; of a row of plain floats, as nearly all of a suite's millions are, none is asked by itself."""
    numbers = sequence_of(content, name)
    if set(map(type, numbers)) == {float} and math.isfinite(sum(numbers)):
        return tuple(numbers)
    return tuple(_number(number, name) for number in numbers)


def _number(content: object, name: str) -> float:
    if not isinstance(content, int | float) or isinstance(content, bool):
        raise ValueError(f"{name}: expected a number, got {content!r}")
    try:
        finite = math.isfinite(content)
    except OverflowError:  # a whole number of hundreds of digits
        finite = False
    if not finite:
        raise ValueError(f"{name}: expected a finite number, got {str(content)[:30]}")
    return content
