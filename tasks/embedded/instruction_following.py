"""Instruction following: verifiable operations on letters, skills Zipf-distributed, beside a truncated model's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np

from harness.types import Learner, Pool, Recipe, Task
from tasks.embedded.grammar import SPLITS, HeldOut, Item, WrittenGrammar, describe_held_out, split_texts, zipf
from tasks.embedded.text_generator import TEMPERATURE, TOP_P, TextGenerator
from tasks.embedded.text_learner import encode, language_model
from tasks.embedded.text_pools import PreparedGrammar, deal_texts
from tasks.learners.sizes import SMALLEST
from tasks.learners.tokenizers import word_tokenizer
from tasks.pools.dealing import Axes
from tasks.pools.splits import describe_splits

NAME = "instruction-following"
VERSION = 2
LETTERS = "abcdefgh"
LENGTH = 11
"""Tokens: a habit, the instruction, three letters, ':', at most four letters, the end."""

REAL = 3_000
HELD_OUT_ROWS = {"validation": 300, "test": 800}
AXES = Axes(size=(12, 24), real_share=(0.0, 1.0), noise=(0.0, 0.3), topic_skew=(0.0, 0.8))
RECIPE = Recipe(steps=16, batch_size=64, rate=1.4e-3, optimiser="adamw")
BASE_STEPS = 100

Letters = list[str]
SKILLS: dict[tuple[str, ...], Callable[[Letters], Letters]] = {
    ("copy", "repeat", "echo"): lambda x: x,
    ("reverse", "backwards", "mirror"): lambda x: x[::-1],
    ("first", "head", "initial"): lambda x: x[:1],
    ("last", "tail", "final"): lambda x: x[-1:],
    ("swap", "exchange", "switch"): lambda x: [x[1], x[0], *x[2:]],
    ("rotate", "shift", "cycle"): lambda x: [*x[1:], x[0]],
    ("behead", "chop", "skip"): lambda x: x[1:],
    ("shorten", "trim", "crop"): lambda x: x[:-1],
    ("middle", "centre", "core"): lambda x: x[1:2],
    ("stutter", "double", "twice"): lambda x: [x[0], *x],
}
"""Phrasings of each skill, head first, and what is to be answered; skills, head first."""

_SKILLS = list(SKILLS.items())


class Instructions(WrittenGrammar):
    """'reverse a b c :' -> 'c b a'; topics are the skills, and both skills and phrasings are Zipf-distributed."""

    name = NAME
    topics = len(SKILLS)
    habits = ("please", "now", "kindly", "then", "quickly", "just", "ok", "again")

    def draw(self, rng: np.random.Generator) -> Item:
        topic = zipf(rng, len(SKILLS))
        phrasings, answer = _SKILLS[topic]
        letters = [LETTERS[k] for k in rng.integers(len(LETTERS), size=3)]
        prompt = " ".join([phrasings[zipf(rng, len(phrasings))], *letters, ":"])
        return Item(prompt, " ".join(answer(letters)), topic)

    def as_written(self, item: Item) -> str:
        return f"{item.prompt} {item.answer}"

    def read(self, text: str) -> Item | None:
        instruction, _, answer = text.partition(" : ")
        prompt = f"{instruction} :"
        words = prompt.split()
        skill = next((k for k, phrasings in enumerate(SKILLS) if words and words[0] in phrasings), None)
        letters, response = words[1:-1], answer.split()
        if skill is None or len(letters) != 3 or not 1 <= len(response) <= 4:
            return None
        if not {*letters, *response} <= set(LETTERS):
            return None
        return Item(prompt, answer, skill)

    def vary(self, item: Item, rng: np.random.Generator) -> Item:
        """The same in another phrasing."""
        words = item.prompt.split()
        phrasings = list(SKILLS)[item.topic]
        others = [phrasing for phrasing in phrasings if phrasing != words[0]]
        return replace(item, prompt=" ".join([str(rng.choice(others)), *words[1:]]))

    def wrong(self, item: Item, rng: np.random.Generator) -> str:
        """What another skill would answer, where it differs."""
        letters = item.prompt.split()[-4:-1]
        answers = sorted({" ".join(skill(letters)) for skill in SKILLS.values()} - {item.answer})
        return str(rng.choice(answers or ["a b"]))

    def deduplication_key(self, item: Item) -> str:
        """The skill and its letters, whatever the phrasing."""
        return " ".join([str(item.topic), *item.prompt.split()[-4:-1]])

    def symbol(self, item: Item) -> str:
        return next(word for word in item.prompt.split() if any(word in phrasings for phrasings in SKILLS))

    def words(self) -> set[str]:
        return {*LETTERS, *self.habits, *(word for phrasings in SKILLS for word in phrasings), ":", "task"}


@cache
def prepared() -> PreparedGrammar:
    """The real texts in splits, and the generator fitted on the first: it writes an instruction and its response."""
    grammar = Instructions()
    splits, tokenizer = split_texts(grammar, REAL), word_tokenizer(grammar.words())
    generator = TextGenerator.fit(grammar, splits["generator"], tokenizer, "task", LENGTH + 2)
    return PreparedGrammar(grammar, splits, HeldOut.of(grammar, splits), generator, tokenizer)


def deal_pool(index: int) -> Pool:
    return deal_texts(prepared(), index, AXES, HELD_OUT_ROWS, lambda rows: encode(prepared().tokenizer, rows, LENGTH))


def learner() -> Learner:
    """A small causal language model, fine-tuned from a base of the generator split."""
    return language_model(prepared(), LENGTH, RECIPE, BASE_STEPS)


def task() -> Task:
    return Task(
        name=NAME,
        version=VERSION,
        summary="Operations on letters, skills Zipf-distributed (real), and a truncated language model's (synthetic).",
        form="text-response",
        deal=deal_pool,
        learner=learner,
        about=ABOUT,
        recipe=RECIPE,
    )


ABOUT = {
    "real": (
        f"{len(SKILLS)} verifiable operations on three letters, each in three phrasings, both Zipf-distributed; "
        + describe_splits(SPLITS)
        + ", alike in their skills"
        + "; "
        + describe_held_out(HELD_OUT_ROWS)
    ),
    "synthetic": (
        "instructions and responses written by a small language model fitted on the generator split, sampled with "
        f"top-p {TOP_P[0]} to {TOP_P[1]} at temperature {TEMPERATURE[0]} to {TEMPERATURE[1]}"
    ),
    "contributors": AXES.about(),
    "topics": "skills",
    "style": "an opening word that changes nothing",
    "learner": (
        f"{SMALLEST.about()}, fine-tuned from a base trained on the generator split; loss on the response only"
    ),
    "recipe": RECIPE.about(),
    "utility": "mean log-likelihood of the response on the test split; exact match is kept beside it",
}
