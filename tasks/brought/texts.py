"""Texts that are brought, with labels or with responses, as examples; and the small or pretrained model that learns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from harness.brought import Brought, Shown, Wanted
from harness.types import Array, Ints, Learner, Plain, Recipe
from tasks.brought.copies import copies_of
from tasks.brought.labels import labels_of, numbered
from tasks.brought.making import held_out, left_out, owners_of, read_counts, sides_of, training
from tasks.brought.rows import Read, Rows
from tasks.external.defaults import DEFAULTS
from tasks.learners.encoding import IGNORED, encode_pairs, encode_prompts
from tasks.learners.pretrained import Model
from tasks.learners.sizes import SMALLEST
from tasks.learners.tokenizers import PAD_ID, byte_pair_tokenizer
from tasks.sources.description import TASK_FORMS
from tasks.sources.near import near_texts
from tasks.sources.table import spread

LENGTH = 64
"""Tokens of a text that the small models see."""

ENTRIES = {"text-label": 2_000, "text-response": 500}
"""Of the small models' tokenizers."""

FITTED_ROWS = 20_000
"""Most texts that a tokenizer and a base are made from."""

BASE_EPOCHS, BASE_STEPS = 3, (20, 200)
"""Of the small language model's base, which learns prompts alone: answers are the contributors' to bring."""

BASE_BATCH = 64

RECIPES = {
    "text-label": Recipe(steps=1, batch_size=64, rate=0.01, optimiser="adamw", checkpoints=1),
    "text-response": Recipe(steps=1, batch_size=64, rate=3e-3, optimiser="adamw", checkpoints=1),
}
"""Of the small models, but for their steps."""

EPOCHS, STEPS = 1.5, (60, 240)
"""How often a training run sees everyone's examples, within these numbers of steps."""


def brought(wanted: Wanted, read: Read) -> Brought:
    """Examples, near-duplicates and a learner of texts."""
    form = TASK_FORMS[wanted.task]
    every = [*read.contributors.values(), read.target]
    labels, notes = labels_of(read.contributors, read.target) if form == "text-label" else ((), [])
    prompts = [text for rows in every for text in rows.prompts]
    answers = [text for rows in every for text in rows.answers]
    own = sum(map(len, read.contributors.values()))
    reader = _Reader(wanted, prompts[:own], answers[:own], labels)
    columns, cut = reader.encoded(prompts, answers)
    if cut:
        notes.append(f"{cut:,} responses are longer than the model's room for them and lose their end.")
    owners_N = owners_of(read)
    asked = near_texts(prompts)
    whole = asked if labels else near_texts([f"{p}\n{a}" for p, a in zip(prompts, answers, strict=True)])
    train = training({name: column[:own] for name, column in columns.items()}, read)
    return Brought(
        task=wanted.task,
        form=form,
        names=tuple(read.contributors),
        train=train,
        target=held_out({name: column[own:] for name, column in columns.items()}, len(read.target)),
        learner=reader.learner(train.columns["inputs"]),
        model=reader.about,
        shown=_shown(list(read.contributors.values())),
        shown_target=_shown([read.target]),
        copies=copies_of(whole, asked, owners_N, len(read.contributors)),
        labels=labels,
        sides=sides_of(read),
        read_C=read_counts(read),
        left_out=left_out(read),
        notes=(*read.notes, *notes),
    )


def _shown(every: Sequence[Rows]) -> Shown:
    return Shown(
        [text for rows in every for text in rows.prompts],
        [text for rows in every for text in rows.answers],
        [place for rows in every for place in rows.places],
    )


