"""A valuation in words and tables, the same on every page: what is told, in which order, with which figures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from harness.errors import plain
from harness.report import numbers
from harness.types import LOADED
from harness.valuing.valuation import Outcome, Value

ASKS = {
    "standalone": "what each contributor's data would be worth alone",
    "leave-one-out": "what would be lost without each contributor",
    "shapley": "what each contributor adds on average over all coalitions (its Shapley value)",
}
EXAMPLES = 3
"""Examples of either end that a page shows; all ten are in the JSON."""

LONGEST = 160
"""Characters of an example that a page shows."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a heading each; the first column names, the others are figures where ``right`` says so."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what stands below it.

    Args:
        lines: sentences; loud: those of them that must not be missed.
        table: after the lines.
    """

    title: str
    lines: tuple[str, ...] = ()
    loud: tuple[str, ...] = ()
    table: Table | None = None


def sections(found: Outcome) -> list[Section]:
    """Everything, in order."""
    made = [
        Section("Values", _head(found), table=values_table(found)),
        Section(
            "To look into",
            tuple(one.text for one in found.findings if not one.loud) or ()
            if found.findings
            else ("Nothing stands out.",),
            tuple(one.text for one in found.findings if one.loud),
        ),
        Section("Trust", tuple(found.trust)),
        Section("Audit", _audit(found)),
        Section("What the intervals hold", tuple(found.holds)),
        Section("The bill", (*bill_lines(found), *found.exact)),
        Section("What contributors look like", _look_lines(found), table=looks_table(found)),
    ]
    if found.labels:
        made.append(Section("Labels", table=labels_table(found)))
    made += list(_examples(found))
    return made


def _head(found: Outcome) -> tuple[str, ...]:
    why = (found.why,) if found.why else (f"{found.method} was named.",)
    return (
        f"{len(found.values)} contributors on {found.task}, target of {found.target_rows:,} rows: "
        f"{ASKS[found.question]}, by {found.method}, in units of that method.",
        *why,
        f"Model: {found.model}.",
    )


def _audit(found: Outcome) -> tuple[str, ...]:
    if found.audit is None:
        return ("None was asked: --audit 30 retrains 30 coalitions and says how well the values foretell them.",)
    lines = found.audit.sentences()
    if not found.audit.low > 0 and found.others:
        lines.append(
            f"The leaderboards cannot tell {', '.join(found.others)} from {found.method}; on these data an audit may: "
            f"ask again with --method {found.others[0]}, no coalition is trained twice."
        )
    return tuple(lines)


def values_table(found: Outcome) -> Table:
    """The most valuable first."""
    examples = {one.name: one.examples for one in found.looks}
    marked = {who for one in found.findings if one.kind not in ("reading", "target") for who in (one.who, one.also)}
    rows = tuple(
        (
            ranks(one),
            plain(one.name),
            f"{examples[one.name]:,}",
            figure(one.value),
            interval(one.low, one.high),
            percent(one.share),
            "look" if one.name in marked else "",
        )
        for one in found.ordered
    )
    return Table(("rank", "contributor", "examples", "value", "95 % interval", "share", ""), rows, (2, 3, 4, 5))


def looks_table(found: Outcome) -> Table:
    """In the order of values."""
    looks = {one.name: one for one in found.looks}
    rows = []
    for one in (looks[value.name] for value in found.ordered):
        rows.append(
            (
                plain(one.name),
                one.side,
                f"{one.examples:,}" + (f" of {one.read:,}" if one.read != one.examples else ""),
                f"{one.within:,}",
                f"{one.elsewhere:,}" + (f" ({plain(one.shared_with[0][0])})" if one.shared_with else ""),
                f"{one.leaked:,}",
                f"{one.distance:.3f}" if math.isfinite(one.distance) else numbers.NONE,
                f"{one.off_target:.0%}",
                f"{one.disagree:.0%}" if found.labels else f"{one.loss:.2f}",
            )
        )
    last = "contradicted" if found.labels else "loss"
    columns = ("contributor", "side", "examples", "repeats", "in others", "in target", "distance", "far", last)
    return Table(columns, tuple(rows), tuple(range(2, 9)))


def _look_lines(found: Outcome) -> tuple[str, ...]:
    last = (
        "contradicted: answered otherwise by a model trained on half of the contributors and not on these (which is "
        f"right on {found.crossed:.0%} of the target)"
        if found.labels
        else "loss: of a model trained on half of the contributors and not on these, nats a token"
    )
    return (
        "repeats: examples that nearly stand earlier in the same files; in others, in target: nearly the same ones "
        "there (Jaccard of word pairs of 0.7 or more; equal pixels); distance: MMD to the target on features before "
        f"training; far: farther from the target than 99 % of it from itself; {last}.",
    )


def labels_table(found: Outcome) -> Table:
    shown = found.labels[:8]
    rows = tuple(
        (plain(one.name), *(f"{one.labels[k]:.0%}" for k in range(len(shown))), f"{one.label_distance:.0%}")
        for one in found.looks
    )
    return Table(("contributor", *map(plain, shown), "unlike the target's"), rows, tuple(range(1, len(shown) + 2)))


def _examples(found: Outcome) -> Iterator[Section]:
    """Of each contributor the ends and what is unusual, a few of each."""
    unusual = {one.name: rows for one, rows in zip(found.looks, found.unusual, strict=True)}
    for value in found.ordered:
        rows = [
            *(("most valuable", *_told(row)) for row in value.best[:EXAMPLES]),
            *(("least valuable", *_told(row)) for row in value.worst[:EXAMPLES]),
            *(("unusual", *_told(row)) for row in unusual[value.name][:EXAMPLES]),
        ]
        yield Section(
            f"Examples of {plain(value.name)}",
            table=Table(("", "example", "answer", "place", "figure"), tuple(rows), (4,)),
        )


def _told(row: tuple[str, str, str, float]) -> tuple[str, str, str, str]:
    text, answer, place, number = row
    return short(text), short(answer), plain(place), figure(number)


def short(text: str) -> str:
    """One line of an example."""
    line = plain(" ".join(text.split()))
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def bill_lines(found: Outcome) -> tuple[str, ...]:
    """What was spent."""
    bill = found.bill
    loaded = f" Others kept {bill.load:.0%} of the machine busy meanwhile." if bill.load > LOADED else ""
    return (
        f"{found.method} on the whole target: {bill.method.seconds:.1f} s, {bill.method.retrainings:,.3g} retrainings, "
        f"{bill.method.gradient_passes:,.3g} gradient passes, about {numbers.hours(bill.gpu_hours)} GPU-hours on "
        f"{bill.gpu}. On parts of it: {bill.parts.seconds:.1f} s, where trainings that were there already are billed "
        f"again at their first price. All of it took {bill.wall:.0f} s here, "
        f"looks{' and audit' if found.audit else ''} "
        f"included, reading apart.{loaded}",
    )


def ranks(one: Value) -> str:
    return f"{one.rank_low}" if one.rank_low == one.rank_high else f"{one.rank_low}–{one.rank_high}"


def figure(value: float) -> str:
    return numbers.NONE if math.isnan(value) else f"{value:.3g}"


def interval(low: float, high: float) -> str:
    return numbers.NONE if math.isnan(low) else f"[{low:.2g}, {high:.2g}]"


def percent(share: float) -> str:
    return numbers.NONE if math.isnan(share) else f"{round(share, 2) + 0.0:.0%}"  # there is no minus 0
