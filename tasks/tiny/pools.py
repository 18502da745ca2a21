"""Rows of the tiny tasks: patterns, bags of words, sums in words, and images of which some are blank."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from harness.types import HELD_OUT, Array, Contributor, Examples, Ints, Pool
from tasks.learners.encoding import IGNORED

CLASSES, SIDE = 3, 4
WORDS, LENGTH = 12, 5
"""Token ids of the texts (0 is padding), and how many a row has."""

CONTRIBUTORS, EACH = 4, 6
VALIDATION, TEST = 30, 40

Columns: TypeAlias = Mapping[str, Array]
Draw: TypeAlias = Callable[[int, np.random.Generator], Columns]


def images(count: int, rng: np.random.Generator) -> Columns:
    """Noisy images 1 x 4 x 4 of three classes that can be told apart."""
    labels_N = rng.integers(0, CLASSES, size=count)
    centres = np.random.default_rng(99).standard_normal((CLASSES, 1, SIDE, SIDE))
    pixels = centres[labels_N] + 0.7 * rng.standard_normal((count, 1, SIDE, SIDE))
    return {"inputs": pixels.astype(np.float32), "targets": labels_N}


def bags(count: int, rng: np.random.Generator) -> Columns:
    """Texts of five words; each of two classes has words that it likes."""
    labels_N = rng.integers(0, 2, size=count)
    liked = 1 + rng.integers(0, (WORDS - 1) // 2, size=(count, LENGTH))
    any_word = rng.integers(1, WORDS, size=(count, LENGTH))
    of_class = liked + (WORDS // 2) * labels_N[:, None]
    return {"inputs": np.where(rng.random((count, LENGTH)) < 0.7, of_class, any_word), "targets": labels_N}


def sums(count: int, rng: np.random.Generator) -> Columns:
    """Two digits, their sum modulo 4, and an end; the last two are to be learnt."""
    first_N, second_N = rng.integers(0, 4, size=count), rng.integers(0, 4, size=count)
    answer_N = 6 + (first_N + second_N) % 4
    end_N = np.full(count, WORDS - 1)
    inputs: Ints = np.stack([1 + first_N, 1 + second_N, answer_N, end_N, np.zeros_like(end_N)], axis=1)
    targets = np.where(np.arange(LENGTH) // 2 == 1, inputs, IGNORED)
    return {"inputs": inputs, "targets": targets}


def pool(task: str, draw: Draw, index: int, contributors: int = CONTRIBUTORS, each: int = EACH) -> Pool:
    """A pool whose contributors bring ``each`` to ``each + 2`` examples, about half of them called synthetic."""
    rng = np.random.default_rng(index)
    sizes_C = each + np.arange(contributors) % 3
    owners_N = np.repeat(np.arange(contributors), sizes_C)
    train = Examples(draw(len(owners_N), rng), owners_N, rng.random(len(owners_N)) < 0.5)
    people = tuple(Contributor(f"c{i}", {"size": int(size)}) for i, size in enumerate(sizes_C))
    validation, test = _held_out(draw, VALIDATION, 1_000 + index), _held_out(draw, TEST, 2_000 + index)
    return Pool(task, index, people, train, validation, test)


def with_blank(dealt: Pool) -> Pool:
    """The same pool, but the last contributor's images are blank and the one before brings what the first does.

    A network without biases gives a blank image the same answer whatever its parameters are, so nothing is learnt from
    one.
    """
    owners_N, last = dealt.train.owners_N, len(dealt.contributors) - 1
    copied = np.flatnonzero(owners_N == 0)
    rows = np.concatenate([np.flatnonzero(owners_N < last - 1), copied, np.flatnonzero(owners_N == last)])
    owners = owners_N[rows]
    owners[(owners_N < last - 1).sum() :][: len(copied)] = last - 1
    inputs = dealt.train.columns["inputs"][rows]
    inputs[owners == last] = 0.0
    columns = {**{name: column[rows] for name, column in dealt.train.columns.items()}, "inputs": inputs}
    train = Examples(columns, owners, dealt.train.real_N[rows])
    return Pool(dealt.task, dealt.index, dealt.contributors, train, dealt.validation, dealt.test)


def _held_out(draw: Draw, count: int, seed: int) -> Examples:
    return Examples(draw(count, np.random.default_rng(seed)), np.full(count, HELD_OUT), np.ones(count, dtype=np.bool_))
