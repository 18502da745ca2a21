"""A valuation as HTML: one file that asks for nothing and runs nothing, and the piece of it that notebooks show."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterator, Sequence

from harness.errors import plain
from harness.valuing.audit import Audit
from harness.valuing.look import UNUSUAL
from harness.valuing.sections import (
    AUDIT,
    VALUES,
    WARNINGS,
    Section,
    Table,
    examples,
    figure,
    head,
    interval,
    marks,
    percent,
    ranks,
    sections,
)
from harness.valuing.valuation import Outcome, Value

STYLE = """
.dataworth { --line: #8885; --bar: #4a7fd4; --loud: #d23f4b; }
.dataworth h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .6rem; }
.dataworth h2 { font-size: 1.2rem; margin: 2rem 0 .4rem; }
.dataworth p { max-width: 48rem; margin: .4rem 0; } .dataworth li { max-width: 48rem; margin: .3rem 0; }
.dataworth ul { padding-left: 1.2rem; margin: .4rem 0; }
.dataworth .warnings { border: 1px solid var(--loud); border-left-width: .5rem; border-radius: .3rem;
  padding: .2rem 1rem; margin: 1rem 0; }
.dataworth .warnings h2 { margin-top: .5rem; } .dataworth .warnings li { font-weight: 600; }
.dataworth .scroll { overflow-x: auto; }
.dataworth table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.dataworth th, .dataworth td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: left;
  vertical-align: top; }
.dataworth tbody th { font-weight: 600; } .dataworth tr > :first-child { padding-left: 0; }
.dataworth .right { text-align: right; white-space: nowrap; } .dataworth .whole { white-space: nowrap; }
.dataworth .text { min-width: 12rem; }
.dataworth .place { min-width: 8rem; overflow-wrap: anywhere; }
.dataworth small { display: block; font-size: .8em; opacity: .75; white-space: nowrap; font-weight: 400; }
.dataworth .values { width: 100%; } .dataworth .values th, .dataworth .values td { vertical-align: middle; }
.dataworth .values tbody th { overflow-wrap: anywhere; } .dataworth .values tbody th small { margin-right: .6em; }
.dataworth .values tbody th small { display: inline-block; }
.dataworth .values .drawn { width: 55%; min-width: 6rem; }
.dataworth .mark { display: inline-block; font-size: .75em; font-weight: 400; padding: 0 .4em; margin: .1em .2em .1em 0;
  border: 1px solid var(--line); border-radius: 1em; white-space: nowrap; }
.dataworth .mark.loud { border-color: var(--loud); font-weight: 600; }
.dataworth svg { display: block; width: 100%; overflow: visible; }
.dataworth svg text { font: 12px system-ui, sans-serif; fill: currentColor; }
.dataworth svg .reach { stroke: var(--bar); stroke-width: 3; } .dataworth svg circle { fill: var(--bar); }
.dataworth svg .zero { stroke: currentColor; stroke-width: 1; opacity: .4; }
.dataworth .narrow { display: none; }
@media (max-width: 40rem) { .dataworth th, .dataworth td { padding: .2rem .3rem; } .dataworth .wide { display: none; }
  .dataworth .narrow { display: block; } .dataworth .values .drawn { width: 40%; } }
.dataworth .halves { max-width: 26rem; margin: .8rem 0; }
.dataworth details { margin: .4rem 0; } .dataworth summary { cursor: pointer; padding: .2rem 0; }
"""
"""Colours are told apart on light ground and on dark; what is written takes the page's own."""

