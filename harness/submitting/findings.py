"""What a check found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """One check.

    Args:
        check: what was looked at, in a word or two.
        told: what was held against what, in a sentence.
        against: why the results may not be merged, a sentence each; empty where nothing speaks against it.
        done: False of what was spared, since other checks speak against the results already.
    """

    check: str
    told: str
    against: tuple[str, ...] = ()
    done: bool = True

    @property
    def status(self) -> Literal["ok", "refused", "not done"]:
        if not self.done:
            return "not done"
        return "refused" if self.against else "ok"


def finding(check: str, told: str, against: Iterable[str]) -> Finding:
    """With each reason once, in the order found."""
    return Finding(check, told, tuple(dict.fromkeys(against)))
