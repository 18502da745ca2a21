"""What columns are fit for: told, by their names, or by what they hold; and with that the task."""

from __future__ import annotations

from collections.abc import Sequence

from harness.described import Undescribed
from harness.errors import UserError, unknown
from harness.types import Form
from tasks.brought.columns import NAMES, SPOKEN
from tasks.describing.files import Seen
from tasks.describing.images import of_arrays, of_table
from tasks.describing.meaning import Meaning, by_name, form_asked, listed
from tasks.describing.places import Place, conversation, places_of, sample_of, wordy
from tasks.describing.texts import of_texts

SURE = ("label", "labels", "sentiment", "rating", "stars", "class", "category", "polarity")
"""Names that only labels have."""


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
        return of_arrays(seen, asked)
    sample = sample_of(seen.tables[0])
    places = places_of(sample)
    if not places:
        raise UserError(f"{seen.shown}: no column holds anything. Look at the file.")
    talk = conversation(sample)
    form = form_asked(asked) or _form(places, talk is not None)
    if form is None:
        raise UserError(
            f"{seen.shown}: neither names nor values tell what its columns are: {listed(places)}. Say it: --columns "
            "text=COLUMN,label=COLUMN for labels, or prompt=COLUMN,answer=COLUMN for answers in words. (The first row "
            "of a table in text has the names of its columns.)"
        )
    if form == "image-label":
        return of_table(seen, asked, places, sample)
    return of_texts(seen, asked, form, places, talk)


def _form(places: Sequence[Place], talks: bool) -> Form | None:
    """What the rows of a table are by themselves."""
    if any(place.is_picture for place in places):
        return "image-label"
    if talks:
        return "text-response"
    texts = by_name(NAMES["text-label"]["prompt"], places) or wordy(places)
    if texts and by_name(SURE, [place for place in places if place.may_be_labels]):
        return "text-label"
    prompt, answer = (by_name(NAMES["text-response"][name], places) for name in ("prompt", "answer"))
    if prompt and answer and prompt is not answer:
        return "text-label" if answer.is_labels else "text-response"
    if wordy(places) and any(place.is_labels for place in places):
        return "text-label"
    return "text-response" if len(wordy(places)) > 1 else None