class _Reader:
    """How texts become numbers, and what learns from these.

    Args:
        prompts, answers: of all contributors, from which a small model's tokenizer is made.
        labels: of classes; empty where answers are texts.
    """

    def __init__(self, wanted: Wanted, prompts: Sequence[str], answers: Sequence[str], labels: tuple[str, ...]) -> None:
        settings, form = wanted.settings, TASK_FORMS[wanted.task]
        self._labels, self._task, self._prompts = labels, wanted.task, prompts
        self._model = Model(settings.model, settings.revision, settings.lora) if settings.model else None
        if self._model:
            defaults = DEFAULTS[wanted.task]
            self._length = settings.length or defaults.tuning_length
            self._recipe = settings.recipe(defaults.tuning)
            self._tokenizer, self._pad = self._model.tokenizer(self._length), self._model.pad()
        else:
            self._length = settings.length or LENGTH
            self._recipe = settings.recipe(stepped(RECIPES[form], len(prompts)))
            texts = [*prompts] if labels else [*prompts, *answers]
            fitted = [texts[k] for k in spread(len(texts), FITTED_ROWS)]
            self._tokenizer, self._pad = byte_pair_tokenizer(fitted, ENTRIES[form]), PAD_ID
        self._answer = None if self._model else self._length // 2

    @property
    def about(self) -> str:
        if self._model:
            lora = f" with adapters of rank {self._model.lora}" if self._model.lora else ""
            what = f"{self._model.source}{lora}"
        elif self._labels:
            tokens = f"{len(self._tokenizer):,} byte-pair tokens"
            what = f"small: a bag of {tokens}, whose vectors start from all texts without labels"
        else:
            what = f"small: a {SMALLEST.about().removeprefix('small ')}, which starts from all prompts without answers"
        return f"{what}; {self._length} tokens; {self._recipe.about()}"

    def encoded(self, prompts: Sequence[str], answers: Sequence[str]) -> tuple[dict[str, Array], int]:
        """The learner's columns, and how many responses were too long."""
        if self._labels:
            inputs_NT = encode_prompts(self._tokenizer, self._pad, prompts, self._length)
            return {"inputs": inputs_NT, "targets": numbered(answers, self._labels)}, 0
        found = encode_pairs(self._tokenizer, self._pad, prompts, answers, self._length, self._answer)
        return {"inputs": found[0], "targets": found[1]}, found[2]

    def learner(self, inputs_NT: Ints) -> Callable[[], Learner]:
        """What makes the learner; it is made when it is first needed.

        Args:
            inputs_NT: of all contributors.
        """
        return lambda: self._pretrained(self._model) if self._model else self._small(inputs_NT)

    def _pretrained(self, model: Model) -> Learner:
        from tasks.learners.tuned import language_model, text_classifier

        if self._labels:
            return text_classifier(model, len(self._labels), self._recipe, self._length)
        return language_model(model, self._recipe, self._length)

    def _small(self, inputs_NT: Ints) -> Learner:
        settings: dict[str, Plain] = {"length": self._length}
        vocabulary = len(self._tokenizer)
        if self._labels:
            from tasks.learners.bag import bag_classifier

            distinct_NT = np.unique(inputs_NT, axis=0)  # who repeats itself shall not shape what others start from
            fitted_NT = distinct_NT[spread(len(distinct_NT), FITTED_ROWS)]
            labels = len(self._labels)
            return bag_classifier(fitted_NT, vocabulary, labels, self._recipe, pad=self._pad, settings=settings)
        from tasks.learners import base
        from tasks.learners.fine_tuned import small_language_model

        own = [self._prompts[k] for k in spread(len(self._prompts), FITTED_ROWS)]
        prompts_NT = encode_prompts(self._tokenizer, self._pad, own, self._length)
        targets_NT = np.where(prompts_NT == self._pad, IGNORED, prompts_NT)
        start = base.trained_language_model(
            f"{self._task}, base on what is brought",
            SMALLEST,
            vocabulary,
            self._length + 1,
            prompts_NT,
            targets_NT,
            steps=int(np.clip(BASE_EPOCHS * len(own) / BASE_BATCH, *BASE_STEPS)),
            batch_size=BASE_BATCH,
        )
        return small_language_model(
            start, SMALLEST, vocabulary, self._length + 1, self._recipe, answer=self._answer, settings=settings
        )


def stepped(recipe: Recipe, examples: int) -> Recipe:
    """The recipe with steps enough to see that many examples a few times."""
    steps = int(np.clip(EPOCHS * examples / recipe.batch_size, *STEPS))
    return replace(recipe, steps=steps, checkpoints=6)
