"""The three text tasks on sources: real and synthetic rows from files or a hub, dealt along the axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from harness.seeds import stream
from harness.types import HELD_OUT, Examples, Ints, Learner, Plain, Pool, Task
from tasks.external.defaults import Asked, told
from tasks.external.prepared import HELD_OUT_ROWS, SHARES, TextStock, text_stock
from tasks.external.text_materials import TextMaterials
from tasks.learners import base, transformer
from tasks.learners.classifier import Classifier
from tasks.learners.language_model import LanguageModel
from tasks.learners.tokenizers import byte_pairs, encode_pairs, encode_prompts, with_label
from tasks.pools.dealing import Rows, deal
from tasks.pools.truncation import truncation_caused

VERSION = 1
TOPICS, FEWEST_TOPICS = 16, 4
"""Topics that rows are sorted into, and the fewest that a truncated contributor's synthetic rows come from."""


class TextTask:
    """Deals pools of texts and makes their learner; rows are read when the first is dealt."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.classifies = asked.name == "sentiment"
        self.size = transformer.Size() if self.classifies else transformer.SMALLEST

    def task(self) -> Task:
        asked = self.asked
        return Task(
            name=asked.name,
            version=VERSION,
            summary=f"{_names(asked.real)} (real) and {_names(asked.synthetic)} (synthetic).",
            deal=self.deal,
            learner=self.learner,
            about=self._about(),
        )

    # --- data -----------------------------------------------------------------------------------------

    @cached_property
    def stock(self) -> TextStock:
        return text_stock(self.asked, TOPICS)

    @cached_property
    def labels(self) -> tuple[str, ...] | None:
        """What answers a classifier tells apart."""
        return self.stock.labels if self.classifies else None

    @cached_property
    def tokenizer(self) -> Any:
        if self.asked.model:
            return self.asked.model.tokenizer(self.asked.length)
        own = self.stock.splits["generator"]
        return byte_pairs([*own.prompts, *([] if self.classifies else own.answers)], self.asked.entries)

    @cached_property
    def pad(self) -> int:
        return self.asked.model.pad() if self.asked.model else transformer.PAD

    def deal(self, index: int) -> Pool:
        stock, name = self.stock, self.asked.name
        keep_ranks = (min(FEWEST_TOPICS, stock.topics), stock.topics)
        materials = TextMaterials(
            name, stock.splits["contributors"], stock.synthetic, stock.topics, keep_ranks, self.labels
        )
        dealt = deal(materials, self.asked.axes, stream(0, name, "sources", "pool", index))
        train, cut = self._encoded(dealt.rows)
        made = dealt.rows["topics"][~dealt.real_N]
        facts: dict[str, Plain] = {**stock.facts, **_truncation(stock, made)}
        if not self.classifies:
            facts["responses_cut"] = cut / len(dealt.owners_N)
        return Pool(
            task=name,
            index=index,
            contributors=dealt.contributors,
            train=Examples(train, dealt.owners_N, dealt.real_N),
            validation=self._held_out("validation"),
            test=self._held_out("test"),
            facts=facts,
        )

    def _held_out(self, split: str) -> Examples:
        texts = self.stock.splits[split]
        columns, _ = self._encoded(texts.rows(np.arange(len(texts))))
        return Examples(columns, np.full(len(texts), HELD_OUT), np.ones(len(texts), dtype=np.bool_))

    def _encoded(self, rows: Rows) -> tuple[dict[str, Ints], int]:
        """The learner's columns, and how many responses were too long."""
        length = self.asked.length
        if self.labels:
            labels = np.array([self.labels.index(answer) for answer in rows["answers"]], dtype=np.int64)
            return {"inputs": encode_prompts(self.tokenizer, self.pad, rows["prompts"], length), "targets": labels}, 0
        prompts, answers = rows["prompts"], rows["answers"]
        inputs, targets, cut = encode_pairs(self.tokenizer, self.pad, prompts, answers, length, self._answer)
        return {"inputs": inputs, "targets": targets}, cut

    # --- learning -------------------------------------------------------------------------------------

    def learner(self) -> Learner:
        return self._fine_tuned() if self.asked.model else self._small()

    def _small(self) -> Learner:
        """A small transformer that starts from a base of the generator split."""
        start, length, labels = self._base, self.asked.length, len(self.labels or ())
        settings: dict[str, Plain] = {"base": base.digest(start), "length": length}
        if not self.classifies:
            recipe, answer = self.asked.recipe, self._answer
            return LanguageModel("small-llama", self._blank, self._vocabulary, recipe, answer, settings, base=start)

        def build() -> Any:
            return transformer.small("text classifier", self._vocabulary, length, labels, self.size)

        return Classifier("small-llama-classifier", build, labels, self.asked.recipe, settings=settings, base=start)

    @property
    def _answer(self) -> int | None:
        """Most tokens of a response; a pretrained model has whatever the prompt leaves."""
        return None if self.asked.model else self.asked.length // 2

    @property
    def _vocabulary(self) -> int:
        """The tokenizer's entries, and a token for each label."""
        return len(self.tokenizer) + len(self.labels or ())

    def _blank(self) -> Any:
        return transformer.small("language model", self._vocabulary, self.asked.length + 1, size=self.size)

    @cached_property
    def _base(self) -> dict[str, Any]:
        """A language model trained to answer the generator split.

        A classifier's base names the label right after the text, where a classifier's head looks; what it knows of the
        labels' tokens becomes the head.
        """
        own = self.stock.splits["generator"]
        columns, _ = self._encoded(own.rows(np.arange(len(own))))
        inputs, targets = columns["inputs"], columns["targets"]
        if self.classifies:
            inputs, targets = with_label(inputs, targets, self.pad, len(self.tokenizer))
        identity: dict[str, Plain] = {
            "name": f"{self.asked.name}, base on sources",
            "vocabulary": self._vocabulary,
            "size": str(self.size),
        }
        start = dict(
            base.trained_language_model(self._blank, inputs, targets, steps=self.asked.base_steps, identity=identity)
        )
        if self.classifies:
            start["inner.score.weight"] = start["inner.model.embed_tokens.weight"][len(self.tokenizer) :].clone()
        return start

    def _fine_tuned(self) -> Learner:
        model, length = self.asked.model, self.asked.length
        assert model is not None
        settings: dict[str, Plain] = {**model.identity(), "length": length}
        if self.labels:
            labels = len(self.labels)
            build = model.build("text classifier", labels)
            learner = Classifier("pretrained-classifier", build, labels, self.asked.recipe, settings=settings)
            learner.stacks = False
            return learner
        vocabulary = int(model.config().vocab_size)
        build = model.build("language model")
        return LanguageModel(
            "pretrained-language-model", build, vocabulary, self.asked.recipe, settings=settings, stacks=False
        )

    # --- words ----------------------------------------------------------------------------------------

    def _about(self) -> Mapping[str, str]:
        asked = self.asked
        held_out = " and ".join(f"{rows} rows of {split}" for split, rows in HELD_OUT_ROWS.items())
        form = f"a {self.size.layers}-layer Llama of width {self.size.hidden}, {asked.entries} byte-pair tokens"
        if asked.model:
            learner = f"{asked.model.source}" + (
                f" with adapters of rank {asked.model.lora}" if asked.model.lora else ""
            )
        elif self.classifies:
            learner = f"{form}, with a new head, its body from a language model of the generator split"
        else:
            learner = f"{form}, fine-tuned from a base trained on the generator split"
        most = f", {self._answer} tokens of it at most" if self._answer else ""
        shares = ", ".join(f"{share:.0%} {split}" for split, share in SHARES.items())
        return {
            "real": f"{told(asked.real)}; four splits by content hash: {shares}; at most {held_out}",
            "synthetic": (
                f"{told(asked.synthetic)}; each contributor's are cut to the {FEWEST_TOPICS} to {TOPICS} most "
                "frequent topics"
            ),
            "contributors": asked.axes.about(),
            "topics": f"{TOPICS} k-means clusters of TF-IDF vectors of prompts, fitted on the generator split",
            "style": "an opening word that changes nothing",
            "noise": "another label" if self.classifies else "the answer of another row",
            "near-duplicates": "a word of the prompt dropped or said twice",
            "learner": f"{learner}; {asked.length} tokens"
            + ("" if self.classifies else f"; loss on the response only{most}; a longer response loses its end"),
            "recipe": asked.recipe.about(),
            "utility": (
                f"mean log-likelihood of the {'label' if self.classifies else 'response'} on the test split; "
                f"{'accuracy' if self.classifies else 'exact match'} is kept beside it"
            ),
        }


def _truncation(stock: TextStock, made_M: Ints) -> dict[str, Plain]:
    """What of the real topics the synthetic rows of a pool lost; nothing can be said where there are none."""
    return truncation_caused(stock.splits["contributors"].topics_N, made_M, stock.topics) if len(made_M) else {}


def _names(sources: Sequence[Any]) -> str:
    return ", ".join(source.name for source in sources)
