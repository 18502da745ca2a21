"""What a text, its label or its answer are taken from in a table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from harness.described import Undescribed
from harness.errors import UserError, plain
from harness.types import Form
from tasks.brought.columns import CONTEXT, NAMES, told
from tasks.brought.labels import in_order, some
from tasks.describing.files import Seen
from tasks.describing.meaning import Meaning, by_name, listed, quoted
from tasks.describing.places import MOST_LABELS, Place, wordy
from tasks.describing.sides import side_of
from tasks.sources.description import template_names
from tasks.sources.fields import column_texts

NUMBERED = re.compile(r"\d[^\w]*$")
MOSTLY = 0.6
"""Share of the answers that end in a number, beyond which they are taken for reasoning."""

SPARSE = 0.2
"""Share of rows without a value from which on a column is doubtful."""

Talk = tuple[str, str, str]
"""A column of conversations, and the places of a question and of its answer in it."""


def of_texts(seen: Seen, asked: Undescribed, form: Form, places: Sequence[Place], talk: Talk | None) -> Meaning:
    """Texts with labels, or prompts with answers.

    Raises:
        UserError: a field is fit for no column, or labels are none.
    """
    doubts: list[str] = []
    if talk is not None and form == "text-response" and not asked.columns:
        columns = {"prompt": f"{{{talk[1]}}}", "answer": f"{{{talk[2]}}}"}
        doubts.append(
            f"Of each conversation in {quoted(talk[0])} the first question and its answer are taken; the rest is left."
        )
    else:
        columns = _fields(seen, asked, form, places, doubts)
    side, where = side_of(seen, asked, doubts)
    found = [("columns taken", "; ".join(f"{name} = {quoted(template)}" for name, template in columns.items()))]
    labels: dict[str, str] = {}
    if form == "text-label":
        labels = _labels(seen, columns["answer"], asked, doubts)
        found.append(("labels", plain(some(in_order(set(labels))))))
    task, why = _task(asked, form, seen, columns)
    return Meaning(task, side, columns, labels, where, None, (("task", f"{task}: {why}"), *found), tuple(doubts))


def _fields(seen: Seen, asked: Undescribed, form: Form, places: Sequence[Place], doubts: list[str]) -> dict[str, str]:
    """Field -> template: told, by name, or by what columns hold, in this order."""
    own = {name: text if template_names(text) else f"{{{text}}}" for name, text in told(form, asked.columns).items()}
    found = {name: own[name] for name in NAMES[form] if name in own}
    taken = {name for template in found.values() for name in template_names(template)}
    for name, usual in NAMES[form].items():
        if name not in found:
            names = (*usual, *NAMES["text-response"][name]) if name == "prompt" else usual
            fit = [place for place in places if place.name not in taken and not place.is_picture]
            spoken = {"prompt": "text", "answer": "label"}[name] if form == "text-label" else name
            place = _place(names, fit, spoken, doubts)
            if place is None:
                raise UserError(
                    f"{seen.shown}: no column is fit for the {spoken}: {listed(places)}. Say which one is: --columns "
                    f"{spoken}=COLUMN."
                )
            taken.add(place.name)
            found[name] = f"{{{place.name}}}"
    if form == "text-response" and "prompt" not in own:
        extra = by_name(CONTEXT, [place for place in places if place.name not in taken and "[" not in place.name])
        if extra is not None:
            found["prompt"] += f"\n{{{extra.name}}}"
            taken.add(extra.name)
    if others := [place for place in wordy(places) if place.name not in taken and not asked.columns]:
        doubts.append(f'Texts too, and not taken: {listed(others)}. A template takes several: "{{a}}\\n{{b}}".')
    return found


def _place(names: Sequence[str], fit: Sequence[Place], spoken: str, doubts: list[str]) -> Place | None:
    """The likeliest place for a field; what makes it doubtful is noted."""
    likely = [place for place in fit if place.may_be_labels] if spoken == "label" else fit
    place = by_name(names, likely) or by_name(names, fit)
    if place is None:
        place = _by_content(fit, spoken == "label")
        if place is not None:
            doubts.append(f"{quoted(place.name)} is taken for the {spoken} by what it holds alone.")
    if place is not None and place.lists:
        doubts.append(f"{quoted(place.name)} is the first of several values; the others are left.")
    if place is not None and (bare := 1 - len(place.filled) / max(1, len(place.values))) > SPARSE:
        doubts.append(
            f"{quoted(place.name)} is empty in {bare:.0%} of the rows that were looked at, which would be left out: is "
            f"it the {spoken}?"
        )
    return place


def _by_content(places: Sequence[Place], is_label: bool) -> Place | None:
    if is_label:
        return min((place for place in places if place.is_labels), key=lambda place: place.distinct, default=None)
    return next(iter(wordy(places)), None)


def _labels(seen: Seen, template: str, asked: Undescribed, doubts: list[str]) -> dict[str, str]:
    """Every answer that the files have -> what it is called."""
    found = {text.strip() for rows in seen.tables for text in _filled(rows, template, seen)} - {""}
    if len(found) > MOST_LABELS:
        raise UserError(
            f"{seen.shown}: {template} has {len(found):,} different values, and labels are at most {MOST_LABELS}. Say "
            "which column has the labels (--columns label=COLUMN), or that answers are words (--task "
            "instruction-following)."
        )
    for label in asked.labels:
        if label not in found:
            raise UserError(f"--labels: no row has the label {label!r}; there are {some(in_order(found))}.")
    if len(found) < 2:
        doubts.append(f"Every row has the label {some(in_order(found))}; a model needs two.")
    if not asked.labels and all(re.fullmatch(r"-?[\d.]+", label) for label in found):
        doubts.append("Labels are numbers: write what each means on the right side under [labels].")
    return {label: asked.labels.get(label, label) for label in in_order(found)}


def _filled(rows: Any, template: str, seen: Seen) -> list[str]:
    """The template from every row.

    Raises:
        UserError: there is no such column.
    """
    for name in template_names(template):
        column = name.split("[", 1)[0]
        if column not in rows.column_names:
            raise UserError(
                f"{seen.shown} has no column {column!r}; it has {', '.join(rows.column_names)}. Name one of these."
            )
    return column_texts(rows, template)


def _task(asked: Undescribed, form: Form, seen: Seen, columns: Mapping[str, str]) -> tuple[str, str]:
    """The task and why."""
    if asked.task is not None:
        return asked.task, "as told"
    if form == "text-label":
        return "sentiment", "texts with labels, of whatever kind"
    answers = [text for text in _filled(seen.tables[0], columns["answer"], seen) if text.strip()]
    share = sum(NUMBERED.search(text) is not None for text in answers) / max(1, len(answers))
    why = "of answers end in a number; the two tasks with answers in words differ in their defaults alone"
    return ("reasoning" if share >= MOSTLY else "instruction-following"), f"{share:.0%} {why}"