PAGE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 1.5rem auto; padding: 0 1rem; }
@media (max-width: 40rem) { body { font-size: 14px; } }
@media print { .dataworth .scroll { overflow: visible; } .dataworth tr, .dataworth li { break-inside: avoid; } }
"""


def to_html(found: Outcome) -> str:
    """The whole page."""
    title = f"Values of {len(found.values)} contributors"
    body = [f"<h1>{title}</h1>", *(_drawn(found, section) for section in sections(found) if not _is_example(section))]
    body += ["<h2>Examples</h2>", *_examples(found), f"<p><small>{escaped(found.made)}</small></p>"]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width, initial-scale=1"><title>{title}</title><style>{STYLE}{PAGE}</style></head>'
        '<body><main class="dataworth">\n' + "\n".join(body) + "\n</main></body></html>\n"
    )


def to_fragment(found: Outcome) -> str:
    """Warnings and values, with all that they need to be seen."""
    body = [_drawn(found, section) for section in sections(found) if section.title in (WARNINGS, VALUES)]
    return f'<div class="dataworth"><style>{STYLE}</style>{"".join(body)}</div>'


def _is_example(section: Section) -> bool:
    return section.title.startswith("Examples of ")


def _drawn(found: Outcome, section: Section) -> str:
    title = f"<h2>{escaped(section.title)}</h2>"
    if section.title == WARNINGS:
        return f'<section class="warnings" role="note">{title}{_list(section.loud)}</section>'
    if section.title == VALUES:
        return f"<section>{title}{''.join(map(_paragraph, head(found)))}{_values(found)}</section>"
    drawn = _halves(found.audit) if section.title == AUDIT and found.audit else ""
    lines = _list(section.lines) if len(section.lines) > 1 else "".join(map(_paragraph, section.lines))
    table = html_table(section.table, section.title) if section.table else ""
    return f"<section>{title}{lines}{drawn}{table}</section>"


def _paragraph(line: str) -> str:
    return f"<p>{escaped(line)}</p>"


def _list(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escaped(line)}</li>' for line in lines)}</ul>"


# --- values -------------------------------------------------------------------------------------------


def _values(found: Outcome) -> str:
    """The table with a figure in each of its rows, all on one axis."""
    ends = [end for one in found.values for end in (one.value, one.low, one.high) if math.isfinite(end)]
    low, high = min(0.0, *ends), max(0.0, *ends)
    sizes, marked = {one.name: one.examples for one in found.looks}, marks(found)
    shares = any(math.isfinite(one.share) for one in found.values)
    loud = {(who, one.kind) for one in found.findings if one.loud for who in (one.who, one.also)}

    def place(value: float) -> float:
        """Percent of the figure's width."""
        return 3 + 94 * (value - low) / ((high - low) or 1.0)

    def row(one: Value) -> str:
        signs = " ".join(
            f'<span class="mark{" loud" if (one.name, kind) in loud else ""}">{kind}</span>'
            for kind in marked.get(one.name, ())
        )
        reach = "" if math.isnan(one.low) else f"<small>{interval(one.low, one.high)}</small>"
        share = f"<small class='narrow'>{percent(one.share)} of all</small>" if shares else ""
        return (
            f'<tr><td class="whole">{ranks(one)}</td><th scope="row">{escaped(one.name)}<br><small>{sizes[one.name]:,} '
            f'examples</small>{signs}</th><td class="right">{figure(one.value)}{reach}{share}</td>'
            f'<td class="drawn">{_reach(one, place)}</td>{shared(percent(one.share), "td")}</tr>'
        )

    def shared(text: str, tag: str) -> str:
        """The last column; on a phone its figure stands below the value."""
        return f'<{tag} class="right wide">{text}</{tag}>' if shares else ""

    heading = (
        '<th>rank</th><th>contributor</th><th class="right">value<small>95 % interval</small></th>'
        f'<th class="drawn">{_axis(low, high, place(0.0))}</th>{shared("share", "th")}'
    )
    rows = "".join(map(row, found.ordered))
    return _scrolled(f'<table class="values"><thead><tr>{heading}</tr></thead><tbody>{rows}</tbody></table>', "Values")


def _axis(low: float, high: float, zero: float) -> str:
    """The ends of the axis, and nothing between them where that is not an end or near one."""
    labels = [("start", 0.0, low, "")] * (low < 0) + [("end", 100.0, high, "")] * (high > 0)
    if 15 < zero < 85 or not labels:
        labels.append(("middle", zero, 0.0, "wide"))
    elif low == 0 or high == 0:
        labels.append(("start", 0.0, 0.0, "") if low == 0 else ("end", 100.0, 0.0, ""))
    texts = "".join(
        f'<text class="{when}" x="{x:.1f}%" y="13" text-anchor="{at}">{value:.2g}</text>'
        for at, x, value, when in labels
    )
    return f'<svg height="16" role="img" aria-label="axis from {low:.2g} to {high:.2g}">{texts}</svg>'


