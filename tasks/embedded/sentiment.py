"""Sentiment: reviews of a long-tailed grammar, beside reviews that a truncated language model wrote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from harness.types import Ints, Learner, Plain, Pool, Recipe, Task
from tasks.embedded.text_generator import TEMPERATURE, TOP_P, TextGenerator, draw_truncation
from tasks.embedded.text_pool import SPLITS, Grammar, Item, TextMaterials, deal_texts, real_items, zipf
from tasks.learners import base, transformer
from tasks.learners.classifier import Classifier
from tasks.learners.tokens import encode_responses, encode_texts, word_tokenizer
from tasks.pools.dealing import Axes, Rows
from tasks.pools.splits import told

NAME = "sentiment"
VERSION = 1
LABELS = ("negative", "positive")
LENGTH = 10
"""Tokens of the longest review with a habit and an emphasis."""

REAL = 3_000
AXES = Axes(size=(12, 24), real_share=(0.0, 1.0), noise=(0.0, 0.3), topic_skew=(0.0, 0.8))
RECIPE = Recipe(steps=16, batch_size=64, rate=8e-4, optimiser="adamw")
BASE_STEPS = 200

THINGS: dict[str, tuple[str, ...]] = {
    "film": ("plot", "acting"),
    "book": ("story", "prose"),
    "food": ("taste", "portion"),
    "hotel": ("room", "staff"),
    "phone": ("screen", "battery"),
    "concert": ("sound", "band"),
    "car": ("engine", "seat"),
    "game": ("level", "puzzle"),
    "coat": ("fabric", "cut"),
    "course": ("teacher", "material"),
}
"""What is reviewed, head first, and its aspects."""

GOOD = ("good", "great", "lovely", "superb", "pleasing", "splendid", "admirable", "exquisite")
BAD = ("bad", "poor", "awful", "dreadful", "tiresome", "dismal", "wretched", "abysmal")
OWN: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "film": (("gripping", "witty", "moving"), ("slow", "silly", "wooden")),
    "book": (("vivid", "clever", "lyrical"), ("dull", "muddled", "verbose")),
    "food": (("fresh", "tasty", "crisp"), ("bland", "greasy", "stale")),
    "hotel": (("clean", "friendly", "quiet"), ("dirty", "noisy", "rude")),
    "phone": (("fast", "sharp", "sturdy"), ("laggy", "fragile", "dim")),
    "concert": (("rousing", "tight", "warm"), ("shrill", "sloppy", "flat")),
    "car": (("smooth", "roomy", "frugal"), ("rough", "cramped", "thirsty")),
    "game": (("playful", "inventive", "fair"), ("buggy", "repetitive", "unfair")),
    "coat": (("soft", "elegant", "durable"), ("itchy", "baggy", "flimsy")),
    "course": (("lucid", "practical", "inspiring"), ("confusing", "outdated", "rushed")),
}
"""Words of praise and of blame that only one thing gets, head first."""

VERBS = ("was", "seemed", "felt")
EMPHASIS = ("really", "very", "quite")
POLARITY = {
    **dict.fromkeys(GOOD, 1),
    **dict.fromkeys(BAD, 0),
    **{word: side for good, bad in OWN.values() for side, words in ((1, good), (0, bad)) for word in words},
}


class Reviews(Grammar):
    """'the film plot was (not) gripping (but slow)' -> positive or negative; topics are the things reviewed.

    Things, words of judgement and verbs are Zipf-distributed; 'not' turns a word round, and what follows 'but' decides.
    """

    name = NAME
    topics = len(THINGS)
    habits = ("well", "honestly", "so", "overall", "look", "hm", "yes", "anyway")

    def draw(self, rng: np.random.Generator) -> Item:
        topic = zipf(rng, len(THINGS))
        thing = list(THINGS)[topic]
        words = ["the", thing, str(rng.choice(THINGS[thing])), VERBS[zipf(rng, len(VERBS))]]
        if rng.random() < 0.2:
            words += ["not"]
        words += [self._judgement(thing, rng)]
        if rng.random() < 0.2:
            words += ["but", self._judgement(thing, rng)]
        return Item(" ".join(words), _label(words), topic)

    def _judgement(self, thing: str, rng: np.random.Generator) -> str:
        side = int(rng.integers(2))
        words = (GOOD, BAD)[1 - side] if rng.random() < 0.5 else OWN[thing][1 - side]
        return words[zipf(rng, len(words))]

    def read(self, prompt: str, answer: str) -> Item | None:
        words = prompt.split()
        things = [word for word in words if word in THINGS]
        if answer not in LABELS or not things or not any(word in POLARITY for word in words):
            return None
        return Item(prompt, answer, list(THINGS).index(things[0]))

    def vary(self, item: Item, rng: np.random.Generator) -> Item:
        words = item.prompt.split()
        places = [k for k, word in enumerate(words) if word in POLARITY]
        words.insert(places[-1], str(rng.choice(EMPHASIS)))
        return replace(item, prompt=" ".join(words))

    def wrong(self, item: Item, rng: np.random.Generator) -> str:
        return LABELS[1 - LABELS.index(item.answer)]

    def essence(self, item: Item) -> str:
        """The review without its emphasis."""
        return " ".join(word for word in item.prompt.split() if word not in EMPHASIS)

    def stratum(self, item: Item) -> str:
        return f"{item.topic} {item.answer}"

    def symbol(self, item: Item) -> str:
        """The word that decides."""
        return [word for word in item.prompt.split() if word in POLARITY][-1]

    def words(self) -> set[str]:
        aspects = {word for words in THINGS.values() for word in words}
        return {*THINGS, *aspects, *POLARITY, *VERBS, *EMPHASIS, *LABELS, *self.habits, "the", "not", "but", "review"}


def _label(words: list[str]) -> str:
    """The sentiment of what is said last."""
    last = max(k for k, word in enumerate(words) if word in POLARITY)
    turned = words[last - 1] == "not"
    return LABELS[POLARITY[words[last]] ^ turned]


@cache
def sources() -> tuple[dict[str, list[Item]], TextGenerator]:
    """The splits, and the generator fitted on the first: it writes a label and then a review."""
    real, tokenizer = real_items(Reviews(), REAL), word_tokenizer(Reviews().words())
    texts = [f"{item.answer} {item.prompt}" for item in real["generator"]]
    return real, TextGenerator.fit(tokenizer, texts, "review", LENGTH + 2, NAME)


def deal_pool(index: int) -> Pool:
    real, generator = sources()
    grammar = Reviews()

    def sample(count: int, truncation: Mapping[str, Plain], rng: np.random.Generator) -> list[Item]:
        texts = generator.sample_cut(count, truncation, rng)
        pairs = [text.partition(" ")[::2] for text in texts]
        found = [grammar.read(prompt, answer) for answer, prompt in pairs]
        return [item for item in found if item]

    return deal_texts(index, TextMaterials(grammar, real, sample, draw_truncation), AXES, encode)


def encode(rows: Rows) -> dict[str, Ints]:
    tokenizer = sources()[1].tokenizer
    labels = np.array([LABELS.index(answer) for answer in rows["answers"]], dtype=np.int64)
    return {"inputs": encode_texts(tokenizer, rows["prompts"], LENGTH), "targets": labels}


def learner() -> Learner:
    """A small transformer classifier, fine-tuned from a language model of reviews and what they mean.

    Its head begins as that model's embeddings of the labels' words, so no seed starts from a head of its own (as with
    prompts: Schick & Schuetze 2021, EACL).
    """
    real, generator = sources()
    vocabulary = len(generator.tokenizer)
    texts = [f"{item.prompt} {item.answer}" for item in real["generator"]]  # so that the body knows what is meant
    inputs, targets = encode_responses(generator.tokenizer, [""] * len(texts), texts, LENGTH + 2)
    start = base.trained_language_model(
        lambda: transformer.small("language model", vocabulary, LENGTH, size=transformer.SMALLEST),
        inputs,
        targets,
        steps=BASE_STEPS,
        identity={"name": f"{NAME}, base", "vocabulary": vocabulary, "size": str(transformer.SMALLEST)},
    )

    labels = generator.tokenizer.convert_tokens_to_ids(list(LABELS))
    start["inner.score.weight"] = start["inner.model.embed_tokens.weight"][labels].clone()

    def build() -> Any:
        return transformer.small("text classifier", vocabulary, LENGTH, len(LABELS), transformer.SMALLEST)

    return Classifier(
        "small-llama-classifier", build, len(LABELS), RECIPE, settings={"base": base.digest(start)}, base=start
    )


def task() -> Task:
    return Task(
        name=NAME,
        version=VERSION,
        summary="Reviews of a long-tailed grammar (real) and of a truncated language model (synthetic).",
        deal=deal_pool,
        learner=learner,
        about=ABOUT,
    )


ABOUT = {
    "real": (
        "reviews of a grammar with Zipf-distributed things, judgements and verbs; 'not' turns a judgement round and "
        "what follows 'but' decides; " + told(SPLITS) + ", alike in their topics and labels"
    ),
    "synthetic": (
        "labels and reviews written by a small language model fitted on the generator split, sampled with top-p "
        f"{TOP_P[0]} to {TOP_P[1]} at temperature {TEMPERATURE[0]} to {TEMPERATURE[1]}"
    ),
    "contributors": AXES.about(),
    "topics": "things reviewed",
    "style": "an opening word that changes nothing",
    "learner": (
        f"{transformer.SMALLEST.about()}, fine-tuned from a language model of the generator split's reviews and "
        "labels; its head begins as the embeddings of the labels' words"
    ),
    "recipe": RECIPE.about(),
    "utility": "mean log-likelihood of the label on the test split; accuracy is kept beside it",
}
