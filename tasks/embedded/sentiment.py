"""Sentiment: reviews of a long-tailed grammar, beside reviews that a truncated language model wrote."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from harness.types import Ints, Learner, Params, Pool, Recipe, Task
from tasks.embedded.grammar import SPLITS, HeldOut, Item, WrittenGrammar, describe_held_out, pick, split_texts, zipf
from tasks.embedded.text_generator import TEMPERATURE, TOP_P, TextGenerator
from tasks.embedded.text_pools import PreparedGrammar, deal_texts
from tasks.learners.encoding import encode_prompts, encode_responses
from tasks.learners.sizes import SMALLEST, Size
from tasks.learners.tokenizers import word_tokenizer
from tasks.pools.dealing import Axes, Rows
from tasks.pools.splits import describe_splits

NAME = "sentiment"
VERSION = 2
LABELS = ("negative", "positive")
LENGTH = 10
"""Tokens of the longest review with a habit and an emphasis."""

REAL = 3_000
HELD_OUT_ROWS = {"validation": 300, "test": 800}
AXES = Axes(size=(12, 24), real_share=(0.0, 1.0), noise=(0.0, 0.3), topic_skew=(0.0, 0.8))
RECIPE = Recipe(steps=8, batch_size=128, rate=3.2e-3, optimiser="adamw")
"""Few steps of large batches, as in reasoning. Leave-one-out, pools 103 and 105, 3 seeds: a ceiling of 0.77,
against 0.72 in twice the steps of half the rows at a quarter of the rate."""

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


class Reviews(WrittenGrammar):
    """'the film plot was (not) gripping (but slow)' -> positive or negative; topics are the things reviewed.

    Things, words of judgement and verbs are Zipf-distributed; 'not' turns a word round, and what follows 'but' decides.
    """

    name = NAME
    topics = len(THINGS)
    habits = ("well", "honestly", "so", "overall", "look", "hm", "yes", "anyway")

    def draw(self, rng: np.random.Generator) -> Item:
        topic = zipf(rng, len(THINGS))
        thing = list(THINGS)[topic]
        words = ["the", thing, pick(rng, THINGS[thing]), VERBS[zipf(rng, len(VERBS))]]
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

    def as_written(self, item: Item) -> str:
        return f"{item.answer} {item.prompt}"

    def read(self, text: str) -> Item | None:
        answer, _, prompt = text.partition(" ")
        words = prompt.split()
        things = [word for word in words if word in THINGS]
        if answer not in LABELS or not things or not any(word in POLARITY for word in words):
            return None
        return Item(prompt, answer, list(THINGS).index(things[0]))

    def vary(self, item: Item, rng: np.random.Generator) -> Item:
        words = item.prompt.split()
        places = [k for k, word in enumerate(words) if word in POLARITY]
        words.insert(places[-1], pick(rng, EMPHASIS))
        return replace(item, prompt=" ".join(words))

    def wrong(self, item: Item, rng: np.random.Generator) -> str:
        return LABELS[1 - LABELS.index(item.answer)]

    def deduplication_key(self, item: Item) -> str:
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
def prepared() -> PreparedGrammar:
    """The real texts in splits, and the generator fitted on the first: it writes a label and then a review."""
    grammar = Reviews()
    splits, tokenizer = split_texts(grammar, REAL), word_tokenizer(grammar.words())
    generator = TextGenerator.fit(grammar, splits["generator"], tokenizer, "review", LENGTH + 2)
    return PreparedGrammar(grammar, splits, HeldOut.of(grammar, splits), generator, tokenizer)


def deal_pool(index: int) -> Pool:
    return deal_texts(prepared(), index, AXES, HELD_OUT_ROWS, encode)


def encode(rows: Rows) -> dict[str, Ints]:
    tokenizer = prepared().tokenizer
    labels_N = np.array([LABELS.index(answer) for answer in rows["answers"]], dtype=np.int64)
    return {"inputs": encode_prompts(tokenizer, tokenizer.pad_token_id, rows["prompts"], LENGTH), "targets": labels_N}


def learner() -> Learner:
    """A small transformer classifier, fine-tuned from a language model of reviews and what they mean."""
    from tasks.learners import base
    from tasks.learners.fine_tuned import small_classifier

    tokenizer, vocabulary = prepared().tokenizer, len(prepared().tokenizer)
    # label after review, so that the body knows what is meant
    texts = [f"{item.prompt} {item.answer}" for item in prepared().splits["generator"]]
    inputs, targets = encode_responses(tokenizer, [""] * len(texts), texts, LENGTH + 2)

    def start(size: Size, keep: bool = False) -> Params:
        return base.trained_language_model(
            f"{NAME}, base", size, vocabulary, LENGTH, inputs, targets, steps=BASE_STEPS, keep=keep
        )

    labels = tokenizer.convert_tokens_to_ids(list(LABELS))
    return small_classifier(start(SMALLEST, keep=True), labels, SMALLEST, vocabulary, LENGTH, RECIPE, rebase=start)


def task() -> Task:
    return Task(
        name=NAME,
        version=VERSION,
        summary="Reviews of a long-tailed grammar (real) and of a truncated language model (synthetic).",
        form="text-label",
        deal=deal_pool,
        learner=learner,
        about=ABOUT,
        recipe=RECIPE,
    )


ABOUT = {
    "real": (
        "reviews of a grammar with Zipf-distributed things, judgements and verbs; 'not' turns a judgement round and "
        "what follows 'but' decides; "
        + describe_splits(SPLITS)
        + ", alike in their topics and labels"
        + "; "
        + describe_held_out(HELD_OUT_ROWS)
    ),
    "synthetic": (
        "labels and reviews written by a small language model fitted on the generator split, sampled with top-p "
        f"{TOP_P[0]} to {TOP_P[1]} at temperature {TEMPERATURE[0]} to {TEMPERATURE[1]}"
    ),
    "contributors": AXES.about(),
    "topics": "things reviewed",
    "style": "an opening word that changes nothing",
    "learner": (
        f"{SMALLEST.about()}, fine-tuned from a language model of the generator split's reviews and "
        "labels; its head begins as the embeddings of the labels' words"
    ),
    "recipe": RECIPE.about(),
    "utility": "mean log-likelihood of the label on the test split; accuracy is kept beside it",
}