def _reach(one: Value, place: Callable[[float], float]) -> str:
    """One value with its interval; told in figures beside it."""
    parts = [f'<line class="zero" x1="{place(0):.2f}%" x2="{place(0):.2f}%" y1="0" y2="24"/>']
    if math.isfinite(one.low):
        parts.append(f'<line class="reach" x1="{place(one.low):.2f}%" x2="{place(one.high):.2f}%" y1="12" y2="12"/>')
    parts.append(f'<circle cx="{place(one.value):.2f}%" cy="12" r="5"/>')
    return f'<svg height="24" aria-hidden="true">{"".join(parts)}</svg>'


# --- audit --------------------------------------------------------------------------------------------


def _halves(audit: Audit) -> str:
    """Each half's summed values against its utility, and the same as a table."""
    if len(audit.points) < 2:
        return ""
    xs, ys = ([point[axis] for point in audit.points] for axis in (0, 1))
    left, right, top, bottom = 62, 390, 12, 210

    def spread(values: list[float], start: float, end: float) -> list[float]:
        low, span = min(values), (max(values) - min(values)) or 1.0
        return [start + (value - low) / span * (end - start) for value in values]

    dots = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
        for x, y in zip(spread(xs, left + 8, right - 8), spread(ys, bottom - 8, top + 8), strict=True)
    )
    lines = (
        f'<line class="zero" x1="{left}" x2="{left}" y1="{top}" y2="{bottom}"/>'
        f'<line class="zero" x1="{left}" x2="{right}" y1="{bottom}" y2="{bottom}"/>'
    )
    texts = (
        f'<text x="{left}" y="{bottom + 16}">{min(xs):.2g}</text>'
        f'<text x="{right}" y="{bottom + 16}" text-anchor="end">{max(xs):.2g}</text>'
        f'<text x="{(left + right) / 2}" y="{bottom + 34}" text-anchor="middle">sum of values</text>'
        f'<text x="{left - 6}" y="{bottom}" text-anchor="end">{min(ys):.3f}</text>'
        f'<text x="{left - 6}" y="{top + 10}" text-anchor="end">{max(ys):.3f}</text>'
        f'<text transform="translate(12 {(top + bottom) / 2}) rotate(-90)" text-anchor="middle">utility</text>'
    )
    label = "Of each random half the sum of its members' values and its utility, nats an example, as in the table below"
    drawn = f'<svg role="img" aria-label="{label}" viewBox="0 0 400 250">{lines}{dots}{texts}</svg>'
    rows = tuple((figure(x), f"{y:.4f}") for x, y in sorted(audit.points))
    table = html_table(Table(("sum of values", "utility"), rows, (0, 1)), "Random halves")
    return f'<div class="halves">{drawn}<details><summary>The halves in figures</summary>{table}</details></div>'


# --- examples and tables ------------------------------------------------------------------------------


def _examples(found: Outcome) -> Iterator[str]:
    """Folded: of each contributor all that are kept."""
    for name, table in examples(found, UNUSUAL):
        title = escaped(name)
        yield f"<details><summary>{title}</summary>{html_table(table, f'Examples of {name}')}</details>"


def html_table(table: Table, label: str) -> str:
    def cells(row: tuple[str, ...], tag: str) -> str:
        return "".join(f"<{tag}{_class(table, k)}>{escaped(cell)}</{tag}>" for k, cell in enumerate(row))

    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in table.rows)
    return _scrolled(f"<table><thead><tr>{cells(table.columns, 'th')}</tr></thead><tbody>{body}</tbody></table>", label)


def _class(table: Table, column: int) -> str:
    names = {"example": "text", "place": "place"}
    chosen = "right" if column in table.right else names.get(table.columns[column], "")
    return f' class="{chosen}"' if chosen else ""


def _scrolled(table: str, label: str) -> str:
    """What is wider than a phone is moved by itself, by keyboard too."""
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{escaped(label)}">{table}</div>'


def escaped(text: str) -> str:
    return html.escape(plain(text))
