"""What columns are fit for: told, by their names, or by what they hold; and with that the task."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.described import Undescribed
from harness.errors import UserError, plain, unknown
from harness.types import Form
from tasks.brought.columns import CONTEXT, NAMES, SPOKEN, is_real, named, side_column, told
from tasks.brought.labels import in_order, some
from tasks.describing.files import Seen, table_sizes, wanted_pixels
from tasks.describing.places import MOST_LABELS, Place, conversation, places_of, sample_of
from tasks.sources.description import TASK_FORMS, template_names
from tasks.sources.fields import column_texts, distinct

SURE = ("label", "labels", "sentiment", "rating", "stars", "class", "category", "polarity")
"""Names that only labels have."""

NUMBERED = re.compile(r"\d[^\w]*$")
MOSTLY = 0.6
"""Share of the answers that end in a number, beyond which they are taken for reasoning."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What the rows are.

    Args:
        task: of the four.
        side: who made them.
        columns, labels, where: as a description has them.
        pixels: that pictures are brought to.
        found: what -> in words; doubts: a sentence each.
    """

    task: str
    side: str
    columns: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)
    where: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    pixels: int | None = None
    found: tuple[tuple[str, str], ...] = ()
    doubts: tuple[str, ...] = ()


def mean(seen: Seen, asked: Undescribed) -> Meaning:
    """What the files' rows are fit for.

    Raises:
        UserError: it cannot be told, or what was told does not fit; it says what to tell.
    """
    known = {name for fields in SPOKEN.values() for name in fields} | {"side"}
    for name in asked.columns:
        if name not in known:
            raise unknown("field of --columns", name, known)
    if seen.kind != "tables":
        return _images(seen, asked)
    sample = sample_of(seen.tables[0])
    places = places_of(sample)
    if not places:
        raise UserError(f"{seen.shown}: no column holds anything. Look at the file.")
    talk = conversation(sample)
    form = _form_asked(asked) or _form(places, talk is not None)
    if form is None:
        raise UserError(
            f"{seen.shown}: neither names nor values tell what its columns are: {_listed(places)}. Say it: --columns "
            "text=COLUMN,label=COLUMN for labels, or prompt=COLUMN,answer=COLUMN for answers in words. (The first row "
            "of a "
            "table in text has the names of its columns.)"
        )
    if form == "image-label":
        return _pictures_in_table(seen, asked, places, sample)
    return _texts(seen, asked, form, places, talk)


def _form_asked(asked: Undescribed) -> Form | None:
    """The form that a task or the names of told fields tell."""
    if asked.task is not None:
        return TASK_FORMS[asked.task]
    if "image" in asked.columns:
        return "image-label"
    if {"label"} & set(asked.columns) or asked.labels:
        return "text-label"
    return "text-response" if {"answer", "response"} & set(asked.columns) else None


def _form(places: Sequence[Place], talks: bool) -> Form | None:
    if any(place.is_picture for place in places):
        return "image-label"
    if talks:
        return "text-response"
    labels = [place for place in places if place.is_labels]
    if _by_name(SURE, [place for place in places if place.may_be_labels]) and (
        _by_name(NAMES["text-label"]["prompt"], places) or _wordy(places)
    ):
        return "text-label"
    prompt, answer = (_by_name(NAMES["text-response"][name], places) for name in ("prompt", "answer"))
    if prompt and answer and prompt is not answer:
        return "text-label" if answer.is_labels else "text-response"
    if labels and _wordy(places):
        return "text-label"
    return "text-response" if len(_wordy(places)) > 1 else None


# --- texts --------------------------------------------------------------------------------------------


def _texts(
    seen: Seen, asked: Undescribed, form: Form, places: Sequence[Place], talk: tuple[str, str, str] | None
) -> Meaning:
    doubts: list[str] = []
    if talk is not None and form == "text-response" and not asked.columns:
        columns = {"prompt": f"{{{talk[1]}}}", "answer": f"{{{talk[2]}}}"}
        doubts.append(
            f"Of each conversation in {talk[0]!r} the first question and its answer are taken; the rest is left."
        )
    else:
        columns = _fields(seen, asked, form, places, doubts)
    side, where = _side(seen, asked, doubts)
    found = [("columns taken", "; ".join(f"{name} = {_quoted(template)}" for name, template in columns.items()))]
    labels: dict[str, str] = {}
    if form == "text-label":
        labels = _labels(seen, columns["answer"], asked, doubts)
        found.append(("labels", plain(some(in_order(set(labels))))))
    task, why = _task(asked, form, seen, columns)
    return Meaning(task, side, columns, labels, where, None, (("task", f"{task}: {why}"), *found), tuple(doubts))


def _fields(seen: Seen, asked: Undescribed, form: Form, places: Sequence[Place], doubts: list[str]) -> dict[str, str]:
    """Field -> template: told, by name, or by what columns hold, in this order."""
    own, left = told(form, asked.columns), list(places)
    found: dict[str, str] = {}
    taken: set[str] = set()
    for name in NAMES[form]:
        if name in own:
            found[name] = own[name] if template_names(own[name]) else f"{{{own[name]}}}"
            taken |= {*template_names(found[name])}
    for name, usual in NAMES[form].items():
        names = (*usual, *NAMES["text-response"][name]) if name == "prompt" else usual
        if name in found:
            continue
        fit = [place for place in left if place.name not in taken and not place.is_picture]
        is_label = form == "text-label" and name == "answer"
        spoken = {"prompt": "text", "answer": "label"}[name] if form == "text-label" else name
        place = _by_name(names, [one for one in fit if one.may_be_labels] if is_label else fit) or _by_name(names, fit)
        if place is None:
            place = _by_content(fit, is_label)
            if place is None:
                raise UserError(
                    f"{seen.shown}: no column is fit for the {spoken}: {_listed(places)}. Say which one is: --columns "
                    f"{spoken}=COLUMN."
                )
            doubts.append(f"{_quoted(place.name)} is taken for the {spoken} by what it holds alone.")
        if place.lists:
            doubts.append(f"{_quoted(place.name)} is the first of several values; the others are left.")
        taken.add(place.name)
        found[name] = f"{{{place.name}}}"
    if form == "text-response" and "prompt" not in own:
        extra = _by_name(CONTEXT, [place for place in left if place.name not in taken and "[" not in place.name])
        if extra is not None:
            found["prompt"] += f"\n{{{extra.name}}}"
    return found


def _by_name(names: Sequence[str], places: Sequence[Place]) -> Place | None:
    """The place with the likeliest last name, whole columns before what stands inside of them."""
    for part in ([p for p in places if "[" not in p.name], [p for p in places if "[" in p.name]):
        if leaf := named(names, [place.leaf for place in part]):
            return next(place for place in part if place.leaf == leaf)
        words = {place.name: {*re.findall(r"[^\W_]+", place.leaf.casefold())} for place in part}
        for name in names:
            if found := next((place for place in part if name in words[place.name]), None):
                return found
    return None


def _by_content(places: Sequence[Place], is_label: bool) -> Place | None:
    if is_label:
        return min((place for place in places if place.is_labels), key=lambda place: place.distinct, default=None)
    return next(iter(_wordy(places)), None)


def _wordy(places: Sequence[Place]) -> list[Place]:
    return [place for place in places if place.is_wordy and not place.is_picture]


def _labels(seen: Seen, template: str, asked: Undescribed, doubts: list[str]) -> dict[str, str]:
    """Every answer that the files have -> what it is called."""
    found = {text.strip() for rows in seen.tables for text in _texts_of(rows, template, seen)} - {""}
    if len(found) > MOST_LABELS:
        raise UserError(
            f"{seen.shown}: {template} has {len(found):,} different values, and labels are at most {MOST_LABELS}. Say "
            "which "
            "column has the labels (--columns label=COLUMN), or that answers are words (--task instruction-following)."
        )
    for label in asked.labels:
        if label not in found:
            raise UserError(f"--labels: no row has the label {label!r}; there are {some(in_order(found))}.")
    if len(found) < 2:
        doubts.append(f"Every row has the label {some(in_order(found))}; a model needs two.")
    if not asked.labels and all(re.fullmatch(r"-?[\d.]+", label) for label in found):
        doubts.append("Labels are numbers: write what each means on the right side under [labels].")
    return {label: asked.labels.get(label, label) for label in in_order(found)}


def _texts_of(rows: object, template: str, seen: Seen) -> list[str]:
    for name in template_names(template):
        column = name.split("[", 1)[0]
        if column not in (known := rows.column_names):  # type: ignore[attr-defined]
            raise UserError(f"{seen.shown} has no column {column!r}; it has {', '.join(known)}.")
    return column_texts(rows, template)


def _task(asked: Undescribed, form: Form, seen: Seen, columns: Mapping[str, str]) -> tuple[str, str]:
    """The task and why."""
    if asked.task is not None:
        return asked.task, "as told"
    if form == "text-label":
        return "sentiment", "texts with labels, of whatever kind"
    answers = [text for text in _texts_of(seen.tables[0], columns["answer"], seen) if text.strip()]
    share = sum(NUMBERED.search(text) is not None for text in answers) / max(1, len(answers))
    both = "of answers end in a number; the two tasks with answers in words differ in their defaults alone"
    return ("reasoning" if share >= MOSTLY else "instruction-following"), f"{share:.0%} {both}"


# --- images -------------------------------------------------------------------------------------------


def _pictures_in_table(
    seen: Seen, asked: Undescribed, places: Sequence[Place], sample: dict[str, list[object]]
) -> Meaning:
    from datasets import ClassLabel

    own, doubts = told("image-label", asked.columns), list[str]()
    picture = own.get("image") or next((place.name for place in places if place.is_picture), None)
    rest = [place for place in places if not place.is_picture and "[" not in place.name]
    features = seen.tables[0].features
    classes = [name for name, feature in features.items() if isinstance(feature, ClassLabel)]
    by_name = named(NAMES["image-label"]["label"], [place.name for place in rest])
    label = own.get("label") or by_name or next(iter(classes), None)
    label = label or next((place.name for place in rest if place.is_labels), None)
    if picture not in features or label not in features:
        raise UserError(
            f"{seen.shown}: no column is fit for {'an image' if picture not in features else 'its label'}: "
            f"{_listed(places)}. Say which: --columns image=COLUMN,label=COLUMN."
        )
    assert picture is not None
    assert label is not None
    pixels = wanted_pixels(table_sizes(sample[picture]))
    side, where = _side(seen, asked, doubts)
    labels = dict(asked.labels)
    names = in_order({text for rows in seen.tables for text in distinct(rows, label)})
    found = (
        ("task", "image-classification: a column holds pictures"),
        ("columns taken", f"image = {_quoted(picture)}; label = {_quoted(label)}"),
        ("labels", plain(some(names))),
    )
    if pixels:
        doubts.append(_brought(pixels))
    return Meaning(
        "image-classification", side, {"image": picture, "label": label}, labels, where, pixels, found, tuple(doubts)
    )


def _images(seen: Seen, asked: Undescribed) -> Meaning:
    """Arrays and folders, which have no columns but an archive's names."""
    if asked.task not in (None, "image-classification"):
        raise UserError(f"{seen.shown} holds images, and {asked.task} is for texts. Leave --task out.")
    columns, doubts = {}, list[str]()
    if seen.kind == "arrays":
        own = told("image-label", asked.columns)
        by_axes = {
            "image": [name for name, array in seen.arrays.items() if array.ndim in (3, 4)],
            "label": [name for name, array in seen.arrays.items() if array.ndim == 1],
        }
        for name, fit in by_axes.items():
            place = own.get(name) or named(NAMES["image-label"][name], fit) or next(iter(fit), None)
            if place not in seen.arrays:
                raise UserError(
                    f"{seen.shown}: no array is fit for {name}s; it has {', '.join(seen.arrays)}. Say which one is: "
                    "--columns "
                    f"{name}=ARRAY."
                )
            columns[name] = str(place)
    elif asked.columns:
        raise UserError(f"{seen.shown}: {seen.format} files have no columns; leave --columns out.")
    if seen.pixels:
        doubts.append(_brought(seen.pixels))
    side, _ = _side(seen, asked, doubts)
    found = [("task", "image-classification: the files hold images")]
    if columns:
        found.append(("arrays taken", f"image = {_quoted(columns['image'])}; label = {_quoted(columns['label'])}"))
    return Meaning(
        "image-classification", side, columns, dict(asked.labels), {}, seen.pixels, tuple(found), tuple(doubts)
    )


