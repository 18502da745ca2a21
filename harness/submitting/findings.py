"""What a check found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One check.

    Args:
        check: what was looked at, in a word or two.
        told: what was held against what, in a sentence.
        against: why the results may not be merged, a sentence each; empty where nothing speaks against it.
    """

    check: str
    told: str
    against: tuple[str, ...] = ()


def finding(check: str, told: str, against: Iterable[str]) -> Finding:
    """With each reason once, in the order found."""
    return Finding(check, told, tuple(dict.fromkeys(against)))
