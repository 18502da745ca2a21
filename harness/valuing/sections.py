"""A valuation in words and tables, the same on every page: what is told, in which order, with which figures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from harness.errors import plain
from harness.report import numbers
from harness.types import LOADED
from harness.valuing.choosing import some
from harness.valuing.valuation import Outcome, Value

ASKS = {
    "standalone": "what each contributor's data would be worth alone",
    "leave-one-out": "what would be lost without each contributor",
    "shapley": "what each contributor adds on average over all coalitions (its Shapley value)",
}
WARNINGS, VALUES, AUDIT = "Warnings", "Values", "Audit"
"""Sections that pages draw in ways of their own."""

EXAMPLES = 3
"""Examples of either end that Markdown shows; HTML and JSON have all ten."""

FINDINGS = 8
"""Findings of one kind that are told each; beyond, names alone."""

NAMED = 12
"""Contributors that a sentence names."""

LONGEST = 160
"""Characters of an example that a page shows."""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a heading each.

    Args:
        right: columns of figures.
        names: the column that says what a row is about.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[int, ...] = ()
    names: int = 0


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
    """Everything, in order; what values cannot be read without comes first."""
    warnings, others = _told_findings(found, loud=True), _told_findings(found, loud=False)
    made = [
        *([Section(WARNINGS, loud=warnings)] if warnings else []),
        Section(VALUES, head(found), table=values_table(found)),
        Section("To look into", others or (() if warnings else ("Nothing stands out.",))),
        Section("Trust", tuple(found.trust)),
        Section(AUDIT, audit_lines(found)),
        Section("What the intervals hold", tuple(found.holds)),
        Section("The bill", (*bill_lines(found), *found.exact)),
        Section("What contributors look like", _look_lines(found), table=looks_table(found)),
    ]
    if found.labels:
        made.append(Section("Labels", table=labels_table(found)))
    made += [Section(f"Examples of {plain(name)}", table=table) for name, table in examples(found, EXAMPLES)]
    return [one for one in made if one.lines or one.loud or one.table]


def _told_findings(found: Outcome, loud: bool) -> tuple[str, ...]:
    """A sentence each, and of many of one kind the first few with the names of the others."""
    lines = []
    chosen = [one for one in found.findings if one.loud == loud]
    for kind in dict.fromkeys(one.kind for one in chosen):
        own = [one for one in chosen if one.kind == kind]
        lines += [one.text for one in own[:FINDINGS]]
        if rest := [one.who for one in own[FINDINGS:]]:
            names = ", ".join(name for name in rest[:NAMED] if name)
            more = f" and {len(rest) - NAMED} more" if len(rest) > NAMED else ""
            lines.append(f"{len(rest)} more of this kind ({kind}), which values.json tells: {names}{more}.")
    return tuple(lines)


def head(found: Outcome) -> tuple[str, ...]:
    why = (found.why,) if found.why else (f"{found.method} was named.",)
    return (
        f"{len(found.values)} contributors on {found.task}, target of {found.target_rows:,} rows: "
        f"{ASKS[found.question]}, by {found.method}, in units of that method.",
        *why,
        f"Model: {found.model}.",
    )


def audit_lines(found: Outcome) -> tuple[str, ...]:
    if found.audit is None:
        return ("None was asked: --audit 30 retrains 30 coalitions and says how well the values foretell them.",)
    lines = found.audit.sentences()
    if not found.audit.low > 0 and found.others:
        lines.append(
            f"The leaderboards cannot tell {some(found.others)} from {found.method}; on these data an audit may: "
            f"ask again with --method {found.others[0]}, no coalition is trained twice."
        )
    return tuple(lines)


def marks(found: Outcome) -> dict[str, list[str]]:
    """Contributor -> kinds of what is to be looked into about it, loud ones first."""
    made: dict[str, list[str]] = {}
    for one in found.findings:
        if one.kind not in ("reading", "target"):
            for who in filter(None, (one.who, one.also)):
                own = made.setdefault(who, [])
                own += [one.kind] if one.kind not in own else []
    return made


def values_table(found: Outcome) -> Table:
    """The most valuable first."""
    sizes, marked = {one.name: one.examples for one in found.looks}, marks(found)
    rows = tuple(
        (
            ranks(one),
            plain(one.name),
            figure(one.value),
            interval(one.low, one.high),
            percent(one.share),
            f"{sizes[one.name]:,}",
            ", ".join(marked.get(one.name, ())),
        )
        for one in found.ordered
    )
    columns = ("rank", "contributor", "value", "95 % interval", "share", "examples", "look into")
    return Table(columns, rows, (2, 3, 4, 5), names=1)


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
        "contradicted: of what nobody else brings, answered otherwise by a model trained on half of the contributors "
        f"and not on these (which is right on {found.crossed:.0%} of the target)"
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


def examples(found: Outcome, most: int) -> Iterator[tuple[str, Table]]:
    """Of each contributor, the most valuable first, so many of either end and of what is unusual."""
    unusual = {one.name: rows for one, rows in zip(found.looks, found.unusual, strict=True)}
    columns = ("", "example", "answer", "place", "figure") if found.texts else ("", "place", "figure")
    for value in found.ordered:
        every = (("most valuable", value.best), ("least valuable", value.worst), ("unusual", unusual[value.name]))
        rows = tuple(
            (what, *((short(text), short(answer)) if found.texts else ()), plain(place), figure(number))
            for what, own in every
            for text, answer, place, number in own[:most]
        )
        yield value.name, Table(columns, rows, (len(columns) - 1,))


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
        f"again at their first price. This call took {bill.wall:.0f} s, looks{' and audit' if found.audit else ''} "
        f"included, reading apart; what calls before it had kept was not done again.{loaded}",
    )


def ranks(one: Value) -> str:
    return f"{one.rank_low}" if one.rank_low == one.rank_high else f"{one.rank_low}–{one.rank_high}"


def figure(value: float) -> str:
    return numbers.NONE if math.isnan(value) else f"{value:.3g}"


def interval(low: float, high: float) -> str:
    return numbers.NONE if math.isnan(low) else f"[{low:.2g}, {high:.2g}]"


def percent(share: float) -> str:
    return numbers.NONE if math.isnan(share) else f"{round(share, 2) + 0.0:.0%}"  # there is no minus 0