def _brought(pixels: int) -> str:
    return (
        f"Pictures are of several sizes, or large, or not square: their middle square is brought to {pixels} x "
        f"{pixels} "
        "(pixels)."
    )


# --- who made them ------------------------------------------------------------------------------------


def _side(seen: Seen, asked: Undescribed, doubts: list[str]) -> tuple[str, dict[str, str | tuple[str, ...]]]:
    """Real or synthetic, and the rows that are so where a column tells."""
    column = None
    if seen.tables:
        column = told(_form_asked(asked) or "text-label", {k: v for k, v in asked.columns.items() if k == "side"}).get(
            "side"
        )
        column = column or side_column({}, seen.tables[0].column_names)
    side = asked.side or "real"
    if column is not None and column in seen.tables[0].column_names:
        values = {text for rows in seen.tables for text in distinct(rows, column)}
        wanted = tuple(sorted(text for text in values if is_real(text, column) is (side == "real")))
        if wanted and any(is_real(text, column) is not None for text in values):
            others = len(values) - len(wanted)
            if others:
                other = "synthetic" if side == "real" else "real"
                doubts.append(
                    f"The column {_quoted(column)} tells real rows from synthetic ones; these are the {side} ones. "
                    "Describe the "
                    f"others too: --side {other} --out OTHER.toml."
                )
                return side, {column: wanted[0] if len(wanted) == 1 else wanted}
            return side, {}
    if asked.side is None:
        doubts.append(
            'Nothing tells who made these rows; people are taken for it. Write side = "synthetic" if a generator did.'
        )
    return side, {}


def _listed(places: Sequence[Place]) -> str:
    names = [plain(place.name) for place in places]
    return ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")


def _quoted(text: str) -> str:
    return repr(plain(text.replace("\n", "\\n"))) if "\n" not in text else repr(text)
