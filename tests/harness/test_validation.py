"""A mistake in a file is told in the same words whichever file it is in."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from harness.errors import UserError
from harness.validation import Place, first_mistake


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    rate: float = 1.0


class Outer(BaseModel):
    name: str
    inner: Inner = Inner()
    size: int = 1

    @field_validator("size")
    @classmethod
    def _even(cls, size: int) -> int:
        if size % 2 == 0 and size:
            raise ValueError(f"expected an odd size, got {size}.")
        return size

    @model_validator(mode="after")
    def _fits(self) -> Outer:
        if not self.size:
            raise ValueError("nothing fits")
        return self


def no_key(place: Place) -> UserError:
    return UserError(f"No key {'/'.join(map(str, place))}.")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({}, "name: Field required."),
        ({"name": "x", "size": 4}, "size: expected an odd size, got 4."),
        ({"name": "x", "size": 0}, "nothing fits."),
        ({"name": "x", "inner": {"rate": []}}, "inner.rate: Input should be a valid number, got []."),
        ({"name": "x", "inner": {"rat": 1}}, "No key inner/rat."),
    ],
)
def test_the_key_what_was_expected_and_what_came(content: dict[str, object], expected: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(content)
    assert first_mistake(caught.value, no_key) == expected
