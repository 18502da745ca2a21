"""How two leaderboards of one suite differ: scores, states and rows; costs as one ratio."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.report.leaderboard_csv import number, read
from harness.report.phrases import NAMED, counted, some
from harness.report.view import TRUTH, Cell

SAME = 1e-6
"""Scores are the same where they differ by no more. A score is a mean of rank correlations, so that a difference that
is one is larger by far."""
DIGITS = 2e-6
"""The same for scores that were read from leaderboard.csv, which has six digits."""
Key = tuple[str, str, str]
"""Task, question, method."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is compared of a row.

    Args:
        score: the method's Spearman, of the truth its reliability; nan where there is none.
        low, high: the 95 % interval of a method's score; nan where there is none.
        state: ``ok``, ``failed``, ``unsuitable``, or ``undefined`` where it was answered and has no score.
    """

    score: float
    state: str
    seconds: float
    low: float = math.nan
    high: float = math.nan


Entries = Mapping[Key, Entry]


def entries(cells: Iterable[Cell]) -> dict[Key, Entry]:
    """The cells of a view, to be compared."""
    return {
        (cell.task, cell.question, cell.method): _entry(
            cell.status, cell.reliability if cell.is_truth else cell.spearman, cell.cost.seconds, cell.low, cell.high
        )
        for cell in cells
    }


def entries_of_csv(text: str) -> dict[Key, Entry]:
    """The rows of a leaderboard.csv, to be compared.

    Raises:
        KeyError, ValueError: it is none.
    """
    found = {}
    for row in read(text):
        reliability = "reliability" if "reliability" in row else "ceiling"  # as older versions called it
        score = row[reliability] if row["method"] == TRUTH else row["spearman"]
        key = row["task"], row["question"], row["method"]
        found[key] = _entry(row["status"], *map(number, (score, row["seconds"], row["low"], row["high"])))
    return found


def _entry(status: str, score: float, seconds: float, low: float, high: float) -> Entry:
    return Entry(score, status if status != "ok" or math.isfinite(score) else "undefined", seconds, low, high)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How ``new`` differs from ``old``.

    Args:
        common: rows that both have.
        gone, added: rows that only the old or only the new one has.
        states: rows whose state changed, with both.
        changed: rows whose score differs, with both, the largest difference first.
        judged, outside: of these how many had an interval before, and which lie outside of it now.
        slower: seconds of all common rows together, new over old; nan where they took none.
    """

    common: int
    gone: tuple[Key, ...]
    added: tuple[Key, ...]
    states: tuple[tuple[Key, str, str], ...]
    changed: tuple[tuple[Key, float, float], ...]
    judged: int
    outside: tuple[Key, ...]
    slower: float

    @property
    def same(self) -> bool:
        """Whether both tell the same, costs aside."""
        return not (self.gone or self.added or self.states or self.changed)


def compare(old: Entries, new: Entries, tolerance: float = SAME) -> Comparison:
    """Every row of two leaderboards."""
    common = [key for key in old if key in new]
    both = {key: (old[key].score, new[key].score) for key in common if old[key].state == new[key].state == "ok"}
    changed = [(key, was, now) for key, (was, now) in both.items() if abs(now - was) > tolerance]
    changed.sort(key=lambda one: -abs(one[2] - one[1]))
    judged = [(key, now) for key, _, now in changed if math.isfinite(old[key].low)]
    timed = [key for key in common if math.isfinite(old[key].seconds + new[key].seconds)]
    before = sum(old[key].seconds for key in timed)
    return Comparison(
        common=len(common),
        gone=tuple(key for key in old if key not in new),
        added=tuple(key for key in new if key not in old),
        states=tuple((k, old[k].state, new[k].state) for k in common if old[k].state != new[k].state),
        changed=tuple(changed),
        judged=len(judged),
        outside=tuple(key for key, now in judged if not old[key].low <= now <= old[key].high),
        slower=sum(new[key].seconds for key in timed) / before if before > 0 else math.nan,
    )


def sentences(found: Comparison, old: str = "published", new: str = "here") -> list[str]:
    """What differs, a line each; ``old`` and ``new`` name the two."""
    lines = []
    if found.changed:
        (key, was, now), more = found.changed[0], len(found.changed) - 1
        what = "the truth's reliability" if key[2] == TRUTH else key[2]
        others = f"; {more} more differ by less" if more else ""
        lines.append(
            f"Largest difference of any score: {abs(now - was):.2g}, {what} on {key[0]}, {key[1]} "
            f"({was:.3f} {old}, {now:.3f} {new}){others}."
        )
        lines.append(_judgement(found, old))
    for key, before, after in found.states[:NAMED]:
        lines.append(f"{_row(key)}: {before} {old}, {after} {new}.")
    if len(found.states) > NAMED:
        lines.append(f"{len(found.states) - NAMED} more rows changed between answered and not.")
    for keys, where in ((found.gone, old), (found.added, new)):
        if keys:
            lines.append(f"Only {where}: {_rows(keys)}.")
    return lines


def _judgement(found: Comparison, old: str) -> str:
    """Whether a difference is one to look into."""
    why = (
        "The same pools and seeds give the same scores with the same packages on the same kind of processor; elsewhere "
        "training carries rounding on."
    )
    if found.outside:
        return f"Look into it: outside of the {old} 95 % interval lie {_rows(found.outside)}. {why}"
    if not found.judged:
        return f"No {old} interval tells how much that is. {why}"
    return f"That is little: every method's score that differs lies within its {old} 95 % interval. {why}"


def summary(found: Comparison, new: str) -> list[str]:
    """A comparison with what is published, a line each; ``new`` names the other side."""
    lines = sentences(found, new=new)
    if found.changed or found.states or not found.common:
        return lines
    every = "all" if found.same else "the"
    return [f"Same scores as published, in {every} {found.common} rows that both have.", *lines]


def _row(key: Key) -> str:
    return f"{key[2]} on {key[0]}, {key[1]}"


def _rows(keys: tuple[Key, ...]) -> str:
    return f"{counted(len(keys), 'row')} ({some([_row(key) for key in keys])})"
