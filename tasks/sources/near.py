"""Which rows are nearly the same: exact Jaccard similarity of word pairs, without comparing every two rows."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from scipy import sparse

from harness.types import Array, Ints
from tasks.sources.table import Table

NEAR = Fraction(7, 10)
"""Two texts are near-duplicates where at least this share of their word pairs is common to both (Jaccard)."""

WORDS = 2
"""Words of a shingle. One changed word of a 13-word sentence leaves 10 of 14 pairs common, just over 0.7."""

BLOCK = 512
"""Rows that are held against all others at once; bounds the memory."""

WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """Rows grouped by equal content, and which groups are near each other.

    Args:
        groups_N: group of each row, numbered in the order in which they first come.
        near: groups x groups, symmetric, with ones where two groups are near or the same.
    """

    groups_N: Ints
    near: sparse.csr_matrix

    def of(self, groups: Ints) -> Ints:
        """Groups near any of these, themselves among them."""
        marked = np.zeros(self.near.shape[0], dtype=np.int32)
        marked[groups] = 1
        return np.flatnonzero(self.near @ marked)


def near_texts(texts: Sequence[str]) -> Neighbours:
    """Texts whose sets of word shingles have a Jaccard similarity of at least NEAR.

    Exact: rarest shingles first, two sets of that similarity must share one of the first n - ceil(NEAR n) + 1
    (prefix filter, Chaudhuri, Ganti & Kaushik 2006); those that do are compared.
    """
    sets = shingles(texts)
    groups_N, first = _groups([row.tobytes() for row in sets])
    sizes = np.array([len(sets[k]) for k in first], dtype=np.int64)
    matrix = _matrix([sets[k] for k in first], sizes)
    found = list(_pairs(matrix, sizes))
    rows, columns = (np.concatenate([pair[axis] for pair in found] or [np.zeros(0, np.int64)]) for axis in (0, 1))
    return Neighbours(groups_N, _symmetric(rows, columns, len(first)))


def same_images(images: Array) -> Neighbours:
    """Images that are equal once pixels are rounded to 256 levels."""
    levels = np.rint(np.asarray(images) * 255).astype(np.uint8)
    shape = str(images.shape[1:]).encode()
    groups_N, first = _groups([shape + level.tobytes() for level in levels])
    nothing = np.zeros(0, dtype=np.int64)
    return Neighbours(groups_N, _symmetric(nothing, nothing, len(first)))


def neighbours(tables: Sequence[Table], whole: bool) -> Neighbours:
    """Neighbours among the rows of all tables, one after the other.

    Args:
        whole: compare questions with their answers; else the questions alone (images have only themselves). A label
            is no part of a text: two reviews of the same words are the same, whatever they are labelled.
    """
    if tables[0].is_text:
        return near_texts([text for table in tables for text in _texts(table, whole)])
    levels = [np.asarray(table.images) for table in tables]
    if len({level.shape[1:] for level in levels}) == 1:
        return same_images(np.concatenate(levels))
    parts = [same_images(level) for level in levels]  # images of different sizes are never the same
    starts = np.cumsum([0, *(part.near.shape[0] for part in parts)])
    groups_N = np.concatenate([part.groups_N + start for part, start in zip(parts, starts, strict=False)])
    nothing = np.zeros(0, dtype=np.int64)
    return Neighbours(groups_N, _symmetric(nothing, nothing, int(starts[-1])))


def normal(text: str) -> str:
    """The text's words in lower case, one space between; the bare text where it has no words."""
    return " ".join(_words(text))


