"""The three text tasks on sources: real and synthetic rows from files or a hub, dealt along the axes."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from harness.seeds import stream
from harness.types import Array, Learner, Params, Plain, Pool, Task
from tasks.external.about import about_texts
from tasks.external.definition import TaskDefinition
from tasks.external.prepared import SHARES, PreparedTexts, prepare_texts
from tasks.external.text_materials import PreparedTextMaterials
from tasks.learners.encoding import encode_pairs, encode_prompts, with_label
from tasks.learners.pretrained import Model
from tasks.learners.sizes import SMALLEST, Size
from tasks.learners.tokenizers import PAD_ID, byte_pair_tokenizer
from tasks.pools.dealing import Axes, Dealt, Rows, deal, pool_of
from tasks.pools.drawing import TooFewRows
from tasks.pools.fitting import advised
from tasks.pools.truncation import truncation_caused

VERSION = 3


class TextTask:
    """Deals pools of texts and makes their learner; rows are read when the first is dealt."""

    def __init__(self, definition: TaskDefinition) -> None:
        self.definition = definition
        self.classifies = definition.form == "text-label"
        self.size = Size() if self.classifies else SMALLEST

    def task(self) -> Task:
        definition = self.definition
        return Task(
            name=definition.name,
            version=VERSION,
            summary=definition.summary,
            form=definition.form,
            deal=self.deal,
            learner=self.learner,
            about=about_texts(definition, self.size, self._answer),
            recipe=definition.recipe,
            reads=lambda: [account.sentence() for account in self.prepared.accounts],
        )

    # --- data -----------------------------------------------------------------------------------------

    @cached_property
    def prepared(self) -> PreparedTexts:
        return prepare_texts(self.definition)

    @cached_property
    def labels(self) -> tuple[str, ...] | None:
        """The answers that a classifier distinguishes."""
        return self.prepared.labels

    @cached_property
    def tokenizer(self) -> Any:
        if self.definition.model:
            return self.definition.model.tokenizer(self.definition.length)
        own = self.prepared.splits["generator"]
        texts = [*own["prompts"], *([] if self.classifies else own["answers"])]
        return byte_pair_tokenizer(texts, self.definition.entries)

    @cached_property
    def pad(self) -> int:
        return self.definition.model.pad() if self.definition.model else PAD_ID

    def deal(self, index: int) -> Pool:
        prepared, name, axes = self.prepared, self.definition.name, self.definition.axes
        try:
            dealt = self._dealt(index, axes)
        except TooFewRows as error:
            raise advised(error, axes, index, self._dealt, SHARES["contributors"]) from error
        real = prepared.splits["contributors"]
        train, cut = self._encoded(dealt.rows)
        lost = truncation_caused(real["topics"], dealt.rows["topics"][~dealt.real_N], prepared.topics)
        facts: dict[str, Plain] = {**prepared.facts, **lost}
        if not self.classifies:
            facts["responses_cut"] = cut / len(dealt.owners_N)
        own = prepared.held_out(name, index)
        validation, test = (self._encoded(own[split])[0] for split in ("validation", "test"))
        return pool_of(name, index, dealt, train, validation, test, facts)

    def _dealt(self, index: int, axes: Axes) -> Dealt:
        prepared, name = self.prepared, self.definition.name
        real = prepared.splits["contributors"]
        materials = PreparedTextMaterials(name, real, prepared.synthetic, prepared.topics, self.labels)
        return deal(materials, axes, stream(0, name, "sources", "pool", index))

    def _encoded(self, rows: Rows) -> tuple[dict[str, Array], int]:
        """The learner's columns, and how many responses were too long."""
        length = self.definition.length
        if self.labels:
            labels_N = np.array([self.labels.index(answer) for answer in rows["answers"]], dtype=np.int64)
            inputs_NT = encode_prompts(self.tokenizer, self.pad, rows["prompts"], length)
            return {"inputs": inputs_NT, "targets": labels_N}, 0
        prompts, answers = rows["prompts"], rows["answers"]
        inputs_NT, targets_NT, cut = encode_pairs(self.tokenizer, self.pad, prompts, answers, length, self._answer)
        return {"inputs": inputs_NT, "targets": targets_NT}, cut

    # --- learning -------------------------------------------------------------------------------------

    def learner(self) -> Learner:
        model = self.definition.model
        return self._fine_tuned(model) if model else self._small()

    def _small(self) -> Learner:
        """A small transformer that starts from a base of the generator split."""
        from tasks.learners.fine_tuned import small_classifier, small_language_model

        length, recipe, settings = self.definition.length, self.definition.recipe, {"length": self.definition.length}
        vocabulary = self._vocabulary
        if not self.labels:
            return small_language_model(
                self._base,
                self.size,
                vocabulary,
                length + 1,
                recipe,
                answer=self._answer,
                settings=settings,
                rebase=self._trained_base,
            )
        labels = range(len(self.tokenizer), vocabulary)
        return small_classifier(
            self._base, labels, self.size, vocabulary, length, recipe, settings=settings, rebase=self._trained_base
        )

    @property
    def _answer(self) -> int | None:
        """Most tokens of a response; a pretrained model has whatever the prompt leaves."""
        return None if self.definition.model else self.definition.length // 2

    @property
    def _vocabulary(self) -> int:
        """The tokenizer's entries, and a token for each label."""
        return len(self.tokenizer) + len(self.labels or ())

    @cached_property
    def _base(self) -> Params:
        return self._trained_base(self.size, keep=True)

    def _trained_base(self, size: Size, keep: bool = False) -> Params:
        """A language model trained to answer the generator split.

        A classifier's base names the label right after the text, where a classifier's head looks.
        """
        from tasks.learners import base

        definition = self.definition
        columns, _ = self._encoded(self.prepared.splits["generator"])
        inputs_NT, targets_NT = columns["inputs"], columns["targets"]
        if self.classifies:
            inputs_NT, targets_NT = with_label(inputs_NT, targets_NT, self.pad, len(self.tokenizer))
        name, length = f"{definition.name}, base on sources", definition.length + 1
        return base.trained_language_model(
            name, size, self._vocabulary, length, inputs_NT, targets_NT, steps=definition.base_steps, keep=keep
        )

    def _fine_tuned(self, model: Model) -> Learner:
        from tasks.learners.tuned import language_model, text_classifier

        recipe, length = self.definition.recipe, self.definition.length
        if self.labels:
            return text_classifier(model, len(self.labels), recipe, length)
        return language_model(model, recipe, length)
