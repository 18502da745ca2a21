"""The page as one HTML file: a template with style, data and script put in, and a policy that lets in nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from harness.errors import plain
from harness.report import glance, sentences
from harness.report.markdown import OURS
from harness.report.page.content import content
from harness.report.phrases import counted
from harness.report.view import View

BEGINNING = f"<!doctype html>\n{OURS}"
"""Of every page that may be overwritten."""
SCRIPTS = (
    *("content", "state", "format", "palette", "svg", "marks", "axes", "tables"),
    *("overall", "cost", "heatmap", "pools", "contributors", "planted", "provenance"),
    *("controls", "downloads", "main"),
)
"""In this order: each speaks of those before it."""

VERDICTS = (
    "Each question and their mean: who is best, and how sure that is. Costs are of one valuation, GPU-hours at "
    "reference scale."
)


def html(view: View) -> str:
    """The whole page."""
    style, script = _text("page.css"), _script()
    policy = "; ".join(
        [
            "default-src 'none'",
            f"style-src '{_hash(style)}'",
            f"script-src '{_hash(script)}'",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    return _filled(
        _text("template.html"),
        {
            "beginning": BEGINNING,
            "policy": policy,
            "name": _escaped(view.suite.name),
            "summary": _escaped(view.suite.summary),
            "extent": _escaped(extent(view)),
            "verdicts": _verdicts(view),
            "budgets": _budgets(view),
            "caption": _escaped(sentences.claim(view)),
            "style": style,
            "data": safe_json(content(view)),
            "script": script,
        },
    )


def extent(view: View) -> str:
    """How much was asked: tasks, pools, contributors, methods."""
    pools = len(view.dealt) / max(len(view.tasks), 1)
    counts = sorted({len(dealt.contributors) for dealt in view.dealt})
    contributors = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]}–{counts[-1]}" if counts else "no"
    methods = len(view.overall) - 1
    return (
        f"{sentences.tasks(len(view.tasks))}, {pools:g} pool{'s' if pools != 1 else ''} a task, {contributors} "
        f"contributors a pool, {counted(methods, 'method')}"
    )


def safe_json(value: Any) -> str:
    """JSON that may stand in a script element: no text in it can end the element, or begin a comment or another."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)  # all but ASCII as escapes
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _verdicts(view: View) -> str:
    """A table, or sentences where it takes these."""
    headers, rows = glance.verdicts(view)
    if rows:
        return _table("verdict", VERDICTS, headers, rows)
    told = sentences.over_tasks(view)
    items = (f"<li><strong>{_escaped(what)}</strong>: {_escaped(text)}</li>" for what, text in told)
    return "\n".join(['<ul class="verdicts">', *items, "</ul>"])


def _budgets(view: View) -> str:
    headers, rows = glance.budgets(view)
    return _table("budgets", glance.WHAT_A_BUDGET_BUYS, headers, rows) if rows else ""


def _table(name: str, caption: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A small one, in a box that scrolls by itself where it is wider than the page."""
    head = "".join(f'<th scope="col">{_escaped(name)}</th>' for name in headers)
    body = "\n".join(
        f'<tr><th scope="row">{_escaped(first)}</th>{"".join(f"<td>{_escaped(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    return (
        f'<div class="glance {name}" tabindex="0" role="region" aria-label="{_escaped(caption)}"><table>'
        f"<caption>{_escaped(caption)}</caption><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )


def _escaped(text: str) -> str:
    return escape(plain(text))


def _filled(template: str, parts: Mapping[str, str]) -> str:
    """The template with each ``{{part}}`` put in; in what is put in, braces mean nothing."""
    first, *rest = template.split("{{")
    found = [first]
    for piece in rest:
        name, _, after = piece.partition("}}")
        found += [parts[name], after]
    return "".join(found)


def _script() -> str:
    return "\n".join(['"use strict";', *(_text(f"scripts/{name}.js") for name in SCRIPTS)])


def _text(name: str) -> str:
    """A file of the page's own."""
    return (files(__package__) / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