def shingles(texts: Sequence[str]) -> list[Ints]:
    """Each text's set of shingles as sorted numbers; a text of fewer words is one shingle."""
    words = [_words(text) for text in texts]
    lengths = np.array([len(row) for row in words], dtype=np.int64)
    numbers: dict[str, int] = {}
    flat = np.array([numbers.setdefault(word, len(numbers)) for row in words for word in row], dtype=np.int64)
    ids = flat
    for step in range(1, WORDS):  # the numbers of longer and longer shingles, from each position
        ids = np.unique(ids[:-1] * (len(numbers) + 1) + flat[step:], return_inverse=True)[1] if len(ids) else ids
    short: dict[tuple[str, ...], int] = {}
    starts = np.concatenate([[0], np.cumsum(lengths)])
    found = []
    for k, row in enumerate(words):
        if len(row) < WORDS:
            found.append(np.array([-1 - short.setdefault(tuple(row), len(short))], dtype=np.int64))
        else:
            found.append(np.unique(ids[starts[k] : starts[k + 1] - WORDS + 1]))
    return found


def _words(text: str) -> list[str]:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return WORD.findall(folded) or folded.split()


def _texts(table: Table, whole: bool) -> list[str]:
    if not whole or table.source.labels:
        return table.keys
    return [f"{key}\n{answer}" for key, answer in zip(table.keys, table.answers, strict=True)]


def _groups(contents: Sequence[bytes]) -> tuple[Ints, list[int]]:
    """Group of each row, and each group's first row."""
    numbers: dict[bytes, int] = {}
    groups = np.array([numbers.setdefault(content, len(numbers)) for content in contents], dtype=np.int64)
    first = np.unique(groups, return_index=True)[1]
    return groups, first.tolist()


def _matrix(sets: Sequence[Ints], sizes: Ints) -> sparse.csr_matrix:
    """Sets x shingles of ones; columns from the rarest shingle to the most common."""
    flat = np.unique(np.concatenate(sets), return_inverse=True)[1] if len(sets) else np.zeros(0, dtype=np.int64)
    counts = np.bincount(flat)
    rank = np.empty(len(counts), dtype=np.int64)
    rank[np.argsort(counts, kind="stable")] = np.arange(len(counts))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    matrix = sparse.csr_matrix((np.ones(len(flat), np.int32), rank[flat], starts), shape=(len(sets), len(counts)))
    matrix.sort_indices()
    return matrix


def _pairs(matrix: sparse.csr_matrix, sizes: Ints) -> Iterator[tuple[Ints, Ints]]:
    """Pairs i < j of near sets, in blocks of i."""
    lengths = sizes - -(-NEAR.numerator * sizes // NEAR.denominator) + 1
    within = np.arange(matrix.nnz) - np.repeat(matrix.indptr[:-1], sizes)
    kept = within < np.repeat(lengths, sizes)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    prefix = sparse.csr_matrix((matrix.data[kept], matrix.indices[kept], starts), shape=matrix.shape)
    across = prefix.T.tocsr()
    for start in range(0, matrix.shape[0], BLOCK):
        shared = (prefix[start : start + BLOCK] @ across).tocoo()
        i, j = shared.row.astype(np.int64) + start, shared.col.astype(np.int64)
        small, large = np.minimum(sizes[i], sizes[j]), np.maximum(sizes[i], sizes[j])
        likely = (i < j) & (NEAR.denominator * small >= NEAR.numerator * large)
        i, j = i[likely], j[likely]
        for at in range(0, len(i), 64 * BLOCK):
            yield _near_among(matrix, sizes, i[at : at + 64 * BLOCK], j[at : at + 64 * BLOCK])


def _near_among(matrix: sparse.csr_matrix, sizes: Ints, i: Ints, j: Ints) -> tuple[Ints, Ints]:
    """Those of the candidate pairs that are near, by counting what they share."""
    common = np.asarray(matrix[i].multiply(matrix[j]).sum(axis=1), dtype=np.int64).ravel()
    near = NEAR.denominator * common >= NEAR.numerator * (sizes[i] + sizes[j] - common)
    return i[near], j[near]


def _symmetric(i: Ints, j: Ints, count: int) -> sparse.csr_matrix:
    own = np.arange(count)
    rows, columns = np.concatenate([own, i, j]), np.concatenate([own, j, i])
    return sparse.csr_matrix((np.ones(len(rows), np.int32), (rows, columns)), shape=(count, count))
